//! McNemar's test: do two classifiers differ on the same records, or is it luck?
//!
//! Only the records on which exactly one of them is right say anything. If both were equally good, each such record
//! would be a fair coin. The two-sided exact binomial test (McNemar 1947) holds for few of them but is too timid for
//! many; its mid-p version keeps close to the level and beats both it and the chi-square forms (Fagerland, Lydersen
//! and Laake, "The McNemar test for binary matched-pairs data", BMC Medical Research Methodology 13:91, 2013).

/// Below this many discordant records the exact test is used, from it on the mid-p test. 25 is the customary bound
/// under which approximations are not trusted.
pub const FEW: u64 = 25;

/// The records on which exactly one of two classifiers is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discordant {
    /// Records that only the first has right.
    pub first: u64,
    /// Records that only the second has right.
    pub second: u64,
}

impl Discordant {
    /// Counts them; entry i of both lists says whether record i was classified rightly.
    pub fn count(first: &[bool], second: &[bool]) -> Self {
        let only = |a: &[bool], b: &[bool]| a.iter().zip(b).filter(|(a, b)| **a && !**b).count() as u64;
        Self { first: only(first, second), second: only(second, first) }
    }

    /// How likely a difference at least this large is between equally good classifiers, 0 to 1.
    pub fn p_value(self) -> f64 {
        let (fewer, all) = (self.first.min(self.second), self.first + self.second);
        let point = probability(fewer, all);
        let tail = 2.0 * lower_tail(fewer, all, point);
        if all < FEW { tail.min(1.0) } else { (tail - point).clamp(0.0, 1.0) }
    }
}

/// The chance of exactly `heads` in `tosses` of a fair coin, by logarithms: 2^-tosses alone would underflow.
fn probability(heads: u64, tosses: u64) -> f64 {
    let choose: f64 = (1..=heads).map(|i| ((tosses - heads + i) as f64 / i as f64).ln()).sum();
    (choose - tosses as f64 * std::f64::consts::LN_2).exp()
}

/// The chance of at most `heads`, from `point`, the chance of exactly so many: each term by the one above it.
fn lower_tail(heads: u64, tosses: u64, point: f64) -> f64 {
    let mut term = point;
    let mut sum = point;
    for i in (1..=heads).rev() {
        term *= i as f64 / (tosses - i + 1) as f64;
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn p(first: u64, second: u64) -> f64 {
        Discordant { first, second }.p_value()
    }

    #[test]
    fn few_records_are_tested_exactly() {
        // By hand: 2 * (C(10,0) + C(10,1)) / 2^10.
        assert!((p(1, 9) - 22.0 / 1024.0).abs() < 1e-12);
        assert!((p(0, 5) - 2.0 / 32.0).abs() < 1e-12);
        assert_eq!((p(0, 0), p(4, 4)), (1.0, 1.0));
    }

    #[test]
    fn many_records_are_tested_by_mid_p() {
        // Summed with exact rationals over C(30, k), k to 8 and C(100, k), k to 35, less half of the last term, twice.
        assert!((p(8, 22) - 0.010_673_840_530_216_694).abs() < 1e-12, "{}", p(8, 22));
        assert!((p(35, 65) - 0.002_653_786_057_228_505).abs() < 1e-12, "{}", p(35, 65));
        assert!((p(50, 50) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn thousands_of_records_neither_overflow_nor_vanish() {
        assert!(p(30_000, 30_000) > 0.99);
        assert!(p(20_000, 40_000) < 1e-300);
        assert!((0.03..0.06).contains(&p(5_000, 5_200)), "{}", p(5_000, 5_200));
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter_and_more_difference_is_less_likely(a in 0..400_u64, b in 0..400_u64) {
            prop_assert_eq!(p(a, b), p(b, a));
            prop_assert!((0.0..=1.0).contains(&p(a, b)));
            if b > a && (a + b + 1 != FEW) {
                prop_assert!(p(a, b + 1) <= p(a, b));
            }
        }
    }
}
