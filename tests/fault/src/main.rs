//! Runs a stage of the pipeline, and harms it where a test says so: what the tests on a cluster put before the command
//! of a pod, so that the stages need no hooks for them.
//!
//! Without an entry for this pod the command replaces this process. With one it is a child; at the entry's moment it is
//! failed, killed, stopped, or the pod's memory is eaten.

mod entry;
mod harm;
mod memory;
mod stopwatch;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context;
use clap::Parser;

use crate::entry::{Entry, Pod};

/// Runs a command, and harms it where an entry for this pod says so.
#[derive(Debug, Parser)]
struct Config {
    /// Copies this program to a path and ends
    #[arg(long)]
    install: Option<PathBuf>,
    /// Starts the command so many times, and tells how long it takes to its first line
    #[arg(long)]
    starts: Option<usize>,
    /// Folder with one file of entries a workflow, named like it
    #[arg(long, env = "FAULTS", default_value = "/faults")]
    faults: PathBuf,
    /// The folder where the kernel tells the memory limit
    #[arg(long, default_value = "/sys/fs/cgroup")]
    cgroup: PathBuf,
    /// Where the command tells its progress
    #[arg(long, env = "ARGO_PROGRESS_FILE")]
    progress: Option<PathBuf>,
    /// What tells this pod from others
    #[command(flatten)]
    pod: Pod,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Config::parse()) {
        Ok(code) => code,
        Err(error) => {
            let line = format!("fault: {error:#}");
            eprintln!("{line}");
            // Kubernetes makes this file, and Argo shows what is in it.
            let _ = fs::OpenOptions::new().write(true).open("/dev/termination-log").and_then(|mut file| {
                use std::io::Write;
                file.write_all(line.as_bytes())
            });
            ExitCode::FAILURE
        }
    }
}

fn run(config: &Config) -> anyhow::Result<ExitCode> {
    if let Some(path) = &config.install {
        return install(path).map(|()| ExitCode::SUCCESS);
    }
    let (program, arguments) = config.command.split_first().context("no command")?;
    let mut command = Command::new(program);
    command.args(arguments);
    if let Some(times) = config.starts {
        return stopwatch::run(&mut command, times).map(|()| ExitCode::SUCCESS);
    }
    match Entry::find(&config.faults, &config.pod, &config.command)? {
        Some(entry) => harm::run(&entry, command, config),
        None => Err(command.exec()).with_context(|| program.clone()),
    }
}

fn install(path: &Path) -> anyhow::Result<()> {
    let own = std::env::current_exe()?;
    fs::copy(own, path).with_context(|| path.display().to_string())?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).with_context(|| path.display().to_string())
}
