//! Results: finding one that is whole, and committing. Blobs first, then the model's identity, the result record last.
//!
//! Two gangs that commit one key write the same bytes to the same names, so nothing has to be locked.

use anyhow::bail;
use selvedge_contract::ExitCode;
use selvedge_contract::failure::one_line;
use selvedge_plan::key::{self, LIBTORCH};
use selvedge_plan::{Stored, TrainResult};
use selvedge_registry::{GoldenVectors, ModelIdentity};
use selvedge_store::{Created, Digest, Store};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Config;
use crate::golden;
use crate::job::Job;
use crate::training::Trained;

/// The result under `key`, if the model that it names is whole.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn find(store: &Store, key: &Digest) -> anyhow::Result<Stored<TrainResult>> {
    match whole(store, key).await {
        Ok(Some(result)) => Ok(Stored::Whole(result)),
        Ok(None) => Ok(Stored::Lost("no result".to_owned())),
        Err(error) if ExitCode::of(&error) == ExitCode::Temporary => Err(error),
        Err(error) => Ok(Stored::Lost(one_line(&error))),
    }
}

async fn whole(store: &Store, key: &Digest) -> anyhow::Result<Option<TrainResult>> {
    let Some(result) = store.record::<TrainResult>(&key::result_path("train", key)).await? else {
        return Ok(None);
    };
    ModelIdentity::read(store, &result.model).await?.verify(store).await?;
    Ok(Some(result))
}

/// Commits a model that `world` ranks trained.
///
/// # Errors
/// Permanent when the key's result is another model.
pub(crate) async fn commit(
    store: &Store,
    config: &Config,
    job: &Job,
    trained: &Trained,
    world: usize,
) -> anyhow::Result<()> {
    let weights = store.put_blob(trained.weights.clone()).await?;
    let golden = store.put_blob(trained.golden.clone()).await?;
    let identity = identity(job, weights, golden);
    let model = identity.digest();
    keep(store, &ModelIdentity::path(&model), &identity, |there| there.digest() == model).await?;
    let result = TrainResult {
        key: job.key,
        model,
        weights,
        run: config.run.clone(),
        world,
        steps: trained.steps,
        curves: trained.curves.clone(),
    };
    keep(store, &key::result_path("train", &job.key), &result, |there| there.model == model).await
}

fn identity(job: &Job, weights: Digest, golden: Digest) -> ModelIdentity {
    let shape = job.manifest.shape;
    ModelIdentity {
        weights,
        family: job.candidate.family,
        settings: job.settings().clone(),
        dataset: job.dataset,
        dataset_name: job.manifest.name.clone(),
        input: [shape.height, shape.width, shape.channels],
        classes: job.manifest.classes.clone(),
        parameters: job.network.parameters() as u64,
        multiply_adds: job.network.multiply_adds(),
        libtorch: LIBTORCH.to_owned(),
        instructions: job.settings().instructions.clone(),
        golden: GoldenVectors { blob: golden, tolerance: golden::TOLERANCE },
    }
}

/// Creates a record. One that is there must be the same; one that cannot be read any more is replaced.
async fn keep<T: Serialize + DeserializeOwned>(
    store: &Store,
    path: &str,
    record: &T,
    same: impl Fn(&T) -> bool,
) -> anyhow::Result<()> {
    if store.create_record(path, record).await? == Created::New {
        return Ok(());
    }
    match store.record::<T>(path).await {
        Ok(Some(there)) if same(&there) => Ok(()),
        Ok(Some(_)) => bail!("record {path} is there and says something else"),
        Ok(None) | Err(selvedge_store::Error::Record { .. }) => {
            tracing::warn!(path, "a damaged record is replaced");
            store.delete(path).await?;
            store.create_record(path, record).await?;
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
