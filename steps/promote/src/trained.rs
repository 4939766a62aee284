//! A candidate that was trained and evaluated: everything that a decision needs of it, read and verified.

use anyhow::Context;
use selvedge_plan::{Plan, PlannedCandidate, TrainResult, key};
use selvedge_registry::{Card, Contender, ModelIdentity};
use selvedge_store::{Error, Store};

/// A candidate with its model and its answers.
#[derive(Debug, Clone)]
pub struct Trained {
    /// Who it is.
    pub identity: ModelIdentity,
    /// How it answered.
    pub contender: Contender,
}

impl Trained {
    /// Follows plan → result → model → card, and verifies the blobs that serving needs.
    ///
    /// # Errors
    /// Of the store, and when something is missing or damaged; all name the candidate.
    pub async fn read(store: &Store, plan: &Plan, planned: &PlannedCandidate) -> anyhow::Result<Self> {
        let trained = Self::follow(store, plan, planned).await;
        trained.with_context(|| format!("candidate {}", planned.name))
    }

    async fn follow(store: &Store, plan: &Plan, planned: &PlannedCandidate) -> anyhow::Result<Self> {
        let result: TrainResult = store.expect_record(&key::result_path("train", &planned.key)).await?;
        let model = result.model;
        let identity = ModelIdentity::read(store, &model).await?;
        identity.verify(store).await.with_context(|| format!("model {model}"))?;
        let contender = Contender::read(store, &planned.name, &model, &plan.manifest).await?;
        let card = || Error::NoRecord(Card::path(&model, &plan.manifest, key::EVALUATE_REVISION));
        Ok(Self { identity, contender: contender.ok_or_else(card)? })
    }
}
