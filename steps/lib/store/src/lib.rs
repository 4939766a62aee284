//! The one place where everything that outlives a process is kept: MinIO, S3, or a folder.
//!
//! * [`Store`]: objects by path, created once; JSON records.
//! * [`blob`]: immutable bytes by their digest, verified on every read.
//! * [`log`]: append-only, numbered records, followed by GET of n + 1.
//! * [`digest`]: sha256 in hex, the name of everything.
//! * [`elsewhere`]: places that are only read: source files.
//!
//! Publishing is `PutMode::Create`, the one conditional write that every kind of store has: an object is created
//! or was there already, and nobody ever overwrites a result.

mod answer;
pub mod blob;
pub mod digest;
pub mod elsewhere;
pub mod error;
pub mod log;
mod open;
mod patience;
mod records;
mod s3;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{DynObjectStore, ObjectStoreExt, PutMode, PutOptions};
use patience::{NoAnswer, Patience};

pub use digest::{Digest, Hasher};
pub use elsewhere::Elsewhere;
pub use error::Error;
pub use log::Log;
pub use open::{Secret, StoreOptions};

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An open store. Clones share connections and counters.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<DynObjectStore>,
    prefix: Path,
    uri: Arc<str>,
    /// Who answers, for messages.
    server: Arc<str>,
    patience: Patience,
    counters: Arc<Counters>,
}

/// What this process asked of the store.
#[derive(Debug, Default)]
pub struct Counters {
    reads: AtomicU64,
    read_bytes: AtomicU64,
    writes: AtomicU64,
}

/// What became of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The object is this caller's.
    New,
    /// There was one already; it was left as it is.
    Existed,
}

impl Store {
    /// The bytes at `path`, or `None` where there is no such object.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn get(&self, path: &str) -> Result<Option<Bytes>> {
        self.counters.reads.fetch_add(1, Ordering::Relaxed);
        let at = &self.path(path);
        // A body that breaks off is read again from its beginning.
        let bytes = self.find(path, || async move { self.inner.get(at).await?.bytes().await }).await?;
        let read = bytes.as_ref().map_or(0, Bytes::len);
        self.counters.read_bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(bytes)
    }

    /// The size in bytes of the object at `path`, or `None`; nothing is read.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn size(&self, path: &str) -> Result<Option<u64>> {
        let at = &self.path(path);
        Ok(self.find(path, || async move { self.inner.head(at).await }).await?.map(|meta| meta.size))
    }

    /// Creates the object at `path` unless there is one.
    ///
    /// A repetition after a lost answer can report `Existed` for one's own write: whoever must know
    /// compares what is there with what was to be written (see [`Log::append`]).
    ///
    /// # Errors
    /// [`Error::Unavailable`]; whether the write happened is unknown then.
    pub async fn create(&self, path: &str, bytes: impl Into<Bytes>) -> Result<Created> {
        self.counters.writes.fetch_add(1, Ordering::Relaxed);
        let (at, bytes) = (&self.path(path), &bytes.into());
        let put = || async move {
            let options = PutOptions::from(PutMode::Create);
            self.inner.put_opts(at, bytes.clone().into(), options).await
        };
        match self.patience.ask(put).await {
            Ok(_) => Ok(Created::New),
            Err(NoAnswer::Error(error)) if answer::is_there(&error) => Ok(Created::Existed),
            Err(error) => Err(self.unavailable(path, error)),
        }
    }

    /// The paths below `prefix`, sorted, relative to the store.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let at = &self.path(prefix);
        let list = || self.inner.list(Some(at)).try_collect::<Vec<_>>();
        let listed = self.patience.ask(list).await.map_err(|error| self.unavailable(prefix, error))?;
        let above = self.prefix.as_ref();
        let relative = |path: Path| {
            path.as_ref().strip_prefix(above).unwrap_or(path.as_ref()).trim_start_matches('/').to_owned()
        };
        let mut paths: Vec<_> = listed.into_iter().map(|meta| relative(meta.location)).collect();
        paths.sort();
        Ok(paths)
    }

    /// Removes the object at `path`; one that is not there is as good as removed.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn delete(&self, path: &str) -> Result<()> {
        let at = &self.path(path);
        self.find(path, || async move { self.inner.delete(at).await }).await.map(drop)
    }

    /// What this store was opened with.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Reads so far: their number and their bytes.
    pub fn reads(&self) -> (u64, u64) {
        (self.counters.reads.load(Ordering::Relaxed), self.counters.read_bytes.load(Ordering::Relaxed))
    }

    /// What `operation` finds at `path`; nothing where there is no object.
    async fn find<T, F>(&self, path: &str, operation: impl Fn() -> F) -> Result<Option<T>>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        match self.patience.ask(operation).await {
            Ok(found) => Ok(Some(found)),
            Err(NoAnswer::Error(error)) if answer::is_missing(&error) => Ok(None),
            Err(error) => Err(self.unavailable(path, error)),
        }
    }

    fn path(&self, path: &str) -> Path {
        self.prefix.parts().chain(Path::from(path).parts()).collect()
    }

    fn unavailable(&self, path: &str, source: impl Into<NoAnswer>) -> Error {
        Error::unavailable(
            &self.server,
            format!("store object {}/{path}", self.uri.trim_end_matches('/')),
            source,
        )
    }
}
