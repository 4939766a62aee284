//! A store in a folder with a data set, candidates that were trained and evaluated, and plans: what promote and
//! finalize find, made by hand.

#![allow(dead_code, unreachable_pub, reason = "promote's and finalize's tests use different parts")]

pub mod listener;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use selvedge_data::{Manifest, Shape, Split, SplitEntry};
use selvedge_plan::{
    Decision, Family, IngestPlan, Plan, PlannedCandidate, Run, Settings, SourceRecord, TrainResult, key,
};
use selvedge_registry::{
    Act, Card, Champion, ChampionLog, ClassScore, GoldenVectors, ModelIdentity, Predictions, SplitScore,
    champion,
};
use selvedge_store::{Created, Digest, Store, StoreOptions, blob};
use tempfile::TempDir;

/// Records of the validation and the test split.
pub const RECORDS: usize = 1000;
const CLASSES: [&str; 4] = ["Bag", "Coat", "Dress", "Shirt"];

/// A store and what a test put there.
pub struct World {
    pub folder: TempDir,
    pub store: Store,
    pub manifest: Manifest,
}

/// A trained candidate.
#[derive(Clone)]
pub struct Candidate {
    pub planned: PlannedCandidate,
    pub identity: ModelIdentity,
    pub model: Digest,
    pub card: Card,
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub line: String,
    outputs: PathBuf,
}

impl World {
    pub async fn new() -> Self {
        Self::with_classes(&CLASSES).await
    }

    pub async fn with_classes(classes: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreOptions::folder(folder.path()).unwrap()).await.unwrap();
        let splits = Split::ALL.map(|split| (split, SplitEntry { records: RECORDS, batches: Vec::new() }));
        let manifest = Manifest {
            name: "garments".into(),
            shape: Shape { height: 28, width: 28, channels: 1 },
            classes: classes.iter().map(|class| class.to_string()).collect(),
            batch_size: 1000,
            source: Digest::of("source"),
            splits: BTreeMap::from(splits),
        };
        store.put_blob(manifest.to_bytes()).await.unwrap();
        Self { folder, store, manifest }
    }

    /// The same store with another data set.
    pub async fn other_data(&self, classes: &[&str]) -> Self {
        let other = Self::with_classes(classes).await;
        let mut manifest = other.manifest;
        manifest.source = Digest::of("other source");
        self.store.put_blob(manifest.to_bytes()).await.unwrap();
        Self { folder: tempfile::tempdir().unwrap(), store: self.store.clone(), manifest }
    }

    /// A candidate that was trained and evaluated, and is wrong on the validation records `wrong` of a thousand.
    pub async fn candidate(&self, name: &str, multiply_adds: u64, wrong: Range<usize>) -> Candidate {
        let mut candidate = self.identity(name, multiply_adds).await;
        for split in [Split::Validation, Split::Test] {
            let score = self.score(&candidate.identity, &wrong).await;
            candidate.card.splits.insert(split, score);
        }
        let result = TrainResult {
            key: candidate.planned.key,
            model: candidate.model,
            weights: candidate.identity.weights,
            run: "earlier".into(),
            world: 3,
            steps: 10,
            curves: Vec::new(),
        };
        let path = key::result_path("train", &candidate.planned.key);
        self.store.create_record(&path, &result).await.unwrap();
        let path = ModelIdentity::path(&candidate.model);
        self.store.create_record(&path, &candidate.identity).await.unwrap();
        self.store.create_record(&self.card_path(&candidate), &candidate.card).await.unwrap();
        candidate
    }

    pub fn card_path(&self, candidate: &Candidate) -> String {
        Card::path(&candidate.model, &self.manifest.digest(), key::EVALUATE_REVISION)
    }

    async fn identity(&self, name: &str, multiply_adds: u64) -> Candidate {
        let settings = Settings::of(Family::Cnn);
        let dataset = self.manifest.digest();
        let key = Digest::of(format!("key of {name} on {dataset}"));
        let identity = ModelIdentity {
            weights: self.store.put_blob(format!("weights of {name}")).await.unwrap(),
            family: Family::Cnn,
            settings: settings.clone(),
            dataset,
            dataset_name: self.manifest.name.clone(),
            input: [28, 28, 1],
            classes: self.manifest.classes.clone(),
            parameters: 1000,
            multiply_adds,
            libtorch: key::LIBTORCH.into(),
            instructions: "avx2".into(),
            golden: GoldenVectors {
                blob: self.store.put_blob(format!("golden vectors of {name}")).await.unwrap(),
                tolerance: 1e-4,
            },
        };
        let card = Card {
            model: identity.digest(),
            dataset,
            revision: key::EVALUATE_REVISION,
            weights_bytes: 4000,
            parameters: identity.parameters,
            multiply_adds,
            splits: BTreeMap::new(),
        };
        let planned = PlannedCandidate {
            name: name.into(),
            family: Family::Cnn,
            settings,
            key,
            memo_key: key,
            reuse: false,
            reason: "run: first time".into(),
        };
        Candidate { planned, model: card.model, identity, card }
    }

    async fn score(&self, identity: &ModelIdentity, wrong: &Range<usize>) -> SplitScore {
        let classes = identity.classes.len();
        let labels: Vec<_> = (0..RECORDS).map(|record| (record % classes) as u8).collect();
        let predict =
            |(record, label): (usize, &u8)| (*label + u8::from(wrong.contains(&record))) % classes as u8;
        let predicted: Vec<_> = labels.iter().enumerate().map(predict).collect();
        let mut confusion = vec![vec![0; classes]; classes];
        let mut probabilities = vec![0.1_f32; RECORDS * classes];
        for (record, (label, predicted)) in labels.iter().zip(&predicted).enumerate() {
            confusion[usize::from(*label)][usize::from(*predicted)] += 1;
            probabilities[record * classes + usize::from(*predicted)] = 0.7;
        }
        let bytes = Predictions { predicted, labels, probabilities }.to_bytes().unwrap();
        let accuracy = 1.0 - wrong.len() as f64 / RECORDS as f64;
        let of_class = |name: &String| ClassScore {
            name: name.clone(),
            records: (RECORDS / classes) as u64,
            precision: accuracy,
            recall: accuracy,
        };
        SplitScore {
            records: RECORDS as u64,
            accuracy,
            loss: 0.4,
            calibration_error: 0.02,
            classes: identity.classes.iter().map(of_class).collect(),
            confusion,
            predictions: self.store.put_blob(bytes).await.unwrap(),
        }
    }

    /// A plan for `run` over the champion of this moment.
    pub async fn plan(&self, run: &str, promote: &str, candidates: &[&Candidate]) {
        let run = Run::new(&self.store, run);
        let dataset = self.manifest.digest();
        let plan = Plan {
            run: run.name().into(),
            created: Timestamp::now(),
            name: self.manifest.name.clone(),
            promote: promote.into(),
            floor: 0.8,
            champion_at_start: self.log().newest().await.unwrap().map(|(generation, _)| generation),
            ingest: IngestPlan {
                source_record: 1,
                key: dataset,
                memo_key: dataset,
                reuse: true,
                warning: false,
                reason: "reuse: 1 day old, limit 30".into(),
            },
            manifest: dataset,
            candidates: candidates.iter().map(|candidate| candidate.planned.clone()).collect(),
        };
        let number = run.plans().newest().await.unwrap().map_or(1, |(newest, _)| newest + 1);
        assert_eq!(run.plans().append(number, &plan).await.unwrap(), Created::New);
        let source = SourceRecord {
            number: 1,
            location: "file:///data".into(),
            last_updated: Timestamp::now(),
            record_count: 3 * RECORDS as u64,
            content: Digest::of("content"),
            parts: BTreeMap::new(),
            stamps: BTreeMap::new(),
            manifest: dataset,
            key: dataset,
            run: "earlier".into(),
        };
        self.store.create_record("sources/garments/0000000001.json", &source).await.unwrap();
    }

    pub fn log(&self) -> ChampionLog {
        champion::log(&self.store, &self.manifest.name)
    }

    /// Everything that the log holds: generation, act and candidate.
    pub async fn generations(&self) -> Vec<(u64, Act, String)> {
        let all = self.log().all().await.unwrap();
        all.into_iter().map(|champion| (champion.generation, champion.act, champion.candidate)).collect()
    }

    /// The candidate of the newest generation.
    pub async fn champion(&self) -> Option<String> {
        self.log().newest().await.unwrap().map(|(_, champion)| champion.candidate)
    }

    /// Appends to the log as somebody else.
    pub async fn append(&self, act: Act, candidate: &Candidate) -> u64 {
        let generation = self.log().newest().await.unwrap().map_or(1, |(newest, _)| newest + 1);
        let champion = Champion {
            generation,
            act,
            model: candidate.model,
            dataset: candidate.identity.dataset,
            candidate: candidate.planned.name.clone(),
            run: "somebody".into(),
            promotion: format!("somebody's {generation}"),
            reason: "because".into(),
            at: Timestamp::now(),
        };
        assert_eq!(self.log().append(generation, &champion).await.unwrap(), Created::New);
        generation
    }

    pub async fn decisions(&self, run: &str) -> Vec<Decision> {
        Run::new(&self.store, run).decisions().all().await.unwrap()
    }

    /// The arguments of promote in `run` for `candidate`.
    pub fn promote(&self, run: &str, candidate: &Candidate, more: &[&str]) -> Vec<String> {
        let (name, key) = (&candidate.planned.name, candidate.planned.key.to_string());
        self.arguments(&[&["--run", run, "--candidate", name, "--key", &key], more].concat())
    }

    pub fn arguments(&self, arguments: &[&str]) -> Vec<String> {
        let own = ["--store", self.store.uri()];
        own.iter().chain(arguments).map(|argument| argument.to_string()).collect()
    }

    /// Removes or damages an object: `damage` sees its path.
    pub fn damage_blob(&self, digest: &Digest) {
        std::fs::write(self.folder.path().join(blob::path(digest)), "damaged").unwrap();
    }

    pub fn remove(&self, path: &str) {
        std::fs::remove_file(self.folder.path().join(path)).unwrap();
    }
}

/// Starts `binary` with nothing in its environment, and waits for its end.
pub async fn end(binary: &str, arguments: Vec<String>) -> Ended {
    let outputs = tempfile::tempdir().unwrap().keep();
    let binary = PathBuf::from(binary);
    let ended = tokio::task::spawn_blocking(move || {
        let process = command(&binary, &outputs, arguments).output().unwrap();
        let said = String::from_utf8(process.stderr).unwrap();
        let line = said.lines().last().unwrap_or_default().to_owned();
        Ended { code: process.status.code().unwrap_or(-1), line, outputs }
    });
    ended.await.unwrap()
}

/// Starts `binary`, sends it `signal` once it has looked at the listener, and tells how it ended: a code, or none.
pub async fn interrupted(
    binary: &str,
    arguments: Vec<String>,
    listener: &listener::Listener,
    signal: &str,
) -> Option<i32> {
    let outputs = tempfile::tempdir().unwrap();
    let mut child = command(Path::new(binary), outputs.path(), arguments).spawn().unwrap();
    let before = listener.looks();
    while listener.looks() == before {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before it looked");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    tokio::task::spawn_blocking(move || child.wait().unwrap().code()).await.unwrap()
}

fn command(binary: &Path, outputs: &Path, arguments: Vec<String>) -> Command {
    let mut command = Command::new(binary);
    command.env_clear().arg("--log=warn").arg("--outputs").arg(outputs).args(arguments);
    command.arg("--termination-log").arg(outputs.join("no-termination-log")).stdout(Stdio::null());
    command
}

impl Ended {
    /// The value of an output parameter; empty where it was not written.
    pub fn output(&self, name: &str) -> String {
        std::fs::read_to_string(self.outputs.join(name)).unwrap_or_default()
    }

    /// The same, once it ended with `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.line);
        self
    }

    /// The same, once it ended with 0 and this decision.
    #[track_caller]
    pub fn decided(self, decision: &str) -> Self {
        let ended = self.expect(0);
        assert_eq!(ended.output("decision"), decision, "{}", ended.output("reason"));
        ended
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.outputs);
    }
}
