//! Promote: a candidate against the champion of the moment; if it is better, the champion log grows by a generation,
//! the roll-out is watched, and the promotion is announced.
//!
//! Nothing here needs a lock, and every line may be the last one of a killed process: a retry finds the generation
//! that was appended, watches again, records its decision once and announces under the same id.
//!
//! [`Followers`], [`Trained`] and [`decision`] serve finalize too.

mod announcement;
mod config;
pub mod decision;
mod endpoint;
mod followers;
mod roll_out;
mod trained;
mod verdict;

use anyhow::{Context, bail};
use selvedge_contract::{Outputs, Stop, Stopped, peak_memory_bytes};
use selvedge_plan::{Event, Plan, PlannedCandidate, Run};
use selvedge_registry::champion;
use selvedge_store::Store;

pub use announcement::{Document, MEDIA_TYPE};
pub use config::Config;
pub use endpoint::Endpoint;
pub use followers::Followers;
pub use trained::Trained;
pub use verdict::Verdict;

/// Runs the stage.
///
/// # Errors
/// When plan, model or card are missing or damaged, and when store, balancer or webhook cannot be reached.
pub async fn run(config: Config, store: Store, stop: Stop) -> anyhow::Result<()> {
    // A stop is like a kill here: there is nothing to undo.
    tokio::select! {
        result = promote(&config, &store) => result,
        () = stop.requested() => Err(Stopped.into()),
    }
}

async fn promote(config: &Config, store: &Store) -> anyhow::Result<()> {
    let mut event = Event::begin("promote");
    event.candidate = Some(config.candidate.clone());
    let run = Run::new(store, &config.run);
    let (plan, began) = decision::plan(&run).await?;
    let candidate = Trained::read(store, &plan, planned(config, &plan)?).await?;
    let log = champion::log(store, &plan.name);
    let court = verdict::Court { store, plan: &plan, began, log, candidate: &candidate };
    let verdict = court.judge().await?;
    tracing::info!(decision = verdict.decision, reason = verdict.reason, "decided");
    write(&config.common.outputs(), &verdict)?;
    follow(config, &run, &plan, &candidate, &verdict).await?;
    event.measure("peak_memory_bytes", peak_memory_bytes() as f64);
    run.record(&event.end(format!("{}: {}", verdict.decision, verdict.reason))).await?;
    Ok(())
}

fn planned<'a>(config: &Config, plan: &'a Plan) -> anyhow::Result<&'a PlannedCandidate> {
    let (run, name) = (&config.run, &config.candidate);
    let planned = plan.candidates.iter().find(|planned| planned.name == *name);
    let planned = planned.with_context(|| format!("run {run} plans no candidate {name:?}"))?;
    if planned.key != config.key {
        bail!("run {run} plans candidate {name} with key {}, not {}", planned.key, config.key);
    }
    Ok(planned)
}

fn write(outputs: &Outputs, verdict: &Verdict) -> anyhow::Result<()> {
    let generation = verdict.champion.as_ref().map(|champion| champion.generation.to_string());
    outputs.write("decision", verdict.decision)?;
    outputs.write("reason", &verdict.reason)?;
    outputs.write("generation", generation.unwrap_or_default())
}

/// What comes after a decision: the roll-out is watched, the decision kept, the promotion announced.
async fn follow(
    config: &Config,
    run: &Run,
    plan: &Plan,
    candidate: &Trained,
    verdict: &Verdict,
) -> anyhow::Result<()> {
    let promoted = verdict.champion.as_ref().filter(|_| verdict.decision == "promote");
    // The generation's own time: how long the roll-out took is counted from it.
    let at = promoted.map_or_else(jiff::Timestamp::now, |champion| champion.at);
    let watched = match promoted {
        Some(champion) => config.followers.watch(champion.generation).await,
        None => Ok(None),
    };
    let decision = selvedge_plan::Decision {
        stage: "promote".to_owned(),
        at,
        candidate: Some(config.candidate.clone()),
        model: Some(candidate.contender.model),
        decision: verdict.decision.to_owned(),
        reason: verdict.reason.clone(),
        generation: verdict.champion.as_ref().map(|champion| champion.generation),
        served_at: watched.as_ref().ok().copied().flatten(),
    };
    // Kept even if the roll-out is late: the log has the generation all the same.
    decision::keep(run, &decision).await?;
    watched?;
    match promoted {
        Some(champion) => config.followers.announce(&Document::promoted(&plan.name, champion)).await,
        None => Ok(()),
    }
}
