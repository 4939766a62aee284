//! Consistent hashing: names as many points on a ring, a key belongs to the next point.

/// Points of a name on the ring: the shares of three names differ by some ten percent.
const POINTS: u64 = 128;

/// Names on a ring. The same names give the same ring in every balancer, in any order.
#[derive(Debug, Clone, Default)]
pub struct Ring {
    /// Sorted by hash; the second is the name's index as given to [`Ring::new`].
    points: Vec<(u64, usize)>,
}

impl Ring {
    /// A ring of these names.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let points_of = |(index, name): (usize, &'a str)| {
            let seed = hash(name.as_bytes());
            (0..POINTS).map(move |point| (mix(seed ^ mix(point)), index))
        };
        let mut points: Vec<_> = names.into_iter().enumerate().flat_map(points_of).collect();
        points.sort_unstable();
        Self { points }
    }

    /// The names' indices, as they are met from `key` on; each comes many times.
    pub fn from(&self, key: u64) -> impl Iterator<Item = usize> {
        let start = self.points.partition_point(|(hash, _)| *hash < key);
        let (before, after) = self.points.split_at(start);
        after.iter().chain(before).map(|(_, index)| *index)
    }
}

/// A hash that is the same in every process and release: FNV-1a, then mixed so that all bits count.
pub fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(fnv)
}

/// The finalizer of SplitMix64.
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["serve-0", "serve-1", "serve-2", "serve-3"];

    fn owner(ring: &Ring, key: u64) -> usize {
        ring.from(hash(&key.to_le_bytes())).next().unwrap()
    }

    #[test]
    fn shares_are_near_each_other() {
        let ring = Ring::new(NAMES);
        let mut counts = [0; 4];
        (0..40_000).for_each(|key| counts[owner(&ring, key)] += 1);
        assert!(counts.iter().all(|count| (7_500..12_500).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_name_that_leaves_moves_only_its_own_keys() {
        let (all, fewer) = (Ring::new(NAMES), Ring::new(NAMES[..3].iter().copied()));
        for key in 0..10_000 {
            let before = owner(&all, key);
            assert!(before == 3 || before == owner(&fewer, key), "key {key}");
        }
    }

    #[test]
    fn the_order_of_names_does_not_matter() {
        let (one, other) = (Ring::new(["a", "b", "c"]), Ring::new(["c", "a", "b"]));
        for key in 0..1_000 {
            assert_eq!(["a", "b", "c"][owner(&one, key)], ["c", "a", "b"][owner(&other, key)]);
        }
    }

    #[test]
    fn a_walk_meets_everybody_and_ends() {
        let ring = Ring::new(NAMES);
        let walk: Vec<_> = ring.from(u64::MAX).collect();
        assert_eq!(walk.len(), 4 * POINTS as usize);
        assert!((0..4).all(|index| walk.contains(&index)));
        assert_eq!(Ring::default().from(7).next(), None);
    }
}
