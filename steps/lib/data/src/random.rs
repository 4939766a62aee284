//! Random numbers that are the same for ever: what an order or an augmentation was drawn from is part of a model.
//!
//! The generator is SplitMix64 (Steele, Lea, Flood 2014): the state grows by a constant, its mix is the output.
//! Bounded numbers are drawn by multiplication and rejection (Lemire 2019), permutations by Fisher and Yates from
//! the end. No library's unstable algorithms are involved; the tests hold reference values.

/// The golden ratio in 64 bits: SplitMix64's step.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A generator of random numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The generator for a place in a training, for example `[seed, epoch, record]`. Every part changes the state
    /// by a bijection, so places that differ in one part never share a state.
    pub fn new(parts: &[u64]) -> Self {
        Self(parts.iter().fold(0, |state, part| mix((state ^ part).wrapping_add(STEP))))
    }

    /// The generator whose first state is `seed`: SplitMix64 as published.
    pub fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below `bound`, all equally likely; 0 where `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let rejected = if bound == 0 { 0 } else { bound.wrapping_neg() % bound };
        loop {
            let product = u128::from(self.bits()) * u128::from(bound);
            if product as u64 >= rejected {
                return (product >> 64) as u64;
            }
        }
    }

    /// A number from 0 to below 1, a multiple of 2⁻⁵³.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Permutes `items`, all permutations equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

fn mix(state: u64) -> u64 {
    let one = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let two = (one ^ (one >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    two ^ (two >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_published_sequence() {
        let mut random = Random::from_seed(1_234_567);
        let drawn: Vec<_> = (0..3).map(|_| random.bits()).collect();
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn a_permutation_that_must_never_change() {
        let mut items: Vec<u8> = (0..10).collect();
        Random::new(&[1, 2, 3]).shuffle(&mut items);
        assert_eq!(items, [1, 8, 9, 5, 4, 6, 3, 2, 7, 0]);
    }

    #[test]
    fn every_permutation_of_three_is_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        let mut random = Random::from_seed(7);
        for _ in 0..60_000 {
            let mut items = [0, 1, 2];
            random.shuffle(&mut items);
            *counts.entry(items).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
    }

    proptest! {
        #[test]
        fn below_its_bound(seed: u64, bound in 1u64..) {
            prop_assert!(Random::from_seed(seed).below(bound) < bound);
        }
    }
}
