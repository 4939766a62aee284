//! Ingest: cuts a source into batches and a manifest, in memory that does not grow with the data set.
//!
//! Everything lies at names derived from the input, and is written in an order that shows nothing half done: batches,
//! manifest, source record, result record. Killed at any point and run again, it makes the same digests.

mod buffers;
mod cut;
mod publish;

use anyhow::Context;
use clap::Parser;
use selvedge_contract::{Common, Misconfigured, Stop, Stopped, cpu_seconds, peak_memory_bytes};
use selvedge_data::{Classes, Manifest, Shape, Source, Split};
use selvedge_plan::{Event, Run, Stored, verify};
use selvedge_store::{Digest, Store, StoreOptions};
use url::Url;

/// The largest batch that is believed to be meant, in bytes.
const BATCH_LIMIT: u64 = 256 << 20;

/// Cuts a data set's source files into batches and a manifest.
#[derive(Debug, Clone, Parser)]
#[command(version, about)]
pub struct Config {
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
    /// Number of the source record that this ingest makes or repeats, from fingerprint
    #[arg(long, env = "STEP_SOURCE_RECORD", value_parser = clap::value_parser!(u64).range(1..))]
    pub source_record: u64,
    /// Result key, from fingerprint
    #[arg(long, env = "STEP_KEY")]
    pub key: Digest,
    /// Records in a batch
    #[arg(long, env = "STEP_BATCH_SIZE", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_size: u32,
    /// Names of the classes, by comma, in the order of their labels; empty for the digits 0 to 9
    #[arg(long, env = "STEP_CLASSES", default_value = "")]
    pub classes: Classes,
    /// The run: a workflow's uid
    #[arg(long, env = "STEP_RUN", value_parser = selvedge_plan::name::parse_run)]
    pub run: String,
}

impl AsRef<Common> for Config {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

/// Ingests, unless the key's result is in the store and whole.
///
/// # Errors
/// For bad source files, naming file and value; of class 75 when source or store do not answer.
pub async fn run(config: Config, store: Store, stop: Stop) -> anyhow::Result<()> {
    let mut event = Event::begin("ingest");
    let (manifest, how) = match verify::ingest(&store, &config.key).await? {
        Stored::Whole((result, manifest)) => (manifest, format!("reused: ingested by run {}", result.run)),
        Stored::Lost(why) => {
            tracing::info!(name = config.name, key = %config.key, "ingesting: {why}");
            let manifest = tokio::select! {
                manifest = ingest(&config, &store) => manifest?,
                () = stop.requested() => return Err(Stopped.into()),
            };
            (manifest, format!("ingested as source record {}: {why}", config.source_record))
        }
    };
    let records: usize = Split::ALL.into_iter().map(|split| manifest.records(split)).sum();
    let batches: usize = Split::ALL.into_iter().map(|split| manifest.batches(split).len()).sum();
    event.measure("records", records as f64);
    event.measure("batches", batches as f64);
    // A label is a byte more.
    event.measure("source_bytes", (records * (manifest.shape.bytes() + 1)) as f64);
    event.measure("peak_memory_bytes", peak_memory_bytes() as f64);
    event.measure("cpu_seconds", cpu_seconds());
    tracing::info!(name = config.name, records, batches, manifest = %manifest.digest(), "{how}");
    Run::new(&store, config.run).record(&event.end(how)).await?;
    let outputs = config.common.outputs();
    outputs.write("manifest", manifest.digest().to_string())?;
    outputs.write("records", records.to_string())
}

async fn ingest(config: &Config, store: &Store) -> anyhow::Result<Manifest> {
    publish::check_number(config, store).await?;
    let source = Source::open(&config.source, &config.store).await?;
    let heads = source.heads().await?;
    check_size(config.batch_size, heads.shape)?;
    let (pieces, cutting) = cut::start(&source, config);
    // A store that fails ends the cutting too, so its error comes first.
    let splits = publish::batches(store, pieces, heads.train + heads.test, &config.common.progress()).await?;
    let parts =
        cutting.await.context("cutting batches")?.with_context(|| format!("source {}", config.source))?;
    source.check_unchanged(&config.store).await?;
    let manifest = Manifest {
        name: config.name.clone(),
        shape: heads.shape,
        classes: config.classes.names().to_vec(),
        batch_size: config.batch_size as usize,
        source: selvedge_data::source::content(&parts),
        splits,
    };
    publish::records(config, store, &source, parts, &manifest).await?;
    Ok(manifest)
}

fn check_size(batch_size: u32, shape: Shape) -> Result<(), Misconfigured> {
    let bytes = u64::from(batch_size) * shape.bytes() as u64;
    if bytes <= BATCH_LIMIT {
        return Ok(());
    }
    let Shape { height, width, .. } = shape;
    Err(Misconfigured::message(format!(
        "STEP_BATCH_SIZE={batch_size}: a batch of {height} x {width} records takes {bytes} bytes, limit {BATCH_LIMIT}"
    )))
}
