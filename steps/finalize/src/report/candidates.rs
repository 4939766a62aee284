//! The candidates beside each other.

use maud::{Markup, html};
use selvedge_data::Split;
use selvedge_registry::SplitScore;

use super::chart;
use super::facts::{State, duration};
use super::inputs::{CandidateInput, Inputs};
use super::{format, part};

pub(super) fn section(inputs: &Inputs) -> Markup {
    let body = html! {
        div.scroll { table {
            thead { tr {
                th scope="col" { "Candidate" }
                th scope="col" { "State" }
                th.number scope="col" { "Validation" }
                th.number scope="col" { "Test" }
                th.number scope="col" title="expected calibration error on test" { "Calib. error" }
                th.number scope="col" { "Parameters" }
                th.number scope="col" title="of one forward pass of one record" { "Mult-adds" }
                th.number scope="col" { "Epochs" }
                th.number scope="col" { "Training" }
            } }
            tbody { @for (n, candidate) in inputs.candidates.iter().enumerate() { (row(inputs, n, candidate)) } }
        } }
        details {
            summary { "Networks and settings" }
            div.scroll { table {
                thead { tr {
                    th scope="col" { "Candidate" } th scope="col" { "Network" }
                    th.number scope="col" { "Peak rate" } th.number scope="col" { "Weight decay" }
                    th.number scope="col" { "Micro-batch" } th.number scope="col" { "Shards" }
                    th.number scope="col" { "Window" } th.number scope="col" { "Seed" }
                } }
                tbody { @for (n, candidate) in inputs.candidates.iter().enumerate() { (settings(n, candidate)) } }
            } }
        }
    };
    let introduction = "Models are chosen on the validation split; the test split is reported, never chosen on. \
        The small figure is half the width of a 95 % interval.";
    part("candidates", "Candidates", introduction, &body)
}

/// The candidate's name with its colour.
pub(super) fn name(place: usize, candidate: &CandidateInput) -> Markup {
    html! { span.named { (chart::swatch(place)) (candidate.planned.name) } }
}

fn row(inputs: &Inputs, place: usize, candidate: &CandidateInput) -> Markup {
    let state = candidate.state(&inputs.plan.run);
    let serves = inputs.champion_colour() == Some(place);
    let kind = if state == State::Failed || state == State::NotEvaluated { "badge bad" } else { "badge" };
    let (test, identity) = (candidate.score(Split::Test), candidate.identity.as_ref());
    html! {
        tr.best[serves] {
            th scope="row" { (name(place, candidate)) @if serves { " " span.badge.good { "champion" } } }
            td { span class=(kind) { (state.text()) } }
            td.number { (accuracy(candidate.score(Split::Validation))) }
            td.number { (accuracy(test)) }
            td.number { (test.map_or_else(dash, |score| format::rough_percent(score.calibration_error))) }
            td.number { (identity.map_or_else(dash, |identity| format::magnitude(identity.parameters))) }
            td.number { (identity.map_or_else(dash, |identity| format::magnitude(identity.multiply_adds))) }
            td.number { (candidate.planned.settings.epochs) }
            td.number { (training_time(candidate)) }
        }
    }
}

fn accuracy(score: Option<&SplitScore>) -> Markup {
    let half = |s: &SplitScore| 1.96 * (s.accuracy * (1.0 - s.accuracy) / s.records.max(1) as f64).sqrt();
    html! {
        @match score {
            Some(score) => {
                (format::percent(score.accuracy)) " "
                small { "± " (format!("{:.1}", half(score) * 100.0)) }
            }
            None => { "–" }
        }
    }
}

/// Of the slowest rank.
fn training_time(candidate: &CandidateInput) -> String {
    let slowest = candidate.ranks().into_iter().map(duration).fold(0.0, f64::max);
    if slowest > 0.0 { format::seconds(slowest) } else { dash() }
}

fn settings(place: usize, candidate: &CandidateInput) -> Markup {
    let settings = &candidate.planned.settings;
    html! {
        tr {
            th scope="row" { (name(place, candidate)) }
            td.mono { (settings.network) }
            td.number { (settings.learning_rate) }
            td.number { (settings.weight_decay) }
            td.number { (settings.micro_batch) }
            td.number { (settings.shards) }
            td.number { (settings.window) }
            td.number { (settings.seed) }
        }
    }
}

fn dash() -> String {
    "–".to_owned()
}
