//! A store with a data set, a plan and a trained model, on which `evaluate` runs as a process.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use jiff::Timestamp;
use selvedge_data::{Batch, BatchEntry, Manifest, Random, Shape, Split, SplitEntry};
use selvedge_model::{MicroBatch, Network, Trainer, learning_rate, set_instructions};
use selvedge_plan::{
    Event, Family, IngestPlan, Plan, PlannedCandidate, Run, Settings, TrainResult, instructions, key,
};
use selvedge_registry::{Act, Card, Champion, GoldenVectors, ModelIdentity, Predictions, champion};
use selvedge_store::{Created, Digest, Store, StoreOptions, blob};

/// Blobs of a new bench: batches, manifest, weights.
const BLOBS: usize = 8;
const SHAPE: Shape = Shape { height: 5, width: 4, channels: 1 };

pub(crate) struct Bench {
    folder: tempfile::TempDir,
    pub(crate) manifest: Manifest,
    pub(crate) model: ModelIdentity,
    instructions: String,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::of_instructions(instructions::detect())
    }

    /// A plan that asks for `instructions`.
    pub(crate) fn of_instructions(instructions: &str) -> Self {
        set_instructions(instructions::detect()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("store")).unwrap();
        let store = open(folder.path().join("store"));
        let manifest = wait(data_set(&store));
        let model = train(&store, &manifest, "f b48 o", manifest.classes.clone());
        let bench = Self { folder, manifest, model, instructions: instructions.to_owned() };
        wait(bench.plan(&bench.store()));
        bench
    }

    pub(crate) fn train(&self, network: &str, classes: Vec<String>) -> ModelIdentity {
        train(&self.store(), &self.manifest, network, classes)
    }

    fn settings(&self) -> Settings {
        Settings { instructions: self.instructions.clone(), ..self.model.settings.clone() }
    }

    /// The candidate's training result key.
    pub(crate) fn key(&self) -> Digest {
        key::train(&self.manifest.digest(), &self.settings(), "")
    }

    async fn plan(&self, store: &Store) {
        let key = self.key();
        let ingest = IngestPlan {
            source_record: 1,
            key: Digest::of("ingest"),
            memo_key: Digest::of("memo"),
            reuse: false,
            warning: false,
            reason: String::new(),
        };
        let candidate = PlannedCandidate {
            name: "small".to_owned(),
            family: Family::Dense,
            settings: self.settings(),
            key,
            memo_key: Digest::of("memo"),
            reuse: false,
            reason: String::new(),
        };
        let plan = Plan {
            run: "run-1".to_owned(),
            created: Timestamp::now(),
            name: "set".to_owned(),
            promote: "auto".to_owned(),
            floor: 0.8,
            champion_at_start: None,
            ingest,
            manifest: self.manifest.digest(),
            candidates: vec![candidate],
        };
        assert_eq!(Run::new(store, "run-1").plans().append(1, &plan).await.unwrap(), Created::New);
        let result = TrainResult {
            key,
            model: self.model.digest(),
            weights: self.model.weights,
            run: "run-1".to_owned(),
            world: 1,
            steps: 1,
            curves: Vec::new(),
        };
        store.create_record(&key::result_path("train", &key), &result).await.unwrap();
    }

    /// Makes `model` the champion.
    pub(crate) fn crown(&self, model: &ModelIdentity) {
        let generation = Champion {
            generation: 1,
            act: Act::Promote,
            model: model.digest(),
            dataset: self.manifest.digest(),
            candidate: "old".to_owned(),
            run: "run-0".to_owned(),
            promotion: "p".to_owned(),
            reason: String::new(),
            at: Timestamp::now(),
        };
        wait(champion::log(&self.store(), "set").append(1, &generation)).unwrap();
    }

    pub(crate) fn put(&self, bytes: &'static [u8]) -> Digest {
        wait(self.store().put_blob(bytes)).unwrap()
    }

    pub(crate) fn identify(&self, model: &ModelIdentity) {
        wait(self.store().create_record(&ModelIdentity::path(&model.digest()), model)).unwrap();
    }

    fn store(&self) -> Store {
        open(self.folder.path().join("store"))
    }

    fn file(&self, path: &str) -> PathBuf {
        self.folder.path().join("store").join(path)
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.file(path).exists()
    }

    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.file(path)).unwrap()
    }

    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        std::fs::write(self.file(path), bytes).unwrap();
    }

    /// Removes an object, or replaces its content, and tells what it was.
    pub(crate) fn damage(&self, path: &str, content: Option<&str>) -> Vec<u8> {
        let good = self.read(path);
        match content {
            Some(content) => self.write(path, content.as_bytes()),
            None => std::fs::remove_file(self.file(path)).unwrap(),
        }
        good
    }

    pub(crate) fn card_path(&self, model: &ModelIdentity) -> String {
        crate::card_path(model, &self.manifest.digest())
    }

    pub(crate) fn card(&self, model: &ModelIdentity) -> Card {
        serde_json::from_slice(&self.read(&self.card_path(model))).unwrap()
    }

    pub(crate) fn predictions(&self, digest: &Digest) -> Predictions {
        crate::predictions(&self.read(&blob::path(digest)))
    }

    fn batches(&self, split: Split) -> impl Iterator<Item = Batch> {
        let decode = |entry: &BatchEntry| {
            Batch::decode(&self.read(&blob::path(&entry.digest)).into(), &self.manifest, entry).unwrap()
        };
        self.manifest.batches(split).iter().map(decode)
    }

    pub(crate) fn labels(&self, split: Split) -> Vec<u8> {
        self.batches(split).flat_map(|batch| batch.labels.to_vec()).collect()
    }

    /// What the model answers when it is asked directly.
    pub(crate) fn answers(&self, model: &ModelIdentity, split: Split) -> Vec<f32> {
        let classifier = crate::classifier(model, &self.read(&blob::path(&model.weights)));
        self.batches(split).flat_map(|batch| classifier.probabilities(&batch.images).unwrap()).collect()
    }

    pub(crate) fn output(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join("outputs").join(name)).unwrap()
    }

    /// The newest event.
    pub(crate) fn event(&self) -> Event {
        wait(Run::new(&self.store(), "run-1").events()).unwrap().pop().unwrap()
    }

    fn command(&self, variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evaluate"));
        command
            .env_clear()
            .env("STEP_STORE", format!("file://{}", self.file("").display()))
            .env("STEP_RUN", "run-1")
            .env("STEP_CANDIDATE", "small")
            .env("STEP_KEY", self.key().to_string())
            .env("STEP_OUTPUTS", self.folder.path().join("outputs"))
            .env("STEP_LOG", "off")
            .envs(variables.iter().copied());
        command
    }

    fn run(&self, variables: &[(&str, &str)]) -> Output {
        self.command(variables).output().unwrap()
    }

    /// Runs to a good end.
    pub(crate) fn evaluate(&self) {
        let output = self.run(&[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs to a bad end: this exit code, and one line that contains `message`.
    pub(crate) fn refused(&self, variables: &[(&str, &str)], code: i32, message: &str) -> String {
        let output = self.run(variables);
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.contains(message), "{line}, expected {message}");
        line
    }

    /// Kills a run once the store holds so many blobs more than at first.
    pub(crate) fn kill_at(&self, blobs: usize) {
        let there = || std::fs::read_dir(self.file("blobs/sha256")).map_or(0, Iterator::count);
        let mut child = self.command(&[]).stderr(Stdio::null()).spawn().unwrap();
        while there() < BLOBS + blobs && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill();
        child.wait().unwrap();
    }
}

/// A data set of three splits, two batches each, whose classes are told apart by a bright row.
async fn data_set(store: &Store) -> Manifest {
    let mut splits = std::collections::BTreeMap::new();
    for (split, sizes) in [(Split::Train, [60, 20]), (Split::Validation, [30, 10]), (Split::Test, [30, 10])] {
        let mut entry = SplitEntry::default();
        for records in sizes {
            let random = Random::new(&[split as u64, entry.records as u64]);
            let bytes = batch(records, random).encode().unwrap();
            let digest = store.put_blob(bytes).await.unwrap();
            entry.batches.push(BatchEntry { digest, records });
            entry.records += records;
        }
        splits.insert(split, entry);
    }
    let classes = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let source = Digest::of("source");
    let manifest = Manifest { name: "set".to_owned(), shape: SHAPE, classes, batch_size: 30, source, splits };
    store.put_blob(manifest.to_bytes()).await.unwrap();
    manifest
}

fn batch(records: usize, mut random: Random) -> Batch {
    let labels: Vec<u8> = (0..records).map(|_| random.below(4) as u8).collect();
    let mut images = Vec::new();
    for label in &labels {
        for at in 0..SHAPE.bytes() {
            let bright = if at / SHAPE.width == usize::from(*label) { 100 } else { 0 };
            images.push(random.below(150) as u8 + bright);
        }
    }
    Batch::new(SHAPE, images, labels).unwrap()
}

/// Trains a model on the first batch and commits it.
fn train(store: &Store, manifest: &Manifest, spec: &str, classes: Vec<String>) -> ModelIdentity {
    let network = Network::parse(spec, SHAPE, 4).unwrap();
    let settings = Settings {
        network: spec.to_owned(),
        instructions: instructions::detect().to_owned(),
        ..Settings::of(Family::Dense)
    };
    let entry = &manifest.batches(Split::Train)[0];
    let batch = Batch::decode(&wait(store.blob(&entry.digest)).unwrap(), manifest, entry).unwrap();
    let records: Vec<u64> = (0..60).collect();
    let micro_batch =
        MicroBatch { images: &batch.images, labels: &batch.labels, records: &records, epoch: 0 };
    let mut trainer = Trainer::new(network.clone(), &settings).unwrap();
    let mut sum = vec![0.0; network.len()];
    for step in 0..20 {
        trainer.gradient(&micro_batch, &mut sum).unwrap();
        trainer.apply(&sum, 60, learning_rate(&settings, step, 20)).unwrap();
    }
    let weights = trainer.weights(&trainer.calibrate(&batch.images).unwrap()).unwrap();
    let identity = ModelIdentity {
        weights: wait(store.put_blob(weights)).unwrap(),
        family: Family::Dense,
        settings,
        dataset: manifest.digest(),
        dataset_name: manifest.name.clone(),
        input: [SHAPE.height, SHAPE.width, SHAPE.channels],
        classes,
        parameters: network.parameters() as u64,
        multiply_adds: network.multiply_adds(),
        libtorch: key::LIBTORCH.to_owned(),
        instructions: instructions::detect().to_owned(),
        golden: GoldenVectors { blob: Digest::of("golden"), tolerance: 1e-4 },
    };
    wait(store.create_record(&ModelIdentity::path(&identity.digest()), &identity)).unwrap();
    identity
}

fn open(folder: PathBuf) -> Store {
    wait(Store::open(&StoreOptions::folder(&folder).unwrap())).unwrap()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
