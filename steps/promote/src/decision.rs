//! The plan that a decision is made under, and keeping it.

use anyhow::Context;
use selvedge_plan::{Decision, Plan, Run};

/// The plan of `run` that holds, and the generation at which the run began.
///
/// # Errors
/// Of the store, and when the run has no plan.
pub async fn plan(run: &Run) -> anyhow::Result<(Plan, u64)> {
    let newest = run.plans().newest().await?;
    let (_, plan) = newest.with_context(|| format!("run {:?} has no plan", run.name()))?;
    let first = run.plans().get(1).await?;
    Ok((plan, first.and_then(|first| first.champion_at_start).unwrap_or(0)))
}

/// Keeps `decision` unless the run has it already: a stage that runs again decides again, but the report wants to
/// hear of it once. What is new when it was served is worth telling.
///
/// # Errors
/// Of the store.
pub async fn keep(run: &Run, decision: &Decision) -> anyhow::Result<()> {
    let known = run.decisions().all().await?;
    let same = |known: &Decision| {
        let served_at = known.served_at.or(decision.served_at);
        Decision { at: known.at, served_at, ..decision.clone() } == *known
    };
    if known.iter().any(same) {
        return Ok(());
    }
    Ok(run.decide(decision).await?)
}
