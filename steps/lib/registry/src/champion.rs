//! The champion log: `champions/<name>/<generation>.json`, append-only. The newest generation is the champion.

use jiff::Timestamp;
use selvedge_store::{Digest, Log, Store};
use serde::{Deserialize, Serialize};

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
