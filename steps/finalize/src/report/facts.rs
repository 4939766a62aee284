//! What follows from the inputs and is said in more than one place.

use jiff::Timestamp;
use selvedge_data::Split;
use selvedge_plan::{Decision, Event};
use selvedge_registry::SplitScore;

use super::inputs::{CandidateInput, Inputs};

/// What became of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Trained by this run.
    Trained,
    /// The result of an earlier run was used.
    Reused,
    /// There is a model, but no measurement of it.
    NotEvaluated,
    /// There is no model.
    Failed,
}

/// The first model of this run that served.
#[derive(Debug, Clone, Copy)]
pub(super) struct FirstServed<'a> {
    pub(super) decision: &'a Decision,
    /// The candidate: the decision's, or for finalize the one whose model it chose.
    pub(super) candidate: &'a str,
    /// Seconds since the run's start.
    pub(super) seconds: f64,
    /// Whether replicas were seen to serve it; otherwise it is the time of the promotion.
    pub(super) watched: bool,
}

impl State {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Trained => "trained",
            Self::Reused => "reused",
            Self::NotEvaluated => "not evaluated",
            Self::Failed => "failed",
        }
    }
}

impl CandidateInput {
    pub(super) fn state(&self, run: &str) -> State {
        match (&self.result, &self.card) {
            (None, _) => State::Failed,
            (_, None) => State::NotEvaluated,
            (Some(result), _) if result.run != run => State::Reused,
            _ => State::Trained,
        }
    }

    pub(super) fn score(&self, split: Split) -> Option<&SplitScore> {
        self.card.as_ref()?.splits.get(&split)
    }

    /// The events of its ranks that really trained, by rank; the newest of each.
    pub(super) fn ranks(&self) -> Vec<&Event> {
        let mut ranks: Vec<&Event> = Vec::new();
        for event in self.events.iter().filter(|e| e.stage == "train" && !reused(e)) {
            match ranks.iter_mut().find(|known| known.rank == event.rank) {
                Some(known) => *known = event,
                None => ranks.push(event),
            }
        }
        ranks.sort_by_key(|event| event.rank);
        ranks
    }
}

impl Inputs {
    /// When the run's first stage began.
    pub(super) fn started(&self) -> Timestamp {
        let first = self.events.iter().map(|event| event.started).min();
        first.unwrap_or(self.plan.created)
    }

    /// When the last thing of the run that the store knows of was done.
    pub(super) fn ended(&self) -> Timestamp {
        let events = self.events.iter().map(|event| event.ended);
        let decisions = self.decisions.iter().map(|d| d.served_at.unwrap_or(d.at));
        events.chain(decisions).max().unwrap_or(self.written)
    }

    /// Seconds from the run's start to `at`.
    pub(super) fn since_start(&self, at: Timestamp) -> f64 {
        at.duration_since(self.started()).as_secs_f64()
    }

    pub(super) fn first_served(&self) -> Option<FirstServed<'_>> {
        let moment = |decision: &Decision| decision.served_at.unwrap_or(decision.at);
        let decision = self.decisions.iter().filter(|d| promotes(d)).min_by_key(|d| moment(d))?;
        let of_model = |c: &&CandidateInput| c.result.as_ref().map(|result| result.model) == decision.model;
        let chosen = self.candidates.iter().find(of_model).map(|c| c.planned.name.as_str());
        Some(FirstServed {
            decision,
            candidate: decision.candidate.as_deref().or(chosen).unwrap_or("a model"),
            seconds: self.since_start(moment(decision)),
            watched: decision.served_at.is_some(),
        })
    }

    /// How many of the stages whose results are kept, ingest and the trainings, used a kept one, and how many
    /// there are.
    pub(super) fn reused_stages(&self) -> (usize, usize) {
        let run = &self.plan.run;
        let reused = |c: &&CandidateInput| c.result.as_ref().map_or(c.planned.reuse, |r| r.run != *run);
        let candidates = self.candidates.iter().filter(reused).count();
        (usize::from(self.plan.ingest.reuse) + candidates, 1 + self.candidates.len())
    }

    /// The palette's place of the candidate whose model is the champion now.
    pub(super) fn champion_colour(&self) -> Option<usize> {
        let model = self.champion_after.as_ref()?.model;
        self.candidates.iter().position(|c| c.result.as_ref().is_some_and(|result| result.model == model))
    }

    /// The palette's place of the candidate called `name`.
    pub(super) fn colour(&self, name: &str) -> Option<usize> {
        self.candidates.iter().position(|c| c.planned.name == name)
    }
}

/// Whether a new champion came of the decision.
pub(super) fn promotes(decision: &Decision) -> bool {
    matches!(decision.decision.as_str(), "promote" | "replace")
}

/// Whether a stage found its result made and left.
pub(super) fn reused(event: &Event) -> bool {
    event.what.starts_with("reused")
}

/// Seconds from an event's start to its end.
pub(super) fn duration(event: &Event) -> f64 {
    event.ended.duration_since(event.started).as_secs_f64().max(0.0)
}

/// A figure of an event, where it was measured.
pub(super) fn measured(event: &Event, name: &str) -> Option<f64> {
    event.measurements.get(name).copied().filter(|value| *value > 0.0)
}
