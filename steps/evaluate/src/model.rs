//! The models to be scored: the candidate of the run, and the champion beside it.

use anyhow::{Context, ensure};
use selvedge_data::Manifest;
use selvedge_plan::{Plan, PlannedCandidate, Run, TrainResult, key};
use selvedge_registry::{Champion, ModelIdentity, champion};
use selvedge_store::{Digest, Error, Store};

/// A model by its digest.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) digest: Digest,
    pub(crate) identity: ModelIdentity,
}

impl Model {
    async fn read(store: &Store, digest: Digest) -> anyhow::Result<Self> {
        let identity = ModelIdentity::read(store, &digest).await?;
        Ok(Self { digest, identity })
    }

    /// Why its answers on this data set would mean nothing, if that is so.
    pub(crate) fn difference(&self, manifest: &Manifest) -> Option<String> {
        let shape = manifest.shape;
        let input = [shape.height, shape.width, shape.channels];
        if self.identity.input != input {
            return Some(format!(
                "its input is {:?}, the data set's records are {input:?}",
                self.identity.input
            ));
        }
        let (own, others) = (&self.identity.classes, &manifest.classes);
        (own != others).then(|| format!("its classes are {own:?}, those of the data set {others:?}"))
    }
}

/// The plan of the run, and the candidate in it.
pub(crate) async fn planned(run: &Run, name: &str, key: &Digest) -> anyhow::Result<(Plan, PlannedCandidate)> {
    let newest = run.plans().newest().await?;
    let (_, plan) = newest.with_context(|| format!("run {:?} has no plan", run.name()))?;
    let planned = plan.candidates.iter().find(|planned| planned.name == name).cloned();
    let planned = planned.with_context(|| format!("run {:?} plans no candidate {name:?}", run.name()))?;
    ensure!(
        planned.key == *key,
        "run {:?} plans candidate {name} with key {}, not {key}",
        run.name(),
        planned.key
    );
    Ok((plan, planned))
}

/// What training made of the candidate.
pub(crate) async fn candidate(
    store: &Store,
    planned: &PlannedCandidate,
    manifest: &Manifest,
) -> anyhow::Result<Model> {
    let result: TrainResult = store.expect_record(&key::result_path("train", &planned.key)).await?;
    let model = Model::read(store, result.model).await?;
    let difference = model.difference(manifest);
    ensure!(difference.is_none(), "model {}: {}", model.digest, difference.unwrap_or_default());
    Ok(model)
}

/// The champion of the moment, if there is one whose answers on this data set mean something; else why not.
pub(crate) async fn champion(
    store: &Store,
    name: &str,
    manifest: &Manifest,
) -> anyhow::Result<Result<(Champion, Model), String>> {
    let Some((generation, champion)) = champion::log(store, name).newest().await? else {
        return Ok(Err("no champion".to_owned()));
    };
    let model = match Model::read(store, champion.model).await {
        Ok(model) => model,
        Err(error) if is_unavailable(&error) => return Err(error),
        Err(error) => return Ok(Err(format!("champion of generation {generation} is lost: {error:#}"))),
    };
    Ok(match model.difference(manifest) {
        Some(difference) => {
            Err(format!("champion of generation {generation} is not comparable: {difference}"))
        }
        None => Ok((champion, model)),
    })
}

/// Whether the store did not answer, so that nothing is known.
pub(crate) fn is_unavailable(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(Error::Unavailable { .. })))
}

/// Whether something that the store held is missing or damaged.
pub(crate) fn is_lost(error: &anyhow::Error) -> bool {
    let lost =
        |error: &Error| error.is_lost_data() || matches!(error, Error::Record { .. } | Error::NoRecord(_));
    error.chain().any(|cause| cause.downcast_ref().is_some_and(lost))
}
