//! Child processes that cannot outlive us.
//!
//! Each child leads a process group of its own, so that a terminal's Ctrl-C reaches it only through us, and so that
//! its children can be ended with it. The kernel kills it when the thread that started it ends: everything here runs
//! on the main thread, whose end is ours.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getppid};
use selvedge_contract::Stop;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// What to start.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The program.
    pub program: &'a Path,
    /// Its arguments.
    pub arguments: &'a [String],
    /// Environment variables; those of the suite that we have ourselves are not handed on.
    pub environment: &'a BTreeMap<String, String>,
    /// Where stdout and stderr go.
    pub log: &'a Path,
    /// How much nicer than we are, 0 to 19.
    pub niceness: i32,
}

/// A running child; dropped, it is killed with its whole group.
#[derive(Debug)]
pub struct Process {
    child: Child,
    group: Pid,
}

impl Process {
    /// Starts a child.
    ///
    /// # Errors
    /// When the log cannot be created or the program cannot be started.
    pub fn start(launch: &Launch<'_>) -> io::Result<Self> {
        let log = File::create(launch.log)?;
        let mut command = Command::new(launch.program);
        for (name, _) in std::env::vars_os() {
            if ["STEP_", "ARGO_"].iter().any(|ours| name.to_string_lossy().starts_with(ours)) {
                command.env_remove(name);
            }
        }
        command
            .args(launch.arguments)
            .envs(launch.environment)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true);
        let (parent, niceness) = (Pid::this(), launch.niceness);
        // SAFETY: between fork and exec only async-signal-safe system calls are made, and nothing is allocated.
        unsafe { command.pre_exec(move || prepare(parent, niceness)) };
        let child = command.spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let group = Pid::from_raw(id.ok_or_else(|| io::Error::other("the child has no process id"))?);
        Ok(Self { child, group })
    }

    /// Waits for the end, and tells the exit code: 128 + n for a death by signal n. A requested stop is handed on as
    /// SIGTERM, and as SIGKILL after `grace`.
    ///
    /// # Errors
    /// When the child cannot be waited for.
    pub async fn end(&mut self, stop: &Stop, grace: Duration) -> io::Result<i32> {
        tokio::select! {
            status = self.child.wait() => return Ok(code(status?)),
            () = stop.requested() => {}
        }
        self.terminate(grace).await
    }

    /// Asks it to end, kills it after `grace`, and tells the exit code.
    ///
    /// # Errors
    /// When the child cannot be waited for.
    pub async fn terminate(&mut self, grace: Duration) -> io::Result<i32> {
        self.signal(Signal::SIGTERM);
        match timeout(grace, self.child.wait()).await {
            Ok(status) => Ok(code(status?)),
            Err(_) => {
                self.signal(Signal::SIGKILL);
                Ok(code(self.child.wait().await?))
            }
        }
    }

    fn signal(&self, signal: Signal) {
        // ESRCH: the group is gone, which is what was wanted.
        let _ = killpg(self.group, signal);
    }
}

/// Whatever the child left running goes with it.
impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

fn prepare(parent: Pid, niceness: i32) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != parent {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    // SAFETY: takes and returns integers.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, niceness) };
    // A priority that cannot be had is no reason not to work.
    let _ = result;
    Ok(())
}

fn code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}
