//! Memoization: what Argo keeps in a ConfigMap, as records in the store, `memo/<cache>/<key>.json`.
//!
//! An entry says only that a template succeeded under a key once; what it produced lies in the store by its result
//! key, and fingerprint gives no key to a result that it has not verified.

use jiff::Timestamp;
use selvedge_store::Store;
use serde::{Deserialize, Serialize};

/// The entries of a store.
#[derive(Debug, Clone)]
pub struct Memos(Store);

/// A template that succeeded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Memo {
    /// The run in which it did.
    pub run: String,
    /// The node that did.
    pub node: String,
    /// When.
    pub created: Timestamp,
}

impl Memos {
    /// The entries of `store`.
    pub fn new(store: &Store) -> Self {
        Self(store.clone())
    }

    /// What succeeded under `key`, if anything did.
    ///
    /// # Errors
    /// For a key that Argo would not have, and as [`Store::record`].
    pub async fn find(&self, cache: &str, key: &str) -> anyhow::Result<Option<Memo>> {
        Ok(self.0.record(&path(cache, key)?).await?)
    }

    /// Remembers a success.
    ///
    /// # Errors
    /// As [`Memos::find`] and [`Store::create_record`].
    pub async fn keep(&self, cache: &str, key: &str, run: &str, node: &str) -> anyhow::Result<()> {
        let memo = Memo { run: run.to_owned(), node: node.to_owned(), created: Timestamp::now() };
        self.0.create_record(&path(cache, key)?, &memo).await?;
        Ok(())
    }
}

fn path(cache: &str, key: &str) -> anyhow::Result<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if key.is_empty() || key.starts_with('-') || !key.chars().all(allowed) {
        anyhow::bail!("invalid cache key {key:?}: letters, digits and dashes only");
    }
    Ok(format!("memo/{cache}/{key}.json"))
}
