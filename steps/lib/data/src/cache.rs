//! The batch cache: what a processing function made of each batch, under a byte limit.
//!
//! It is filled in the first epoch and nothing is evicted: under a cyclic scan, where an LRU cache that is too small
//! misses always, this one hits limit / size of the time. Concurrent readers of one batch share one fetch.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use bytes::Bytes;
use selvedge_store::{Digest, Store};
use tokio::sync::OnceCell;

use crate::BatchEntry;

/// Makes a `T` of a batch's verified bytes.
type Process<T> = dyn Fn(&BatchEntry, Bytes) -> anyhow::Result<T> + Send + Sync;

/// A cache of processed batches, to be shared by reference or [`Arc`].
pub struct Cache<T> {
    store: Store,
    limit: u64,
    process: Box<Process<T>>,
    size: fn(&T) -> u64,
    state: Mutex<State<T>>,
    hits: AtomicU64,
    misses: AtomicU64,
    fetched_bytes: AtomicU64,
}

/// What a cache did so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheCounters {
    /// Answers without a read from the store, those that joined another reader's fetch included.
    pub hits: u64,
    /// Fetches from the store.
    pub misses: u64,
    /// Bytes fetched from the store.
    pub fetched_bytes: u64,
    /// Batches held.
    pub cached_batches: u64,
    /// Bytes held, by the size function.
    pub cached_bytes: u64,
}

struct State<T> {
    kept: HashMap<Digest, Arc<T>>,
    fetching: HashMap<Digest, Flight<T>>,
    bytes: u64,
}

type Flight<T> = Arc<OnceCell<Arc<T>>>;

impl<T> Cache<T> {
    /// A cache of at most `limit` bytes as `size` counts them; a limit of 0 keeps nothing. `process` is what becomes
    /// of a batch's bytes before they are kept: decoding at least.
    pub fn new(
        store: &Store,
        limit: u64,
        process: impl Fn(&BatchEntry, Bytes) -> anyhow::Result<T> + Send + Sync + 'static,
        size: fn(&T) -> u64,
    ) -> Self {
        let state = State { kept: HashMap::new(), fetching: HashMap::new(), bytes: 0 };
        Self {
            store: store.clone(),
            limit,
            process: Box::new(process),
            size,
            state: Mutex::new(state),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            fetched_bytes: AtomicU64::new(0),
        }
    }

    /// The processed batch, from the cache, from a fetch under way, or from the store.
    ///
    /// # Errors
    /// As [`Store::blob`], and whatever the processing function says. A failed fetch fails one reader; those who
    /// waited for it try again themselves.
    pub async fn get(&self, batch: &BatchEntry) -> anyhow::Result<Arc<T>> {
        let flight = match self.look_up(batch.digest) {
            Ok(kept) => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                return Ok(kept);
            }
            Err(flight) => flight,
        };
        let mut fetched = false;
        let fetch = async || {
            fetched = true;
            self.fetch(batch).await
        };
        let value = Arc::clone(flight.get_or_try_init(fetch).await?);
        if !fetched {
            self.hits.fetch_add(1, Ordering::Relaxed);
        }
        Ok(value)
    }

    /// What this cache did so far.
    pub fn counters(&self) -> CacheCounters {
        let state = self.state();
        CacheCounters {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            fetched_bytes: self.fetched_bytes.load(Ordering::Relaxed),
            cached_batches: state.kept.len() as u64,
            cached_bytes: state.bytes,
        }
    }

    fn look_up(&self, digest: Digest) -> Result<Arc<T>, Flight<T>> {
        let mut state = self.state();
        match state.kept.get(&digest) {
            Some(kept) => Ok(Arc::clone(kept)),
            None => Err(Arc::clone(state.fetching.entry(digest).or_default())),
        }
    }

    async fn fetch(&self, batch: &BatchEntry) -> anyhow::Result<Arc<T>> {
        self.misses.fetch_add(1, Ordering::Relaxed);
        let bytes = self.store.blob(&batch.digest).await?;
        self.fetched_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let value = (self.process)(batch, bytes).with_context(|| format!("batch {}", batch.digest))?;
        let value = Arc::new(value);
        self.keep(batch.digest, &value);
        Ok(value)
    }

    /// Ends the flight, and keeps its value where there is room. Whoever asks from here on finds it or fetches it.
    fn keep(&self, digest: Digest, value: &Arc<T>) {
        let size = (self.size)(value);
        let mut state = self.state();
        state.fetching.remove(&digest);
        if self.limit > 0 && state.bytes.saturating_add(size) <= self.limit {
            state.bytes += size;
            state.kept.insert(digest, Arc::clone(value));
        }
    }

    /// A panicking size function leaves the maps whole, so a poisoned lock is as good as any.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> std::fmt::Debug for Cache<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache")
            .field("limit", &self.limit)
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cache that keeps the bytes as they are, over `n` stored blobs of 100 bytes.
    async fn cache_of(n: u8, limit: u64) -> (tempfile::TempDir, Arc<Cache<Bytes>>, Vec<BatchEntry>) {
        let folder = tempfile::tempdir().unwrap();
        let options = selvedge_store::StoreOptions::folder(folder.path()).unwrap();
        let store = Store::open(&options).await.unwrap();
        let mut batches = Vec::new();
        for i in 0..n {
            let digest = store.put_blob(vec![i; 100]).await.unwrap();
            batches.push(BatchEntry { digest, records: 1 });
        }
        let cache = Cache::new(&store, limit, |_, bytes| Ok(bytes), |bytes| bytes.len() as u64);
        (folder, Arc::new(cache), batches)
    }

    #[tokio::test]
    async fn a_cyclic_scan_hits_limit_over_size() {
        for (limit, hits) in [(0, 0), (99, 0), (250, 2), (500, 5), (999, 9), (1000, 10), (5000, 10)] {
            let (_folder, cache, batches) = cache_of(10, limit).await;
            for epoch in 0..4u64 {
                for batch in &batches {
                    cache.get(batch).await.unwrap();
                }
                let counters = cache.counters();
                assert_eq!(counters.hits, hits * epoch, "limit {limit} epoch {epoch}");
                assert_eq!(counters.misses, 10 * (epoch + 1) - hits * epoch);
                assert_eq!(counters.fetched_bytes, counters.misses * 100);
                assert_eq!(counters.cached_bytes, hits * 100);
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn concurrent_readers_share_one_fetch() {
        let (_folder, cache, batches) = cache_of(1, 1000).await;
        let reads = (0..50).map(|_| {
            let (cache, batch) = (Arc::clone(&cache), batches[0].clone());
            tokio::spawn(async move { cache.get(&batch).await })
        });
        for read in futures::future::join_all(reads).await {
            assert_eq!(read.unwrap().unwrap().len(), 100);
        }
        assert_eq!((cache.counters().misses, cache.counters().hits), (1, 49));
    }

    #[tokio::test]
    async fn a_corrupt_batch_is_named_and_not_kept_and_the_next_reader_tries_again() {
        let (folder, cache, batches) = cache_of(1, 1000).await;
        let path = folder.path().join(selvedge_store::blob::path(&batches[0].digest));
        std::fs::write(&path, [1; 100]).unwrap();
        let error = cache.get(&batches[0]).await.unwrap_err();
        assert!(error.to_string().contains(&batches[0].digest.to_string()), "{error}");
        std::fs::write(&path, [0; 100]).unwrap();
        assert_eq!(cache.get(&batches[0]).await.unwrap().len(), 100);
        assert_eq!(cache.counters().cached_batches, 1);
    }

    #[tokio::test]
    async fn what_processing_refuses_is_named() {
        let (_folder, cache, batches) = cache_of(1, 1000).await;
        let refusing = Cache::<()>::new(&cache.store, 1, |_, _| anyhow::bail!("no"), |()| 1);
        let error = format!("{:#}", refusing.get(&batches[0]).await.unwrap_err());
        assert_eq!(error, format!("batch {}: no", batches[0].digest));
    }
}
