//! Contenders: models with their answers on the validation split of one data set, and how a champion stands there.

use anyhow::{Context, ensure};
use selvedge_data::Split;
use selvedge_plan::key::EVALUATE_REVISION;
use selvedge_store::{Digest, Error, Store};

use crate::{Card, Champion, ModelIdentity, Predictions};

/// A model in the running: everything that the rule may look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Contender {
    /// The candidate's name, for reasons.
    pub name: String,
    /// The model.
    pub model: Digest,
    /// Multiply-adds of one forward pass of one record.
    pub multiply_adds: u64,
    /// Which validation records it has right, in the manifest's order.
    pub right: Vec<bool>,
}

/// How the champion of the moment stands on a data set.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// There is no champion.
    Vacant,
    /// There is one that cannot be compared, and why: it is treated as none.
    NotComparable(String),
    /// There is one that nobody scored on this data set.
    Unmeasured(String),
    /// There is one, with its answers.
    Measured(Contender),
}

impl Contender {
    /// The contender `name` from the card of `model` on `dataset`, or `None` where there is no card.
    ///
    /// # Errors
    /// Of the store, and when card or predictions are not what they should be; all name the model.
    pub async fn read(
        store: &Store,
        name: &str,
        model: &Digest,
        dataset: &Digest,
    ) -> anyhow::Result<Option<Self>> {
        let path = Card::path(model, dataset, EVALUATE_REVISION);
        let Some(card) = store.record::<Card>(&path).await? else {
            return Ok(None);
        };
        let contender = Self::of(store, name, &card, model, dataset).await;
        contender.map(Some).with_context(|| format!("card {path} of {name}"))
    }

    async fn of(
        store: &Store,
        name: &str,
        card: &Card,
        model: &Digest,
        dataset: &Digest,
    ) -> anyhow::Result<Self> {
        ensure!(card.model == *model, "it is the card of model {}", card.model);
        ensure!(card.dataset == *dataset, "it is of data set {}", card.dataset);
        let score = card.splits.get(&Split::Validation).context("it has no validation split")?;
        let right = Predictions::read(store, &score.predictions).await?.right();
        ensure!(
            right.len() as u64 == score.records && !right.is_empty(),
            "{} predictions for {} validation records",
            right.len(),
            score.records
        );
        Ok(Self { name: name.to_owned(), model: *model, multiply_adds: card.multiply_adds, right })
    }

    /// Validation records classified rightly.
    pub fn score(&self) -> usize {
        self.right.iter().filter(|right| **right).count()
    }

    /// Share of validation records classified rightly, 0 to 1.
    pub fn accuracy(&self) -> f64 {
        self.score() as f64 / self.right.len().max(1) as f64
    }
}

impl Standing {
    /// How `champion` stands beside a model `beside` that was trained on `dataset`.
    ///
    /// # Errors
    /// When the store does not answer, and when the champion's card is damaged.
    pub async fn of(
        store: &Store,
        champion: Option<&Champion>,
        beside: &ModelIdentity,
        dataset: &Digest,
    ) -> anyhow::Result<Self> {
        let Some(champion) = champion else {
            return Ok(Self::Vacant);
        };
        let who = format!("champion {} of generation {}", champion.candidate, champion.generation);
        let identity = match ModelIdentity::read(store, &champion.model).await {
            Ok(identity) => identity,
            Err(error) if is_unavailable(&error) => return Err(error.context(who)),
            Err(error) => return Ok(Self::NotComparable(format!("{who} is lost: {error:#}"))),
        };
        if let Some(difference) = identity.difference(beside) {
            return Ok(Self::NotComparable(format!("{who} is not comparable: {difference}")));
        }
        match Contender::read(store, &champion.candidate, &champion.model, dataset)
            .await
            .context(who.clone())?
        {
            Some(contender) => Ok(Self::Measured(contender)),
            None => Ok(Self::Unmeasured(format!("{who} has no predictions on data set {}", dataset.short()))),
        }
    }
}

fn is_unavailable(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(Error::Unavailable { .. })))
}
