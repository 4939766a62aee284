//! The records of one run: `runs/<run>/plans`, `decisions`, `events`, `reports`.
//!
//! A run is one workflow; Argo keeps its uid when it is retried, so everything here is append-only and the newest
//! plan is the one that holds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use selvedge_store::{Digest, Log, Result, Store};
use serde::{Deserialize, Serialize};

use crate::{Family, Settings};

/// The records of one run in a store.
#[derive(Debug, Clone)]
pub struct Run {
    store: Store,
    name: String,
}

/// What fingerprint decided that this run must do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The run.
    pub run: String,
    /// When it was planned.
    pub created: Timestamp,
    /// Name of data set and champion log.
    pub name: String,
    /// `auto`: the first good model serves; `at-end`: only finalize promotes; `never`: nobody does.
    pub promote: String,
    /// Validation accuracy, 0 to 1, below which nobody becomes champion where there is none.
    pub floor: f64,
    /// Generation of the champion when the run was planned, if there was one.
    pub champion_at_start: Option<u64>,
    /// What is ingested.
    pub ingest: IngestPlan,
    /// The data set.
    pub manifest: Digest,
    /// The models to train.
    pub candidates: Vec<PlannedCandidate>,
}

/// The part of the plan that fingerprint *source* decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IngestPlan {
    /// The number of the source record that is used or will be made.
    pub source_record: u64,
    /// The ingest result key.
    pub key: Digest,
    /// The memo key that Argo was given.
    pub memo_key: Digest,
    /// Whether a stored result is used.
    pub reuse: bool,
    /// Whether differing contents are used all the same.
    pub warning: bool,
    /// Why, in one line.
    pub reason: String,
}

/// One candidate of the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedCandidate {
    /// Its name.
    pub name: String,
    /// Its kind of network.
    pub family: Family,
    /// All settings, the family's with the candidate's overrides.
    pub settings: Settings,
    /// The training result key.
    pub key: Digest,
    /// The memo key that Argo was given.
    pub memo_key: Digest,
    /// Whether a stored result is used.
    pub reuse: bool,
    /// Why, in one line.
    pub reason: String,
}

/// Something that a stage did in this run, for timeline and report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The stage: `fingerprint-source`, `ingest`, `train`, …
    pub stage: String,
    /// The candidate, where the stage has one.
    pub candidate: Option<String>,
    /// The rank, where the stage has one.
    pub rank: Option<usize>,
    /// When the stage's process began.
    pub started: Timestamp,
    /// When it was done.
    pub ended: Timestamp,
    /// What happened, in one line.
    pub what: String,
    /// Figures by name with their unit in it: `peak_memory_bytes`, `records`, `store_reads` …
    pub measurements: BTreeMap<String, f64>,
}

/// A decision of promote or finalize, with its reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// `promote` or `finalize`.
    pub stage: String,
    /// When.
    pub at: Timestamp,
    /// The candidate in question, for promote.
    pub candidate: Option<String>,
    /// Its model.
    pub model: Option<Digest>,
    /// `promote`, `keep`, `deferred`, `none`, `confirm`, `replace`, `not-promoting`.
    pub decision: String,
    /// Why, in one line.
    pub reason: String,
    /// The generation that came of it, or that stays.
    pub generation: Option<u64>,
    /// When most replicas served that generation, where a roll-out was watched.
    pub served_at: Option<Timestamp>,
}

impl Event {
    /// An event of `stage` that begins now.
    pub fn begin(stage: &str) -> Self {
        let now = Timestamp::now();
        Self {
            stage: stage.to_owned(),
            candidate: None,
            rank: None,
            started: now,
            ended: now,
            what: String::new(),
            measurements: BTreeMap::new(),
        }
    }

    /// Adds a figure; its name says its unit.
    pub fn measure(&mut self, name: &str, value: f64) {
        self.measurements.insert(name.to_owned(), value);
    }

    /// The event, ended now, with what happened.
    pub fn end(mut self, what: impl Into<String>) -> Self {
        self.ended = Timestamp::now();
        self.what = what.into();
        self
    }
}

impl Run {
    /// The records of run `name`.
    pub fn new(store: &Store, name: impl Into<String>) -> Self {
        Self { store: store.clone(), name: name.into() }
    }

    /// The run's name: a workflow's uid.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What fingerprint *source* decided in this run, the newest being the one that holds.
    pub fn ingest_plans(&self) -> Log<IngestPlan> {
        Log::new(&self.store, format!("runs/{}/ingest-plans", self.name))
    }

    /// The plans of this run, the newest being the one that holds.
    pub fn plans(&self) -> Log<Plan> {
        Log::new(&self.store, format!("runs/{}/plans", self.name))
    }

    /// The decisions of this run.
    pub fn decisions(&self) -> Log<Decision> {
        Log::new(&self.store, format!("runs/{}/decisions", self.name))
    }

    /// The reports of this run: digests of HTML blobs.
    pub fn reports(&self) -> Log<Digest> {
        Log::new(&self.store, format!("runs/{}/reports", self.name))
    }

    /// Appends a decision.
    ///
    /// # Errors
    /// As [`Store::create_record`].
    pub async fn decide(&self, decision: &Decision) -> Result<()> {
        self.decisions().push(decision).await.map(drop)
    }

    /// Keeps an event.
    ///
    /// # Errors
    /// As [`Store::create_record`].
    pub async fn record(&self, event: &Event) -> Result<()> {
        let (name, ended) = (&self.name, event.ended.as_microsecond());
        let of = event.candidate.as_deref().map(|c| format!("-{c}")).unwrap_or_default();
        let rank = event.rank.map(|r| format!("-{r}")).unwrap_or_default();
        let path = format!("runs/{name}/events/{ended}-{}{of}{rank}.json", event.stage);
        self.store.create_record(&path, event).await.map(drop)
    }

    /// All events, by the time of their end.
    ///
    /// # Errors
    /// As [`Store::list`] and [`Store::record`].
    pub async fn events(&self) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        for path in self.store.list(&format!("runs/{}/events", self.name)).await? {
            events.extend(self.store.record(&path).await?);
        }
        Ok(events)
    }
}
