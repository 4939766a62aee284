//! A store with a small data set and a plan, in which ranks of `train` run as processes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use jiff::Timestamp;
use selvedge_data::{Batch, BatchEntry, Manifest, Random, Shape, Split, SplitEntry};
use selvedge_plan::{
    Event, Family, IngestPlan, Plan, PlannedCandidate, Run, Settings, TrainResult, instructions, key,
};
use selvedge_store::{Digest, Store, StoreOptions, blob};

const SHAPE: Shape = Shape { height: 8, width: 8, channels: 1 };
const CLASSES: usize = 4;

pub(crate) struct Bench {
    folder: tempfile::TempDir,
    pub(crate) key: Digest,
    pub(crate) manifest: Manifest,
}

/// What trains in a second.
pub(crate) fn settings() -> Settings {
    Settings {
        network: "c4.3.2 f b16 o".to_owned(),
        epochs: 3,
        flip: true,
        shift: 1,
        micro_batch: 8,
        window: 2,
        instructions: instructions::detect().to_owned(),
        ..Settings::of(Family::Cnn)
    }
}

impl Bench {
    /// 600 records in batches of 25, and a plan with the candidate `small`.
    pub(crate) fn new(settings: &Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let options = StoreOptions::folder(&folder.path().join("store")).unwrap();
        let (key, manifest) = runtime.block_on(async {
            let store = Store::open(&options).await.unwrap();
            let mut splits = std::collections::BTreeMap::new();
            splits.insert(Split::Train, split(&store, 1, 550).await);
            splits.insert(Split::Validation, split(&store, 2, 50).await);
            let manifest = Manifest {
                name: "set".to_owned(),
                shape: SHAPE,
                classes: (0..CLASSES).map(|class| class.to_string()).collect(),
                batch_size: 25,
                source: Digest::of("source"),
                splits,
            };
            let digest = store.put_blob(manifest.to_bytes()).await.unwrap();
            let key = key::train(&digest, settings, "");
            for run in ["first", "second"] {
                let plan = plan(run, digest, key, settings);
                Run::new(&store, run).plans().append(1, &plan).await.unwrap();
            }
            (key, manifest)
        });
        Self { folder, key, manifest }
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Where the outputs of a rank lie.
    pub(crate) fn outputs(&self, rank: usize) -> PathBuf {
        self.folder.path().join(format!("outputs-{rank}"))
    }

    /// Starts a rank of run `first`, or of another by `variables`.
    pub(crate) fn start(&self, rank: usize, world: usize, variables: &[(&str, &str)]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_train"));
        command
            .env_clear()
            .env("STEP_STORE", format!("file://{}", self.store().display()))
            .env("STEP_RUN", "first")
            .env("STEP_CANDIDATE", "small")
            .env("STEP_KEY", self.key.to_string())
            .env("STEP_RANK", rank.to_string())
            .env("STEP_WORLD", world.to_string())
            .env("STEP_OUTPUTS", self.outputs(rank))
            .env("ARGO_PROGRESS_FILE", self.folder.path().join(format!("progress-{rank}")))
            .env("STEP_LOG", "off")
            .envs(variables.iter().map(|(name, value)| (format!("STEP_{name}"), value)))
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Starts all ranks of a gang.
    pub(crate) fn gang(&self, world: usize, variables: &[(&str, &str)]) -> Vec<Child> {
        (0..world).map(|rank| self.start(rank, world, variables)).collect()
    }

    /// Lets a gang train to a good end.
    pub(crate) fn train(&self, world: usize, variables: &[(&str, &str)]) -> TrainResult {
        for child in self.gang(world, variables) {
            expect(child, 0);
        }
        self.result().unwrap()
    }

    /// The committed result, if there is one.
    pub(crate) fn result(&self) -> Option<TrainResult> {
        let bytes = std::fs::read(self.store().join(key::result_path("train", &self.key))).ok()?;
        Some(serde_json::from_slice(&bytes).unwrap())
    }

    pub(crate) fn progress(&self, rank: usize) -> Option<String> {
        std::fs::read_to_string(self.folder.path().join(format!("progress-{rank}"))).ok()
    }

    /// The events of a run, by the end of their stage.
    pub(crate) fn events(&self, run: &str) -> Vec<Event> {
        let files = std::fs::read_dir(self.store().join("runs").join(run).join("events")).unwrap();
        let bytes = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        let mut events: Vec<Event> = bytes.map(|bytes| serde_json::from_slice(&bytes).unwrap()).collect();
        events.sort_by_key(|event| event.ended);
        events
    }

    /// The number of epochs whose checkpoints are there.
    pub(crate) fn checkpoints(&self) -> usize {
        let folder = self.store().join(format!("gangs/{}/checkpoints", self.key));
        let names = std::fs::read_dir(folder).into_iter().flatten();
        names.filter(|name| name.as_ref().unwrap().path().extension() == Some("json".as_ref())).count()
    }

    /// Where a blob lies.
    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        self.store().join(blob::path(digest))
    }
}

/// Waits for the end of a process, which must be with this code, and returns its one line.
pub(crate) fn expect(child: Child, code: i32) -> String {
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    let line = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "{line}");
    assert_eq!(line.lines().count(), usize::from(code != 0), "{line}");
    line.trim_end().to_owned()
}

/// Sends a signal to all of these processes at once.
pub(crate) fn signal(children: &[Child], signal: &str) {
    let ids = children.iter().map(|child| child.id().to_string());
    Command::new("kill").arg(signal).args(ids).output().unwrap();
}

/// Waits until `done`, or until a minute is over.
pub(crate) fn wait_until(what: &str, done: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !done() {
        assert!(begun.elapsed().as_secs() < 60, "{what} has not happened");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// The bytes of a file that has to be there.
pub(crate) fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Records of random noise in which one of four stripes, the class's, is brighter.
async fn split(store: &Store, draw: u64, records: usize) -> SplitEntry {
    let mut random = Random::new(&[draw]);
    let mut batches = Vec::new();
    for first in (0..records).step_by(25) {
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        for _ in first..(first + 25).min(records) {
            let label = random.below(CLASSES as u64) as u8;
            labels.push(label);
            images.extend((0..64u8).map(|at| {
                let bright = at / 16 == label;
                random.below(120) as u8 + if bright { 90 } else { 0 }
            }));
        }
        let batch = Batch::new(SHAPE, images, labels).unwrap();
        let digest = store.put_blob(batch.encode().unwrap()).await.unwrap();
        batches.push(BatchEntry { digest, records: batch.records() });
    }
    SplitEntry { records, batches }
}

fn plan(run: &str, manifest: Digest, key: Digest, settings: &Settings) -> Plan {
    let nothing = Digest::of("");
    let reason = String::new();
    let ingest = IngestPlan {
        source_record: 1,
        key: nothing,
        memo_key: nothing,
        reuse: false,
        warning: false,
        reason: reason.clone(),
    };
    let candidate = PlannedCandidate {
        name: "small".to_owned(),
        family: Family::Cnn,
        settings: settings.clone(),
        key,
        memo_key: nothing,
        reuse: false,
        reason,
    };
    Plan {
        run: run.to_owned(),
        created: Timestamp::now(),
        name: "set".to_owned(),
        promote: "auto".to_owned(),
        floor: 0.8,
        champion_at_start: None,
        ingest,
        manifest,
        candidates: vec![candidate],
    }
}
