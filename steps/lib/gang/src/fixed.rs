//! Gradients as integers: floating-point sums depend on their order, integer sums do not.
//!
//! A gradient is one flat buffer of tensors, with gaps between them that are left alone. It is cut into chunks of at
//! most [`CHUNK`] elements that do not cross tensors. A chunk's exponent e is the smallest one with |g| < 2^e for every element, over all shards and ranks;
//! values are scaled by 2^(s − e), rounded to the nearest integer, ties to even, and summed as `i32`. The scale s leaves
//! room for V shards: V · 2^s < 2^31, which is s = 28 for V = 6. Everything but the one rounding is exact, so the
//! result has the same bits for any world size and any grouping of shards.

use std::ops::Range;

use crate::kernels;

/// The most elements that share an exponent.
pub const CHUNK: usize = 65_536;

/// The exponent of a chunk of zeros, less than that of the smallest positive number.
const ZERO: i32 = -149;
const INFINITE: u32 = 0x7f80_0000;

/// How the gradients of one network become integers.
#[derive(Debug, Clone)]
pub struct FixedPoint {
    chunks: Vec<Range<usize>>,
    elements: usize,
    scale: i32,
}

/// A gradient holds an infinity or no number at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotFinite;

impl FixedPoint {
    /// For tensors that lie in these ranges of a buffer of `elements`, and sums of at most `shards` gradients.
    ///
    /// # Panics
    /// Where a tensor reaches over the end, or there are no shards, or more than 2^20.
    pub fn new(tensors: impl IntoIterator<Item = Range<usize>>, elements: usize, shards: usize) -> Self {
        assert!((1..=1 << 20).contains(&shards), "{shards} shards");
        let cut = |tensor: Range<usize>| {
            assert!(tensor.end <= elements, "a tensor at {tensor:?} of {elements} elements");
            tensor.clone().step_by(CHUNK).map(move |at| at..(at + CHUNK).min(tensor.end))
        };
        Self {
            chunks: tensors.into_iter().flat_map(cut).collect(),
            elements,
            scale: 30 - shards.ilog2() as i32,
        }
    }

    /// The elements of the buffer.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// The number of exponents: one a chunk.
    pub fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// The exponent of every chunk of `gradient`, each −149 to 128.
    ///
    /// # Errors
    /// [`NotFinite`].
    pub fn exponents(&self, gradient: &[f32]) -> Result<Vec<i32>, NotFinite> {
        self.chunks.iter().map(|chunk| exponent(&gradient[chunk.clone()])).collect()
    }

    /// Adds `gradient`, scaled by `exponents`, which are at least its own.
    pub fn add(&self, gradient: &[f32], exponents: &[i32], sums: &mut [i32]) {
        for (chunk, exponent) in self.chunks.iter().zip(exponents) {
            let factor = power_of_two(self.scale - exponent);
            kernels::add(&gradient[chunk.clone()], factor, &mut sums[chunk.clone()]);
        }
    }

    /// The sums as floating point again; what lies between tensors is not written.
    pub fn total(&self, sums: &[i32], exponents: &[i32], total: &mut [f32]) {
        for (chunk, exponent) in self.chunks.iter().zip(exponents) {
            let factor = power_of_two(exponent - self.scale);
            kernels::scale(&sums[chunk.clone()], factor, &mut total[chunk.clone()]);
        }
    }
}

/// The least e, not below −149, with |v| < 2^e for all values.
fn exponent(values: &[f32]) -> Result<i32, NotFinite> {
    let largest = kernels::largest(values);
    match largest {
        0 => Ok(ZERO),
        INFINITE.. => Err(NotFinite),
        // Subnormal: an integer times 2^-149.
        1..0x0080_0000 => Ok(32 - largest.leading_zeros() as i32 - 149),
        _ => Ok((largest >> 23) as i32 - 126),
    }
}

/// 2^exponent, for exponents of normal numbers.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Finite floats of all sizes: zeros, subnormals and both ends of the range among them.
    fn values(length: usize) -> impl Strategy<Value = Vec<f32>> {
        let anything = any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |v| v.is_finite());
        let usual = (-1.0_f32..1.0).boxed();
        let extreme = prop::sample::select(vec![
            0.0,
            -0.0,
            f32::MAX,
            f32::MIN,
            f32::MIN_POSITIVE,
            1e-45,
            -1e-45,
            1.0,
            -1.0,
        ]);
        prop::collection::vec(prop_oneof![4 => usual, 1 => anything, 1 => extreme], length)
    }

    fn shards() -> impl Strategy<Value = Vec<Vec<f32>>> {
        (1_usize..=9, 1_usize..40).prop_flat_map(|(v, n)| prop::collection::vec(values(n), v))
    }

    fn common(fixed: &FixedPoint, shards: &[Vec<f32>]) -> Vec<i32> {
        let of = |shard: &Vec<f32>| fixed.exponents(shard).unwrap();
        let all: Vec<_> = shards.iter().map(of).collect();
        (0..fixed.chunks()).map(|i| all.iter().map(|e| e[i]).max().unwrap()).collect()
    }

    proptest! {
        #[test]
        fn an_exponent_bounds_tightly(values in values(20)) {
            let e = exponent(&values).unwrap();
            let largest = values.iter().fold(0.0_f64, |m, v| m.max(f64::from(v.abs())));
            prop_assert!(largest < power_of_two(e));
            prop_assert!(largest == 0.0 || largest >= power_of_two(e - 1), "{largest} and {e}");
        }

        #[test]
        fn sums_are_as_exact_as_rounding_allows(shards in shards()) {
            let n = shards[0].len();
            let fixed = FixedPoint::new(std::iter::once(0..n), n, shards.len());
            let exponents = common(&fixed, &shards);
            let (mut sums, mut total) = (vec![0; n], vec![0.0; n]);
            shards.iter().for_each(|shard| fixed.add(shard, &exponents, &mut sums));
            fixed.total(&sums, &exponents, &mut total);
            // Half a unit for every value, and the rounding to f32 of the total.
            let unit = power_of_two(exponents[0] - fixed.scale);
            for i in 0..n {
                let exact: f64 = shards.iter().map(|shard| f64::from(shard[i])).sum();
                let scaled: i64 = shards.iter().map(|s| (f64::from(s[i]) / unit).round_ties_even() as i64).sum();
                prop_assert_eq!(i64::from(sums[i]), scaled, "no sum overflows");
                let found = f64::from(total[i]);
                let allowed = unit * shards.len() as f64 / 2.0 + exact.abs() * 1e-6 + 1e-44;
                if exact.abs() <= f64::from(f32::MAX) {
                    prop_assert!((found - exact).abs() <= allowed, "{found} for {exact}");
                }
            }
        }

        #[test]
        fn grouping_does_not_matter(shards in shards(), cut in 0_usize..9) {
            let n = shards[0].len();
            let fixed = FixedPoint::new(std::iter::once(0..n), n, shards.len());
            let exponents = common(&fixed, &shards);
            let (one, other) = shards.split_at(cut.min(shards.len()));
            let sum = |group: &[&Vec<f32>]| {
                let mut sums = vec![0_i32; n];
                group.iter().for_each(|shard| fixed.add(shard, &exponents, &mut sums));
                sums
            };
            let together = sum(&shards.iter().collect::<Vec<_>>());
            let backwards = sum(&shards.iter().rev().collect::<Vec<_>>());
            let (a, b) = (sum(&one.iter().collect::<Vec<_>>()), sum(&other.iter().collect::<Vec<_>>()));
            let apart: Vec<_> = a.iter().zip(&b).map(|(a, b)| a.wrapping_add(*b)).collect();
            prop_assert_eq!(&together, &apart);
            prop_assert_eq!(together, backwards);
        }
    }

    #[test]
    fn one_value_that_is_not_finite_is_found_in_any_chunk() {
        let fixed = FixedPoint::new([0..10, 16..CHUNK + 19], CHUNK + 32, 6);
        assert_eq!(fixed.chunks(), 3);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in [0, 9, 16, CHUNK + 18] {
                let mut gradient = vec![1.0; fixed.elements()];
                gradient[at] = bad;
                assert_eq!(fixed.exponents(&gradient), Err(NotFinite), "{bad} at {at}");
            }
        }
    }

    #[test]
    fn the_headroom_is_that_of_the_measured_recipe() {
        let scale = |shards| FixedPoint::new(std::iter::once(0..1), 1, shards).scale;
        assert_eq!([1, 2, 3, 4, 6, 7, 8].map(scale), [30, 29, 29, 28, 28, 28, 27]);
    }

    #[test]
    fn a_tensor_of_zeros_stays_zero() {
        let fixed = FixedPoint::new(std::iter::once(0..3), 3, 6);
        let exponents = fixed.exponents(&[0.0, -0.0, 0.0]).unwrap();
        let (mut sums, mut total) = (vec![0; 3], vec![1.0; 3]);
        fixed.add(&[0.0, -0.0, 0.0], &exponents, &mut sums);
        fixed.total(&sums, &exponents, &mut total);
        assert!(total.iter().all(|value: &f32| value.to_bits() == 0));
    }
}
