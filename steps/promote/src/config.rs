//! What promote can be told.

use clap::Parser;
use selvedge_contract::Common;
use selvedge_store::{Digest, StoreOptions};

use crate::Followers;

/// Makes a candidate the champion if it is significantly better than the champion of the moment.
///
/// Outputs: `decision` (promote, keep, deferred, not-promoting), `reason`, `generation`. A candidate that is not
/// promoted is no failure.
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
    /// The candidate's name in the run's plan
    #[arg(long, env = "STEP_CANDIDATE")]
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
