//! The binary as a process: what it refuses, in one line, by which exit code.

use crate::bench::Bench;

const KEY: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

const UNREACHABLE: [&str; 10] = [
    "--store",
    "s3://bucket",
    "--store-endpoint",
    "http://127.0.0.1:1",
    "--store-access-key",
    "a",
    "--store-secret-key",
    "b",
    "--store-connect-timeout",
    "300ms",
];

#[test]
fn bad_candidates_exit_2() {
    let bench = Bench::new();
    let refused = |list: &str, message: &str| {
        let flags = ["--ingest-key", KEY, "--candidates", list, "--dry-run"];
        bench.refused("training", &flags, 2, message);
    };
    refused("[]", "STEP_CANDIDATES: the list is empty");
    refused("", "STEP_CANDIDATES: not a JSON list of candidates: EOF");
    refused(r#"{"name": "a"}"#, "STEP_CANDIDATES: not a JSON list of candidates: invalid type: map");
    let cnn = |name: &str, settings: &str| {
        format!(r#"[{{"name": "{name}", "family": "cnn", "settings": {{{settings}}}}}]"#)
    };
    refused(&cnn("A", ""), r#"STEP_CANDIDATES: "A" is no name"#);
    refused(&cnn("a/b", ""), r#""a/b" is no name"#);
    let twice = r#"[{"name": "a", "family": "cnn"}, {"name": "a", "family": "dense"}]"#;
    refused(twice, r#"STEP_CANDIDATES: two candidates are named "a""#);
    refused(r#"[{"name": "a", "family": "vgg"}]"#, r#"{"family":"vgg","name":"a"}: unknown variant `vgg`"#);
    refused(r#"[{"name": "a", "family": "cnn", "epochs": 3}]"#, "unknown field `epochs`");
    refused(r#"[{"family": "cnn"}]"#, "missing field `name`");
    let wrong = [
        (r#""epoch": 3"#, "unknown field `epoch`"),
        (r#""epochs": 0"#, "epochs is 0, expected at least 1"),
        (r#""epochs": "many""#, "invalid type: string"),
        (r#""micro-batch": 1"#, "micro-batch is 1, expected at least 2"),
        (r#""shards": 0"#, "shards is 0, expected at least 1"),
        (r#""shards": 65"#, "shards is 65, expected at most 64"),
        (r#""window": 0"#, "window is 0, expected at least 1"),
        (r#""learning-rate": 0"#, "learning-rate is 0, expected a number above 0"),
        (r#""weight-decay": -1"#, "weight-decay is -1, expected at least 0"),
        (r#""momentum": 1"#, "momentum is 1, expected from 0 to below 1"),
        (r#""warm-up": 1.5"#, "warm-up is 1.5, expected from 0 to 1"),
        (r#""label-smoothing": 1"#, "label-smoothing is 1, expected from 0 to below 1"),
        (r#""network": " ""#, "network is empty"),
        (r#""instructions": "sse""#, r#"instructions is "sse", expected auto, avx512"#),
    ];
    for (settings, message) in wrong {
        refused(&cnn("a", settings), &format!(r#"STEP_CANDIDATES: candidate "a": {message}"#));
    }
}

#[tokio::test]
async fn settings_that_the_data_cannot_bear_exit_2() {
    let bench = Bench::new();
    bench.ingest().await;
    assert!(bench.process("source", &[]).status.success());
    let key = bench.output("ingest-key");
    let refused = |settings: &str, message: &str| {
        let list = format!(r#"[{{"name": "a", "family": "cnn", "settings": {settings}}}]"#);
        bench.refused("training", &["--ingest-key", &key, "--candidates", &list], 2, message);
    };
    refused(r#"{"shards": 12}"#, r#"candidate "a": shard 10 of 12 has 0 records"#);
    refused(r#"{"shards": 2, "shift": 5}"#, r#"candidate "a": shift is 5, but records have 5 pixels"#);
    assert!(!bench.folder().join("store/runs/this/plans").exists());
}

#[test]
fn wrong_variables_exit_2() {
    let bench = Bench::new();
    bench.refused("source", &["--policy", "lazy"], 2, "'lazy' for '--policy");
    bench.refused("source", &["--max-age", "old"], 2, "'old' for '--max-age");
    bench.refused("source", &["--max-change", "2"], 2, r#""2" is no share"#);
    bench.refused("source", &["--max-stale", "x"], 2, "'x' for '--max-stale");
    bench.refused("source", &["--batch-size", "0"], 2, "'0' for '--batch-size");
    bench.refused("training", &["--candidates", "[]"], 2, "--ingest-key");
    let flags = ["--ingest-key", KEY, "--candidates", "[]"];
    bench.refused("training", &[&flags[..], &["--promote", "now"]].concat(), 2, "'now' for '--promote");
    bench.refused("training", &[&flags[..], &["--floor", "1.5"]].concat(), 2, r#""1.5" is no share"#);
    bench.refused(
        "training",
        &[&flags[..], &["--instructions", "sse"]].concat(),
        2,
        "'sse' for '--instructions",
    );
}

#[test]
fn an_unreachable_store_is_worth_a_retry() {
    let bench = Bench::new();
    bench.refused("source", &UNREACHABLE, 75, "store object s3://bucket/");
    let flags = [&["--ingest-key", KEY, "--candidates", "[]"], &UNREACHABLE[..]].concat();
    bench.refused("training", &flags, 75, "store object s3://bucket/");
}

#[test]
fn bad_sources_and_missing_results_are_permanent() {
    let bench = Bench::new();
    let images = bench.source().join("t10k-images-idx3-ubyte");
    std::fs::write(&images, &std::fs::read(&images).unwrap()[..100]).unwrap();
    bench.refused("source", &[], 1, "t10k-images-idx3-ubyte: ends after 100 bytes, expected 6016");
    std::fs::remove_dir_all(bench.source()).unwrap();
    bench.refused("source", &[], 1, "no data set there: looked for train-images-idx3-ubyte[.gz]");
    let list = r#"[{"name": "a", "family": "cnn"}]"#;
    bench.refused(
        "training",
        &["--ingest-key", KEY, "--candidates", list],
        1,
        "is missing: ingest set first",
    );
}
