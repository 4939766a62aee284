//! From a generation of the champion log to a model that may answer.

use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;
use selvedge_data::{Shape, Split};
use selvedge_model::{Classifier, Network};
use selvedge_plan::key::EVALUATE_REVISION;
use selvedge_registry::{Card, Champion, ModelIdentity};
use selvedge_store::Store;

use crate::golden::Golden;
use crate::network::{Loaded, Predictor, Serving};

/// Why a model was not loaded.
#[derive(Debug)]
pub enum NotLoaded {
    /// The store does not answer: to be tried again.
    Store(selvedge_store::Error),
    /// The model is not fit to answer.
    Refused(anyhow::Error),
}

/// Reads the model of `champion`, all of it verified by digest, and lets it reproduce its golden vectors.
///
/// # Errors
/// [`NotLoaded`].
pub async fn load(store: &Store, champion: &Champion) -> Result<Loaded, NotLoaded> {
    let path = ModelIdentity::path(&champion.model);
    let identity: ModelIdentity = store.expect_record(&path).await.map_err(sorted)?;
    if identity.digest() != champion.model {
        let text = format!("record {path} is corrupt: it describes model {}", identity.digest());
        return Err(NotLoaded::Refused(anyhow::Error::msg(text)));
    }
    let weights = store.blob(&identity.weights).await.map_err(sorted)?;
    let golden = store.blob(&identity.golden.blob).await.map_err(sorted)?;
    let (accuracy, test_accuracy) = measured(store, champion).await.map_err(NotLoaded::Store)?;
    let [height, width, channels] = identity.input;
    let serving = Serving {
        model: champion.model,
        generation: champion.generation,
        candidate: champion.candidate.clone(),
        family: identity.family,
        classes: identity.classes.clone(),
        shape: Shape { height, width, channels },
        accuracy,
        test_accuracy,
        since: Timestamp::now(),
    };
    let checking = tokio::task::spawn_blocking(move || checked(&identity, &weights, &golden, serving));
    let loaded = checking.await.unwrap_or_else(|error| Err(error.into()));
    loaded.map_err(NotLoaded::Refused)
}

fn checked(
    identity: &ModelIdentity,
    weights: &[u8],
    golden: &[u8],
    serving: Serving,
) -> anyhow::Result<Loaded> {
    let spec = &identity.settings.network;
    let network = Network::parse(spec, serving.shape, serving.classes.len())
        .with_context(|| format!("network {spec:?}"))?;
    let classifier =
        Classifier::load(&network, weights).with_context(|| format!("weights {}", identity.weights))?;
    let mut loaded = Loaded { network: Box::new(classifier), serving: Arc::new(serving) };
    Golden::read(golden)
        .and_then(|vectors| vectors.check(&mut loaded, identity.golden.tolerance))
        .with_context(|| format!("golden vectors {}", identity.golden.blob))?;
    Ok(loaded)
}

/// The accuracies on validation and test, where the model was evaluated on the data set that it was chosen on.
async fn measured(
    store: &Store,
    champion: &Champion,
) -> Result<(Option<f64>, Option<f64>), selvedge_store::Error> {
    let path = Card::path(&champion.model, &champion.dataset, EVALUATE_REVISION);
    let card: Option<Card> = match store.record(&path).await {
        Err(error @ selvedge_store::Error::Unavailable { .. }) => return Err(error),
        // A model answers without its card.
        card => card.unwrap_or_default(),
    };
    let of = |split| card.as_ref().and_then(|card| card.splits.get(&split)).map(|score| score.accuracy);
    Ok((of(Split::Validation), of(Split::Test)))
}

fn sorted(error: selvedge_store::Error) -> NotLoaded {
    match error {
        selvedge_store::Error::Unavailable { .. } => NotLoaded::Store(error),
        other => NotLoaded::Refused(other.into()),
    }
}

impl Predictor for Classifier {
    fn probabilities(&mut self, records: &[u8]) -> anyhow::Result<Vec<f32>> {
        Self::probabilities(self, records)
    }
}
