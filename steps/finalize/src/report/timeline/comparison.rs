//! This run and the sequential plan as two strips on one scale.

use maud::{Markup, html};

use super::{LEFT, Scale};
use crate::report::chart::{colour, place};
use crate::report::format;
use crate::report::inputs::Inputs;
use crate::report::sequential::{Part, Sequential};

const WIDTH: f64 = 1080.0;
const HEIGHT: f64 = 118.0;
const TOP: f64 = 26.0;
const STRIP: f64 = 26.0;
/// Width of a letter in a strip, rather too much than too little.
const LETTER: f64 = 8.0;

pub(super) fn strips(inputs: &Inputs, sequential: &Sequential, scale: Scale) -> Markup {
    let (this, other) = (TOP + 8.0, TOP + 52.0);
    html! {
        svg.chart.wide viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img"
            aria-label="time to the first served model, of this run and of the sequential plan" {
            (scale.axis(TOP, HEIGHT - 6.0))
            text.tick.strong.end x=(LEFT - 12.0) y=(this + STRIP / 2.0) { "this run" }
            (this_run(inputs, scale, this))
            text.tick.strong.end x=(LEFT - 12.0) y=(other + STRIP / 2.0) { "sequential plan" }
            (parts(sequential, scale, other))
            (total(scale, sequential.seconds(), other))
        }
    }
}

fn this_run(inputs: &Inputs, scale: Scale, y: f64) -> Markup {
    let end = inputs.since_start(inputs.ended());
    let first = inputs.first_served();
    let class =
        first.and_then(|first| inputs.colour(first.candidate)).map_or_else(|| "plain".to_owned(), colour);
    html! {
        rect.bar.plain.faint x=(LEFT) y=(y) width=(place(scale.x(end) - LEFT)) height=(STRIP) rx="2" {
            title { "whole run: " (format::seconds(end)) }
        }
        @if let Some(first) = first {
            @let to = scale.x(first.seconds);
            rect class={ "bar " (class) } x=(LEFT) y=(y) width=(place((to - LEFT).max(2.0))) height=(STRIP) rx="2" {
                title { "to the first served model: " (format::seconds(first.seconds)) }
            }
            (inside(first.candidate, LEFT, to, y))
            (flag(to, y))
            text.label.served x=(place(to + 11.0)) y=(y + STRIP / 2.0) {
                "first served, " (format::seconds(first.seconds))
            }
        }
        (total(scale, end, y))
    }
}

fn parts(sequential: &Sequential, scale: Scale, y: f64) -> Markup {
    let starts = sequential.parts.iter().scan(0.0, |at, part| {
        let start = *at;
        *at += part.seconds;
        Some(start)
    });
    html! {
        @for (part, start) in sequential.parts.iter().zip(starts) {
            (stretch(part, scale.x(start), scale.x(start + part.seconds), y))
        }
        (flag(scale.x(sequential.seconds()), y))
    }
}

/// Marks the moment from which a model serves.
fn flag(x: f64, y: f64) -> Markup {
    html! { path.flag d={ "M" (place(x)) " " (y + STRIP / 2.0 - 6.0) "l7 6l-7 6l-7 -6z" } {} }
}

fn stretch(part: &Part, from: f64, to: f64, y: f64) -> Markup {
    let class = part.colour.map_or_else(|| "plain".to_owned(), colour);
    html! {
        rect class={ "bar " (class) } x=(place(from)) y=(y) width=(place((to - from - 1.0).max(1.0))) height=(STRIP) rx="2" {
            title { (part.label) ": " (format::seconds(part.seconds)) }
        }
        (inside(&part.label, from, to, y))
    }
}

/// A name in the middle of a strip, where there is room for it.
fn inside(name: &str, from: f64, to: f64, y: f64) -> Markup {
    let room = to - from > 16.0 + LETTER * name.chars().count() as f64;
    html! {
        @if room {
            text.inside.middle x=(place(f64::midpoint(from, to))) y=(y + STRIP / 2.0) { (name) }
        }
    }
}

fn total(scale: Scale, seconds: f64, y: f64) -> Markup {
    html! { text.tick x=(place(scale.x(seconds) + 11.0)) y=(y + STRIP / 2.0) { (format::seconds(seconds)) } }
}

/// What the strips say, in words, with where the times come from.
pub(super) fn caption(inputs: &Inputs, sequential: &Sequential) -> Markup {
    let (run, seconds) = (inputs.since_start(inputs.ended()), sequential.seconds());
    let failed = inputs.candidates.iter().filter(|c| c.result.is_none() && !sequential.is_measured());
    let without: Vec<_> = failed.map(|c| c.planned.name.as_str()).collect();
    let parts =
        sequential.parts.iter().map(|part| format!("{} {}", part.label, format::seconds(part.seconds)));
    html! {
        p.note {
            @match inputs.first_served() {
                Some(first) => {
                    "The first model served after " strong { (format::seconds(first.seconds)) } ", "
                    strong { (format::rough_percent(first.seconds / seconds)) }
                    " of the sequential plan’s " (format::seconds(seconds)) ". "
                }
                None => {
                    "Nothing new was promoted; the run took " (format::rough_percent(run / seconds))
                    " of the sequential plan’s time. "
                }
            }
            "Sequential plan, " strong { (sequential.label()) } ": " (parts.collect::<Vec<_>>().join(" + ")) "."
            @if !without.is_empty() { " It is without " (without.join(", ")) ", which has no result." }
        }
    }
}
