//! The records of every step, from the batch cache.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use futures::future::try_join_all;
use selvedge_data::{Batch, BatchEntry, Cache, CacheCounters, ShardEpoch, Split, order};
use selvedge_store::Store;
use tokio::runtime::Handle;

use crate::job::Job;

/// The batches of a data set, as they are asked for.
#[derive(Debug)]
pub(crate) struct Feed {
    cache: Cache<Batch>,
    train: Vec<BatchEntry>,
    validation: Vec<BatchEntry>,
    /// The number of each training batch's first record: numbers tell records apart for augmentation.
    first: Vec<u64>,
    handle: Handle,
}

/// One shard in one epoch.
#[derive(Debug)]
pub(crate) struct ShardFeed<'a> {
    feed: &'a Feed,
    order: &'a ShardEpoch,
    /// The batches of the windows that the last step took from: a cache that is too small fetches each once all the same.
    held: BTreeMap<usize, Arc<Batch>>,
}

/// The records of one shard in one step.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) images: Vec<u8>,
    pub(crate) labels: Vec<u8>,
    pub(crate) numbers: Vec<u64>,
}

impl Feed {
    /// Over a cache of at most `limit` bytes, fetching by `handle`.
    pub(crate) fn new(store: &Store, job: &Job, limit: u64, handle: &Handle) -> Self {
        let manifest = job.manifest.clone();
        let decode = move |entry: &BatchEntry, bytes| Batch::decode(&bytes, &manifest, entry);
        let size = |batch: &Batch| (batch.images.len() + batch.labels.len()) as u64;
        let train = job.manifest.batches(Split::Train).to_vec();
        let first = train.iter().scan(0, |next, batch| {
            *next += batch.records as u64;
            Some(*next - batch.records as u64)
        });
        Self {
            cache: Cache::new(store, limit, decode, size),
            first: first.collect(),
            train,
            validation: job.manifest.batches(Split::Validation).to_vec(),
            handle: handle.clone(),
        }
    }

    /// The order of every shard in `epoch`.
    pub(crate) fn orders(&self, job: &Job, epoch: usize) -> Vec<ShardEpoch> {
        let settings = job.settings();
        let order = |shard| {
            order::shard_epoch(&self.train, settings.seed, epoch, shard, settings.shards, settings.window)
        };
        (0..settings.shards).map(order).collect()
    }

    /// The records of one shard, in its order.
    pub(crate) fn shard<'a>(&'a self, order: &'a ShardEpoch) -> ShardFeed<'a> {
        ShardFeed { feed: self, order, held: BTreeMap::new() }
    }

    /// The images of the first `count` training records, or of all.
    pub(crate) fn first_images(&self, count: usize) -> anyhow::Result<Vec<u8>> {
        let mut images = Vec::new();
        let mut missing = count;
        for entry in &self.train {
            let batch = self.get(entry)?;
            let taken = batch.records().min(missing);
            images.extend_from_slice(&batch.images[..taken * batch.shape.bytes()]);
            missing -= taken;
            if missing == 0 {
                break;
            }
        }
        Ok(images)
    }

    /// The validation batches, each fetched when it is asked for.
    pub(crate) fn validation(&self) -> &[BatchEntry] {
        &self.validation
    }

    /// A batch, from the cache or the store.
    pub(crate) fn get(&self, entry: &BatchEntry) -> anyhow::Result<Arc<Batch>> {
        self.handle.block_on(self.cache.get(entry))
    }

    /// What the store is waited for with.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// What the cache did so far.
    pub(crate) fn counters(&self) -> CacheCounters {
        self.cache.counters()
    }
}

impl ShardFeed<'_> {
    /// Writes the records of `step` of `steps` to `records`.
    pub(crate) fn fill(&mut self, step: usize, steps: usize, records: &mut Records) -> anyhow::Result<()> {
        self.hold(self.order.windows_of(step, steps))?;
        records.images.clear();
        records.labels.clear();
        records.numbers.clear();
        for record in self.order.micro_batch(step, steps) {
            let (number, within) = (record.batch as usize, record.record as usize);
            let batch = &self.held[&number];
            records.images.extend_from_slice(batch.image(within));
            records.labels.push(batch.labels[within]);
            records.numbers.push(self.feed.first[number] + within as u64);
        }
        Ok(())
    }

    /// Fetches what is missing of these windows, all at once, and lets the others go.
    fn hold(&mut self, windows: Range<usize>) -> anyhow::Result<()> {
        let wanted: Vec<usize> =
            self.order.windows()[windows].iter().flat_map(|window| window.batches.iter().copied()).collect();
        self.held.retain(|batch, _| wanted.contains(batch));
        let missing: Vec<usize> = wanted.into_iter().filter(|batch| !self.held.contains_key(batch)).collect();
        if !missing.is_empty() {
            let gets = missing.iter().map(|batch| self.feed.cache.get(&self.feed.train[*batch]));
            let fetched = self.feed.handle.block_on(try_join_all(gets))?;
            self.held.extend(missing.into_iter().zip(fetched));
        }
        Ok(())
    }
}
