//! A model between epochs: its BatchNorm statistics, and how it does on the validation split.

use selvedge_gang::Gang;
use selvedge_model::{Classifier, Score, Trainer};

use crate::feed::Feed;

/// Records that BatchNorm is calibrated on: the first of the training split.
const CALIBRATION: usize = 2_000;

/// A calibrated model and its score.
#[derive(Debug)]
pub(crate) struct Assessment {
    /// The weights file.
    pub(crate) weights: Vec<u8>,
    pub(crate) classifier: Classifier,
    pub(crate) validation: Score,
}

/// Calibrates and validates. The validation batches are spread over the ranks, and their scores added in the batches' order,
/// so that every world size finds the same.
pub(crate) fn assess(trainer: &Trainer, feed: &Feed, gang: &mut Gang) -> anyhow::Result<Assessment> {
    let statistics = trainer.calibrate(&feed.first_images(CALIBRATION)?)?;
    let weights = trainer.weights(&statistics)?;
    let classifier = Classifier::load(trainer.network(), &weights)?;
    let batches = feed.validation();
    let (mut correct, mut losses) = (vec![0.0; batches.len()], vec![0.0; batches.len()]);
    for number in (gang.rank()..batches.len()).step_by(gang.world()) {
        let batch = feed.get(&batches[number])?;
        let mut score = Score::default();
        score.add(&classifier.probabilities(&batch.images)?, &batch.labels, trainer.network().classes())?;
        correct[number] = score.correct as f64;
        losses[number] = score.loss_sum;
    }
    gang.complete(&mut correct)?;
    gang.complete(&mut losses)?;
    let validation = Score {
        records: batches.iter().map(|batch| batch.records as u64).sum(),
        correct: correct.iter().sum::<f64>() as u64,
        loss_sum: losses.iter().sum(),
    };
    Ok(Assessment { weights, classifier, validation })
}
