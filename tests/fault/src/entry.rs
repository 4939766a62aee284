//! What is to happen to which pod.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context;
use clap::Args;
use serde::Deserialize;

/// What tells this pod from the others of its workflow.
#[derive(Debug, Args)]
pub(crate) struct Pod {
    /// The workflow's name
    #[arg(long, env = "FAULT_WORKFLOW", default_value = "")]
    workflow: String,
    /// Argo's {{retries}}: 0 in the first attempt
    #[arg(long, env = "FAULT_ATTEMPT", default_value = "0")]
    attempt: u32,
    /// The candidate, where the stage has one
    #[arg(long, env = "STEP_CANDIDATE")]
    candidate: Option<String>,
    /// The rank, where the stage has one
    #[arg(long, env = "STEP_RANK")]
    rank: Option<String>,
}

/// One harm.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The command's file name and arguments: `fingerprint source`, `train`.
    stage: String,
    /// Only this candidate's pods.
    candidate: Option<String>,
    /// Only this rank's pods.
    rank: Option<String>,
    /// Whether further attempts are harmed too.
    #[serde(default)]
    every_attempt: bool,
    pub(crate) fault: Fault,
    pub(crate) moment: Moment,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fault {
    /// The pod ends with 1.
    Fail,
    /// The pod ends by SIGKILL.
    Kill,
    /// Nothing moves any more.
    Hang,
    /// The pod's memory limit is passed, and the kernel kills.
    Memory,
}

/// When it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Moment {
    /// Before the command is started.
    Start,
    /// Once the command's progress is at least this many parts.
    Progress(u64),
    /// After the command has ended with 0: it did all that it had to, and nobody knows.
    End,
}

impl Entry {
    /// The first entry for this pod's command, if there is one.
    pub(crate) fn find(faults: &Path, pod: &Pod, command: &[String]) -> anyhow::Result<Option<Self>> {
        if pod.workflow.is_empty() {
            return Ok(None);
        }
        let path = faults.join(&pod.workflow);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let entries: Vec<Self> = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        let stage = stage(command);
        Ok(entries.into_iter().find(|entry| entry.stage == stage && entry.is_for(pod)))
    }

    fn is_for(&self, pod: &Pod) -> bool {
        let named = |wanted: &Option<String>, is: &Option<String>| wanted.is_none() || wanted == is;
        named(&self.candidate, &pod.candidate)
            && named(&self.rank, &pod.rank)
            && (self.every_attempt || pod.attempt == 0)
    }
}

fn stage(command: &[String]) -> String {
    let mut words: Vec<_> = command.iter().map(String::as_str).collect();
    if let Some(program) = words.first_mut() {
        *program = program.rsplit('/').next().unwrap_or(program);
    }
    words.join(" ")
}
