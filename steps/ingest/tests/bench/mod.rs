//! A folder with a source, a store and outputs, in which `ingest` runs as a process.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use selvedge_data::{Manifest, Synthetic};
use selvedge_plan::Event;
use selvedge_store::{Digest, blob};

pub(crate) struct Bench(tempfile::TempDir);

impl Bench {
    pub(crate) fn new(synthetic: Synthetic) -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        synthetic.write(&bench.source()).unwrap();
        bench
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.folder().join("source")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder().join("store")
    }

    /// The value of an output parameter.
    pub(crate) fn output(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder().join("outputs").join(name)).unwrap()
    }

    fn command(&self, variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ingest"));
        let uri = |path: &Path| format!("file://{}", path.display());
        command
            .env_clear()
            .env("STEP_NAME", "set")
            .env("STEP_SOURCE", uri(&self.source()))
            .env("STEP_STORE", uri(&self.store()))
            .env("STEP_SOURCE_RECORD", "1")
            .env("STEP_KEY", "a".repeat(64))
            .env("STEP_RUN", "first")
            .env("STEP_OUTPUTS", self.folder().join("outputs"))
            .env("ARGO_PROGRESS_FILE", self.folder().join("progress"))
            .env("STEP_LOG", "off");
        command.envs(variables.iter().map(|(name, value)| (format!("STEP_{name}"), value)));
        command
    }

    fn run(&self, variables: &[(&str, &str)]) -> Output {
        self.command(variables).output().unwrap()
    }

    /// Runs to a good end.
    pub(crate) fn ingest(&self, variables: &[(&str, &str)]) -> &Self {
        let output = self.run(variables);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self
    }

    /// Runs to a bad end: this exit code, and one line that contains `message`.
    pub(crate) fn refused(&self, variables: &[(&str, &str)], code: i32, message: &str) {
        let output = self.run(variables);
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.contains(message), "{line}, expected {message}");
    }

    /// The manifest that the last run put out.
    pub(crate) fn manifest(&self) -> Manifest {
        let digest: Digest = self.output("manifest").parse().unwrap();
        let bytes = std::fs::read(self.store().join(blob::path(&digest))).unwrap();
        assert_eq!(Digest::of(&bytes), digest);
        serde_json::from_slice(&bytes).unwrap()
    }

    /// The newest event of all runs.
    pub(crate) fn event(&self) -> Event {
        self.event_in(&self.store())
    }

    /// The newest event of all runs in another store.
    pub(crate) fn event_in(&self, store: &Path) -> Event {
        let runs = std::fs::read_dir(store.join("runs")).unwrap();
        let folders = runs.map(|run| run.unwrap().path().join("events"));
        let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap());
        let events = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        let events = events.map(|bytes| serde_json::from_slice::<Event>(&bytes).unwrap());
        events.max_by_key(|event| event.ended).unwrap()
    }

    /// Starts the process, sends it `signal` once the store holds so many blobs, and tells its exit code.
    pub(crate) fn kill_at(&self, blobs: usize, signal: &str) -> Option<i32> {
        let variables = [("BATCH_SIZE", "100")];
        let mut child = self.command(&variables).stderr(Stdio::null()).spawn().unwrap();
        let folder = self.store().join("blobs/sha256");
        let there = || std::fs::read_dir(&folder).map_or(0, Iterator::count);
        while there() < blobs && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        Command::new("kill").args([signal, &child.id().to_string()]).output().unwrap();
        child.wait().unwrap().code()
    }
}
