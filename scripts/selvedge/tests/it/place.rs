//! A folder with templates and stub programs, and `selvedge` run in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A place of its own for one test.
pub(crate) struct Place {
    folder: TempDir,
}

/// What a stub begins with: it notes who it is, and offers `out NAME VALUE`.
const STUB: &str = r#"#!/bin/sh
note() { echo "$*" >> "$HERE/notes"; }
out() { printf '%s' "$2" > "$STEP_OUTPUTS/$1"; }
"#;

impl Place {
    /// With the WorkflowTemplates of the repository, and stubs that go well for all programs.
    pub(crate) fn of_the_repository() -> Self {
        let place = Self::empty();
        for entry in fs::read_dir(repository().join("workflows")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, place.at("workflows").join(path.file_name().unwrap())).unwrap();
            }
        }
        place.stub(
            "fingerprint",
            r#"note "fingerprint $*"
if [ "$1" = source ]; then
  out source-record 1; out ingest-key "aa$STEP_SALT"; out memo-key "aa$STEP_SALT"; out reuse false
  out reason "refresh: records 60000 → 70000 (+16.7 %)"
else
  note "plan promote=$STEP_PROMOTE"
  out candidates "$(cat "$HERE/candidates")"; out reason "cnn: run: no result"; out manifest m
fi"#,
        );
        place.stub("ingest", r#"note "ingest $STEP_KEY $STEP_SOURCE"; out manifest m; out records 7"#);
        place.stub(
            "train",
            r#"note "train $STEP_CANDIDATE $STEP_RANK/$STEP_WORLD $STEP_ADDRESS"; out model m"#,
        );
        place.stub("evaluate", r#"note "evaluate $STEP_CANDIDATE"; out accuracy 0.9"#);
        place.stub(
            "promote",
            r#"note "promote $STEP_CANDIDATE $STEP_BALANCER"; out decision keep; out reason "no better""#,
        );
        place.stub("finalize", r#"note "finalize $STEP_STATUS"; [ "$STEP_STATUS" != Failed ]"#);
        place.candidates(&["cnn", "dense", "resnet"]);
        place
    }

    /// With one file of templates, `pipeline.yaml`.
    pub(crate) fn of(pipeline: &str) -> Self {
        let place = Self::empty();
        place.write("workflows/pipeline.yaml", pipeline);
        place
    }

    fn empty() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["workflows", "bin"] {
            fs::create_dir(place.at(folder)).unwrap();
        }
        place.write("notes", "");
        place
    }

    /// What fingerprint says is to be trained.
    pub(crate) fn candidates(&self, names: &[&str]) {
        let items = names
            .iter()
            .map(|n| serde_json::json!({"name": n, "key": format!("{n}1"), "memo-key": format!("{n}2")}));
        self.write("candidates", &serde_json::Value::from_iter(items).to_string());
    }

    pub(crate) fn stub(&self, name: &str, body: &str) {
        let path = self.at("bin").join(name);
        let here = format!("HERE={}\n", self.folder.path().display());
        fs::write(&path, STUB.replacen('\n', &format!("\n{here}"), 1) + body + "\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        fs::write(self.at(path), text).unwrap();
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// What the stubs noted, in order.
    pub(crate) fn notes(&self) -> Vec<String> {
        fs::read_to_string(self.at("notes")).unwrap().lines().map(str::to_owned).collect()
    }

    /// How many notes begin with `text`.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.notes().iter().filter(|note| note.starts_with(text)).count()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
        command.current_dir(self.folder.path()).args(arguments).arg("--bin-folder").arg(self.at("bin"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs `selvedge ARGUMENTS` to its end.
    pub(crate) fn selvedge(&self, arguments: &[&str]) -> Ended {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Starts `selvedge ARGUMENTS`, and waits until `count` notes begin with `text`.
    pub(crate) fn start(&self, arguments: &[&str], count: usize, text: &str) -> Child {
        let child = self.command(arguments).spawn().unwrap();
        wait_for(text, || self.count(text) >= count);
        child
    }
}

/// How `selvedge` ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Panics unless it ended with `code`, and shows what it said.
    #[track_caller]
    pub(crate) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\nstdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }
}

/// Panics unless `condition` comes true within ten seconds.
#[track_caller]
pub(crate) fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}
