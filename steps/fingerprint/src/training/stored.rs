//! Whether a training's result is in the store and whole.

use selvedge_plan::{Stored, TrainResult, key, verify};
use selvedge_registry::ModelIdentity;
use selvedge_store::{Digest, Store};

/// The result of a training, if its model's identity, weights and golden vectors are in the store and whole.
pub(super) async fn stored(store: &Store, key: &Digest) -> anyhow::Result<Stored<TrainResult>> {
    match whole(store, key).await {
        Ok(stored) => Ok(stored),
        Err(error) => Ok(Stored::Lost(verify::lost(error)?)),
    }
}

async fn whole(store: &Store, key: &Digest) -> anyhow::Result<Stored<TrainResult>> {
    let Some(result) = store.record::<TrainResult>(&key::result_path("train", key)).await? else {
        return Ok(Stored::Lost(verify::NO_RESULT.to_owned()));
    };
    let path = ModelIdentity::path(&result.model);
    let Some(identity) = store.record::<ModelIdentity>(&path).await? else {
        return Ok(Stored::Lost(format!("model {}… is gone", result.model.short())));
    };
    if identity.digest() != result.model {
        return Ok(Stored::Lost(format!("model {}… is corrupt", result.model.short())));
    }
    verify::blobs(store, [identity.weights, identity.golden.blob]).await?;
    Ok(Stored::Whole(result))
}
