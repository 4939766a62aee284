//! Result keys and memo keys.
//!
//! A *result key* is the digest of everything that can change a result; it names the result in the store. A *memo
//! key* is what Argo sees: the result key and the run that produced the stored, verified result; where there is
//! none, the result key and this run. So a hit on lost or damaged data cannot happen, whatever a ConfigMap remembers.

use selvedge_store::Digest;
use serde_json::json;

use crate::Settings;

/// Raised whenever the same input makes ingest produce other batches.
pub const INGEST_REVISION: u32 = 1;
/// Raised whenever the same settings and data make train produce other weights.
pub const TRAIN_REVISION: u32 = 1;
/// Raised whenever evaluate measures differently.
pub const EVALUATE_REVISION: u32 = 1;
/// The libtorch that the suite is built with; part of key and identity.
pub const LIBTORCH: &str = "2.13.0";

/// The result key of an ingest: which source record, cut how.
pub fn ingest(name: &str, source_record: u64, batch_size: usize, classes: &[String], salt: &str) -> Digest {
    Digest::of_json(&json!({
        "stage": "ingest", "revision": INGEST_REVISION, "name": name, "source-record": source_record,
        "batch-size": batch_size, "classes": classes, "salt": salt,
    }))
}

/// The result key of a training: which data, which settings.
pub fn train(manifest: &Digest, settings: &Settings, salt: &str) -> Digest {
    Digest::of_json(&json!({
        "stage": "train", "revision": TRAIN_REVISION, "manifest": manifest, "settings": settings,
        "libtorch": LIBTORCH, "salt": salt,
    }))
}

/// The memo key: `result` and `run`, the run that produced the stored result, or this one.
/// 64 hex digits, a valid Argo memoization key.
pub fn memo(result: &Digest, run: &str) -> Digest {
    Digest::of_json(&json!({"result": result, "run": run}))
}

/// Where the result of `stage` (`ingest` or `train`) under `key` lies.
pub fn result_path(stage: &str, key: &Digest) -> String {
    format!("results/{stage}/{key}.json")
}
