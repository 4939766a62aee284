//! What a run intends and what became of it: candidates and their settings, keys, and the records under `runs/`.

pub mod candidate;
pub mod instructions;
pub mod key;
pub mod name;
pub mod result;
pub mod run;
pub mod verify;

pub use candidate::{Candidate, Family, Settings};
pub use result::{EpochCurve, IngestResult, SourceRecord, TrainResult};
pub use run::{Decision, Event, IngestPlan, Plan, PlannedCandidate, Run};
pub use verify::Stored;
