//! Model identity: `models/<digest>.json`, written by train before its result record.

use selvedge_plan::{Family, Settings};
use selvedge_store::Digest;
use serde::{Deserialize, Serialize};

/// Everything that tells one model from another. Its canonical JSON's digest names it; it holds neither run nor
/// salt nor world size, so equal trainings are one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// The weights: a safetensors blob.
    pub weights: Digest,
    /// The kind of network.
    pub family: Family,
    /// How it was trained.
    pub settings: Settings,
    /// The data set that it was trained on.
    pub dataset: Digest,
    /// Name of the data set.
    pub dataset_name: String,
    /// Height, width, channels of its input.
    pub input: [usize; 3],
    /// The names of its classes.
    pub classes: Vec<String>,
    /// Trainable parameters.
    pub parameters: u64,
    /// Multiply-adds of one forward pass of one record.
    pub multiply_adds: u64,
    /// The libtorch that trained it.
    pub libtorch: String,
    /// The instruction set that trained it.
    pub instructions: String,
    /// What it must answer before it serves.
    pub golden: GoldenVectors,
}

/// A few records and what the model said of them when it was committed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GoldenVectors {
    /// A safetensors blob: `images` u8 n × height × width × channels, `probabilities` f32 n × classes.
    pub blob: Digest,
    /// How far a probability may be off on another CPU.
    pub tolerance: f64,
}

impl ModelIdentity {
    /// The model's digest.
    pub fn digest(&self) -> Digest {
        Digest::of_json(self)
    }

    /// Where the identity of model `digest` lies.
    pub fn path(digest: &Digest) -> String {
        format!("models/{digest}.json")
    }
}
