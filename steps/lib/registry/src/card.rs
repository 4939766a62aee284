//! Cards: what evaluate measured of a model on a data set. `cards/<model>/<dataset>/<revision>.json`.

use std::collections::BTreeMap;

use selvedge_data::Split;
use selvedge_store::Digest;
use serde::{Deserialize, Serialize};

/// The measurement of one model on one data set. It holds no times: latency is in the run's events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// The model.
    pub model: Digest,
    /// The manifest.
    pub dataset: Digest,
    /// [`selvedge_plan::key::EVALUATE_REVISION`].
    pub revision: u32,
    /// Bytes of the weights.
    pub weights_bytes: u64,
    /// Trainable parameters.
    pub parameters: u64,
    /// Multiply-adds of one forward pass of one record.
    pub multiply_adds: u64,
    /// Scores of the validation and the test split.
    pub splits: BTreeMap<Split, SplitScore>,
}

/// How a model does on one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitScore {
    /// Records.
    pub records: u64,
    /// Share classified rightly, 0 to 1.
    pub accuracy: f64,
    /// Mean cross-entropy in nats.
    pub loss: f64,
    /// Expected calibration error over 15 bins of equal width (Guo et al. 2017), 0 to 1.
    pub calibration_error: f64,
    /// One entry a class.
    pub classes: Vec<ClassScore>,
    /// `confusion[truth][predicted]`, counts.
    pub confusion: Vec<Vec<u64>>,
    /// A safetensors blob: `predicted` u8 n, `labels` u8 n, `probabilities` f32 n × classes, in manifest order.
    pub predictions: Digest,
}

/// How a model does on one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// The class.
    pub name: String,
    /// Records of it.
    pub records: u64,
    /// Share of what was called this class that is of it, 0 to 1.
    pub precision: f64,
    /// Share of what is of this class that was called so, 0 to 1.
    pub recall: f64,
}

impl Card {
    /// Where the card of `model` on `dataset` lies.
    pub fn path(model: &Digest, dataset: &Digest, revision: u32) -> String {
        format!("cards/{model}/{dataset}/{revision}.json")
    }
}
