//! CPU instruction sets. Kernels of another set round differently, so the set is part of every training key.

/// The sets that `instructions` can name, the widest first; `default` is plain x86-64.
pub const NAMES: [&str; 3] = ["avx512", "avx2", "default"];

/// The widest set of [`NAMES`] that this CPU has: what `auto` is settled to.
pub fn detect() -> &'static str {
    NAMES.into_iter().find(|name| available(name)).unwrap_or("default")
}

/// Whether this CPU has the set `name`, with all of the extensions that libtorch asks for under that name.
pub fn available(name: &str) -> bool {
    match name {
        "avx512" => has_avx2() && has_avx512(),
        "avx2" => has_avx2(),
        "default" => true,
        _ => false,
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx512() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_detected_is_available_and_nothing_wider_is() {
        let widest = detect();
        assert!(available(widest));
        assert!(NAMES.into_iter().take_while(|name| *name != widest).all(|name| !available(name)));
    }

    #[test]
    fn an_unknown_set_is_not_available() {
        assert!(!available("auto") && !available("AVX2") && !available(""));
    }
}
