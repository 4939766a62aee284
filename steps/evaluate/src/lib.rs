//! Evaluate: scores a candidate, and the champion of the moment beside it, on the data set of the run.
//!
//! Both get a card and keep all of their predictions, so that whoever compares them can pair their answers. A card
//! is created once; one that is found with its predictions whole is used again. Killed at any point and run again,
//! it makes the same cards.

mod config;
mod measure;
mod model;
mod score;

use anyhow::{Context, ensure};
use selvedge_contract::failure::one_line;
use selvedge_contract::{Progress, Stop, Stopped, cpu_seconds, peak_memory_bytes};
use selvedge_data::{Manifest, Split};
use selvedge_plan::{Event, PlannedCandidate, Run};
use selvedge_registry::Card;
use selvedge_store::Store;

pub use config::Config;
use measure::{Data, Measured};
use model::Model;

/// Runs the stage.
///
/// # Errors
/// When plan, model or a batch are missing or damaged, naming them; of class 2 when this machine lacks the
/// candidate's instruction set; of class 75 when the store does not answer.
pub async fn run(config: Config, store: Store, stop: Stop) -> anyhow::Result<()> {
    let evaluated = tokio::select! {
        result = evaluate(&config, &store) => result,
        // A stop is like a kill here: there is nothing to undo.
        () = stop.requested() => return Err(Stopped.into()),
    };
    // What is lost was whole when the run was planned; a new plan has it made again.
    evaluated.map_err(|error| match model::is_lost(&error) {
        true => anyhow::anyhow!("{}: submit again", one_line(&error)),
        false => error,
    })
}

async fn evaluate(config: &Config, store: &Store) -> anyhow::Result<()> {
    let mut event = Event::begin("evaluate");
    event.candidate = Some(config.candidate.clone());
    let run = Run::new(store, &config.run);
    let (plan, planned) = model::planned(&run, &config.candidate, &config.key).await?;
    let manifest = Manifest::read(store, &plan.manifest).await.context("data set")?;
    ensure!(
        manifest.records(Split::Validation) > 0,
        "data set {} of {} has no validation records",
        plan.manifest,
        plan.name
    );
    let data = Data { store, manifest: &manifest, digest: plan.manifest };
    let (model, measured) = candidate(&data, &planned, config.common.progress())
        .await
        .with_context(|| format!("candidate {}", planned.name))?;
    let beside = champion(&data, &plan.name, &model).await?;
    let card = &measured.card;
    for (name, split) in [("validation_accuracy", Split::Validation), ("test_accuracy", Split::Test)] {
        if let Some(score) = card.splits.get(&split) {
            event.measure(name, score.accuracy);
        }
    }
    event.measure("peak_memory_bytes", peak_memory_bytes() as f64);
    event.measure("cpu_seconds", cpu_seconds());
    let what = format!("{}; {beside}", describe(&measured));
    tracing::info!(candidate = planned.name, model = %model.digest, "{what}");
    run.record(&event.end(what)).await?;
    let outputs = config.common.outputs();
    outputs.write("model", model.digest.to_string())?;
    outputs.write("accuracy", accuracy(card, Split::Validation))?;
    outputs.write("test-accuracy", accuracy(card, Split::Test))
}

/// The candidate's model, and its card on this data set.
async fn candidate(
    data: &Data<'_>,
    planned: &PlannedCandidate,
    progress: Progress,
) -> anyhow::Result<(Model, Measured)> {
    selvedge_model::set_instructions(&planned.settings.instructions)?;
    selvedge_model::check_libtorch()?;
    let model = model::candidate(data.store, planned, data.manifest).await?;
    let (mut done, all) = (0, data.batches());
    let scored = || {
        done += 1;
        progress.report(done, all);
    };
    let measured = data.measure(&model, scored).await.with_context(|| format!("model {}", model.digest))?;
    progress.report(all, all);
    Ok((model, measured))
}

/// Scores the champion of the moment too, and tells what became of that. One that cannot be scored is no reason to
/// fail: the candidate's training is not to blame, and another one would not mend it.
async fn champion(data: &Data<'_>, name: &str, beside: &Model) -> anyhow::Result<String> {
    let (champion, model) = match model::champion(data.store, name, data.manifest).await? {
        Ok((champion, _)) if champion.model == beside.digest => {
            return Ok(format!("it is the champion of generation {}", champion.generation));
        }
        Ok(found) => found,
        Err(why) => return Ok(why),
    };
    let who = format!("champion {} of generation {}", champion.candidate, champion.generation);
    match data.measure(&model, || ()).await {
        Ok(measured) => Ok(format!("{who}: {}", describe(&measured))),
        Err(error) if model::is_lost(&error) => {
            tracing::warn!(model = %model.digest, "{who} cannot be scored: {error:#}");
            Ok(format!("{who} cannot be scored: {}", one_line(&error)))
        }
        Err(error) => Err(error.context(who)),
    }
}

fn describe(measured: &Measured) -> String {
    let percent = |split| {
        let score = measured.card.splits.get(&split);
        score.map_or_else(|| "not measured".to_owned(), |score| format!("{:.2} %", 100.0 * score.accuracy))
    };
    let how = if measured.reused { "reused: " } else { "" };
    format!("{how}validation {}, test {}", percent(Split::Validation), percent(Split::Test))
}

/// The accuracy on a split, 0 to 1; empty for a split without records.
fn accuracy(card: &Card, split: Split) -> String {
    card.splits.get(&split).map(|score| format!("{:.4}", score.accuracy)).unwrap_or_default()
}
