//! Appending a promotion to a champion log, exactly once, without a lock.
//!
//! Generation n + 1 is created or lost to somebody else. A lost race is read again and decided again. An outcome
//! that nobody knows, because the store's answer was lost, is settled by the promotion id inside the record.

use jiff::Timestamp;
use selvedge_store::{Created, Digest, Error};
use serde_json::json;

use crate::champion::{Act, Champion, ChampionLog};

/// What somebody wants to promote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// The run.
    pub run: String,
    /// `promote` or `finalize`.
    pub stage: String,
    /// The candidate's name.
    pub candidate: String,
    /// Its model.
    pub model: Digest,
    /// The data set on which it was chosen.
    pub dataset: Digest,
    /// Why.
    pub reason: String,
}

impl Promotion {
    /// Names this promotion as generation `generation`: the same for every process that attempts it.
    pub fn id(&self, generation: u64) -> String {
        let Self { run, stage, candidate, model, dataset, .. } = self;
        let id = json!({
            "run": run, "stage": stage, "candidate": candidate, "model": model, "dataset": dataset,
            "generation": generation,
        });
        Digest::of_json(&id).to_string()
    }

    /// This very promotion among the generations after `start`, down from `newest`: made before by a process that
    /// did not live to tell.
    ///
    /// # Errors
    /// As [`selvedge_store::Log::get`].
    pub async fn find(
        &self,
        log: &ChampionLog,
        newest: Option<&Champion>,
        start: u64,
    ) -> Result<Option<Champion>, Error> {
        let newest = newest.map_or(0, |champion| champion.generation);
        for generation in (start + 1..=newest).rev() {
            let found = log.get(generation).await?;
            if let Some(champion) = found.filter(|champion| champion.promotion == self.id(generation)) {
                return Ok(Some(champion));
            }
        }
        Ok(None)
    }

    /// Appends this promotion after `newest`. `None`: somebody else was faster, look and decide again.
    ///
    /// # Errors
    /// Of the store. The record may have been written all the same: whoever tries again finds it by
    /// [`Promotion::find`].
    pub async fn append(
        &self,
        log: &ChampionLog,
        newest: Option<&Champion>,
    ) -> Result<Option<Champion>, Error> {
        let record = self.record(newest.map_or(0, |champion| champion.generation) + 1);
        let failure = match log.append(record.generation, &record).await {
            Ok(Created::New) => return Ok(Some(record)),
            Ok(Created::Existed) => None,
            Err(error) => Some(error),
        };
        match (log.get(record.generation).await?, failure) {
            (Some(there), _) if there.promotion == record.promotion => Ok(Some(there)),
            (Some(_), _) | (None, None) => Ok(None),
            (None, Some(error)) => Err(error),
        }
    }

    fn record(&self, generation: u64) -> Champion {
        Champion {
            generation,
            act: Act::Promote,
            model: self.model,
            dataset: self.dataset,
            candidate: self.candidate.clone(),
            run: self.run.clone(),
            promotion: self.id(generation),
            reason: self.reason.clone(),
            at: Timestamp::now(),
        }
    }
}
