//! The whole pipeline on a cut of the real Fashion-MNIST: real processes, sockets and files, and what they leave.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use selvedge_plan::{Plan, Run, TrainResult, key};
use selvedge_registry::champion;
use selvedge_store::{Store, StoreOptions};
use selvedge_tests::cut::{self, Labels};
use selvedge_tests::{Output, selvedge};
use tempfile::TempDir;

/// A few epochs a family: enough to learn something, and short.
const CANDIDATES: &str = r#"candidates=[
    {"name": "cnn", "family": "cnn", "settings": {"epochs": 2}},
    {"name": "dense", "family": "dense", "settings": {"epochs": 3}},
    {"name": "resnet", "family": "resnet", "settings": {"epochs": 2}}]"#;
const DENSE: &str = r#"candidates=[{"name": "dense", "family": "dense", "settings": {"epochs": 3}}]"#;

/// A folder with a cut of the data and a store, and everything that a run left there.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new(train: usize, test: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        cut::write(&folder.path().join("data"), train, test, Labels::True);
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, more: &[&str]) -> Output {
        let (store, source) = (self.uri("store"), self.uri("data"));
        // A small cut in small batches, so that each of the six shards has some.
        let mut arguments = vec!["run", "--store", &store, "--source", &source, "-p", "batch-size=100"];
        arguments.extend(more);
        selvedge(self.path(), &arguments)
    }

    fn uri(&self, name: &str) -> String {
        format!("file://{}", self.path().join(name).display())
    }

    async fn store(&self) -> Store {
        Store::open(&StoreOptions::folder(&self.path().join("store")).unwrap()).await.unwrap()
    }

    /// The newest run and its plan.
    async fn newest(&self) -> (Run, Plan) {
        let store = self.store().await;
        let mut newest: Option<(Run, Plan)> = None;
        for path in store.list("runs").await.unwrap() {
            let run = Run::new(&store, path.split('/').nth(1).unwrap());
            let Some((_, plan)) = run.plans().newest().await.unwrap() else { continue };
            if newest.as_ref().is_none_or(|(_, other)| plan.created > other.created) {
                newest = Some((run, plan));
            }
        }
        newest.unwrap()
    }

    async fn trained(&self, candidate: &str) -> TrainResult {
        let (_, plan) = self.newest().await;
        let planned = plan.candidates.iter().find(|planned| planned.name == candidate).unwrap();
        let path = key::result_path("train", &planned.key);
        self.store().await.expect_record(&path).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_gangs_train_the_best_is_served_and_the_second_run_reuses_everything() {
    let site = Site::new(12_000, 2_000);
    let first = site.run(&["--serve", "--once", "--port", "0", "-p", CANDIDATES]).expect(0);
    let (run, plan) = site.newest().await;
    assert_eq!(plan.candidates.len(), 3);
    assert!(plan.candidates.iter().all(|candidate| !candidate.reuse), "{plan:?}");

    for candidate in ["cnn", "dense", "resnet"] {
        let trained = site.trained(candidate).await;
        assert_eq!(trained.world, 3);
        let last = trained.curves.last().unwrap();
        assert!(last.validation_accuracy > 0.7, "{candidate}: {last:?}");
        assert!(trained.curves[1..].iter().all(|epoch| epoch.store_reads == 0), "{candidate}: {trained:?}");
    }
    let decisions = run.decisions().all().await.unwrap();
    let promotes = decisions.iter().filter(|decision| decision.stage == "promote");
    assert_eq!(promotes.count(), 3, "{decisions:?}");
    assert!(decisions.iter().any(|decision| decision.served_at.is_some()), "{decisions:?}");
    assert!(decisions.iter().all(|decision| !decision.reason.is_empty()), "{decisions:?}");

    let (generation, champion) =
        champion::log(&site.store().await, "fashion-mnist").newest().await.unwrap().unwrap();
    let (_, report) = run.reports().newest().await.unwrap().unwrap();
    let report = site.store().await.blob(&report).await.unwrap();
    let report = String::from_utf8(report.to_vec()).unwrap();
    assert!(report.contains("<svg") && report.contains(&champion.model.short()), "{first}");
    assert!(first.stdout.matches("serve-").count() >= 10, "ten answers name their replicas: {first}");

    site.run(&["-p", CANDIDATES]).expect(0);
    let (again, plan) = site.newest().await;
    assert_ne!(again.name(), run.name());
    assert!(plan.ingest.reuse && plan.candidates.iter().all(|candidate| candidate.reuse), "{plan:?}");
    let trained = again.events().await.unwrap().into_iter().filter(|event| event.stage == "train");
    assert_eq!(trained.count(), 0, "a hit starts no rank");
    let (still, _) = champion::log(&site.store().await, "fashion-mnist").newest().await.unwrap().unwrap();
    assert_eq!(still, generation, "the same candidates keep the same champion");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_two_and_three_ranks_train_the_same_bits() {
    let mut weights = Vec::new();
    for world in 1..=3 {
        let site = Site::new(3_000, 500);
        site.run(&["-p", DENSE, "-p", &format!("world={world}")]).expect(0);
        let trained = site.trained("dense").await;
        assert_eq!(trained.world, world);
        weights.push((trained.steps, trained.weights));
    }
    assert!(weights[0].0 > 10, "{weights:?}");
    assert!(weights.iter().all(|other| *other == weights[0]), "{weights:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_leaves_production_alone() {
    let site = Site::new(2_000, 500);
    site.run(&["-p", DENSE, "-p", "promote=never"]).expect(0);
    let log = champion::log(&site.store().await, "fashion-mnist");
    assert!(log.newest().await.unwrap().is_none());
    let (run, _) = site.newest().await;
    assert!(run.decisions().all().await.unwrap().iter().all(|decision| decision.generation.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_diverges_fails_the_run_and_the_others_are_promoted() {
    let site = Site::new(2_000, 500);
    let candidates = r#"candidates=[{"name": "dense", "family": "dense", "settings": {"epochs": 2}},
        {"name": "wild", "family": "dense", "settings": {"learning-rate": 1e9}}]"#;
    let output = site.run(&["-p", candidates, "-p", "floor=0.5"]).expect(1);
    assert!(format!("{output}").contains("wild"), "{output}");
    let (_, champion) = champion::log(&site.store().await, "fashion-mnist").newest().await.unwrap().unwrap();
    assert_eq!(champion.candidate, "dense");
    site.run(&["-p", DENSE, "-p", "floor=0.5"]).expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_got_wrong_is_said_in_one_line_with_name_and_value() {
    let site = Site::new(1_000, 200);
    for (parameter, expected) in [
        ("candidates=[]", "empty"),
        (r#"candidates=[{"name":"a","family":"dense"},{"name":"a","family":"cnn"}]"#, "\"a\""),
        ("no-such-parameter=1", "no-such-parameter"),
    ] {
        let output = site.run(&["-p", parameter]);
        assert_ne!(output.code, 0, "{output}");
        assert!(format!("{}{}", output.stdout, output.stderr).contains(expected), "{output}");
    }
}
