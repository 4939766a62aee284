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
    assert!(refused(&[10, 1], 2, 2).starts_with("shard 1 of 2 has 1 records for 5 steps of micro-batch 2"));
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
