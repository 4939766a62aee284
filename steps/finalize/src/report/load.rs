//! Reads what a report needs from the store.

use anyhow::Context;
use jiff::Timestamp;
use selvedge_data::Manifest;
use selvedge_plan::result::sources;
use selvedge_plan::{Event, Plan, PlannedCandidate, Run, TrainResult, key};
use selvedge_registry::{Card, Champion, ModelIdentity, champion};
use selvedge_store::{Digest, Store};

use super::history;
use super::inputs::{CandidateInput, Inputs};

/// Everything about `run`, whose plan is `plan` and which failed of `failure`. Call it when finalize has decided.
///
/// # Errors
/// A store that does not answer, a manifest that is gone, a record that cannot be read.
pub async fn load(store: &Store, run: &Run, plan: &Plan, failure: Option<String>) -> anyhow::Result<Inputs> {
    let manifest = manifest(store, &plan.manifest).await?;
    let source = sources(store, &plan.name).get(plan.ingest.source_record).await?;
    let events = run.events().await?;
    let ingest_events = match &source {
        Some(source) if source.run != plan.run => Run::new(store, &source.run).events().await?,
        _ => events.clone(),
    };
    let mut candidates = Vec::new();
    for planned in &plan.candidates {
        candidates.push(candidate(store, plan, planned, &events).await?);
    }
    let log = champion::log(store, &plan.name);
    let champion_before = match plan.champion_at_start {
        Some(generation) => log.get(generation).await?,
        None => None,
    };
    let champion_after = log.newest().await?.map(|(_, champion)| champion);
    Ok(Inputs {
        written: Timestamp::now(),
        failure,
        source,
        manifest,
        candidates,
        ingest_events,
        decisions: run.decisions().all().await?,
        champion_before,
        champion_identity: champion_identity(store, champion_after.as_ref()).await?,
        champion_card: champion_card(store, plan, champion_after.as_ref()).await?,
        champion_after,
        history: history::load(store, plan).await?,
        events,
        plan: plan.clone(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
    })
}

pub(super) async fn manifest(store: &Store, digest: &Digest) -> anyhow::Result<Manifest> {
    let bytes = store.blob(digest).await?;
    serde_json::from_slice(&bytes).with_context(|| format!("blob {digest} is no manifest"))
}

async fn candidate(
    store: &Store,
    plan: &Plan,
    planned: &PlannedCandidate,
    events: &[Event],
) -> anyhow::Result<CandidateInput> {
    let result: Option<TrainResult> = store.record(&key::result_path("train", &planned.key)).await?;
    let (identity, card) = match &result {
        Some(result) => {
            let identity = store.record(&ModelIdentity::path(&result.model)).await?;
            (identity, card(store, &result.model, &plan.manifest).await?)
        }
        None => (None, None),
    };
    let events = match &result {
        Some(result) if result.run != plan.run => produced(store, result).await?,
        _ => of_candidate(events.to_vec(), &planned.name),
    };
    Ok(CandidateInput { planned: planned.clone(), result, identity, card, events })
}

/// The events of the run that produced `result`, where the candidate may have had another name.
async fn produced(store: &Store, result: &TrainResult) -> anyhow::Result<Vec<Event>> {
    let run = Run::new(store, &result.run);
    let Some((_, plan)) = run.plans().newest().await? else {
        return Ok(Vec::new());
    };
    match plan.candidates.iter().find(|planned| planned.key == result.key) {
        Some(planned) => Ok(of_candidate(run.events().await?, &planned.name)),
        None => Ok(Vec::new()),
    }
}

fn of_candidate(mut events: Vec<Event>, name: &str) -> Vec<Event> {
    events.retain(|event| event.candidate.as_deref() == Some(name));
    events
}

async fn card(store: &Store, model: &Digest, dataset: &Digest) -> anyhow::Result<Option<Card>> {
    Ok(store.record(&Card::path(model, dataset, key::EVALUATE_REVISION)).await?)
}

async fn champion_identity(
    store: &Store,
    champion: Option<&Champion>,
) -> anyhow::Result<Option<ModelIdentity>> {
    match champion {
        Some(champion) => Ok(store.record(&ModelIdentity::path(&champion.model)).await?),
        None => Ok(None),
    }
}

async fn champion_card(
    store: &Store,
    plan: &Plan,
    champion: Option<&Champion>,
) -> anyhow::Result<Option<Card>> {
    match champion {
        Some(champion) => card(store, &champion.model, &plan.manifest).await,
        None => Ok(None),
    }
}
