//! Augmentation: what a record looks like in an epoch, a function of (seed, epoch, record) and nothing else.

use selvedge_data::{Random, Shape};
use selvedge_plan::Settings;

/// Tells these random numbers from those of other uses of the same seed.
const STREAM: u64 = 0x6175_676d;

/// How one record is changed in one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Augmentation {
    /// Mirrored left to right.
    flip: bool,
    /// Moved down and to the right by so many pixels; what comes in from outside is 0.
    down: isize,
    right: isize,
}

impl Augmentation {
    /// That of `record` in `epoch`.
    pub(crate) fn of(settings: &Settings, epoch: u64, record: u64) -> Self {
        let mut random = Random::new(&[STREAM, settings.seed, epoch, record]);
        let flip = random.bits() & 1 == 1;
        let mut shift = || {
            let reach = settings.shift as u64;
            random.below(2 * reach + 1) as isize - reach as isize
        };
        let (down, right) = (shift(), shift());
        Self { flip: settings.flip && flip, down, right }
    }

    /// Writes every element of `image` to where it belongs in `out`, as `value` of it; the rest is `value` of 0.
    pub(crate) fn apply(self, shape: Shape, image: &[u8], value: &[f32; 256], out: &mut [f32]) {
        if self == Self::default() {
            for (out, element) in out.iter_mut().zip(image) {
                *out = value[usize::from(*element)];
            }
            return;
        }
        out.fill(value[0]);
        let channels = shape.channels;
        for (from_row, row) in image.chunks_exact(shape.width * channels).enumerate() {
            let Some(to_row) = moved(from_row, self.down, shape.height) else {
                continue;
            };
            for (from, pixel) in row.chunks_exact(channels).enumerate() {
                let from = if self.flip { shape.width - 1 - from } else { from };
                let Some(to) = moved(from, self.right, shape.width) else {
                    continue;
                };
                let begin = (to_row * shape.width + to) * channels;
                for (out, element) in out[begin..begin + channels].iter_mut().zip(pixel) {
                    *out = value[usize::from(*element)];
                }
            }
        }
    }
}

impl Default for Augmentation {
    /// The record as it is.
    fn default() -> Self {
        Self { flip: false, down: 0, right: 0 }
    }
}

fn moved(from: usize, by: isize, length: usize) -> Option<usize> {
    from.checked_add_signed(by).filter(|to| *to < length)
}

#[cfg(test)]
mod tests {
    use selvedge_plan::Family;

    use super::*;

    const SHAPE: Shape = Shape { height: 2, width: 3, channels: 1 };

    fn applied(augmentation: Augmentation) -> Vec<f32> {
        let value = std::array::from_fn(|element| element as f32);
        let mut out = vec![-1.0; 6];
        augmentation.apply(SHAPE, &[1, 2, 3, 4, 5, 6], &value, &mut out);
        out
    }

    #[test]
    fn records_are_mirrored_and_moved() {
        let of = |flip, down, right| Augmentation { flip, down, right };
        assert_eq!(applied(of(false, 0, 0)), [1., 2., 3., 4., 5., 6.]);
        assert_eq!(applied(of(true, 0, 0)), [3., 2., 1., 6., 5., 4.]);
        assert_eq!(applied(of(false, 1, 0)), [0., 0., 0., 1., 2., 3.]);
        assert_eq!(applied(of(false, 0, -1)), [2., 3., 0., 5., 6., 0.]);
        assert_eq!(applied(of(true, -1, 1)), [0., 6., 5., 0., 0., 0.]);
    }

    #[test]
    fn every_change_occurs_and_none_is_beyond_the_settings() {
        let mut settings = Settings::of(Family::Cnn);
        (settings.flip, settings.shift) = (true, 1);
        let all: std::collections::HashSet<_> = (0..1000)
            .map(|record| Augmentation::of(&settings, 3, record))
            .map(|of| (of.flip, of.down, of.right))
            .collect();
        assert_eq!(all.len(), 18);
        assert!(all.iter().all(|(_, down, right)| down.abs() <= 1 && right.abs() <= 1));
    }

    #[test]
    fn nothing_changes_where_settings_ask_for_nothing() {
        let mut settings = Settings::of(Family::Cnn);
        (settings.flip, settings.shift) = (false, 0);
        assert!((0..100).all(|record| Augmentation::of(&settings, 0, record) == Augmentation::default()));
    }

    #[test]
    fn it_is_a_function_of_seed_epoch_and_record() {
        let mut settings = Settings::of(Family::Cnn);
        (settings.flip, settings.shift) = (true, 2);
        let list = |settings: &Settings, epoch| -> Vec<_> {
            (0..64).map(|record| Augmentation::of(settings, epoch, record)).collect()
        };
        assert_eq!(list(&settings, 1), list(&settings, 1));
        assert_ne!(list(&settings, 1), list(&settings, 2));
        let before = list(&settings, 1);
        settings.seed += 1;
        assert_ne!(before, list(&settings, 1));
    }
}
