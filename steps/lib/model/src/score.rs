//! How well answers fit the labels.

use anyhow::ensure;

/// Counts over records answered so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Score {
    /// Records.
    pub records: u64,
    /// Those whose most probable class is their label.
    pub correct: u64,
    /// Sum of their cross-entropies, in nats.
    pub loss_sum: f64,
}

impl Score {
    /// Adds records: `probabilities` is n × classes, `labels` n.
    ///
    /// # Errors
    /// When the two do not go together.
    pub fn add(&mut self, probabilities: &[f32], labels: &[u8], classes: usize) -> anyhow::Result<()> {
        ensure!(
            probabilities.len() == labels.len() * classes,
            "{} probabilities are not {} × {classes}",
            probabilities.len(),
            labels.len()
        );
        for (row, label) in probabilities.chunks_exact(classes).zip(labels) {
            let label = usize::from(*label);
            ensure!(label < classes, "label {label} of {classes} classes");
            self.records += 1;
            self.correct += u64::from(most_probable(row) == label);
            self.loss_sum += cross_entropy(row[label]);
        }
        Ok(())
    }

    /// Share classified rightly, 0 to 1; 0 of nothing.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.records.max(1) as f64
    }

    /// Mean cross-entropy in nats; 0 of nothing.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.records.max(1) as f64
    }
}

/// The index of the largest number; the first of equals.
pub fn most_probable(row: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = index;
        }
    }
    best
}

/// What a record costs whose label got this probability, in nats: finite even where the probability underflowed to 0.
pub fn cross_entropy(probability: f32) -> f64 {
    -f64::from(probability.max(f32::MIN_POSITIVE)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_and_wrong_answers_are_counted() {
        let mut score = Score::default();
        score.add(&[0.75, 0.25, 0.5, 0.5], &[0, 1], 2).unwrap();
        score.add(&[0.0, 1.0], &[0], 2).unwrap();
        assert_eq!((score.records, score.correct), (3, 1));
        assert!((score.accuracy() - 1.0 / 3.0).abs() < 1e-12 && score.loss().is_finite());
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let mut score = Score::default();
        assert!(score.add(&[0.5; 3], &[0, 1], 2).is_err());
        assert!(score.add(&[0.5; 2], &[2], 2).is_err());
    }
}
