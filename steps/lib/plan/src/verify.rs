//! Whether a stored result is whole: its record, and every blob that it names, read and hashed.

use futures::{StreamExt, TryStreamExt};
use selvedge_data::{Manifest, Split};
use selvedge_store::{Digest, Error, Store};

use crate::{IngestResult, key};

/// Blobs that are read at once: what bounds the memory of a verification.
const AT_ONCE: usize = 8;

/// Why there is nothing to reuse where nothing was ever made.
pub const NO_RESULT: &str = "no result";

/// What a look at a stored result found.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored<T> {
    /// The result and everything it names.
    Whole(T),
    /// Nothing, or not all of it: why, in words that follow `run: `.
    Lost(String),
}

/// The result of an ingest, if manifest and batches are in the store and as they were written.
///
/// # Errors
/// When the store does not answer.
pub async fn ingest(store: &Store, key: &Digest) -> anyhow::Result<Stored<(IngestResult, Manifest)>> {
    match whole_ingest(store, key).await {
        Ok(Some(found)) => Ok(Stored::Whole(found)),
        Ok(None) => Ok(Stored::Lost(NO_RESULT.to_owned())),
        Err(error) => Ok(Stored::Lost(lost(error)?)),
    }
}

async fn whole_ingest(store: &Store, key: &Digest) -> anyhow::Result<Option<(IngestResult, Manifest)>> {
    let Some(result) = store.record::<IngestResult>(&key::result_path("ingest", key)).await? else {
        return Ok(None);
    };
    let manifest = Manifest::read(store, &result.manifest).await?;
    let batches = Split::ALL.into_iter().flat_map(|split| manifest.batches(split));
    blobs(store, batches.map(|batch| batch.digest)).await?;
    Ok(Some((result, manifest)))
}

/// Reads and hashes blobs, a few at once.
///
/// # Errors
/// As [`Store::verify_blob`], for the first that fails.
pub async fn blobs(store: &Store, digests: impl IntoIterator<Item = Digest>) -> Result<(), Error> {
    let checks = digests.into_iter().map(|digest| async move { store.verify_blob(&digest).await });
    futures::stream::iter(checks).buffer_unordered(AT_ONCE).try_collect().await
}

/// Why a result has to be made again, where that is what `error` says.
///
/// # Errors
/// `error` itself, when it is about something else.
pub fn lost(error: anyhow::Error) -> anyhow::Result<String> {
    match error.downcast_ref::<Error>() {
        Some(Error::Missing(digest)) => Ok(format!("blob {}… is gone", digest.short())),
        Some(Error::Corrupt { expected, .. }) => Ok(format!("blob {}… is corrupt", expected.short())),
        Some(error @ (Error::Record { .. } | Error::NoRecord(_))) => Ok(error.to_string()),
        _ => Err(error),
    }
}
