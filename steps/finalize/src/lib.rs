//! Finalize: confirms the best model of a run, writes the report, and fails if a candidate failed.
//!
//! It takes no outputs of other stages but follows plan → results → models → cards in the store, decides afresh
//! whenever it runs, and comes to the same decision as long as nothing changed. A failed candidate fails it last, when
//! all else is done, so that a retry of the workflow trains that candidate again.

mod announcing;
mod candidates;
mod config;
pub mod report;
mod verdict;

use jiff::Timestamp;
use selvedge_contract::{Outputs, Stop, Stopped, peak_memory_bytes};
use selvedge_plan::{Decision, Event, Run};
use selvedge_promote::decision;
use selvedge_registry::champion;
use selvedge_store::{Created, Digest, Store};

use candidates::Candidates;
pub use config::{Config, Status};
use verdict::{Court, STAGE, Verdict};

/// Runs the stage.
///
/// # Errors
/// When a candidate failed, and when store, balancer or webhook cannot be reached.
pub async fn run(config: Config, store: Store, stop: Stop) -> anyhow::Result<()> {
    // A stop is like a kill here: there is nothing to undo.
    tokio::select! {
        result = finalize(&config, &store) => result,
        () = stop.requested() => Err(Stopped.into()),
    }
}

async fn finalize(config: &Config, store: &Store) -> anyhow::Result<()> {
    let mut event = Event::begin(STAGE);
    let run = Run::new(store, &config.run);
    let (plan, began) = decision::plan(&run).await?;
    let candidates = Candidates::read(store, &run, &plan, config.status).await?;
    let log = champion::log(store, &plan.name);
    let court = Court { store, plan: &plan, log: log.clone(), candidates: &candidates.succeeded };
    let verdict = court.judge().await?;
    tracing::info!(decision = verdict.decision, reason = verdict.reason, "decided");

    let outputs = config.common.outputs();
    write(&outputs, &verdict)?;
    let watched = watch(config, &run, &verdict).await;
    let failure = candidates.failure(&plan, config.status);
    let page = report::render(&report::load(store, &run, &plan, failure.clone()).await?);
    outputs.write("report.html", &page)?;
    let report = store.put_blob(page.into_bytes()).await?;
    keep_report(&run, &report).await?;
    event.measure("peak_memory_bytes", peak_memory_bytes() as f64);
    run.record(&event.end(format!("{}: {}", verdict.decision, verdict.reason))).await?;

    watched?;
    announcing::promotions(&config.followers, &log, &plan, began).await?;
    announcing::end(&config.followers, &plan, &verdict, failure.as_deref(), &report).await?;
    failure.map_or(Ok(()), |failure| Err(anyhow::Error::msg(failure)))
}

fn write(outputs: &Outputs, verdict: &Verdict) -> anyhow::Result<()> {
    let generation = verdict.champion.as_ref().map(|champion| champion.generation.to_string());
    outputs.write("decision", verdict.decision)?;
    outputs.write("reason", &verdict.reason)?;
    outputs.write("generation", generation.unwrap_or_default())?;
    outputs.write("model", verdict.model.map(|model| model.to_string()).unwrap_or_default())
}

/// Watches the roll-out of a replaced champion, and keeps the decision, late or not.
async fn watch(config: &Config, run: &Run, verdict: &Verdict) -> anyhow::Result<()> {
    let replaced = verdict.champion.as_ref().filter(|_| verdict.decision == "replace");
    // The generation's own time: how long the roll-out took is counted from it.
    let at = replaced.map_or_else(Timestamp::now, |champion| champion.at);
    let watched = match replaced {
        Some(champion) => config.followers.watch(champion.generation).await,
        None => Ok(None),
    };
    let decision = Decision {
        stage: STAGE.to_owned(),
        at,
        candidate: None,
        model: verdict.model,
        decision: verdict.decision.to_owned(),
        reason: verdict.reason.clone(),
        generation: verdict.champion.as_ref().map(|champion| champion.generation),
        served_at: watched.as_ref().ok().copied().flatten(),
    };
    decision::keep(run, &decision).await?;
    watched.map(drop)
}

async fn keep_report(run: &Run, report: &Digest) -> anyhow::Result<()> {
    let log = run.reports();
    let mut number = log.newest().await?.map_or(1, |(newest, _)| newest + 1);
    while log.append(number, report).await? == Created::Existed {
        number += 1;
    }
    Ok(())
}
