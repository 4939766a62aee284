//! The three loops over gradients, each compiled twice: for any x86-64, and for AVX2 where the processor has it. Both
//! do the same correctly rounded operations on every element, so they give the same bits.
//!
//! The loops are written for the vectoriser: no branches, no calls. Rounding to an integer adds 1.5 · 2^52, which puts
//! the integer, ties to even, into the low bits of the float (any |x| < 2^51).

const MAGIC: f64 = 6_755_399_441_055_744.0;

macro_rules! twice {
    ($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block) => {
        $(#[$doc])*
        pub(crate) fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn body($($argument: $type),*) $(-> $result)? $body

            #[target_feature(enable = "avx2")]
            fn avx2($($argument: $type),*) $(-> $result)? {
                body($($argument),*)
            }

            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has AVX2, as was just asked.
                unsafe { avx2($($argument),*) }
            } else {
                body($($argument),*)
            }
        }
    };
}

twice! {
    /// The bits of the largest magnitude among `values`; those of an infinity or more where one is not finite. The bits
    /// of floats without their signs are ordered as the floats are.
    largest(values: &[f32]) -> u32 {
        let mut largest = 0;
        for value in values {
            largest = largest.max((value.to_bits() & 0x7fff_ffff) as i32);
        }
        largest as u32
    }
}

twice! {
    /// Adds `values`, scaled by `factor` and rounded, to `sums`.
    add(values: &[f32], factor: f64, sums: &mut [i32]) {
        for (sum, value) in sums.iter_mut().zip(values) {
            let rounded = f64::from(*value) * factor + MAGIC;
            *sum = sum.wrapping_add(rounded.to_bits() as i32);
        }
    }
}

twice! {
    /// Writes `sums`, scaled by `factor`, to `scaled`.
    scale(sums: &[i32], factor: f64, scaled: &mut [f32]) {
        for (scaled, sum) in scaled.iter_mut().zip(sums) {
            *scaled = (f64::from(*sum) * factor) as f32;
        }
    }
}
