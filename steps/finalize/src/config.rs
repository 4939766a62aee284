//! What finalize can be told.

use std::str::FromStr;

use anyhow::bail;
use clap::Parser;
use selvedge_contract::Common;
use selvedge_promote::Followers;
use selvedge_store::StoreOptions;

/// Confirms or replaces the champion by the best of a run, writes the run's report, and fails if a candidate failed.
///
/// Outputs: `decision` (confirm, replace, keep, not-promoting, none), `reason`, `generation`, `model`, `report.html`.
#[derive(Debug, Clone, Parser)]
#[command(version, about)]
pub struct Config {
    /// What every binary can be told.
    #[command(flatten)]
    pub common: Common,
    /// Where models, cards and champions are.
    #[command(flatten)]
    pub store: StoreOptions,
    /// Who follows a promotion.
    #[command(flatten)]
    pub followers: Followers,
    /// The run: the workflow's uid
    #[arg(long, env = "STEP_RUN")]
    pub run: String,
    /// How the candidates ended together, as Argo says it: Succeeded, Failed, Error, Skipped or Omitted
    #[arg(long, env = "STEP_STATUS")]
    pub status: Status,
}

/// How the candidates ended together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Every stage of every candidate succeeded.
    Succeeded,
    /// At least one failed, or never came to run.
    Failed,
    /// There were no candidates.
    Skipped,
}

impl AsRef<Common> for Config {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

impl FromStr for Status {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        Ok(match text {
            "Succeeded" => Self::Succeeded,
            "Failed" | "Error" | "Errored" | "Omitted" => Self::Failed,
            "Skipped" => Self::Skipped,
            _ => bail!("expected Succeeded, Failed, Error, Skipped or Omitted"),
        })
    }
}
