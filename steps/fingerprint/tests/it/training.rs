//! `fingerprint training`: keys, verified reuse, the plan.

use jiff::Timestamp;
use selvedge_plan::{EpochCurve, Family, Plan, Run, Settings, TrainResult, key};
use selvedge_registry::{Act, Champion, GoldenVectors, ModelIdentity, champion};
use selvedge_store::{Digest, Store};
use serde_json::{Value, json};

use crate::bench::Bench;

const CANDIDATES: &str = r#"[{"name": "one", "family": "cnn", "settings": {"micro-batch": 8, "shards": 2}},
    {"name": "two", "family": "dense", "settings": {"shards": 2, "seed": 9, "instructions": "default"}}]"#;

/// Runs both stages as processes and tells the plan.
async fn plan(bench: &Bench, more: &[&str]) -> Plan {
    assert!(bench.process("source", &[]).status.success());
    let key = bench.output("ingest-key");
    let mut flags = vec!["--ingest-key", &key, "--candidates", CANDIDATES, "--instructions", "avx2"];
    flags.extend(more);
    let output = bench.process("training", &flags);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Run::new(&bench.store().await, "this").plans().newest().await.unwrap().unwrap().1
}

/// Puts into the store what a training of `planned` would have: identity, weights, golden vectors, result.
async fn train(store: &Store, plan: &Plan, candidate: usize) -> (ModelIdentity, TrainResult) {
    let planned = &plan.candidates[candidate];
    let identity = ModelIdentity {
        weights: store.put_blob(planned.name.clone()).await.unwrap(),
        family: planned.family,
        settings: planned.settings.clone(),
        dataset: plan.manifest,
        dataset_name: "set".to_owned(),
        input: [6, 5, 1],
        classes: vec!["a".to_owned()],
        parameters: 1,
        multiply_adds: 1,
        libtorch: key::LIBTORCH.to_owned(),
        instructions: "avx2".to_owned(),
        golden: GoldenVectors { blob: store.put_blob("golden").await.unwrap(), tolerance: 1e-4 },
    };
    let model = identity.digest();
    store.create_record(&ModelIdentity::path(&model), &identity).await.unwrap();
    let curves = Vec::<EpochCurve>::new();
    let (key, weights, run) = (planned.key, identity.weights, "earlier".to_owned());
    let result = TrainResult { key, model, weights, run, world: 3, steps: 7, curves };
    store.create_record(&key::result_path("train", &key), &result).await.unwrap();
    (identity, result)
}

#[tokio::test]
async fn the_plan_holds_every_setting_and_the_champion_of_the_moment() {
    let bench = Bench::new();
    bench.ingest().await;
    let store = bench.store().await;
    let generation = Champion {
        generation: 1,
        act: Act::Promote,
        model: Digest::of("m"),
        dataset: Digest::of("d"),
        candidate: "one".to_owned(),
        run: "earlier".to_owned(),
        promotion: "p".to_owned(),
        reason: "first".to_owned(),
        at: Timestamp::now(),
    };
    champion::log(&store, "set").append(1, &generation).await.unwrap();
    let plan = plan(&bench, &["--promote", "at-end", "--floor", "0.5", "--seed", "4"]).await;
    assert_eq!((plan.name.as_str(), plan.promote.as_str(), plan.floor), ("set", "at-end", 0.5));
    assert_eq!((plan.run.as_str(), plan.champion_at_start), ("this", Some(1)));
    assert!(plan.ingest.reuse && plan.ingest.reason.starts_with("reuse: same content, "));
    let [one, two] = &plan.candidates[..] else { panic!("two candidates") };
    let cnn = Settings {
        micro_batch: 8,
        shards: 2,
        seed: 4,
        instructions: "avx2".into(),
        ..Settings::of(Family::Cnn)
    };
    assert_eq!(one.settings, cnn);
    assert_eq!((two.settings.seed, two.settings.instructions.as_str()), (9, "default"));
    assert_eq!(one.key, key::train(&plan.manifest, &cnn, ""));
    let expected = json!([
        {"name": "one", "key": one.key, "memo-key": key::memo(&one.key, "this")},
        {"name": "two", "key": two.key, "memo-key": key::memo(&two.key, "this")},
    ]);
    assert_eq!(serde_json::from_str::<Value>(&bench.output("candidates")).unwrap(), expected);
    assert_eq!(bench.output("reason"), "one: run: no result\ntwo: run: no result");
    assert_eq!(bench.output("manifest"), plan.manifest.to_string());
    let events = Run::new(&store, "this").events().await.unwrap();
    assert_eq!(events.last().unwrap().what, "2 candidates: 0 reused, 2 to train");
}

#[tokio::test]
async fn a_training_is_reused_only_while_all_of_it_is_there() {
    let bench = Bench::new();
    bench.ingest().await;
    let store = bench.store().await;
    let first = plan(&bench, &[]).await;
    let (identity, result) = train(&store, &first, 0).await;
    let [one, two] = plan(&bench, &[]).await.candidates.try_into().unwrap();
    assert_eq!((one.reuse, one.reason.as_str()), (true, "reuse: trained by run earlier"));
    assert_eq!(one.memo_key, key::memo(&one.key, "earlier"));
    assert_eq!((two.reuse, two.reason.as_str()), (false, "run: no result"));
    // Another salt is another key.
    assert!(!plan(&bench, &["--salt", "again"]).await.candidates[0].reuse);

    let path = |name: String| bench.folder().join("store").join(name);
    let model = ModelIdentity::path(&result.model);
    let lost = [
        (selvedge_store::blob::path(&identity.weights), format!("blob {}… is", identity.weights.short())),
        (
            selvedge_store::blob::path(&identity.golden.blob),
            format!("blob {}… is", identity.golden.blob.short()),
        ),
        (model.clone(), format!("model {}… is", result.model.short())),
    ];
    for (file, what) in lost {
        let good = std::fs::read(path(file.clone())).unwrap();
        std::fs::remove_file(path(file.clone())).unwrap();
        let gone = &plan(&bench, &[]).await.candidates[0];
        assert_eq!((gone.reuse, gone.reason.clone()), (false, format!("run: {what} gone")));
        assert_eq!(gone.memo_key, key::memo(&gone.key, "this"));
        let text = String::from_utf8(good.clone()).unwrap();
        std::fs::write(path(file.clone()), text.replacen('o', "0", 1)).unwrap();
        let bad = &plan(&bench, &[]).await.candidates[0];
        assert!(!bad.reuse && bad.reason.starts_with("run: "), "{}", bad.reason);
        std::fs::write(path(file), good).unwrap();
    }
    assert!(plan(&bench, &[]).await.candidates[0].reuse);
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_says_the_same() {
    let bench = Bench::new();
    assert!(bench.process("source", &["--dry-run"]).status.success());
    assert_eq!(bench.output("reason"), "run: never ingested");
    let key = bench.output("ingest-key");
    let flags = ["--ingest-key", key.as_str(), "--candidates", CANDIDATES];
    assert!(bench.process("training", &[&flags[..], &["--dry-run"]].concat()).status.success());
    assert_eq!(
        bench.output("reason"),
        "one: run: data set not ingested yet\ntwo: run: data set not ingested yet"
    );
    let items: Value = serde_json::from_str(&bench.output("candidates")).unwrap();
    assert_eq!(items[1], json!({"name": "two", "key": "", "memo-key": ""}));

    bench.ingest().await;
    assert!(bench.process("source", &["--dry-run"]).status.success());
    assert_eq!(bench.output("reuse"), "true");
    assert!(bench.process("training", &[&flags[..], &["--dry-run"]].concat()).status.success());
    assert_eq!(bench.output("reason"), "one: run: no result\ntwo: run: no result");
    assert!(!bench.folder().join("store/runs/this").exists());
}
