//! The plan to compare with: ingest, one training after the other, then promote; served only at its end.

use std::cmp::Reverse;

use jiff::Timestamp;
use selvedge_plan::Event;

use super::facts::{duration, measured, promotes, reused};
use super::inputs::{CandidateInput, Inputs, PastRun};

/// How long the sequential plan takes to its first served model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sequential {
    pub(super) basis: Basis,
    pub(super) parts: Vec<Part>,
}

/// Where the times come from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Basis {
    /// A run of this store that really was sequential.
    Measured { run: String },
    /// CPU seconds divided by this many processors, at most one a rank.
    Estimated { cores: usize },
}

/// One stretch of the sequential plan.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub(super) label: String,
    /// The palette's place, where the part is a candidate's.
    pub(super) colour: Option<usize>,
    pub(super) seconds: f64,
}

impl Sequential {
    /// The best there is: a measured run, else an estimate, else nothing.
    pub(super) fn of(inputs: &Inputs) -> Option<Self> {
        let measured = inputs.history.iter().find_map(|past| measure(inputs, past));
        measured.or_else(|| estimate(inputs))
    }

    pub(super) fn seconds(&self) -> f64 {
        self.parts.iter().map(|part| part.seconds).sum()
    }

    pub(super) fn is_measured(&self) -> bool {
        matches!(self.basis, Basis::Measured { .. })
    }

    /// How the plan's times were come by, for captions.
    pub(super) fn label(&self) -> String {
        match &self.basis {
            Basis::Measured { run } => format!("measured in run {run}"),
            Basis::Estimated { cores: 1 } => "estimated from CPU seconds on one core".to_owned(),
            Basis::Estimated { cores } => format!("estimated from CPU seconds on {cores} cores"),
        }
    }
}

// === estimated ===

fn estimate(inputs: &Inputs) -> Option<Sequential> {
    let ingest = inputs.ingest_events.iter().rev().find(|e| e.stage == "ingest" && !reused(e));
    let mut parts = vec![part("ingest", None, ingest.map(cpu_seconds)?)];
    let mut evaluations = 0.0;
    for (colour, candidate) in inputs.candidates.iter().enumerate().filter(|(_, c)| c.result.is_some()) {
        parts.push(part(&candidate.planned.name, Some(colour), training(candidate, inputs.cores)?));
        let evaluation = candidate.events.iter().rev().find(|e| e.stage == "evaluate" && !reused(e));
        evaluations += evaluation.map_or(0.0, cpu_seconds);
    }
    parts.push(part("evaluate and promote", None, evaluations + roll_out(inputs)));
    let basis = Basis::Estimated { cores: inputs.cores };
    (parts.len() > 2).then_some(Sequential { basis, parts })
}

/// A gang by itself has the machine to itself: its CPU seconds, spread over as many processors as it has ranks.
fn training(candidate: &CandidateInput, cores: usize) -> Option<f64> {
    let ranks = candidate.ranks();
    let seconds: f64 = ranks.iter().filter_map(|rank| measured(rank, "cpu_seconds")).sum();
    let world = candidate.result.as_ref().map_or(ranks.len(), |result| result.world);
    (seconds > 0.0).then(|| seconds / cores.min(world).max(1) as f64)
}

fn cpu_seconds(event: &Event) -> f64 {
    measured(event, "cpu_seconds").unwrap_or_else(|| duration(event))
}

/// Replicas take over as fast after a sequential plan as they did in this run.
fn roll_out(inputs: &Inputs) -> f64 {
    let served = inputs.first_served().map(|first| first.decision);
    let watched = served.and_then(|d| Some(d.served_at?.duration_since(d.at).as_secs_f64()));
    watched.unwrap_or(0.0).max(0.0)
}

// === measured ===

fn measure(inputs: &Inputs, past: &PastRun) -> Option<Sequential> {
    if past.plan.manifest != inputs.plan.manifest || past.plan.candidates.len() != inputs.candidates.len() {
        return None;
    }
    let start = past.events.iter().map(|event| event.started).min()?;
    let end = past.decisions.iter().filter(|d| promotes(d)).map(|d| d.served_at.unwrap_or(d.at)).max()?;
    let ingest = past.events.iter().find(|e| e.stage == "ingest" && !reused(e))?;
    let mut spans = Vec::new();
    for (colour, candidate) in inputs.candidates.iter().enumerate() {
        let same = past.plan.candidates.iter().find(|p| p.settings == candidate.planned.settings)?;
        spans.push((span(past, &same.name)?, colour));
    }
    spans.sort_by_key(|((started, _), _)| *started);
    let one_by_one = spans.windows(2).all(|pair| pair[0].0.1 <= pair[1].0.0);
    let last = spans.iter().map(|((_, ended), _)| *ended).max()?;
    if !one_by_one || end < last {
        return None;
    }
    let mut parts = vec![part("ingest", None, duration(ingest))];
    for ((started, ended), colour) in spans {
        let name = &inputs.candidates[colour].planned.name;
        parts.push(part(name, Some(colour), ended.duration_since(started).as_secs_f64()));
    }
    let known: f64 = parts.iter().map(|part| part.seconds).sum();
    let rest = end.duration_since(start).as_secs_f64() - known;
    parts.push(part("evaluate, promote and the rest", None, rest.max(0.0)));
    let basis = Basis::Measured { run: past.plan.run.clone() };
    Some(Sequential { basis, parts })
}

/// When the ranks of a candidate began and ended, where they all really trained.
fn span(past: &PastRun, candidate: &str) -> Option<(Timestamp, Timestamp)> {
    let trained = |e: &&Event| e.stage == "train" && e.candidate.as_deref() == Some(candidate);
    let ranks: Vec<&Event> = past.events.iter().filter(trained).collect();
    if ranks.iter().any(|event| reused(event)) {
        return None;
    }
    let ended = ranks.iter().map(|event| Reverse(event.ended)).min()?.0;
    Some((ranks.iter().map(|event| event.started).min()?, ended))
}

fn part(label: &str, colour: Option<usize>, seconds: f64) -> Part {
    Part { label: label.to_owned(), colour, seconds }
}
