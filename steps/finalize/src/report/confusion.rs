//! Confusion matrices: what is taken for what.

use maud::{Markup, html};
use selvedge_data::Split;
use selvedge_registry::SplitScore;

use super::candidates;
use super::chart::{place, shortened};
use super::inputs::Inputs;
use super::{format, part};

const WIDTH: f64 = 350.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 62.0;
/// Letters of a class for which there is room beside the matrix.
const LETTERS: usize = 13;
/// With more classes than these there is no room for counts and names; hovering still tells them.
const WRITTEN: usize = 20;
/// Mistakes named below a matrix.
const WORST: usize = 3;

pub(super) fn section(inputs: &Inputs) -> Markup {
    let scored =
        inputs.candidates.iter().enumerate().filter_map(|(n, c)| Some((n, c, c.score(Split::Test)?)));
    let scored: Vec<_> = scored.collect();
    let body = html! {
        @if scored.is_empty() { p.empty { "No candidate was evaluated." } }
        div.matrices { @for (n, candidate, score) in scored {
            figure {
                figcaption { (candidates::name(n, candidate)) }
                (matrix(&inputs.manifest.classes, score, &candidate.planned.name))
                p.note { (worst(&inputs.manifest.classes, score)) }
            }
        } }
    };
    let introduction = "Test records: a row is what a record is, a column what the model took it for. Blue is right, \
        orange is wrong; the depth of a colour is the square root of the share of the row.";
    part("confusion", "Confusion", introduction, &body)
}

fn matrix(classes: &[String], score: &SplitScore, name: &str) -> Markup {
    let written = classes.len() <= WRITTEN;
    let (left, top, right) = if written { (LEFT, TOP, RIGHT) } else { (0.0, 0.0, 0.0) };
    let cell = (WIDTH - left - right) / classes.len().max(1) as f64;
    let size = (cell * 0.38).clamp(3.0, 10.5);
    let height = top + cell * classes.len() as f64 + 4.0;
    let middle = |n: usize| (n as f64 + 0.5) * cell;
    html! {
        svg.chart.matrix viewBox={ "0 0 " (WIDTH) " " (place(height)) } role="img"
            aria-label={ "confusion of " (name) " on test" } {
            @for (n, class) in classes.iter().enumerate().filter(|_| written) {
                @let (x, y) = (place(left + middle(n)), top - 8.0);
                @let (class, size) = (shortened(class, LETTERS), place(size));
                text.tick.end x=(left - 6.0) y=(place(top + middle(n))) font-size=(size) { (class) }
                text.tick x=(x) y=(y) font-size=(size) transform={ "rotate(-50 " (x) " " (y) ")" } { (class) }
            }
            @if !written { rect.wrong width=(WIDTH) height=(WIDTH) fill-opacity="0.04" {} }
            @for (truth, row) in score.confusion.iter().enumerate() {
                @for (predicted, count) in row.iter().enumerate().filter(|(_, count)| written || **count > 0) {
                    @let (x, y) = (left + cell * predicted as f64, top + cell * truth as f64);
                    (square(classes, row, (truth, predicted, *count), (x, y, cell, size)))
                }
            }
        }
    }
}

fn square(
    classes: &[String],
    row: &[u64],
    (truth, predicted, count): (usize, usize, u64),
    (x, y, cell, size): (f64, f64, f64, f64),
) -> Markup {
    let share = count as f64 / row.iter().sum::<u64>().max(1) as f64;
    let depth = share.sqrt();
    let kind = if truth == predicted { "right" } else { "wrong" };
    let class = |n: usize| classes.get(n).map_or("?", String::as_str);
    html! {
        rect class=(kind) x=(place(x)) y=(place(y)) width=(place(cell - 1.0)) height=(place(cell - 1.0)) rx="1.5"
            fill-opacity=(format!("{:.2}", 0.04 + depth * 0.92)) {
            title {
                (class(truth)) " → " (class(predicted)) ": " (format::count(count)) " (" (format::percent(share)) ")"
            }
        }
        @if count > 0 && classes.len() <= WRITTEN {
            text.count.middle.deep[depth > 0.62] x=(place(x + cell / 2.0 - 0.5)) y=(place(y + cell / 2.0))
                font-size=(place(size)) { (count) }
        }
    }
}

/// The most frequent mistakes in words.
fn worst(classes: &[String], score: &SplitScore) -> String {
    let mut mistakes: Vec<(u64, usize, usize)> = Vec::new();
    for (truth, row) in score.confusion.iter().enumerate() {
        let wrong = row.iter().enumerate().filter(|(predicted, count)| *predicted != truth && **count > 0);
        mistakes.extend(wrong.map(|(predicted, count)| (*count, truth, predicted)));
    }
    mistakes
        .sort_unstable_by_key(|(count, truth, predicted)| (std::cmp::Reverse(*count), *truth, *predicted));
    let class = |n: usize| classes.get(n).map_or("?", String::as_str);
    let named = mistakes.iter().take(WORST).map(|(count, truth, predicted)| {
        format!("{} for {} ({}×)", class(*truth), class(*predicted), format::count(*count))
    });
    match named.collect::<Vec<_>>().join(" · ") {
        text if text.is_empty() => "No mistakes.".to_owned(),
        text => format!("Most often taken wrongly: {text}."),
    }
}
