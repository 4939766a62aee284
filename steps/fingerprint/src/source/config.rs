//! What `fingerprint source` is told.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use selvedge_contract::Common;
use selvedge_data::Classes;
use selvedge_store::StoreOptions;
use url::Url;

use crate::policy::Policy;

/// What `fingerprint source` is told.
#[derive(Debug, Clone, Args)]
pub struct SourceConfig {
    /// What every stage can be told.
    #[command(flatten)]
    pub common: Common,
    /// Where everything is kept.
    #[command(flatten)]
    pub store: StoreOptions,
    /// Name of the data set
    #[arg(long, env = "STEP_NAME", value_parser = selvedge_plan::name::parse)]
    pub name: String,
    /// Where the four IDX files lie: file://, s3://, http:// or https://
    #[arg(long, env = "STEP_SOURCE")]
    pub source: Url,
    /// Records in a batch
    #[arg(long, env = "STEP_BATCH_SIZE", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_size: u32,
    /// Names of the classes, by comma, in the order of their labels; empty for the digits 0 to 9
    #[arg(long, env = "STEP_CLASSES", default_value = "")]
    pub classes: Classes,
    /// When changed data is ingested again
    #[arg(long, env = "STEP_POLICY", value_enum, default_value = "tolerant")]
    pub policy: Policy,
    /// Age from which changed data is ingested again
    #[arg(long, env = "STEP_MAX_AGE", default_value = "30d", value_parser = humantime::parse_duration)]
    pub max_age: Duration,
    /// Share by which the record count may move before data is ingested again, 0 to 1
    #[arg(long, env = "STEP_MAX_CHANGE", default_value = "0.10", value_parser = share)]
    pub max_change: f64,
    /// Age from which even unchanged data is ingested again; empty for never
    #[arg(long, env = "STEP_MAX_STALE", default_value = "")]
    pub max_stale: MaxStale,
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

/// An age, or never: an empty text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxStale(pub Option<Duration>);

impl FromStr for MaxStale {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let age = if text.is_empty() { None } else { Some(humantime::parse_duration(text)?) };
        Ok(Self(age))
    }
}

/// Parses a share, for clap.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("{text:?} is no share: expected a number from 0 to 1")),
    }
}
