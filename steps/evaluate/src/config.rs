//! What evaluate can be told.

use clap::Parser;
use selvedge_contract::Common;
use selvedge_store::{Digest, StoreOptions};

/// Scores a trained candidate, and the champion of the moment beside it, on the data set of the run.
///
/// Keeps a card and all predictions of either. Outputs: `model` (its digest), `accuracy` (validation) and
/// `test-accuracy`, 0 to 1.
#[derive(Debug, Clone, Parser)]
#[command(version, about)]
pub struct Config {
    /// What every binary can be told.
    #[command(flatten)]
    pub common: Common,
    /// Where everything is kept.
    #[command(flatten)]
    pub store: StoreOptions,
    /// The run: a workflow's uid
    #[arg(long, env = "STEP_RUN", value_parser = selvedge_plan::name::parse_run)]
    pub run: String,
    /// The candidate's name in the run's plan
    #[arg(long, env = "STEP_CANDIDATE", value_parser = selvedge_plan::name::parse)]
    pub candidate: String,
    /// The candidate's training result key
    #[arg(long, env = "STEP_KEY")]
    pub key: Digest,
}

impl AsRef<Common> for Config {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
