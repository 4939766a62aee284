//! What a replica asks of a model.

use std::sync::Arc;

use jiff::Timestamp;
use selvedge_data::Shape;
use selvedge_plan::Family;
use selvedge_store::Digest;

/// A network that tells, for every class, how probable it is. It belongs to one thread at a time.
pub trait Predictor: Send {
    /// Probabilities, `records.len() / record bytes` × classes in one row after the other, of `records` (u8, one
    /// after the other).
    ///
    /// # Errors
    /// When the network cannot be run.
    fn probabilities(&mut self, records: &[u8]) -> anyhow::Result<Vec<f32>>;
}

/// What everybody may know of the model that answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Serving {
    /// Names `models/<digest>.json`.
    pub model: Digest,
    /// The generation of the champion log that made it serve.
    pub generation: u64,
    /// The candidate's name.
    pub candidate: String,
    /// The kind of network.
    pub family: Family,
    /// The names of its classes.
    pub classes: Vec<String>,
    /// The form of a record.
    pub shape: Shape,
    /// Share of the validation split classified rightly, 0 to 1, where the model's card is at hand.
    pub accuracy: Option<f64>,
    /// The same of the test split.
    pub test_accuracy: Option<f64>,
    /// When this replica began to serve this generation.
    pub since: Timestamp,
}

/// A model that is ready to answer.
pub struct Loaded {
    /// The network.
    pub network: Box<dyn Predictor>,
    /// What it is.
    pub serving: Arc<Serving>,
}

/// The most probable class of one record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// Index into [`Serving::classes`].
    pub class: usize,
    /// Its probability, 0 to 1.
    pub confidence: f32,
}

impl Loaded {
    /// The predictions of `records`, at most `most` of them in one forward pass.
    ///
    /// # Errors
    /// When the network cannot be run or does not give a finite probability for every class.
    pub fn predict(&mut self, records: &[u8], most: usize) -> anyhow::Result<Vec<Prediction>> {
        let (bytes, classes) = (self.serving.shape.bytes(), self.serving.classes.len());
        let mut predictions = Vec::with_capacity(records.len() / bytes);
        for part in records.chunks(bytes * most) {
            let probabilities = self.network.probabilities(part)?;
            anyhow::ensure!(
                probabilities.len() == part.len() / bytes * classes
                    && probabilities.iter().all(|p| p.is_finite()),
                "model {} gave no probability for every class",
                self.serving.model.short(),
            );
            predictions.extend(probabilities.chunks_exact(classes).map(most_probable));
        }
        Ok(predictions)
    }
}

fn most_probable(row: &[f32]) -> Prediction {
    let first = Prediction { class: 0, confidence: row[0] };
    (1..row.len()).fold(first, |best, class| {
        if row[class] > best.confidence { Prediction { class, confidence: row[class] } } else { best }
    })
}
