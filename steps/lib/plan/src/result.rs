//! Result records: what a result key produced. Created once, last, when everything they name is in the store.

use std::collections::BTreeMap;

use jiff::Timestamp;
use selvedge_store::{Digest, Log, Store};
use serde::{Deserialize, Serialize};

/// `sources/<name>/<n>.json`: what was ingested. Written by ingest after the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// The record's number, from 1.
    pub number: u64,
    /// The URI that was read.
    pub location: String,
    /// When the content was ingested: the age that the policies speak of.
    pub last_updated: Timestamp,
    /// Training and test records.
    pub record_count: u64,
    /// Digest of `parts`.
    pub content: Digest,
    /// Digest of the decompressed content of each part: `train-images`, `train-labels`, `test-images`, `test-labels`.
    pub parts: BTreeMap<String, Digest>,
    /// What tells a changed file without reading it: part → file name, size, modification time or ETag.
    pub stamps: BTreeMap<String, String>,
    /// The manifest that came of it.
    pub manifest: Digest,
    /// The ingest result key.
    pub key: Digest,
    /// The run that ingested.
    pub run: String,
}

/// The source records of data set `name`, the newest being the one that a source is compared with.
pub fn sources(store: &Store, name: &str) -> Log<SourceRecord> {
    Log::new(store, format!("sources/{name}"))
}

/// `results/ingest/<key>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IngestResult {
    /// The key itself.
    pub key: Digest,
    /// The manifest, a blob.
    pub manifest: Digest,
    /// The run that produced it.
    pub run: String,
}

/// `results/train/<key>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainResult {
    /// The key itself.
    pub key: Digest,
    /// The model: names `models/<digest>.json`.
    pub model: Digest,
    /// The weights blob.
    pub weights: Digest,
    /// The run that produced it.
    pub run: String,
    /// Ranks that trained it; does not change the model.
    pub world: usize,
    /// Optimizer steps, all epochs.
    pub steps: u64,
    /// One entry an epoch.
    pub curves: Vec<EpochCurve>,
}

/// What one epoch of a training showed. Times and counters are of rank 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochCurve {
    /// From 1.
    pub epoch: usize,
    /// Mean training loss.
    pub train_loss: f64,
    /// Mean validation loss.
    pub validation_loss: f64,
    /// Share of validation records classified rightly, 0 to 1.
    pub validation_accuracy: f64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Seconds of the epoch without validation.
    pub seconds: f64,
    /// Seconds spent in all-reduce, waiting for peers included.
    pub all_reduce_seconds: f64,
    /// Batches found in the cache.
    pub cache_hits: u64,
    /// Batches fetched from the store.
    pub cache_misses: u64,
    /// Reads from the store.
    pub store_reads: u64,
}
