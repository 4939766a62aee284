//! `fingerprint source`: is the source still what was ingested, and if not, does it matter yet?

mod config;

use std::time::Duration;

use jiff::Timestamp;
use selvedge_contract::{cpu_seconds, peak_memory_bytes};
use selvedge_data::Source;
use selvedge_plan::{Event, IngestPlan, Run, SourceRecord, Stored, key, result, verify};
use selvedge_store::{Digest, Store};

use crate::compare::{Observed, difference};
use crate::policy::Rule;

pub(crate) use config::share;
pub use config::{MaxStale, SourceConfig};

/// Decides, keeps the decision unless it is a dry run, and puts it out.
///
/// # Errors
/// As [`plan`], and when decision or outputs cannot be written.
pub async fn run(config: &SourceConfig, store: &Store, now: Timestamp) -> anyhow::Result<()> {
    let mut event = Event::begin("fingerprint-source");
    let plan = plan(config, store, now).await?;
    if plan.warning {
        tracing::warn!(name = config.name, "{}", plan.reason);
    } else {
        tracing::info!(name = config.name, "{}", plan.reason);
    }
    if !config.dry_run {
        let run = Run::new(store, &config.run);
        run.ingest_plans().push(&plan).await?;
        event.measure("peak_memory_bytes", peak_memory_bytes() as f64);
        event.measure("cpu_seconds", cpu_seconds());
        run.record(&event.end(&plan.reason)).await?;
    }
    let outputs = config.common.outputs();
    outputs.write("source-record", plan.source_record.to_string())?;
    outputs.write("ingest-key", plan.key.to_string())?;
    outputs.write("memo-key", plan.memo_key.to_string())?;
    outputs.write("reuse", plan.reuse.to_string())?;
    outputs.write("reason", plan.reason)
}

/// What this run must ingest, decided at `now`.
///
/// # Errors
/// When the source is damaged, naming file and value, or source or store do not answer (exit code 75).
pub async fn plan(config: &SourceConfig, store: &Store, now: Timestamp) -> anyhow::Result<IngestPlan> {
    // The stored result is verified while the source is read: mostly both are needed, and neither waits for the other.
    let (observed, newest) = tokio::try_join!(observe(config), stored(config, store))?;
    let Some((record, stored)) = newest else {
        return Ok(config.ingest(1, "run: never ingested".to_owned()));
    };
    let difference = difference(&record, &observed);
    let verdict = config.rule().decide(age(record.last_updated, now), difference.as_ref());
    let number = record.number;
    if !verdict.reuse {
        return Ok(config.ingest(number + 1, verdict.reason));
    }
    match (stored, difference) {
        (Stored::Whole(run), difference) => Ok(IngestPlan {
            reuse: true,
            warning: difference.is_some(),
            memo_key: key::memo(&config.key(number), &run),
            ..config.ingest(number, verdict.reason)
        }),
        (Stored::Lost(why), None) => Ok(config.ingest(number, format!("run: {why}"))),
        // What the record stands for cannot be made again: its source is another one now.
        (Stored::Lost(why), Some(difference)) => {
            let reason = format!("run (contents differ: {}): {why}", difference.what);
            Ok(config.ingest(number + 1, reason))
        }
    }
}

impl SourceConfig {
    fn rule(&self) -> Rule {
        Rule {
            policy: self.policy,
            max_age: self.max_age,
            max_change: self.max_change,
            max_stale: self.max_stale.0,
        }
    }

    /// The ingest result key under source record `number`.
    fn key(&self, number: u64) -> Digest {
        key::ingest(&self.name, number, self.batch_size as usize, self.classes.names(), &self.salt)
    }

    /// To ingest, as source record `number`.
    fn ingest(&self, number: u64, reason: String) -> IngestPlan {
        let key = self.key(number);
        let memo_key = key::memo(&key, &self.run);
        IngestPlan { source_record: number, key, memo_key, reuse: false, warning: false, reason }
    }
}

/// The source as it is: counts from the heads, contents where they are near.
async fn observe(config: &SourceConfig) -> anyhow::Result<Observed> {
    let source = Source::open(&config.source, &config.store).await?;
    let heads = source.heads().await?;
    let parts = if source.is_near() { Some(source.digests().await?) } else { None };
    Ok(Observed { records: heads.train + heads.test, parts, stamps: source.stamps() })
}

/// The newest source record, and the run that made its result with these settings, if that is whole.
async fn stored(
    config: &SourceConfig,
    store: &Store,
) -> anyhow::Result<Option<(SourceRecord, Stored<String>)>> {
    let Some((number, record)) = result::sources(store, &config.name).newest().await? else {
        return Ok(None);
    };
    let key = config.key(number);
    let stored = match verify::ingest(store, &key).await? {
        Stored::Whole((result, _)) => Stored::Whole(result.run),
        Stored::Lost(why) if key != record.key && why == verify::NO_RESULT => {
            Stored::Lost("other batch size, classes or salt".to_owned())
        }
        Stored::Lost(why) => Stored::Lost(why),
    };
    Ok(Some((record, stored)))
}

/// A clock that was set back makes nothing older.
fn age(then: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(then).try_into().unwrap_or_default()
}
