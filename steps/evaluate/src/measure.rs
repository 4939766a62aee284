//! A model's card on a data set: found and verified, or made.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use selvedge_data::{Batch, Manifest, Split};
use selvedge_model::{Classifier, Network};
use selvedge_plan::key::EVALUATE_REVISION;
use selvedge_registry::{Card, Predictions};
use selvedge_store::{Digest, Error, Store};

use crate::model::{Model, is_unavailable};
use crate::score;

/// What models are scored on; training records tell nothing.
const SPLITS: [Split; 2] = [Split::Validation, Split::Test];

/// A card, and whether it was there before.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) card: Card,
    pub(crate) reused: bool,
}

/// Where a data set's records come from.
#[derive(Debug)]
pub(crate) struct Data<'a> {
    pub(crate) store: &'a Store,
    pub(crate) manifest: &'a Manifest,
    pub(crate) digest: Digest,
}

impl Data<'_> {
    /// Batches that a model is scored on.
    pub(crate) fn batches(&self) -> u64 {
        SPLITS.iter().map(|split| self.manifest.batches(*split).len() as u64).sum()
    }

    /// The card of `model`: the stored one if it and its predictions are whole, else a new one. `scored` is called
    /// for every batch.
    pub(crate) async fn measure(&self, model: &Model, scored: impl FnMut()) -> anyhow::Result<Measured> {
        let path = Card::path(&model.digest, &self.digest, EVALUATE_REVISION);
        match self.stored(&path, model).await {
            Ok(Some(card)) => return Ok(Measured { card, reused: true }),
            Ok(None) => {}
            Err(error) if is_unavailable(&error) => return Err(error),
            Err(error) => {
                tracing::warn!(path, "a damaged card is replaced: {error:#}");
                self.store.delete(&path).await?;
            }
        }
        let card = self.score(model, scored).await?;
        // Somebody who was faster has measured the same.
        self.store.create_record(&path, &card).await?;
        Ok(Measured { card, reused: false })
    }

    async fn stored(&self, path: &str, model: &Model) -> anyhow::Result<Option<Card>> {
        let Some(card) = self.store.record::<Card>(path).await? else {
            return Ok(None);
        };
        ensure!(card.model == model.digest && card.dataset == self.digest, "it is of something else");
        for split in self.splits() {
            let score = card.splits.get(&split).with_context(|| format!("no {split:?} split"))?;
            let predictions = Predictions::read(self.store, &score.predictions).await?;
            let records = self.manifest.records(split);
            ensure!(
                predictions.labels.len() == records,
                "{} predictions for {records} records",
                predictions.labels.len()
            );
        }
        Ok(Some(card))
    }

    async fn score(&self, model: &Model, mut scored: impl FnMut()) -> anyhow::Result<Card> {
        let weights = self.store.blob(&model.identity.weights).await.context("weights")?;
        let spec = &model.identity.settings.network;
        let network = Network::parse(spec, self.manifest.shape, self.manifest.classes.len())?;
        let mut classifier = Classifier::load(&network, &weights)
            .with_context(|| format!("weights {}", model.identity.weights))?;
        let mut splits = BTreeMap::new();
        for split in self.splits() {
            let predictions;
            (classifier, predictions) = self.predict(classifier, split, &mut scored).await?;
            let blob = self.store.put_blob(predictions.to_bytes()?).await?;
            splits.insert(split, score::split(&predictions, &self.manifest.classes, blob));
        }
        Ok(Card {
            model: model.digest,
            dataset: self.digest,
            revision: EVALUATE_REVISION,
            weights_bytes: weights.len() as u64,
            parameters: network.parameters() as u64,
            multiply_adds: network.multiply_adds(),
            splits,
        })
    }

    /// What the classifier says of every record of a split, one batch in memory at a time.
    async fn predict(
        &self,
        mut classifier: Classifier,
        split: Split,
        scored: &mut impl FnMut(),
    ) -> anyhow::Result<(Classifier, Predictions)> {
        let mut predictions =
            Predictions { predicted: Vec::new(), labels: Vec::new(), probabilities: Vec::new() };
        for entry in self.manifest.batches(split) {
            let bytes = self.store.blob(&entry.digest).await.map_err(batch_of(&self.manifest.name, split))?;
            let batch = Batch::decode(&bytes, self.manifest, entry)
                .with_context(|| format!("batch {}", entry.digest))?;
            let images = batch.images.clone();
            let answering = tokio::task::spawn_blocking(move || {
                let answers = classifier.probabilities(&images);
                (classifier, answers)
            });
            let answers;
            (classifier, answers) = answering.await?;
            score::add(&mut predictions, &answers?, &batch.labels);
            scored();
        }
        Ok((classifier, predictions))
    }

    fn splits(&self) -> impl Iterator<Item = Split> {
        SPLITS.into_iter().filter(|split| self.manifest.records(*split) > 0)
    }
}

fn batch_of(name: &str, split: Split) -> impl Fn(Error) -> anyhow::Error {
    move |error| anyhow::Error::new(error).context(format!("a {split:?} batch of {name}").to_lowercase())
}
