//! Passing the memory limit of a container, so that the kernel kills.

use std::fs;
use std::path::Path;
use std::process::Child;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const CHUNK: usize = 4 << 20;
/// The kernel lets a little more pass than it says.
const SLACK: usize = 256 << 20;
/// A limit above is none: such kernels say a number near the largest that there is.
const NO_LIMIT: usize = 1 << 40;

/// Eats memory until the kernel has killed `child`, or this process where there is none.
///
/// The child is marked as the one to be killed: it is the stage that should meet its end, not this wrapper.
///
/// # Errors
/// When there is no limit, or nobody was killed.
pub(crate) fn exceed(cgroup: &Path, mut child: Option<Child>) -> anyhow::Result<()> {
    let limit = limit(cgroup)?;
    if let Some(child) = &child {
        let path = format!("/proc/{}/oom_score_adj", child.id());
        fs::write(&path, "1000").context(path)?;
        // It must not get ahead meanwhile: eating takes longer than a small training.
        kill(Pid::from_raw(child.id() as i32), Signal::SIGSTOP)?;
    }
    let mut eaten = Vec::new();
    while eaten.len() * CHUNK < limit + SLACK {
        eaten.push(vec![1_u8; CHUNK]);
        if let Some(child) = &mut child
            && child.try_wait()?.is_some()
        {
            return Ok(());
        }
    }
    if let Some(child) = &mut child {
        child.kill()?;
        child.wait()?;
    }
    bail!("{} MiB are eaten, and nobody was killed", (eaten.len() * CHUNK) >> 20)
}

/// The container's limit, as either version of control groups tells it.
fn limit(cgroup: &Path) -> anyhow::Result<usize> {
    let read = |name: &str| fs::read_to_string(cgroup.join(name)).ok()?.trim().parse::<usize>().ok();
    let limit = read("memory.max").or_else(|| read("memory/memory.limit_in_bytes"));
    limit
        .filter(|limit| *limit < NO_LIMIT)
        .with_context(|| format!("{} tells no memory limit", cgroup.display()))
}
