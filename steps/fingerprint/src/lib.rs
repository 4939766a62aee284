//! Fingerprint: decides, in every run and afresh, what has to be done and what is reused, and says why.
//!
//! * [`source`]: whether the data set is ingested again, by a named [`policy`] over what [`compare`] finds.
//! * [`training`]: which [`candidates`] are trained, with which [`settings`], and what the run's plan is.
//!
//! Nothing is called reused that was not read from the store and hashed.

pub mod candidates;
pub mod compare;
pub mod policy;
pub mod settings;
pub mod source;
pub mod training;

use clap::{Parser, Subcommand};
use jiff::Timestamp;
use selvedge_contract::{Common, Stop, Stopped};
use selvedge_store::{Store, StoreOptions};

/// Decides what a run must do: keys, reuse, and the reasons.
#[derive(Debug, Clone, Parser)]
#[command(version, about)]
pub struct Config {
    /// Which decision.
    #[command(subcommand)]
    pub stage: Stage,
}

/// The two decisions of a run.
#[derive(Debug, Clone, Subcommand)]
pub enum Stage {
    /// Compares the source with what was ingested last: reuse it, or ingest again?
    Source(source::SourceConfig),
    /// Computes the key of every candidate and looks for its result: reuse it, or train?
    Training(training::TrainingConfig),
}

impl Config {
    /// Where everything is kept.
    pub fn store(&self) -> &StoreOptions {
        match &self.stage {
            Stage::Source(config) => &config.store,
            Stage::Training(config) => &config.store,
        }
    }
}

impl AsRef<Common> for Config {
    fn as_ref(&self) -> &Common {
        match &self.stage {
            Stage::Source(config) => &config.common,
            Stage::Training(config) => &config.common,
        }
    }
}

/// Decides, keeps the decision unless it is a dry run, and puts it out.
///
/// # Errors
/// For bad sources, candidates and settings, naming the value; of class 75 when source or store do not answer.
pub async fn run(config: Config, store: Store, stop: Stop) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let deciding = async {
        match &config.stage {
            Stage::Source(config) => source::run(config, &store, now).await,
            Stage::Training(config) => training::run(config, &store, now).await,
        }
    };
    tokio::select! {
        decided = deciding => decided,
        () = stop.requested() => Err(Stopped.into()),
    }
}
