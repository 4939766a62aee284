//! Gangs that share processors: the cheaper model should be ready first, so that there is one to serve early.

/// Makes the calling thread, and those that it starts, yield to others the more the more work is before it.
///
/// Each doubling of the work costs 3.5 steps of niceness: with the default recipes dense gets 4, resnet 12 and cnn 18, which
/// is a processor share of about 23 : 4 : 1. The time to the first model is then near that of the cheapest gang alone. On
/// machines of their own gangs are not slowed at all.
pub(crate) fn raise(multiply_adds: f64) {
    let wanted = wanted(multiply_adds);
    // SAFETY: both calls only take numbers; 0 is the calling thread.
    let raised = unsafe {
        let now = libc::getpriority(libc::PRIO_PROCESS, 0);
        wanted <= now || libc::setpriority(libc::PRIO_PROCESS, 0, wanted) == 0
    };
    tracing::debug!(wanted, raised, "niceness");
}

fn wanted(multiply_adds: f64) -> i32 {
    let steps = 3.5 * (multiply_adds.max(1.0).log2() - 35.05);
    (steps.round() as i32).clamp(1, 19)
}

#[cfg(test)]
mod tests {
    use super::wanted;

    #[test]
    fn the_default_recipes_are_apart_and_no_work_is_out_of_range() {
        let epochs = |multiply_adds: f64, epochs: f64| multiply_adds * 55_000.0 * epochs;
        let all = [epochs(234_752.0, 6.0), epochs(2_561_920.0, 3.0), epochs(4_572_288.0, 5.0)];
        assert_eq!(all.map(wanted), [4, 12, 18]);
        assert_eq!([0.0, 1.0, 1e30].map(wanted), [1, 1, 19]);
    }
}
