//! The champion log: `champions/<name>/<generation>.json`, append-only. The newest generation is the champion.

use jiff::Timestamp;
use selvedge_store::{Digest, Log, Result, Store};
use serde::{Deserialize, Serialize};

use crate::Promotion;

/// One generation of a champion log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Champion {
    /// From 1.
    pub generation: u64,
    /// What this generation is.
    pub act: Act,
    /// The model that serves from now on.
    pub model: Digest,
    /// The data set on which it was chosen.
    pub dataset: Digest,
    /// The candidate's name.
    pub candidate: String,
    /// The run that promoted it.
    pub run: String,
    /// Tells this promotion from any other, to settle an unknown outcome and to announce it once.
    pub promotion: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// What a generation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// A better model.
    Promote,
    /// Back to an earlier model.
    Rollback,
    /// Promotions are stopped; the model stays.
    Hold,
    /// Promotions are allowed again; the model stays.
    Release,
}

/// The champion log of one name.
pub type ChampionLog = Log<Champion>;

/// The champion log of `name`.
pub fn log(store: &Store, name: &str) -> ChampionLog {
    Log::new(store, format!("champions/{name}"))
}

impl Champion {
    /// Whether `stage` of `run` promoted it.
    pub fn is_of(&self, run: &str, stage: &str) -> bool {
        let promotion = Promotion {
            run: run.to_owned(),
            stage: stage.to_owned(),
            candidate: self.candidate.clone(),
            model: self.model,
            dataset: self.dataset,
            reason: self.reason.clone(),
        };
        self.promotion == promotion.id(self.generation)
    }
}

/// Why promotions are refused at this moment, if they are: a hold that nobody released, or a rollback after
/// generation `start`, at which the asking run began; a person's word stands until the next run.
///
/// # Errors
/// As [`Log::get`].
pub async fn refusal(log: &ChampionLog, newest: Option<&Champion>, start: u64) -> Result<Option<String>> {
    let mut record = newest.cloned();
    // Nothing is promoted during a hold, so the first promotion on the way back says that there is none.
    while let Some(champion) = record {
        let Champion { act, generation, reason, .. } = &champion;
        match act {
            Act::Promote | Act::Release => return Ok(None),
            Act::Hold => {
                return Ok(Some(format!("promotions are on hold since generation {generation}: {reason}")));
            }
            Act::Rollback if *generation > start => {
                return Ok(Some(format!("generation {generation} rolled back during this run: {reason}")));
            }
            Act::Rollback => record = before(log, &champion).await?,
        }
    }
    Ok(None)
}

/// The newest generation that chose a model and was not promoted by `run`: the champion at the run's start, unless
/// somebody else chose one meanwhile.
///
/// # Errors
/// As [`Log::get`].
pub async fn incumbent(log: &ChampionLog, newest: Option<&Champion>, run: &str) -> Result<Option<Champion>> {
    let mut record = newest.cloned();
    while let Some(champion) = record {
        match champion.act {
            Act::Promote if champion.run == run => {}
            Act::Promote | Act::Rollback => return Ok(Some(champion)),
            Act::Hold | Act::Release => {}
        }
        record = before(log, &champion).await?;
    }
    Ok(None)
}

async fn before(log: &ChampionLog, champion: &Champion) -> Result<Option<Champion>> {
    if champion.generation > 1 { log.get(champion.generation - 1).await } else { Ok(None) }
}
