//! Learning curves: training loss and validation accuracy by epoch.

use maud::{Markup, html};
use selvedge_plan::EpochCurve;

use super::chart::{Axis, LineChart, Series};
use super::inputs::Inputs;
use super::{format, part};

pub(super) fn section(inputs: &Inputs) -> Markup {
    let accuracy = chart(
        inputs,
        "validation accuracy by epoch",
        |e| e.validation_accuracy,
        format::percent,
        short_percent,
    );
    let loss =
        chart(inputs, "training loss by epoch", |e| e.train_loss, |loss| format!("{loss:.4}"), short_number);
    let body = html! {
        @if inputs.candidates.iter().any(|c| c.result.is_some()) {
            div.pair {
                figure { figcaption { "Validation accuracy" } (accuracy.render()) }
                figure { figcaption { "Training loss, nats" } (loss.render()) }
            }
        } @else { p.empty { "No candidate was trained, so there are no curves." } }
    };
    part(
        "curves",
        "Learning curves",
        "After each epoch, on the validation split. A reused model shows the curves of the run that trained it.",
        &body,
    )
}

fn chart(
    inputs: &Inputs,
    title: &str,
    figure: impl Fn(&EpochCurve) -> f64,
    text: fn(f64) -> String,
    tick: fn(f64) -> String,
) -> LineChart {
    let series: Vec<Series> = inputs
        .candidates
        .iter()
        .enumerate()
        .map(|(colour, candidate)| {
            let name = &candidate.planned.name;
            let curves =
                candidate.result.iter().flat_map(|result| &result.curves).filter(|e| figure(e).is_finite());
            let point = |e: &EpochCurve| {
                let value = figure(e);
                (e.epoch as f64, value, format!("{name}, epoch {}: {}", e.epoch, text(value)))
            };
            Series { name: name.clone(), colour, joined: true, points: curves.map(point).collect() }
        })
        .collect();
    let values = series.iter().flat_map(|s| s.points.iter().map(|point| point.1));
    LineChart {
        title: title.to_owned(),
        x_label: "epoch",
        x: epochs(&series),
        y: Axis::around(values, tick),
        series,
    }
}

/// Ticks need no trailing zeros: `92 %`, not `92.00 %`.
fn short_percent(share: f64) -> String {
    format::percent(share).replace(".00", "")
}

fn short_number(number: f64) -> String {
    format!("{}", (number * 1e4).round() / 1e4)
}

/// Every epoch, or every few where they are many.
pub(super) fn epochs(series: &[Series]) -> Axis {
    let last = series.iter().filter_map(|s| s.points.last()).map(|point| point.0).fold(1.0, f64::max);
    let every = (last as usize).div_ceil(10);
    let ticks = (1..=last as usize).filter(|epoch| epoch % every == 0 || *epoch == 1);
    Axis {
        low: if last > 1.0 { 1.0 } else { 0.5 },
        high: last.max(1.5),
        ticks: ticks.map(|epoch| (epoch as f64, epoch.to_string())).collect(),
    }
}
