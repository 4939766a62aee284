//! The manifest: what a data set consists of. Its digest is the data set's identity.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use selvedge_store::{Digest, Store};
use serde::{Deserialize, Serialize};

/// A data set as ingested. It holds neither locations nor times: the same content has the same digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The data set's name, for example `fashion-mnist`.
    pub name: String,
    /// The form of one record.
    pub shape: Shape,
    /// The names of the classes; a label is an index into them.
    pub classes: Vec<String>,
    /// Records in a batch; the last batch of a split may hold fewer.
    pub batch_size: usize,
    /// Digest of the decompressed source content.
    pub source: Digest,
    /// The batches of every split.
    pub splits: BTreeMap<Split, SplitEntry>,
}

/// Rows, columns and channels of one record; one byte an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels: 1 is grey, 3 is colour.
    pub channels: usize,
}

/// What a record is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Trained on.
    Train,
    /// Models are chosen on it.
    Validation,
    /// Reported, never chosen on.
    Test,
}

/// The batches of one split, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SplitEntry {
    /// Records in all batches.
    pub records: usize,
    /// The batches.
    pub batches: Vec<BatchEntry>,
}

/// One batch: a safetensors blob with `images` (u8, n × height × width × channels) and `labels` (u8, n).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchEntry {
    /// The blob.
    pub digest: Digest,
    /// Records in it.
    pub records: usize,
}

impl Shape {
    /// Bytes of one record.
    pub fn bytes(&self) -> usize {
        self.height * self.width * self.channels
    }
}

impl Split {
    /// All splits.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];
}

impl Manifest {
    /// The data set's digest: that of its canonical JSON, which is also the blob that holds it.
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_bytes())
    }

    /// Canonical JSON: members sorted, no white space.
    ///
    /// # Panics
    /// Never: a manifest is representable as JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_value(self).expect("a manifest is JSON").to_string().into_bytes()
    }

    /// Reads the manifest of data set `digest`.
    ///
    /// # Errors
    /// As [`Store::blob`], and when the blob is no manifest or does not agree with itself.
    pub async fn read(store: &Store, digest: &Digest) -> anyhow::Result<Self> {
        let bytes = store.blob(digest).await?;
        Self::parse(&bytes).with_context(|| format!("manifest {digest}"))
    }

    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let manifest: Self = serde_json::from_slice(bytes)?;
        for (split, entry) in &manifest.splits {
            let sum: usize = entry.batches.iter().map(|batch| batch.records).sum();
            ensure!(
                sum == entry.records,
                "{split:?} has {sum} records in its batches, not {}",
                entry.records
            );
        }
        Ok(manifest)
    }

    /// The batches of a split; none where the split is empty.
    pub fn batches(&self, split: Split) -> &[BatchEntry] {
        self.splits.get(&split).map_or(&[], |entry| &entry.batches)
    }

    /// The number of records in a split.
    pub fn records(&self, split: Split) -> usize {
        self.splits.get(&split).map_or(0, |entry| entry.records)
    }
}
