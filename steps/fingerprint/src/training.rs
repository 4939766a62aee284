//! `fingerprint training`: the key of every candidate, what is reused of it, and the run's plan.

mod config;
mod stored;

use clap::ValueEnum;
use jiff::Timestamp;
use selvedge_contract::{cpu_seconds, peak_memory_bytes};
use selvedge_data::Manifest;
use selvedge_plan::{
    Candidate, Event, IngestPlan, IngestResult, Plan, PlannedCandidate, Run, Settings, Stored, key, verify,
};
use selvedge_registry::champion;
use selvedge_store::{Digest, Store};
use serde_json::json;

use crate::{candidates, settings};

pub use config::{Promote, TrainingConfig};

/// Decides, keeps the plan unless it is a dry run, and puts it out.
///
/// # Errors
/// For bad candidates and settings (exit code 2), for an ingest that left no result, and when the store does not
/// answer (exit code 75).
pub async fn run(config: &TrainingConfig, store: &Store, now: Timestamp) -> anyhow::Result<()> {
    let event = Event::begin("fingerprint-training");
    let mut wanted = Vec::new();
    for candidate in candidates::parse(&config.candidates)? {
        let settings = settings::resolve(&candidate, config.seed, &config.instructions)?;
        wanted.push((candidate, settings));
    }
    let Some((digest, manifest)) = data_set(config, store).await? else {
        return put_out_unplanned(config, &wanted);
    };
    let mut planned = Vec::new();
    for (candidate, settings) in wanted {
        settings::check_data(&candidate, &settings, &manifest)?;
        planned.push(plan_candidate(config, store, &digest, candidate, settings).await?);
    }
    for candidate in &planned {
        tracing::info!(candidate = candidate.name, key = %candidate.key, "{}", candidate.reason);
    }
    if !config.dry_run {
        keep(config, store, now, event, digest, &planned).await?;
    }
    put_out(config, &digest, &planned)
}

/// The manifest that the ingest made; `None` in a dry run before any ingest.
async fn data_set(config: &TrainingConfig, store: &Store) -> anyhow::Result<Option<(Digest, Manifest)>> {
    let path = key::result_path("ingest", &config.ingest_key);
    let Some(result) = store.record::<IngestResult>(&path).await? else {
        anyhow::ensure!(config.dry_run, "record {path} is missing: ingest {} first", config.name);
        return Ok(None);
    };
    match Manifest::read(store, &result.manifest).await {
        Ok(manifest) => Ok(Some((result.manifest, manifest))),
        Err(error) => anyhow::bail!("result {path}: {}: submit again", verify::lost(error)?),
    }
}

async fn plan_candidate(
    config: &TrainingConfig,
    store: &Store,
    manifest: &Digest,
    candidate: Candidate,
    settings: Settings,
) -> anyhow::Result<PlannedCandidate> {
    let key = key::train(manifest, &settings, &config.salt);
    let (reuse, run, reason) = match stored::stored(store, &key).await? {
        Stored::Whole(result) => {
            let reason = format!("reuse: trained by run {}", result.run);
            (true, result.run, reason)
        }
        Stored::Lost(why) => (false, config.run.clone(), format!("run: {why}")),
    };
    let memo_key = key::memo(&key, &run);
    let Candidate { name, family, .. } = candidate;
    Ok(PlannedCandidate { name, family, settings, key, memo_key, reuse, reason })
}

/// Keeps plan and event.
async fn keep(
    config: &TrainingConfig,
    store: &Store,
    now: Timestamp,
    mut event: Event,
    manifest: Digest,
    planned: &[PlannedCandidate],
) -> anyhow::Result<()> {
    let run = Run::new(store, &config.run);
    let plan = Plan {
        run: config.run.clone(),
        created: now,
        name: config.name.clone(),
        promote: config.promote.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default(),
        floor: config.floor,
        champion_at_start: champion::log(store, &config.name)
            .newest()
            .await?
            .map(|(generation, _)| generation),
        ingest: ingest_plan(config, &run).await?,
        manifest,
        candidates: planned.to_vec(),
    };
    run.plans().push(&plan).await?;
    let reused = planned.iter().filter(|candidate| candidate.reuse).count();
    event.measure("peak_memory_bytes", peak_memory_bytes() as f64);
    event.measure("cpu_seconds", cpu_seconds());
    let what = format!("{} candidates: {reused} reused, {} to train", planned.len(), planned.len() - reused);
    Ok(run.record(&event.end(what)).await?)
}

/// What `fingerprint source` decided in this run, for the key that was ingested.
async fn ingest_plan(config: &TrainingConfig, run: &Run) -> anyhow::Result<IngestPlan> {
    match run.ingest_plans().newest().await? {
        Some((_, plan)) if plan.key == config.ingest_key => Ok(plan),
        _ => anyhow::bail!("run {} has no ingest plan of key {}", config.run, config.ingest_key),
    }
}

fn put_out(config: &TrainingConfig, manifest: &Digest, planned: &[PlannedCandidate]) -> anyhow::Result<()> {
    let item = |c: &PlannedCandidate| json!({"name": c.name, "key": c.key, "memo-key": c.memo_key});
    let items: Vec<_> = planned.iter().map(item).collect();
    let reasons: Vec<_> = planned.iter().map(|c| format!("{}: {}", c.name, c.reason)).collect();
    let outputs = config.common.outputs();
    outputs.write("candidates", serde_json::to_string(&items)?)?;
    outputs.write("reason", reasons.join("\n"))?;
    outputs.write("manifest", manifest.to_string())
}

/// A dry run before any ingest: keys are not known yet, and everything runs.
fn put_out_unplanned(config: &TrainingConfig, wanted: &[(Candidate, Settings)]) -> anyhow::Result<()> {
    let items: Vec<_> =
        wanted.iter().map(|(c, _)| json!({"name": c.name, "key": "", "memo-key": ""})).collect();
    let reasons: Vec<_> =
        wanted.iter().map(|(c, _)| format!("{}: run: data set not ingested yet", c.name)).collect();
    let outputs = config.common.outputs();
    outputs.write("candidates", serde_json::to_string(&items)?)?;
    outputs.write("reason", reasons.join("\n"))?;
    outputs.write("manifest", "")
}
