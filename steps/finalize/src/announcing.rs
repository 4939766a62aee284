//! What finalize tells the webhook: its own promotions, and how the run ended.

use jiff::Timestamp;
use selvedge_plan::Plan;
use selvedge_promote::{Document, Followers};
use selvedge_registry::ChampionLog;
use selvedge_store::Digest;
use serde_json::json;

use crate::verdict::{STAGE, Verdict};

/// Announces every generation that this stage of this run appended after generation `began`, also those of attempts
/// that did not live to tell; ids say what was told before.
pub(crate) async fn promotions(
    followers: &Followers,
    log: &ChampionLog,
    plan: &Plan,
    began: u64,
) -> anyhow::Result<()> {
    let mut generation = began;
    while let Some(champion) = log.get(generation + 1).await? {
        generation += 1;
        if champion.is_of(&plan.run, STAGE) {
            followers.announce(&Document::promoted(&plan.name, &champion)).await?;
        }
    }
    Ok(())
}

/// Announces the end of the run, a failure as well as a success.
pub(crate) async fn end(
    followers: &Followers,
    plan: &Plan,
    verdict: &Verdict,
    failure: Option<&str>,
    report: &Digest,
) -> anyhow::Result<()> {
    let kind = if failure.is_some() { "selvedge.run.failed" } else { "selvedge.run.succeeded" };
    let generation = verdict.champion.as_ref().map(|champion| champion.generation);
    let mut data = json!({
        "run": plan.run, "name": plan.name, "decision": verdict.decision, "reason": verdict.reason,
        "model": verdict.model, "generation": generation, "failure": failure,
    });
    // Named by the facts alone: an attempt that ends in the same way tells the same event.
    let id = Digest::of_json(&data).to_string();
    data["report"] = json!(report);
    let document = Document::new(kind, id, &plan.run, &plan.name, Timestamp::now(), data);
    followers.announce(&document).await
}
