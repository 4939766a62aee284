//! The command as a child, and what is done to it.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::Pid;

use crate::entry::{Entry, Fault, Moment};
use crate::{Config, memory};

/// Steps of a small training are a few milliseconds apart.
const LOOK: Duration = Duration::from_millis(1);
/// A pod that nobody took away by then ends by itself.
const HANGING: Duration = Duration::from_secs(900);

/// Runs `command` with the harm of `entry`. A signal to this process ends it, and with its container the command.
pub(crate) fn run(entry: &Entry, mut command: Command, config: &Config) -> anyhow::Result<ExitCode> {
    let about = format!("{:?} at {:?}", entry.fault, entry.moment).to_lowercase();
    if entry.moment == Moment::Start {
        eprintln!("fault: {about}");
        return act(entry.fault, None, config).context(about);
    }
    let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
    match until(entry.moment, &mut child, config)? {
        None => {
            eprintln!("fault: {about}");
            act(entry.fault, Some(child), config).context(about)
        }
        Some(status) if status.success() && entry.moment == Moment::End => {
            eprintln!("fault: {about}");
            act(entry.fault, None, config).context(about)
        }
        Some(status) => {
            eprintln!("fault: the command ended before: {about}");
            Ok(code(status))
        }
    }
}

/// Waits for the moment, and tells the command's end if that came first.
fn until(moment: Moment, child: &mut Child, config: &Config) -> anyhow::Result<Option<ExitStatus>> {
    let Moment::Progress(wanted) = moment else {
        return Ok(Some(child.wait()?));
    };
    let progress = config.progress.as_ref().context("no progress file")?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let text = fs::read_to_string(progress).unwrap_or_default();
        let done = text.split('/').next().and_then(|done| done.trim().parse::<u64>().ok());
        if done.is_some_and(|done| done >= wanted) {
            return Ok(None);
        }
        sleep(LOOK);
    }
}

fn act(fault: Fault, child: Option<Child>, config: &Config) -> anyhow::Result<ExitCode> {
    match fault {
        Fault::Fail => {
            end(child)?;
            bail!("as the test wants it");
        }
        Fault::Kill => {
            end(child)?;
            die()
        }
        Fault::Hang => {
            if let Some(child) = &child {
                kill(Pid::from_raw(child.id() as i32), Signal::SIGSTOP)?;
            }
            sleep(HANGING);
            end(child)?;
            bail!("nobody took the pod away in {HANGING:?}");
        }
        Fault::Memory => {
            memory::exceed(&config.cgroup, child)?;
            die()
        }
    }
}

fn end(child: Option<Child>) -> anyhow::Result<()> {
    let Some(mut child) = child else { return Ok(()) };
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn die() -> anyhow::Result<ExitCode> {
    raise(Signal::SIGKILL)?;
    bail!("SIGKILL did not kill")
}

fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(code as u8)
}
