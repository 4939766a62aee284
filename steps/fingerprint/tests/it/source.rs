//! `fingerprint source`: the figures of the policies, verified reuse, new records where they are needed.

use std::time::Duration;

use selvedge_data::{Manifest, Split, Synthetic};
use selvedge_plan::{IngestPlan, IngestResult, key};

use crate::bench::{Bench, SET, days};

/// What every policy says of the source as it is now, the record being of `age`: (reuse, warning, reason).
async fn say(bench: &Bench, age: Duration) -> [(bool, bool, String); 3] {
    let mut said = Vec::new();
    for policy in ["tolerant", "textbook", "content"] {
        let IngestPlan { reuse, warning, reason, .. } = bench.decide(age, &["--policy", policy]).await;
        said.push((reuse, warning, reason));
    }
    said.try_into().unwrap()
}

fn reuse(reason: &str) -> (bool, bool, String) {
    (true, reason.contains("contents differ"), reason.to_owned())
}

fn refresh(reason: &str) -> (bool, bool, String) {
    (false, false, reason.to_owned())
}

#[tokio::test]
async fn a_source_with_a_fifth_more_records() {
    let bench = Bench::new();
    bench.ingest().await;
    bench.replace(Synthetic { train: 1200, test: 240, ..SET });
    let moved = "records 1200 → 1440 (+20.0 %)";
    assert_eq!(
        say(&bench, days(3)).await,
        [
            refresh(&format!("refresh: {moved}")),
            reuse(&format!("reuse (contents differ: {moved}): 3 days old, limit 30")),
            refresh(&format!("refresh: {moved}")),
        ]
    );
    let [_, textbook, _] = say(&bench, days(40)).await;
    assert!(!textbook.0, "{textbook:?}");
}

#[tokio::test]
async fn a_source_with_two_percent_more_records() {
    let bench = Bench::new();
    bench.ingest().await;
    bench.replace(Synthetic { train: 1024, ..SET });
    let moved = "records 1200 → 1224 (+2.0 %)";
    let aged = reuse(&format!("reuse (contents differ: {moved}): 3 days old, limit 30"));
    let said = say(&bench, days(3)).await;
    assert_eq!(said, [aged.clone(), aged, refresh(&format!("refresh: {moved}"))]);
    let [tolerant, textbook, _] = say(&bench, days(40)).await;
    assert_eq!(tolerant, refresh(&format!("refresh (contents differ: {moved}): 40 days old, limit 30")));
    assert_eq!(
        textbook,
        reuse(&format!("reuse (contents differ: {moved}): records moved by 2.0 %, limit 10 %"))
    );
}

#[tokio::test]
async fn a_source_with_as_many_records_and_other_labels() {
    let bench = Bench::new();
    bench.ingest().await;
    bench.relabel();
    let aged = reuse("reuse (contents differ: relabelled): 3 days old, limit 30");
    assert_eq!(
        say(&bench, days(3)).await,
        [aged.clone(), aged, refresh("refresh: contents differ: relabelled")]
    );
}

#[tokio::test]
async fn unchanged_data_is_reused_however_it_is_packed_and_however_old_it_is() {
    let bench = Bench::new();
    let never = bench.ingest().await;
    assert_eq!((never.reuse, never.source_record, never.reason.as_str()), (false, 1, "run: never ingested"));
    bench.replace(Synthetic { gzip: true, ..SET });
    let plan = bench.decide(days(400), &[]).await;
    assert_eq!(
        (plan.reuse, plan.warning, plan.reason.as_str()),
        (true, false, "reuse: same content, 400 days old")
    );
    // The memo key is that of the run which made the result, whichever run asks.
    assert_eq!((plan.key, plan.source_record), (never.key, 1));
    assert_eq!(plan.memo_key, key::memo(&plan.key, "first"));
    assert_eq!(never.memo_key, key::memo(&never.key, "this"));
    let stale = bench.decide(days(400), &["--max-stale", "90d"]).await;
    assert_eq!((stale.reuse, stale.source_record), (false, 2));
    assert_eq!(stale.reason, "refresh: 400 days old, stale from 90 days on");
}

#[tokio::test]
async fn what_is_lost_is_made_again_under_the_same_key_while_the_source_is_the_same() {
    let bench = Bench::new();
    let first = bench.ingest().await;
    let store = bench.store().await;
    let result: IngestResult = store.expect_record(&key::result_path("ingest", &first.key)).await.unwrap();
    let manifest = Manifest::read(&store, &result.manifest).await.unwrap();
    let batch = manifest.batches(Split::Validation)[0].digest;
    let path = bench.folder().join("store").join(selvedge_store::blob::path(&batch));

    std::fs::write(&path, b"something else").unwrap();
    let corrupt = bench.decide(days(1), &[]).await;
    assert_eq!(corrupt.reason, format!("run: blob {}… is corrupt", batch.short()));
    std::fs::remove_file(&path).unwrap();
    let gone = bench.decide(days(1), &[]).await;
    assert_eq!(gone.reason, format!("run: blob {}… is gone", batch.short()));
    assert_eq!((gone.reuse, gone.key, gone.source_record), (false, first.key, 1));
    // No hit on what is lost, whatever a cache remembers.
    assert_eq!(gone.memo_key, key::memo(&first.key, "this"));

    // What record 1 stood for cannot be made of another source.
    bench.relabel();
    let other = bench.decide(days(1), &[]).await;
    let reason = format!("run (contents differ: relabelled): blob {}… is gone", batch.short());
    assert_eq!((other.reuse, other.source_record, other.reason), (false, 2, reason));
    bench.ingest().await;
    assert!(bench.decide(days(1), &[]).await.reuse);
}

#[tokio::test]
async fn other_settings_run_and_take_a_new_record_only_where_contents_differ() {
    let bench = Bench::new();
    let first = bench.ingest().await;
    for other in [["--batch-size", "50"], ["--classes", "a,b,c,d,e,f,g,h,i,j"], ["--salt", "again"]] {
        let plan = bench.decide(days(1), &other).await;
        assert_eq!((plan.reuse, plan.source_record), (false, 1), "{other:?}");
        assert_eq!(plan.reason, "run: other batch size, classes or salt");
        assert_ne!(plan.key, first.key);
    }
    bench.relabel();
    let plan = bench.decide(days(1), &["--salt", "again"]).await;
    assert_eq!((plan.reuse, plan.source_record), (false, 2));
    assert_eq!(plan.reason, "run (contents differ: relabelled): other batch size, classes or salt");
}
