//! Accuracy by class: which of them are hard, and for whom.

use maud::{Markup, html};
use selvedge_data::Split;

use super::candidates;
use super::chart::{mark, place, shortened, ticks};
use super::inputs::{CandidateInput, Inputs};
use super::{format, part};

const WIDTH: f64 = 1080.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 26.0;
const ROW: f64 = 26.0;
/// Classes in the chart; the table has all.
const CHARTED: usize = 30;

pub(super) fn section(inputs: &Inputs) -> Markup {
    let scored: Vec<_> =
        inputs.candidates.iter().enumerate().filter(|(_, c)| c.score(Split::Test).is_some()).collect();
    let body = html! {
        @if scored.is_empty() { p.empty { "No candidate was evaluated." } }
        @else {
            figure { (legend(&scored)) div.scroll { (dots(inputs, &scored)) } }
            details {
                summary { "The same as a table, with the validation split" }
                (table(inputs, &scored))
            }
        }
    };
    part(
        "classes",
        "Accuracy by class",
        "Share of a class’s test records that were called so (recall), the hardest class first.",
        &body,
    )
}

fn legend(scored: &[(usize, &CandidateInput)]) -> Markup {
    html! { p.legend { @for (n, candidate) in scored { span { (candidates::name(*n, candidate)) } " " } } }
}

fn recall(candidate: &CandidateInput, split: Split, class: usize) -> Option<f64> {
    Some(candidate.score(split)?.classes.get(class)?.recall)
}

/// Classes by their mean recall, the hardest first, as many as the chart has room for.
fn hardest_first(inputs: &Inputs, scored: &[(usize, &CandidateInput)]) -> Vec<usize> {
    let total =
        |class: usize| -> f64 { scored.iter().filter_map(|(_, c)| recall(c, Split::Test, class)).sum() };
    let mut classes: Vec<usize> = (0..inputs.manifest.classes.len()).collect();
    classes.sort_by(|one, other| total(*one).total_cmp(&total(*other)));
    classes.truncate(CHARTED);
    classes
}

fn dots(inputs: &Inputs, scored: &[(usize, &CandidateInput)]) -> Markup {
    let classes = hardest_first(inputs, scored);
    let recalls = scored.iter().flat_map(|(_, c)| classes.iter().filter_map(|n| recall(c, Split::Test, *n)));
    let low = (recalls.fold(1.0, f64::min) * 20.0 - 0.2).floor().max(0.0) / 20.0;
    let x = |share: f64| LEFT + (share - low) / (1.0 - low).max(0.05) * (WIDTH - LEFT - RIGHT);
    let height = TOP + ROW * classes.len() as f64 + 6.0;
    html! {
        svg.chart.wide viewBox={ "0 0 " (WIDTH) " " (height) } role="img"
            aria-label="recall on test by class and candidate" {
            @for tick in ticks(low, 1.0, 8) {
                @let at = place(x(tick));
                line.grid x1=(at) x2=(at) y1=(TOP - 6.0) y2=(height - 4.0) {}
                text.tick.middle x=(at) y="8" { (format::percent(tick).replace(".00", "")) }
            }
            @for (row, class) in classes.iter().enumerate() {
                @let y = TOP + ROW * (row as f64 + 0.5);
                @let name = &inputs.manifest.classes[*class];
                text.tick.strong.end x=(LEFT - 14.0) y=(y) { (shortened(name, 18)) }
                (spread(&x, y, scored, *class))
                @for (n, candidate) in scored {
                    @if let Some(share) = recall(candidate, Split::Test, *class) {
                        @let title = format!("{}, {name}: {}", candidate.planned.name, format::percent(share));
                        (mark(*n, x(share), y, &title))
                    }
                }
            }
        }
    }
}

/// A line from the worst candidate to the best.
fn spread(x: &impl Fn(f64) -> f64, y: f64, scored: &[(usize, &CandidateInput)], class: usize) -> Markup {
    let shares = || scored.iter().filter_map(|(_, c)| recall(c, Split::Test, class));
    let (low, high) = (shares().fold(1.0, f64::min), shares().fold(0.0, f64::max));
    html! { @if high > low { line.spread x1=(place(x(low))) x2=(place(x(high))) y1=(y) y2=(y) {} } }
}

fn table(inputs: &Inputs, scored: &[(usize, &CandidateInput)]) -> Markup {
    let cell = |candidate, split, class| {
        recall(candidate, split, class).map_or_else(|| "–".to_owned(), format::percent)
    };
    html! {
        div.scroll { table {
            thead {
                tr {
                    th {}
                    @for (n, candidate) in scored {
                        th.group colspan="2" scope="colgroup" { (candidates::name(*n, candidate)) }
                    }
                }
                tr {
                    th scope="col" { "Class" }
                    @for _ in scored { th.number scope="col" { "Validation" } th.number scope="col" { "Test" } }
                }
            }
            tbody { @for (class, name) in inputs.manifest.classes.iter().enumerate() {
                tr {
                    th scope="row" { (name) }
                    @for (_, candidate) in scored {
                        td.number { (cell(candidate, Split::Validation, class)) }
                        td.number { (cell(candidate, Split::Test, class)) }
                    }
                }
            } }
        } }
    }
}
