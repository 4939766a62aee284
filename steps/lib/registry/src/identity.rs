//! Model identity: `models/<digest>.json`, written by train before its result record.

use anyhow::{Context, ensure};
use selvedge_plan::{Family, Settings};
use selvedge_store::{Digest, Store};
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

    /// The identity of model `digest`, verified to be that model's.
    ///
    /// # Errors
    /// Of the store, and when the record is missing or another model's.
    pub async fn read(store: &Store, digest: &Digest) -> anyhow::Result<Self> {
        let path = Self::path(digest);
        let identity: Self = store.expect_record(&path).await?;
        let found = identity.digest();
        ensure!(found == *digest, "record {path} is corrupt: it describes model {found}");
        Ok(identity)
    }

    /// Reads the blobs that the model consists of, to see that they are whole.
    ///
    /// # Errors
    /// Of the store, naming the blob and what it is.
    pub async fn verify(&self, store: &Store) -> anyhow::Result<()> {
        store.verify_blob(&self.weights).await.context("weights")?;
        store.verify_blob(&self.golden.blob).await.context("golden vectors")
    }

    /// What makes the answers of two models not comparable, if anything does: the form of their input or their classes.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.input != other.input {
            return Some(format!("its input is {:?}, not {:?}", self.input, other.input));
        }
        (self.classes != other.classes)
            .then(|| format!("its classes are {:?}, not {:?}", self.classes, other.classes))
    }
}
