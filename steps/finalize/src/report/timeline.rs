//! The timeline: what ran when, and the sequential plan beside it.

mod comparison;
mod rows;

use maud::{Markup, html};

use super::chart::{colour, place, shortened, ticks};
use super::facts::{FirstServed, duration, reused};
use super::inputs::Inputs;
use super::sequential::Sequential;
use super::{format, part};
use rows::Row;
use selvedge_plan::Event;

const WIDTH: f64 = 1080.0;
const LEFT: f64 = 172.0;
const RIGHT: f64 = 74.0;
const TOP: f64 = 40.0;
const ROW: f64 = 21.0;
/// A sequential plan up to this many times longer than the run shares its scale.
const SHARED_SCALE: f64 = 2.5;

/// Seconds to coordinates.
#[derive(Debug, Clone, Copy)]
struct Scale {
    seconds: f64,
}

impl Scale {
    fn x(self, seconds: f64) -> f64 {
        LEFT + (seconds / self.seconds).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn axis(self, top: f64, bottom: f64) -> Markup {
        html! {
            @for tick in ticks(0.0, self.seconds, 9) {
                @let x = place(self.x(tick));
                line.grid x1=(x) x2=(x) y1=(top) y2=(bottom) {}
                text.tick.middle x=(x) y=(top - 11.0) { (tick_text(tick)) }
            }
        }
    }
}

pub(super) fn section(inputs: &Inputs) -> Markup {
    let sequential = Sequential::of(inputs);
    let total = inputs.since_start(inputs.ended()).max(0.1);
    let longest = sequential.as_ref().map_or(total, Sequential::seconds).max(total);
    let shared = longest <= total * SHARED_SCALE;
    let body = html! {
        figure.scroll { (events(inputs, Scale { seconds: if shared { longest } else { total } })) }
        @if let Some(sequential) = &sequential {
            figure {
                figcaption { "Time to service, beside the sequential plan" }
                div.scroll { (comparison::strips(inputs, sequential, Scale { seconds: longest })) }
                (comparison::caption(inputs, sequential))
            }
        }
    };
    let introduction = "One row a process, in seconds since the run’s start. Candidates do not wait for each other: \
        the first good model serves while the others still train.";
    part("timeline", "Timeline", introduction, &body)
}

fn tick_text(seconds: f64) -> String {
    match seconds {
        0.0 => "0".to_owned(),
        s if s < 1.0 || s.fract() > 0.0 => format!("{s} s"),
        s => format::seconds(s),
    }
}

fn events(inputs: &Inputs, scale: Scale) -> Markup {
    let rows = rows::of(inputs);
    let bottom = TOP + ROW * rows.len() as f64;
    html! {
        svg.chart.wide viewBox={ "0 0 " (WIDTH) " " (place(bottom + 10.0)) } role="img"
            aria-label="when each process of the run began and ended" {
            @for (n, row) in rows.iter().enumerate() { (band(row, TOP + ROW * n as f64)) }
            @if let Some(first) = inputs.first_served() { (served(scale, first, bottom)) }
            (scale.axis(TOP, bottom))
            @for (n, row) in rows.iter().enumerate() { (draw(inputs, scale, row, TOP + ROW * n as f64)) }
        }
    }
}

/// Rows of one candidate stand on a common ground.
fn band(row: &Row, y: f64) -> Markup {
    html! {
        @if let Some(place) = row.colour {
            rect.band.(colour(place)) x="0" y=(y) width=(WIDTH) height=(ROW) {}
        }
    }
}

fn draw(inputs: &Inputs, scale: Scale, row: &Row, y: f64) -> Markup {
    let class = row.colour.map_or_else(|| "plain".to_owned(), colour);
    html! {
        text.tick.strong[row.first].end x=(LEFT - 12.0) y=(y + ROW / 2.0) { (shortened(&row.label, 24)) }
        @for event in &row.events { (bar(inputs, scale, event, &class, y)) }
        @if let Some(event) = row.events.last() {
            @let end = scale.x(inputs.since_start(event.ended));
            text.tick x=(place(end + 6.0)) y=(y + ROW / 2.0) {
                (format::seconds(duration(event))) @if reused(event) { " · reused" }
            }
        }
        @if let Some(text) = &row.instead {
            text.ghost x=(LEFT + 4.0) y=(y + ROW / 2.0) { (text) }
        }
    }
}

fn bar(inputs: &Inputs, scale: Scale, event: &Event, class: &str, y: f64) -> Markup {
    let (from, to) = (scale.x(inputs.since_start(event.started)), scale.x(inputs.since_start(event.ended)));
    html! {
        rect.bar.(class).hollow[reused(event)]
            x=(place(from)) y=(place(y + 4.0)) width=(place((to - from).max(2.0))) height=(ROW - 8.0) rx="2" {
            title { (event.stage) ": " (event.what) " (" (format::seconds(duration(event))) ")" }
        }
    }
}

fn served(scale: Scale, first: FirstServed<'_>, bottom: f64) -> Markup {
    let x = scale.x(first.seconds);
    let right = x > WIDTH * 0.6;
    let what = if first.watched { "first model served" } else { "first model promoted" };
    html! {
        line.served x1=(place(x)) x2=(place(x)) y1=(TOP - 2.0) y2=(bottom) {}
        path.flag d={ "M" (place(x)) " " (TOP - 34.0) "l7 6l-7 6l-7 -6z" } {}
        text.label.served.end[right] x=(place(if right { x - 12.0 } else { x + 12.0 })) y=(TOP - 28.0) {
            (what) ": " (first.candidate) ", " (format::seconds(first.seconds))
        }
    }
}
