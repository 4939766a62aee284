//! Where everything comes from: the data set, the environment, and the chain of digests.

use maud::{Markup, html};
use selvedge_data::Split;
use selvedge_plan::key;

use super::inputs::Inputs;
use super::{candidates, format, part};

pub(super) fn section(inputs: &Inputs) -> Markup {
    let body = html! {
        div.pair {
            div { h3 { "Data set" } (data_set(inputs)) }
            div { h3 { "Environment" } (environment(inputs)) }
        }
        h3 { "Chain of digests" }
        p.note {
            "Each digest is made of those before: from a pixel of the source files to the header "
            code { "x-selvedge-model" } " of a reply."
        }
        (chain(inputs))
    };
    part("provenance", "Provenance", "", &body)
}

fn data_set(inputs: &Inputs) -> Markup {
    let manifest = &inputs.manifest;
    let shape = manifest.shape;
    let split = |split| {
        format!(
            "{} in {} batches",
            format::count(manifest.records(split) as u64),
            format::count(manifest.batches(split).len() as u64)
        )
    };
    html! {
        dl.facts {
            @if let Some(source) = &inputs.source {
                dt { "Source" } dd.mono { (source.location) }
                dt { "Ingested" }
                dd { (format::moment(source.last_updated)) " by run " span.mono { (source.run) } }
                dt { "Source record" }
                dd { "number " (source.number) ", " (format::count(source.record_count)) " records" }
            }
            dt { "Record" }
            dd { (shape.height) " × " (shape.width) " × " (shape.channels) ", one byte an element" }
            dt { "Classes" } dd { (manifest.classes.len()) ": " (manifest.classes.join(", ")) }
            dt { "Batch size" } dd { (format::count(manifest.batch_size as u64)) }
            dt { "Training" } dd { (split(Split::Train)) }
            dt { "Validation" } dd { (split(Split::Validation)) }
            dt { "Test" } dd { (split(Split::Test)) }
        }
    }
}

fn environment(inputs: &Inputs) -> Markup {
    let distinct = |texts: Vec<String>| {
        let mut texts = texts;
        texts.sort();
        texts.dedup();
        if texts.is_empty() { "–".to_owned() } else { texts.join(", ") }
    };
    let libtorch = inputs.candidates.iter().filter_map(|c| Some(c.identity.as_ref()?.libtorch.clone()));
    let worlds = inputs.candidates.iter().filter_map(|c| Some(c.result.as_ref()?.world.to_string()));
    let instructions = inputs.plan.candidates.iter().map(|c| c.settings.instructions.clone());
    html! {
        dl.facts {
            dt { "libtorch" } dd { (distinct(libtorch.collect())) " in the models, " (key::LIBTORCH) " here" }
            dt { "Instructions" } dd { (distinct(instructions.collect())) }
            dt { "World size" } dd { (distinct(worlds.collect())) " (does not change a model)" }
            dt { "Processors" } dd { (inputs.cores) " where this report was written" }
            dt { "Revisions" }
            dd { "ingest " (key::INGEST_REVISION) ", train " (key::TRAIN_REVISION) ", evaluate " (key::EVALUATE_REVISION) }
            dt { "Planned" } dd { (format::moment(inputs.plan.created)) }
            dt { "selvedge" } dd { (env!("CARGO_PKG_VERSION")) }
        }
    }
}

fn chain(inputs: &Inputs) -> Markup {
    html! {
        ol.chain {
            @for (name, digest) in inputs.source.iter().flat_map(|source| &source.parts) {
                (link(&html! { (name) }, "decompressed content", &digest.to_string()))
            }
            (link(&html! { "source" }, "all parts", &inputs.manifest.source.to_string()))
            (link(&html! { "manifest" }, "the batches and their order", &inputs.plan.manifest.to_string()))
            @for (n, candidate) in inputs.candidates.iter().enumerate() {
                @if let Some(result) = &candidate.result {
                    @let (name, weights) = (candidates::name(n, candidate), result.weights.short());
                    (link(&html! { "model " (name) }, &format!("weights {weights}"), &result.model.to_string()))
                }
            }
            @if let Some(champion) = &inputs.champion_after {
                (link(&html! { "champion" }, &serves(inputs, champion.generation), &champion.model.to_string()))
            }
        }
    }
}

/// The champion's generation, and the data set of a model that was trained on another one.
fn serves(inputs: &Inputs, generation: u64) -> String {
    match &inputs.champion_identity {
        Some(identity) if identity.dataset != inputs.plan.manifest => {
            format!("generation {generation}, trained on manifest {}", identity.dataset.short())
        }
        _ => format!("generation {generation}"),
    }
}

fn link(name: &Markup, note: &str, digest: &str) -> Markup {
    html! { li { span.what { (name) } span.note { (note) } span.mono { (digest) } } }
}
