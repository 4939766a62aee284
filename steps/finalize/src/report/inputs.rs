//! Everything that a report is made of.

use jiff::Timestamp;
use selvedge_data::Manifest;
use selvedge_plan::{Decision, Event, Plan, PlannedCandidate, SourceRecord, TrainResult};
use selvedge_registry::{Card, Champion, ModelIdentity};

/// What [`render`](super::render) needs, already read.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// When the report is written.
    pub written: Timestamp,
    /// What the run intended.
    pub plan: Plan,
    /// The source record that the plan names.
    pub source: Option<SourceRecord>,
    /// The data set.
    pub manifest: Manifest,
    /// The candidates, in the plan's order.
    pub candidates: Vec<CandidateInput>,
    /// What the stages of this run did.
    pub events: Vec<Event>,
    /// What ingest did in the run that produced the data set: this run, or an earlier one.
    pub ingest_events: Vec<Event>,
    /// Why the run failed, if it did.
    pub failure: Option<String>,
    /// What promote and finalize decided in this run.
    pub decisions: Vec<Decision>,
    /// The champion when the run was planned.
    pub champion_before: Option<Champion>,
    /// The champion now.
    pub champion_after: Option<Champion>,
    /// The identity of the champion's model now.
    pub champion_identity: Option<ModelIdentity>,
    /// The measurement of the champion's model now on this data set, where there is one.
    pub champion_card: Option<Card>,
    /// Other runs of the same data set name in this store, newest first.
    pub history: Vec<PastRun>,
    /// Processors that a gang could use, for the estimate of the sequential plan.
    pub cores: usize,
}

/// One candidate and what became of it.
#[derive(Debug, Clone)]
pub struct CandidateInput {
    /// The plan's entry.
    pub planned: PlannedCandidate,
    /// What its training committed; `None` where it failed.
    pub result: Option<TrainResult>,
    /// The model's identity.
    pub identity: Option<ModelIdentity>,
    /// The model's measurement on this data set; `None` where it was not evaluated.
    pub card: Option<Card>,
    /// What its stages did in the run that produced the model: this run, or an earlier one.
    pub events: Vec<Event>,
}

/// Another run, to compare with.
#[derive(Debug, Clone)]
pub struct PastRun {
    /// What it intended.
    pub plan: Plan,
    /// Records in a batch of its data set.
    pub batch_size: usize,
    /// What its stages did.
    pub events: Vec<Event>,
    /// What it decided.
    pub decisions: Vec<Decision>,
}
