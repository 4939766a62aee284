//! From predictions to figures.

use selvedge_model::score::{cross_entropy, most_probable};
use selvedge_registry::{ClassScore, Predictions, SplitScore};
use selvedge_store::Digest;

/// Bins of the calibration error: the customary number (Guo et al. 2017).
const BINS: usize = 15;

/// Adds records to `predictions`: `probabilities` is n × classes, `labels` n.
pub(crate) fn add(predictions: &mut Predictions, probabilities: &[f32], labels: &[u8]) {
    let classes = probabilities.len() / labels.len().max(1);
    let called = probabilities.chunks_exact(classes.max(1)).map(|row| most_probable(row) as u8);
    predictions.predicted.extend(called);
    predictions.labels.extend_from_slice(labels);
    predictions.probabilities.extend_from_slice(probabilities);
}

/// The figures of one split, whose predictions are the blob `blob`.
pub(crate) fn split(predictions: &Predictions, classes: &[String], blob: Digest) -> SplitScore {
    let records = predictions.labels.len();
    let confusion = confusion(predictions, classes.len());
    let right: u64 = (0..classes.len()).map(|class| confusion[class][class]).sum();
    SplitScore {
        records: records as u64,
        accuracy: share(right, records as u64),
        loss: loss(predictions, classes.len()),
        calibration_error: calibration_error(predictions, classes.len()),
        classes: classes.iter().enumerate().map(|(class, name)| of_class(&confusion, class, name)).collect(),
        confusion,
        predictions: blob,
    }
}

fn confusion(predictions: &Predictions, classes: usize) -> Vec<Vec<u64>> {
    let mut counts = vec![vec![0; classes]; classes];
    for (label, called) in predictions.labels.iter().zip(&predictions.predicted) {
        counts[usize::from(*label)][usize::from(*called)] += 1;
    }
    counts
}

fn of_class(confusion: &[Vec<u64>], class: usize, name: &str) -> ClassScore {
    let right = confusion[class][class];
    let records = confusion[class].iter().sum();
    let called = confusion.iter().map(|row| row[class]).sum();
    ClassScore {
        name: name.to_owned(),
        records,
        precision: share(right, called),
        recall: share(right, records),
    }
}

fn loss(predictions: &Predictions, classes: usize) -> f64 {
    let rows = predictions.probabilities.chunks_exact(classes).zip(&predictions.labels);
    let sum: f64 = rows.map(|(row, label)| cross_entropy(row[usize::from(*label)])).sum();
    sum / predictions.labels.len().max(1) as f64
}

/// How far confidence and accuracy are apart, over bins of equal width, weighted by the records in them.
fn calibration_error(predictions: &Predictions, classes: usize) -> f64 {
    let mut bins = [(0.0, 0.0); BINS];
    let rows = predictions.probabilities.chunks_exact(classes);
    for ((row, called), label) in rows.zip(&predictions.predicted).zip(&predictions.labels) {
        let confidence = f64::from(row[usize::from(*called)]);
        let bin = ((confidence * BINS as f64) as usize).min(BINS - 1);
        bins[bin].0 += confidence;
        bins[bin].1 += f64::from(u8::from(called == label));
    }
    let apart: f64 = bins.iter().map(|(confidence, right): &(f64, f64)| (confidence - right).abs()).sum();
    apart / predictions.labels.len().max(1) as f64
}

fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(rows: &[(u8, [f32; 2])]) -> SplitScore {
        let mut predictions =
            Predictions { predicted: Vec::new(), labels: Vec::new(), probabilities: Vec::new() };
        for (label, row) in rows {
            add(&mut predictions, row, &[*label]);
        }
        split(&predictions, &["cat".to_owned(), "dog".to_owned()], Digest::of([]))
    }

    #[test]
    fn figures_of_four_records() {
        let score = scored(&[(0, [0.9, 0.1]), (0, [0.2, 0.8]), (1, [0.3, 0.7]), (1, [0.0, 1.0])]);
        assert_eq!((score.records, score.accuracy), (4, 0.75));
        assert_eq!(score.confusion, [[1, 1], [0, 2]]);
        let [cat, dog] = &score.classes[..] else { panic!("two classes") };
        assert_eq!((cat.name.as_str(), cat.records, cat.precision, cat.recall), ("cat", 2, 1.0, 0.5));
        assert_eq!((dog.records, dog.precision, dog.recall), (2, 2.0 / 3.0, 1.0));
        let loss = -(0.9f64.ln() + 0.2f64.ln() + 0.7f64.ln()) / 4.0;
        assert!((score.loss - loss).abs() < 1e-6);
        // Bins of 0.9, 0.8, 0.7 and 1: |0.9 − 1| + |0.8 − 0| + |0.7 − 1| + 0.
        assert!((score.calibration_error - 1.2 / 4.0).abs() < 1e-6);
    }

    #[test]
    fn an_impossible_class_costs_much_but_not_everything() {
        assert!(scored(&[(1, [1.0, 0.0])]).loss.is_finite());
    }

    #[test]
    fn a_class_that_nobody_called_has_no_precision() {
        let score = scored(&[(0, [0.4, 0.6])]);
        assert_eq!((score.classes[0].precision, score.classes[1].recall), (0.0, 0.0));
    }
}
