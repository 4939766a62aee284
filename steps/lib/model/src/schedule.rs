//! The learning rate over the steps of a training.

use selvedge_plan::Settings;

/// The learning rate of `step` (from 0) of `steps`: up linearly over the share `warm_up`, then down linearly towards
/// 0, which the step after the last would have.
pub fn learning_rate(settings: &Settings, step: u64, steps: u64) -> f64 {
    let peak = ((settings.warm_up * steps as f64).round() as u64).clamp(1, steps.max(1));
    let share = if step < peak {
        (step + 1) as f64 / peak as f64
    } else {
        steps.saturating_sub(step) as f64 / (steps - peak + 1) as f64
    };
    settings.learning_rate * share
}

#[cfg(test)]
mod tests {
    use selvedge_plan::Family;

    use super::*;

    #[test]
    fn it_rises_to_the_peak_and_falls_to_nothing() {
        let settings = Settings { learning_rate: 0.1, ..Settings::of(Family::Dense) };
        let rates: Vec<_> = (0..=10).map(|step| learning_rate(&settings, step, 10)).collect();
        assert!((rates[0] - 0.05).abs() < 1e-12 && (rates[1] - 0.1).abs() < 1e-12);
        assert!(rates[1..].windows(2).all(|pair| pair[0] > pair[1]));
        assert_eq!(rates[10], 0.0);
    }

    #[test]
    fn one_step_and_none_are_no_trouble() {
        let settings = Settings { learning_rate: 0.1, ..Settings::of(Family::Dense) };
        assert_eq!(learning_rate(&settings, 0, 1), 0.1);
        assert!(learning_rate(&settings, 0, 0).is_finite());
    }
}
