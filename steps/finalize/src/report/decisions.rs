//! Every decision of the run, and why: what was reused, what was promoted.

use maud::{Markup, html};
use selvedge_plan::Decision;

use super::facts::promotes;
use super::inputs::{CandidateInput, Inputs};
use super::{candidates, format, part};

pub(super) fn section(inputs: &Inputs) -> Markup {
    let body = html! {
        h3 { "What was reused" }
        (reuse(inputs))
        h3 { "What was promoted" }
        (decisions(inputs))
        p.note { (champions(inputs)) }
    };
    part("decisions", "Decisions and their reasons", "", &body)
}

fn reuse(inputs: &Inputs) -> Markup {
    let ingest = &inputs.plan.ingest;
    html! {
        div.scroll { table {
            thead { tr {
                th scope="col" { "Stage" } th scope="col" { "Decision" } th scope="col" { "Reason" }
                th scope="col" { "Result key" }
            } }
            tbody {
                tr {
                    th scope="row" { "ingest" }
                    td { (verdict(ingest.reuse, ingest.warning)) }
                    td.reason { (ingest.reason) }
                    td.mono { (ingest.key.short()) }
                }
                @for (n, candidate) in inputs.candidates.iter().enumerate() { (training(n, candidate)) }
            }
        } }
    }
}

fn training(n: usize, candidate: &CandidateInput) -> Markup {
    let planned = &candidate.planned;
    html! {
        tr {
            th scope="row" { "train " (candidates::name(n, candidate)) }
            td { (verdict(planned.reuse, false)) }
            td.reason { (planned.reason) }
            td.mono { (planned.key.short()) }
        }
    }
}

fn verdict(reuse: bool, warning: bool) -> Markup {
    html! {
        @match (reuse, warning) {
            (true, true) => { span.badge.warn { "reuse, contents differ" } }
            (true, false) => { span.badge.good { "reuse" } }
            _ => { span.badge { "run" } }
        }
    }
}

fn decisions(inputs: &Inputs) -> Markup {
    html! {
        @if inputs.decisions.is_empty() { p.empty { "Nothing was decided." } }
        @else { div.scroll { table {
            thead { tr {
                th.number scope="col" { "After" } th scope="col" { "Stage" } th scope="col" { "Candidate" }
                th scope="col" { "Decision" } th scope="col" { "Reason" }
                th.number scope="col" { "Generation" } th.number scope="col" { "Served after" }
            } }
            tbody { @for decision in &inputs.decisions { (decided(inputs, decision)) } }
        } } }
    }
}

fn decided(inputs: &Inputs, decision: &Decision) -> Markup {
    let after = |at| format::seconds(inputs.since_start(at));
    let name = decision.candidate.as_deref();
    let known =
        name.and_then(|name| Some((inputs.colour(name)?, inputs.candidates.get(inputs.colour(name)?)?)));
    html! {
        tr {
            td.number { (after(decision.at)) }
            td { (decision.stage) }
            td {
                @match known {
                    Some((n, candidate)) => { (candidates::name(n, candidate)) }
                    None => { (name.unwrap_or("–")) }
                }
            }
            td { span.badge.good[promotes(decision)] { (decision.decision) } }
            td.reason { (decision.reason) }
            td.number { (decision.generation.map_or_else(|| "–".to_owned(), |n| n.to_string())) }
            td.number { (decision.served_at.map_or_else(|| "–".to_owned(), after)) }
        }
    }
}

fn champions(inputs: &Inputs) -> String {
    let before = match &inputs.champion_before {
        Some(c) => {
            format!("Before the run {} of run {} served (generation {}).", c.candidate, c.run, c.generation)
        }
        None => "Before the run nothing served.".to_owned(),
    };
    let after = match &inputs.champion_after {
        Some(c) => format!("Now generation {} serves {}: {}.", c.generation, c.candidate, c.reason),
        None => "Nothing serves now.".to_owned(),
    };
    let floor = format::rough_percent(inputs.plan.floor);
    format!("{before} {after} Below a validation accuracy of {floor} nothing is promoted.")
}
