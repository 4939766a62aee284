//! Which training records are for validation: those whose pixels' sha256 falls in a fixed twelfth.
//!
//! Membership never changes when data grows or labels do, and equal images never lie on both sides.

use selvedge_store::Digest;

use crate::Split;

/// One record in so many is for validation.
pub const PARTS: u64 = 12;

/// The split of a training record: [`Split::Validation`] or [`Split::Train`].
pub fn split_of(image: &[u8]) -> Split {
    let digest = Digest::of(image);
    let first = digest.bytes().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
    if first % PARTS == 0 { Split::Validation } else { Split::Train }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twelfth_and_the_same_one_for_ever() {
        let members: Vec<_> =
            (0..60_000u32).filter(|i| split_of(&i.to_le_bytes()) == Split::Validation).collect();
        assert_eq!((members.len(), &members[..5]), (5071, &[15, 16, 18, 30, 38][..]));
    }
}
