//! How a node ends.

use std::collections::BTreeMap;
use std::fmt;

/// How a node ended, in Argo's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// All went well.
    Succeeded,
    /// What it ran failed.
    Failed,
    /// It could not be run.
    Errored,
    /// There was nothing to do.
    Skipped,
    /// What it depends on ended in another way.
    Omitted,
}

/// How a node ended, and with what.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How.
    pub phase: Phase,
    /// Why: the last error, or the reason that the stage gave.
    pub message: String,
    /// Output parameters.
    pub outputs: BTreeMap<String, String>,
}

impl Phase {
    /// Whether something went wrong.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Errored)
    }
}

impl Outcome {
    /// An outcome without outputs.
    pub fn new(phase: Phase, message: impl Into<String>) -> Self {
        Self { phase, message: message.into(), outputs: BTreeMap::new() }
    }

    /// Something that could not be run.
    pub fn error(error: &anyhow::Error) -> Self {
        Self::new(Phase::Errored, selvedge_contract::failure::one_line(error))
    }
}

/// The word that `{{tasks.x.status}}` stands for.
impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Errored => "Error",
            Self::Skipped => "Skipped",
            Self::Omitted => "Omitted",
        })
    }
}
