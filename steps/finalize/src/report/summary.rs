//! The head of the page: what came of the run, in one sentence and a row of cards.

use maud::{Markup, html};
use selvedge_data::Split;
use selvedge_registry::Champion;

use super::format;
use super::inputs::Inputs;
use super::sequential::Sequential;

/// Title, run, and the sentence that says it all.
pub(super) fn header(inputs: &Inputs) -> Markup {
    let plan = &inputs.plan;
    html! {
        header {
            p.kicker { "Selvedge · report of a run" }
            h1 { (plan.name) }
            p.lede { (verdict(inputs)) }
            dl.meta {
                div { dt { "run" } dd.mono { (plan.run) } }
                div { dt { "started" } dd { (format::moment(inputs.started())) } }
                div { dt { "took" } dd { (format::seconds(inputs.since_start(inputs.ended()))) } }
                div { dt { "promotion" } dd { (plan.promote) } }
            }
        }
    }
}

fn verdict(inputs: &Inputs) -> String {
    let Some(champion) = &inputs.champion_after else {
        return if inputs.plan.promote == "never" {
            "Nothing was to be promoted, and nothing serves.".to_owned()
        } else {
            "No model was good enough to serve.".to_owned()
        };
    };
    let new = inputs.champion_before.as_ref().is_none_or(|before| before.model != champion.model);
    let (candidate, generation) = (&champion.candidate, champion.generation);
    match (champion.run == inputs.plan.run, new) {
        (true, true) => format!("{candidate} is the new champion, generation {generation}."),
        (true, false) => format!("{candidate} is the champion again, generation {generation}."),
        _ => format!("{candidate} of an earlier run stays the champion, generation {generation}."),
    }
}

/// What a reader must not miss: a failure, and results reused for other contents.
pub(super) fn warnings(inputs: &Inputs) -> Markup {
    html! {
        @if let Some(failure) = &inputs.failure {
            p.notice.bad role="note" { strong { "The run failed: " } (failure) }
        }
        @if inputs.plan.ingest.warning {
            p.notice.warn role="note" { strong { "The source has changed: " } (inputs.plan.ingest.reason) }
        }
    }
}

/// The figures that most readers come for.
pub(super) fn cards(inputs: &Inputs) -> Markup {
    let accuracy = |split| {
        let score = inputs.champion_card.as_ref().and_then(|card| card.splits.get(&split));
        match score {
            Some(score) => {
                (format::percent(score.accuracy), format!("{} records", format::count(score.records)))
            }
            None => ("–".to_owned(), "not measured".to_owned()),
        }
    };
    let (validation, validation_records) = accuracy(Split::Validation);
    let (test, test_records) = accuracy(Split::Test);
    let (served, served_note) = first_served(inputs);
    let (reused, stages) = inputs.reused_stages();
    html! {
        div.cards {
            (champion(inputs.champion_after.as_ref(), inputs))
            (card("Validation accuracy", &validation, &validation_records))
            (card("Test accuracy", &test, &test_records))
            (card("First model served", &served, &served_note))
            (card("Total time", &format::seconds(inputs.since_start(inputs.ended())), "first stage to last"))
            (card("Stages reused", &format!("{reused} of {stages}"), "ingest and trainings"))
        }
    }
}

fn champion(champion: Option<&Champion>, inputs: &Inputs) -> Markup {
    let Some(champion) = champion else {
        return card("Champion", "none", "nothing serves");
    };
    html! {
        div.card {
            p.name { "Champion" }
            p.value {
                @if let Some(colour) = inputs.champion_colour() { (super::chart::swatch(colour)) }
                (champion.candidate)
            }
            p.note { "generation " (champion.generation) ", " span.mono { (champion.model.short()) } }
        }
    }
}

fn card(name: &str, value: &str, note: &str) -> Markup {
    html! { div.card { p.name { (name) } p.value { (value) } p.note { (note) } } }
}

fn first_served(inputs: &Inputs) -> (String, String) {
    let Some(first) = inputs.first_served() else {
        return ("–".to_owned(), "nothing new was promoted".to_owned());
    };
    let note = match Sequential::of(inputs) {
        Some(plan) if plan.seconds() > 0.0 => {
            format!("{} of the sequential plan", format::rough_percent(first.seconds / plan.seconds()))
        }
        _ if first.watched => "after the start".to_owned(),
        _ => "promoted; no roll-out watched".to_owned(),
    };
    (format::seconds(first.seconds), note)
}
