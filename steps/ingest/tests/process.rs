//! The binary as a process: what it makes, what it refuses, what it survives.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;

use std::path::Path;

use bench::Bench;
use selvedge_data::{Batch, Manifest, Split, Synthetic, membership};

const SMALL: Synthetic =
    Synthetic { train: 250, test: 30, height: 5, width: 4, classes: 10, seed: 1, gzip: false };

#[test]
fn every_record_is_in_one_batch_of_its_split_in_the_order_of_the_source() {
    let bench = Bench::new(SMALL);
    let manifest = bench.ingest(&[("BATCH_SIZE", "40")]).manifest();
    let images = std::fs::read(bench.source().join("train-images-idx3-ubyte")).unwrap();
    let labels = std::fs::read(bench.source().join("train-labels-idx1-ubyte")).unwrap();
    for split in [Split::Train, Split::Validation] {
        let expected: Vec<_> = images[16..]
            .chunks(20)
            .zip(&labels[8..])
            .filter(|(image, _)| membership::split_of(image) == split)
            .map(|(image, label)| (image.to_vec(), *label))
            .collect();
        assert_eq!(bench.records(&manifest, split), expected);
        assert!(!expected.is_empty());
    }
    let full = manifest.batches(Split::Train).iter().rev().skip(1);
    assert!(full.map(|batch| batch.records).all(|records| records == 40));
    assert_eq!(manifest.records(Split::Test), 30);
    assert_eq!(manifest.records(Split::Train) + manifest.records(Split::Validation), 250);
    assert_eq!(bench.output("manifest"), manifest.digest().to_string());
    assert_eq!(bench.output("records"), "280");
    assert_eq!(std::fs::read_to_string(bench.folder().join("progress")).unwrap(), "280/280\n");
}

#[test]
fn packing_again_changes_nothing_and_a_second_run_reuses() {
    let plain = Bench::new(SMALL);
    let manifest = plain.ingest(&[]).manifest();
    let packed = Bench::new(Synthetic { gzip: true, ..SMALL });
    assert_eq!(packed.ingest(&[]).manifest(), manifest);
    assert_eq!(packed.event().what, "ingested as source record 1: no result");
    packed.ingest(&[("RUN", "another")]);
    assert_eq!(packed.event().what, "reused: ingested by run first");
    assert_eq!(packed.output("manifest"), manifest.digest().to_string());
}

#[test]
fn peak_memory_does_not_grow_with_the_data_set() {
    // The allocator's threads make a run differ a little from the next; the middle of three hardly does.
    let peak = |train| {
        let bench = Bench::new(Synthetic { train, test: 1000, height: 28, width: 28, ..SMALL });
        let run = |store: &str| {
            let store = format!("file://{}/{store}", bench.folder().display());
            bench.ingest(&[("STORE", &store)]);
            let event = bench.event_in(&bench.folder().join(store.rsplit('/').next().unwrap()));
            assert_eq!(event.measurements["records"], (train + 1000) as f64);
            event.measurements["peak_memory_bytes"]
        };
        let mut peaks: Vec<_> = ["a", "b", "c"].map(run).into();
        peaks.sort_by(f64::total_cmp);
        peaks[1]
    };
    let (one, ten) = (peak(20_000), peak(200_000));
    assert!((ten / one - 1.0).abs() < 0.1, "{one} bytes for 20,000 records, {ten} for 200,000");
}

#[test]
fn killed_at_any_point_and_run_again_it_makes_the_same_digests() {
    let synthetic = Synthetic { train: 12_000, test: 300, height: 28, width: 28, ..SMALL };
    let expected = Bench::new(synthetic).ingest(&[("BATCH_SIZE", "100")]).manifest();
    let bench = Bench::new(synthetic);
    let mut killed = 0;
    for blobs in [0, 1, 20, 50, 90, 120, 123, 124, 125] {
        killed += i32::from(bench.kill_at(blobs, "-KILL").is_none());
        let complete = bench.store().join("results").exists();
        assert!(!complete || bench.store().join("sources/set/0000000001.json").exists());
    }
    assert!(killed >= 3, "killed {killed} times");
    assert_eq!(bench.ingest(&[("BATCH_SIZE", "100")]).manifest(), expected);
    bench.assert_whole(&expected);
}

#[test]
fn a_stop_ends_it_with_143_and_nothing_is_visible() {
    let bench = Bench::new(Synthetic { train: 100_000, test: 100, height: 28, width: 28, ..SMALL });
    assert_eq!(bench.kill_at(1, "-TERM"), Some(143));
    assert!(!bench.store().join("results").exists() && !bench.store().join("sources").exists());
}

#[test]
fn bad_sources_are_refused_in_one_line_and_the_next_run_is_unharmed() {
    let bench = Bench::new(SMALL);
    let file = |name: &str| bench.source().join(name);
    let (images, labels) = (file("train-images-idx3-ubyte"), file("train-labels-idx1-ubyte"));
    type Damage = fn(&mut Vec<u8>);
    let cases: [(&Path, Damage, &str); 6] = [
        (&images, |b| b.truncate(4000), "train-images-idx3-ubyte: ends after 4000 bytes, expected 5016"),
        (
            &images,
            |b| b.push(0),
            "train-images-idx3-ubyte: goes on after 5016 bytes, all that its 250 records",
        ),
        (&images, |b| b[2] = 9, "train-images-idx3-ubyte: magic number 0x00000903, expected 0x00000803"),
        (
            &images,
            |b| b[..2].copy_from_slice(&[0x1f, 0x8b]),
            "train-images-idx3-ubyte: cannot be read beyond 0",
        ),
        (&labels, |b| b[100] = 10, "train-labels-idx1-ubyte: label 10 of record 92, expected below 10"),
        (&labels, |b| b[7] = 249, "250 images, but train-labels-idx1-ubyte: 249 labels"),
    ];
    for (path, damage, message) in cases {
        let good = std::fs::read(path).unwrap();
        let mut bad = good.clone();
        damage(&mut bad);
        std::fs::write(path, bad).unwrap();
        bench.refused(&[], 1, message);
        std::fs::write(path, good).unwrap();
    }
    let (source, nowhere) = (bench.source(), bench.folder().join("nowhere"));
    std::fs::rename(&source, &nowhere).unwrap();
    bench.refused(&[], 1, "no data set there: looked for train-images-idx3-ubyte[.gz], ");
    std::fs::rename(nowhere, source).unwrap();
    assert!(!bench.store().join("results").exists() && !bench.store().join("sources").exists());
    bench.ingest(&[]);
}

#[test]
fn wrong_variables_exit_2_and_an_unreachable_store_75() {
    let bench = Bench::new(SMALL);
    bench.refused(&[("BATCH_SIZE", "0")], 2, "'0' for '--batch-size");
    bench.refused(&[("BATCH_SIZE", "many")], 2, "'many' for '--batch-size");
    bench.refused(&[("KEY", "abc")], 2, r#""abc" is not a digest"#);
    bench.refused(&[("NAME", "../x")], 2, r#""../x" is no name"#);
    bench.refused(&[("RUN", "a/b")], 2, r#""a/b" is no run"#);
    bench.refused(&[("CLASSES", "a,a")], 2, r#"class "a" is named twice"#);
    bench.refused(&[("SOURCE", "gs://bucket")], 2, r#"scheme "gs" is not supported"#);
    bench.refused(&[("SOURCE_RECORD", "3")], 2, "STEP_SOURCE_RECORD=3: set has no source record 2");
    bench.refused(&[("BATCH_SIZE", "4294967295")], 2, "takes 85899345900 bytes, limit 268435456");
    let unreachable = [
        ("STORE", "s3://bucket"),
        ("STORE_ENDPOINT", "http://127.0.0.1:1"),
        ("STORE_ACCESS_KEY", "a"),
        ("STORE_SECRET_KEY", "b"),
        ("STORE_CONNECT_TIMEOUT", "300ms"),
    ];
    bench.refused(&unreachable, 75, "store object s3://bucket/");
}

#[test]
fn a_damaged_batch_is_made_again() {
    let bench = Bench::new(SMALL);
    let manifest = bench.ingest(&[]).manifest();
    for (split, damage) in [(Split::Train, true), (Split::Test, false)] {
        let digest = manifest.batches(split)[0].digest;
        let path = bench.store().join(selvedge_store::blob::path(&digest));
        if damage {
            std::fs::write(&path, b"x").unwrap();
        } else {
            std::fs::remove_file(&path).unwrap();
        }
        assert_eq!(bench.ingest(&[("RUN", "mending")]).manifest(), manifest);
        let state = if damage { "corrupt" } else { "gone" };
        assert_eq!(
            bench.event().what,
            format!("ingested as source record 1: blob {}… is {state}", digest.short())
        );
        bench.assert_whole(&manifest);
    }
}

#[test]
fn a_source_record_holds_one_content() {
    let bench = Bench::new(SMALL);
    bench.ingest(&[]);
    let other_key = "b".repeat(64);
    // Other settings on the same content share the record.
    let cut = bench.ingest(&[("KEY", &other_key), ("BATCH_SIZE", "7")]).manifest();
    assert_eq!(cut.batch_size, 7);
    Synthetic { seed: 2, ..SMALL }.write(&bench.source()).unwrap();
    let third = "c".repeat(64);
    bench.refused(&[("KEY", &third)], 1, "source record 1 of set was made by run first from content ");
    bench.ingest(&[("KEY", &third), ("SOURCE_RECORD", "2")]);
}

impl Bench {
    fn records(&self, manifest: &Manifest, split: Split) -> Vec<(Vec<u8>, u8)> {
        let mut records = Vec::new();
        for entry in manifest.batches(split) {
            let path = self.store().join(selvedge_store::blob::path(&entry.digest));
            let batch = Batch::decode(&std::fs::read(path).unwrap().into(), manifest, entry).unwrap();
            records.extend((0..batch.records()).map(|r| (batch.image(r).to_vec(), batch.labels[r])));
        }
        records
    }

    fn assert_whole(&self, manifest: &Manifest) {
        let records: usize = Split::ALL.iter().map(|split| self.records(manifest, *split).len()).sum();
        assert_eq!(records.to_string(), self.output("records"));
    }
}
