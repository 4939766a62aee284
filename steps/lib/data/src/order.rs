//! The order in which a training meets its records: a function of (seed, epoch, window) alone.
//!
//! Batch b belongs to shard b mod V. In every epoch a shard permutes its batches, and then the records within each
//! window of w batches, so that each batch is fetched once an epoch. Neither the world size nor the cache's limit
//! has a say.

use std::ops::Range;

use crate::random::Random;
use crate::{BatchEntry, Manifest, Split};

/// The records of one shard in one epoch, in the order in which they are trained on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardEpoch {
    records: Vec<RecordRef>,
    windows: Vec<Window>,
}

/// A record of the split: which batch, and which of its records, both from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordRef {
    /// Index into the split's batches.
    pub batch: u32,
    /// Index into the batch's records.
    pub record: u32,
}

/// Batches whose records are mixed with each other. Consecutive windows share no batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Indices into the split's batches.
    pub batches: Vec<usize>,
    /// Where its records lie in [`ShardEpoch::records`].
    pub records: Range<usize>,
}

/// A training split that cannot be spread over the shards.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// A setting that has to be positive is not.
    #[error("{0} is 0, expected at least {1}")]
    Zero(&'static str, usize),
    /// A shard's records do not give every step two.
    #[error(
        "shard {shard} of {shards} has {records} records for {steps} steps of micro-batch {micro_batch}, \
         fewer than two a step: use fewer shards, smaller batches or a larger micro-batch"
    )]
    TooFew {
        /// The shard with the fewest records.
        shard: usize,
        /// V.
        shards: usize,
        /// Records of that shard.
        records: usize,
        /// Steps of an epoch.
        steps: usize,
        /// Most records of a shard in a step.
        micro_batch: usize,
    },
}

/// Indices of the batches of `shard`, in the manifest's order.
pub fn shard_batches(batches: &[BatchEntry], shard: usize, shards: usize) -> impl Iterator<Item = usize> {
    (shard..batches.len()).step_by(shards.max(1))
}

/// Records of `shard`.
pub fn shard_records(batches: &[BatchEntry], shard: usize, shards: usize) -> usize {
    shard_batches(batches, shard, shards).map(|b| batches[b].records).sum()
}

/// Steps of an epoch: ceil(largest shard / micro-batch), each of which every shard takes part in.
///
/// # Errors
/// [`OrderError`] when some micro-batch of some shard would hold fewer than two records.
pub fn steps_per_epoch(manifest: &Manifest, shards: usize, micro_batch: usize) -> Result<usize, OrderError> {
    if shards == 0 {
        return Err(OrderError::Zero("shards", 1));
    }
    if micro_batch == 0 {
        return Err(OrderError::Zero("micro-batch", 2));
    }
    let batches = manifest.batches(Split::Train);
    let sizes = || (0..shards).map(|shard| (shard_records(batches, shard, shards), shard));
    let largest = sizes().max().map_or(0, |(records, _)| records);
    let steps = largest.div_ceil(micro_batch).max(1);
    match sizes().min() {
        Some((records, shard)) if records / steps < 2 => {
            Err(OrderError::TooFew { shard, shards, records, steps, micro_batch })
        }
        _ => Ok(steps),
    }
}

/// The order of `shard` in `epoch`.
pub fn shard_epoch(
    batches: &[BatchEntry],
    seed: u64,
    epoch: usize,
    shard: usize,
    shards: usize,
    window: usize,
) -> ShardEpoch {
    let place = |draw: usize| Random::new(&[seed, epoch as u64, shard as u64, draw as u64]);
    let mut order: Vec<_> = shard_batches(batches, shard, shards).collect();
    place(0).shuffle(&mut order);
    let mut records = Vec::with_capacity(shard_records(batches, shard, shards));
    let mut windows = Vec::new();
    for mixed in order.chunks(window.max(1)) {
        let begin = records.len();
        records.extend(mixed.iter().flat_map(|batch| of_batch(batches, *batch)));
        place(windows.len() + 1).shuffle(&mut records[begin..]);
        windows.push(Window { batches: mixed.to_vec(), records: begin..records.len() });
    }
    ShardEpoch { records, windows }
}

fn of_batch(batches: &[BatchEntry], batch: usize) -> impl Iterator<Item = RecordRef> {
    (0..batches[batch].records as u32).map(move |record| RecordRef { batch: batch as u32, record })
}

impl ShardEpoch {
    /// All records of the shard, in order.
    pub fn records(&self) -> &[RecordRef] {
        &self.records
    }

    /// The windows, in order; a step may take the end of one and the beginning of the next.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// The records of `step` (from 0) of `steps`: sizes differ by at most one over the epoch.
    ///
    /// # Panics
    /// When `step` is not below `steps`.
    pub fn micro_batch(&self, step: usize, steps: usize) -> &[RecordRef] {
        &self.records[self.range(step, steps)]
    }

    /// Indices into [`ShardEpoch::windows`] of those that `step` of `steps` takes records from.
    ///
    /// # Panics
    /// When `step` is not below `steps`.
    pub fn windows_of(&self, step: usize, steps: usize) -> Range<usize> {
        let range = self.range(step, steps);
        let first = self.windows.partition_point(|w| w.records.end <= range.start);
        let beyond = self.windows.partition_point(|w| w.records.start < range.end);
        first..beyond.max(first)
    }

    fn range(&self, step: usize, steps: usize) -> Range<usize> {
        assert!(step < steps, "step {step} of {steps}");
        let bound = |step: usize| (step as u128 * self.records.len() as u128 / steps as u128) as usize;
        bound(step)..bound(step + 1)
    }
}

#[cfg(test)]
mod tests;
