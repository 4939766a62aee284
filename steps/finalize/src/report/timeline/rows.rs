//! The rows of the timeline.

use selvedge_plan::Event;

use crate::report::chart::shortened;
use crate::report::facts::State;
use crate::report::inputs::{CandidateInput, Inputs};

/// One process, with all its attempts.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) label: String,
    /// Place in the palette, for a candidate's row.
    pub(super) colour: Option<usize>,
    /// Whether it is the first of its candidate, or of no candidate.
    pub(super) first: bool,
    pub(super) events: Vec<&'a Event>,
    /// What to say where nothing ran.
    pub(super) instead: Option<String>,
}

/// Stages before the candidates.
const BEFORE: [&str; 3] = ["fingerprint-source", "ingest", "fingerprint-training"];

/// In the order of the pipeline.
pub(super) fn of(inputs: &Inputs) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = BEFORE.iter().filter_map(|stage| lone(inputs, stage)).collect();
    for (colour, candidate) in inputs.candidates.iter().enumerate() {
        rows.extend(candidate_rows(inputs, colour, candidate));
    }
    rows.extend(lone(inputs, "finalize"));
    rows
}

fn lone<'a>(inputs: &'a Inputs, stage: &str) -> Option<Row<'a>> {
    let events: Vec<_> = inputs.events.iter().filter(|e| e.stage == stage && e.candidate.is_none()).collect();
    let memoized = stage == "ingest" && events.is_empty();
    let instead = memoized.then(|| match &inputs.source {
        Some(source) if inputs.plan.ingest.reuse => format!("reused from run {}", source.run),
        _ => "did not run".to_owned(),
    });
    let row = Row { label: stage.replace('-', " "), colour: None, first: true, events, instead };
    (!row.events.is_empty() || memoized).then_some(row)
}

fn candidate_rows<'a>(inputs: &'a Inputs, colour: usize, candidate: &'a CandidateInput) -> Vec<Row<'a>> {
    let name = &candidate.planned.name;
    let own = |e: &&&Event| e.candidate.as_deref() == Some(name.as_str());
    let all: Vec<&Event> = inputs.events.iter().collect();
    let stage =
        |stage: &str| all.iter().filter(own).filter(|e| e.stage == stage).copied().collect::<Vec<_>>();
    let trainings = stage("train");
    let mut ranks: Vec<_> = trainings.iter().map(|event| event.rank).collect();
    ranks.sort_unstable();
    ranks.dedup();
    let row = |label: String, events: Vec<&'a Event>, instead| Row {
        label,
        colour: Some(colour),
        first: false,
        events,
        instead,
    };
    let mut rows = Vec::new();
    for rank in &ranks {
        let label = rank.map_or_else(|| "train".to_owned(), |rank| format!("rank {rank}"));
        rows.push(row(label, trainings.iter().filter(|e| e.rank == *rank).copied().collect(), None));
    }
    if ranks.is_empty() {
        rows.push(row("train".to_owned(), Vec::new(), Some(instead(inputs, candidate))));
    }
    for name in ["evaluate", "promote"] {
        let events = stage(name);
        if !events.is_empty() {
            rows.push(row(name.to_owned(), events, None));
        }
    }
    rows[0].first = true;
    rows[0].label = format!("{} · {}", shortened(name, 12), rows[0].label);
    rows
}

fn instead(inputs: &Inputs, candidate: &CandidateInput) -> String {
    match (candidate.state(&inputs.plan.run), &candidate.result) {
        (State::Failed, _) => "failed: no result was committed".to_owned(),
        (_, Some(result)) if result.run != inputs.plan.run => format!("reused from run {}", result.run),
        _ => "left no record of its time".to_owned(),
    }
}
