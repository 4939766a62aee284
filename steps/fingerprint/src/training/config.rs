//! What `fingerprint training` is told.

use clap::{Args, ValueEnum};
use selvedge_contract::Common;
use selvedge_store::{Digest, StoreOptions};

use crate::source::share;

/// What `fingerprint training` is told.
#[derive(Debug, Clone, Args)]
pub struct TrainingConfig {
    /// What every stage can be told.
    #[command(flatten)]
    pub common: Common,
    /// Where everything is kept.
    #[command(flatten)]
    pub store: StoreOptions,
    /// Name of the data set and of its champion log
    #[arg(long, env = "STEP_NAME", value_parser = selvedge_plan::name::parse)]
    pub name: String,
    /// Result key of the ingest, from `fingerprint source`
    #[arg(long, env = "STEP_INGEST_KEY")]
    pub ingest_key: Digest,
    /// The models to train: a JSON list of name, family (cnn, dense, resnet) and settings
    #[arg(long, env = "STEP_CANDIDATES")]
    pub candidates: String,
    /// When models are promoted
    #[arg(long, env = "STEP_PROMOTE", value_enum, default_value = "auto")]
    pub promote: Promote,
    /// Validation accuracy below which nothing is promoted, 0 to 1
    #[arg(long, env = "STEP_FLOOR", default_value = "0.80", value_parser = share)]
    pub floor: f64,
    /// CPU instruction set of the training kernels; auto takes the widest of this machine
    #[arg(long, env = "STEP_INSTRUCTIONS", default_value = "auto", value_parser = ["auto", "avx512", "avx2", "default"])]
    pub instructions: String,
    /// Seed of initialisation, order and augmentation
    #[arg(long, env = "STEP_SEED", default_value = "1")]
    pub seed: u64,
    /// Any text; another one than last time makes everything run again
    #[arg(long, env = "STEP_SALT", default_value = "")]
    pub salt: String,
    /// The run: a workflow's uid
    #[arg(long, env = "STEP_RUN", value_parser = selvedge_plan::name::parse_run)]
    pub run: String,
    /// Decide and put out, but write nothing to the store
    #[arg(long, env = "STEP_DRY_RUN", action = clap::ArgAction::Set, default_value = "false",
        num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub dry_run: bool,
}

/// When models are promoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Promote {
    /// The first good model serves, and every better one after it
    Auto,
    /// Only the best one, when all are done
    AtEnd,
    /// None: an experiment
    Never,
}
