//! The wrapper as a process: what it leaves alone, and what it does to whom.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A folder with the entries of workflow `w`, a progress file, and what the command left.
struct World(TempDir);

impl World {
    fn new(entries: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("faults")).unwrap();
        fs::write(folder.path().join("faults/w"), entries).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The wrapper in the pod of rank 1 of candidate `a`, with a stage that runs `script`.
    fn command(&self, script: &str) -> Command {
        let stage = self.path("train");
        // Written by a process of its own: a file that another thread's child holds open for writing cannot be run.
        let write = r#"printf '#!/bin/sh\n%s\n' "$1" >"$0" && chmod 755 "$0""#;
        let written = Command::new("/bin/sh").args(["-c", write]).arg(&stage).arg(script).status().unwrap();
        assert!(written.success(), "{}", stage.display());
        let mut command = Command::new(env!("CARGO_BIN_EXE_fault"));
        command.arg("--cgroup").arg(self.path("cgroup")).arg(&stage).current_dir(self.0.path());
        command.env("FAULTS", self.path("faults")).env("FAULT_WORKFLOW", "w");
        command.env("ARGO_PROGRESS_FILE", self.path("progress"));
        command.env("STEP_CANDIDATE", "a").env("STEP_RANK", "1").env("FAULT_ATTEMPT", "0");
        command
    }

    fn run(&self, script: &str) -> Output {
        self.command(script).output().unwrap()
    }
}

fn entry(more: &str) -> String {
    format!(r#"[{{"stage": "train", {more}}}]"#)
}

#[test]
fn a_pod_without_an_entry_is_the_command_itself() {
    for other in [
        r#"[{"stage": "evaluate", "fault": "fail", "moment": "start"}]"#.to_owned(),
        entry(r#""candidate": "b", "fault": "fail", "moment": "start""#),
        entry(r#""candidate": "a", "rank": "2", "fault": "fail", "moment": "start""#),
    ] {
        let world = World::new(&other);
        let child = world.command("echo $$; exit 7").stdout(Stdio::piped()).spawn().unwrap();
        let pid = child.id().to_string();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), pid, "the same process");
        assert_eq!(output.status.code(), Some(7));
    }
}

#[test]
fn it_installs_itself_where_the_command_will_run() {
    let world = World::new("[]");
    let copy = world.path("copy");
    let mut install = Command::new(env!("CARGO_BIN_EXE_fault"));
    // The variables of a pod are those of its init containers too.
    install.arg("--install").arg(&copy).env("ARGO_PROGRESS_FILE", "/progress").env("FAULT_WORKFLOW", "w");
    assert!(install.status().unwrap().success());
    let output = Command::new(copy).args(["/bin/sh", "-c", "exit 7"]).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
}

#[test]
fn a_later_attempt_is_harmed_only_where_the_entry_says_so() {
    for (more, code) in [("", 0), (r#""every_attempt": true,"#, 1)] {
        let world = World::new(&entry(&format!(r#"{more} "fault": "fail", "moment": "start""#)));
        let output = world.command("exit 0").env("FAULT_ATTEMPT", "1").output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
}

#[test]
fn at_the_start_nothing_is_run_and_at_the_end_all_is_done() {
    for (moment, ran) in [("start", false), ("end", true)] {
        for (fault, code, signal) in [("fail", Some(1), None), ("kill", None, Some(9))] {
            let world = World::new(&entry(&format!(r#""fault": "{fault}", "moment": "{moment}""#)));
            let output = world.run("touch done");
            assert_eq!((output.status.code(), output.status.signal()), (code, signal), "{output:?}");
            assert_eq!(world.path("done").exists(), ran, "{output:?}");
            assert!(String::from_utf8_lossy(&output.stderr).contains(fault), "{output:?}");
        }
    }
}

#[test]
fn a_command_that_fails_by_itself_keeps_its_code() {
    let world = World::new(&entry(r#""fault": "kill", "moment": "end""#));
    assert_eq!(world.run("exit 75").status.code(), Some(75));
}

#[test]
fn in_the_middle_it_is_killed_with_its_wrapper() {
    let world = World::new(&entry(r#""rank": "1", "fault": "kill", "moment": {"progress": 30}"#));
    let output =
        world.run("echo $$ >pid; for n in 10 20 30; do echo $n/75 >progress; sleep 0.2; done; exec sleep 60");
    assert_eq!(output.status.signal(), Some(9), "{output:?}");
    assert_eq!(fs::read_to_string(world.path("progress")).unwrap(), "30/75\n", "not before");
    let pid = fs::read_to_string(world.path("pid")).unwrap();
    assert!(!PathBuf::from(format!("/proc/{}", pid.trim())).exists(), "nothing is left behind");
}

#[test]
fn what_hangs_is_stopped_until_somebody_takes_it_away() {
    let world = World::new(&entry(r#""fault": "hang", "moment": {"progress": 1}"#));
    let mut child = world.command("echo $$ >pid; echo 1/2 >progress; exec sleep 60").spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    let state = || {
        let pid = fs::read_to_string(world.path("pid")).ok()?;
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).ok()?;
        Some((pid.trim().to_owned(), stat.rsplit(')').next()?.trim().chars().next()?))
    };
    let pid = loop {
        assert!(Instant::now() < end, "not stopped: {:?}", state());
        match state() {
            Some((pid, 'T')) => break pid,
            _ => sleep(Duration::from_millis(10)),
        }
    };
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    // Outside of a container nobody else ends it.
    Command::new("kill").args(["-9", &pid]).status().unwrap();
}

#[test]
fn memory_is_eaten_only_below_a_limit() {
    let world = World::new(&entry(r#""fault": "memory", "moment": "start""#));
    let refused = world.run("touch done");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no memory limit"), "{refused:?}");

    fs::create_dir(world.path("cgroup")).unwrap();
    fs::write(world.path("cgroup/memory.max"), (32 << 20).to_string()).unwrap();
    let nobody = world.run("touch done");
    assert_eq!(nobody.status.code(), Some(1), "a limit that nobody enforces kills nobody: {nobody:?}");
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("nobody was killed"), "{nobody:?}");
}
