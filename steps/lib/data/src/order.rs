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
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use selvedge_store::Digest;

    use super::*;

    fn batches(sizes: &[usize]) -> Vec<BatchEntry> {
        let entry =
            |(i, records): (usize, &usize)| BatchEntry { digest: Digest::of([i as u8]), records: *records };
        sizes.iter().enumerate().map(entry).collect()
    }

    fn manifest(sizes: &[usize]) -> Manifest {
        let entry = crate::SplitEntry { records: sizes.iter().sum(), batches: batches(sizes) };
        Manifest {
            name: "x".to_owned(),
            shape: crate::Shape { height: 1, width: 1, channels: 1 },
            classes: vec![],
            batch_size: 10,
            source: Digest::of([]),
            splits: [(Split::Train, entry)].into(),
        }
    }

    #[test]
    fn an_order_that_must_never_change() {
        let order = shard_epoch(&batches(&[4, 3, 4, 2]), 1, 1, 0, 2, 10);
        let places: Vec<_> = order.records().iter().map(|r| (r.batch, r.record)).collect();
        assert_eq!(places, [(2, 3), (2, 2), (0, 0), (2, 1), (2, 0), (0, 1), (0, 2), (0, 3)]);
    }

    #[test]
    fn fashion_mnist_takes_313_steps() {
        let sizes: Vec<_> = std::iter::repeat_n(1000, 54).chain([994]).collect();
        assert_eq!(steps_per_epoch(&manifest(&sizes), 6, 32), Ok(313));
    }

    #[test]
    fn too_few_records_are_refused_by_name() {
        let refused = |sizes: &[usize], shards, micro_batch| {
            steps_per_epoch(&manifest(sizes), shards, micro_batch).unwrap_err().to_string()
        };
        assert_eq!(refused(&[10], 0, 2), "shards is 0, expected at least 1");
        assert_eq!(refused(&[10], 1, 0), "micro-batch is 0, expected at least 2");
        assert!(
            refused(&[10, 1], 2, 2).starts_with("shard 1 of 2 has 1 records for 5 steps of micro-batch 2")
        );
        assert!(refused(&[10], 2, 2).starts_with("shard 1 of 2 has 0 records"));
    }

    proptest! {
        #[test]
        fn each_record_once_and_each_batch_in_one_window(
            sizes in prop::collection::vec(0usize..20, 1..30),
            seed: u64, epoch in 1usize..5, shards in 1usize..7, window in 0usize..12,
        ) {
            let batches = batches(&sizes);
            let mut seen = BTreeSet::new();
            let mut fetched = BTreeSet::new();
            for shard in 0..shards {
                let order = shard_epoch(&batches, seed, epoch, shard, shards, window);
                prop_assert_eq!(&order, &shard_epoch(&batches, seed, epoch, shard, shards, window));
                for window in order.windows() {
                    for record in &order.records()[window.records.clone()] {
                        prop_assert!(window.batches.contains(&(record.batch as usize)));
                        prop_assert!(seen.insert(*record));
                    }
                    for batch in &window.batches {
                        prop_assert_eq!(batch % shards, shard);
                        prop_assert!(fetched.insert(*batch));
                    }
                }
            }
            prop_assert_eq!(seen.len(), sizes.iter().sum::<usize>());
            prop_assert_eq!(fetched.len(), sizes.len());
        }

        #[test]
        fn every_step_has_every_shard_evenly(
            sizes in prop::collection::vec(1usize..40, 6..30), shards in 1usize..7, micro_batch in 2usize..9,
        ) {
            let Ok(steps) = steps_per_epoch(&manifest(&sizes), shards, micro_batch) else { return Ok(()) };
            for shard in 0..shards {
                let order = shard_epoch(&batches(&sizes), 1, 1, shard, shards, 3);
                let mut all = Vec::new();
                for step in 0..steps {
                    let records = order.micro_batch(step, steps);
                    let (least, most) = (order.records().len() / steps, order.records().len().div_ceil(steps));
                    prop_assert!((least..=most).contains(&records.len()));
                    prop_assert!((2..=micro_batch).contains(&records.len()));
                    let windows = &order.windows()[order.windows_of(step, steps)];
                    let there: Vec<_> = windows.iter().flat_map(|w| &w.batches).collect();
                    prop_assert!(records.iter().all(|r| there.contains(&&(r.batch as usize))));
                    all.extend_from_slice(records);
                }
                prop_assert_eq!(all.as_slice(), order.records());
            }
        }

        #[test]
        fn seeds_and_epochs_differ(seed: u64, epoch in 1usize..1000) {
            let batches = batches(&[50, 50, 50]);
            let order = shard_epoch(&batches, seed, epoch, 0, 1, 2);
            prop_assert_ne!(&order, &shard_epoch(&batches, seed ^ 1, epoch, 0, 1, 2));
            prop_assert_ne!(&order, &shard_epoch(&batches, seed, epoch + 1, 0, 1, 2));
        }
    }
}
