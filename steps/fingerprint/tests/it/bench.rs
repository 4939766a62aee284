//! A folder with a source, a store and outputs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use clap::Parser;
use jiff::Timestamp;
use selvedge_contract::Stop;
use selvedge_data::Synthetic;
use selvedge_fingerprint::{Config, Stage};
use selvedge_plan::IngestPlan;
use selvedge_store::{Store, StoreOptions};

pub(crate) struct Bench(tempfile::TempDir);

/// A thousand training and two hundred test records.
pub(crate) const SET: Synthetic =
    Synthetic { train: 1000, test: 200, height: 6, width: 5, classes: 10, seed: 1, gzip: false };

pub(crate) fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

impl Bench {
    pub(crate) fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        bench.replace(SET);
        bench
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.folder().join("source")
    }

    /// Puts another source into the place of the one that is there.
    pub(crate) fn replace(&self, synthetic: Synthetic) {
        let _ = std::fs::remove_dir_all(self.source());
        synthetic.write(&self.source()).unwrap();
    }

    /// Raises every label by one, and leaves the images as they are.
    pub(crate) fn relabel(&self) {
        for part in ["train", "t10k"] {
            let path = self.source().join(format!("{part}-labels-idx1-ubyte"));
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[8..].iter_mut().for_each(|label| *label = (*label + 1) % 10);
            std::fs::write(path, bytes).unwrap();
        }
    }

    pub(crate) async fn store(&self) -> Store {
        Store::open(&StoreOptions::folder(&self.folder().join("store")).unwrap()).await.unwrap()
    }

    pub(crate) fn uri(&self, of: &str) -> String {
        format!("file://{}/{of}", self.folder().display())
    }

    pub(crate) fn output(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder().join("outputs").join(name)).unwrap()
    }

    /// The bench's flags, but for those that are given.
    fn arguments(&self, stage: &str, given: &[&str]) -> Vec<String> {
        let outputs = self.folder().join("outputs");
        let (store, source) = (self.uri("store"), self.uri("source"));
        let mut flags = vec![("--name", "set"), ("--store", &store), ("--run", "this")];
        flags.push(("--outputs", outputs.to_str().unwrap()));
        if stage == "source" {
            flags.extend([("--source", source.as_str()), ("--batch-size", "100")]);
        }
        let own =
            flags.iter().filter(|(flag, _)| !given.contains(flag)).flat_map(|(flag, value)| [*flag, *value]);
        ["fingerprint", stage]
            .into_iter()
            .chain(own)
            .chain(given.iter().copied())
            .map(str::to_owned)
            .collect()
    }

    /// What `fingerprint source` with these flags decides when the newest record is of `age`.
    pub(crate) async fn decide(&self, age: Duration, more: &[&str]) -> IngestPlan {
        let config = Config::try_parse_from(self.arguments("source", more)).unwrap();
        let Stage::Source(config) = config.stage else { panic!("another stage") };
        let now = Timestamp::now() + age;
        selvedge_fingerprint::source::plan(&config, &self.store().await, now).await.unwrap()
    }

    /// Decides as `fingerprint source` does, and ingests as run `first`.
    pub(crate) async fn ingest(&self) -> IngestPlan {
        let plan = self.decide(Duration::ZERO, &[]).await;
        let flags = [
            ("--name", "set".to_owned()),
            ("--store", self.uri("store")),
            ("--source", self.uri("source")),
            ("--run", "first".to_owned()),
            ("--key", plan.key.to_string()),
            ("--source-record", plan.source_record.to_string()),
            ("--batch-size", "100".to_owned()),
            ("--outputs", self.folder().join("ingested").display().to_string()),
        ];
        let arguments = flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
        let config =
            selvedge_ingest::Config::try_parse_from(["ingest".to_owned()].into_iter().chain(arguments));
        selvedge_ingest::run(config.unwrap(), self.store().await, Stop::new()).await.unwrap();
        plan
    }

    /// Runs the binary.
    pub(crate) fn process(&self, stage: &str, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fingerprint"));
        command.env_clear().args(&self.arguments(stage, more)[1..]).args(["--log", "off"]);
        command.output().unwrap()
    }

    /// Runs the binary to a bad end: this exit code, and one line that contains `message`.
    pub(crate) fn refused(&self, stage: &str, more: &[&str], code: i32, message: &str) {
        let output = self.process(stage, more);
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.contains(message), "{line}, expected {message}");
    }
}
