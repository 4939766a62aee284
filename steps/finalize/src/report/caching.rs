//! Epochs and the batch cache: the first epoch reads from the store, the others should not.

use maud::{Markup, html};
use selvedge_plan::{EpochCurve, TrainResult};

use super::chart::{Axis, LineChart, Series};
use super::inputs::{CandidateInput, Inputs};
use super::{candidates, facts, format, part};

pub(super) fn section(inputs: &Inputs) -> Markup {
    let trained: Vec<_> =
        inputs.candidates.iter().enumerate().filter_map(|(n, c)| Some((n, c, c.result.as_ref()?))).collect();
    let body = html! {
        @if trained.is_empty() { p.empty { "No candidate was trained, so there are no epochs." } }
        @else {
            div.pair {
                figure { figcaption { "Seconds of an epoch, without validation" } (times(&trained).render()) }
                div {
                    figure { figcaption { "Cold and cached" } (comparison(&trained)) }
                    figure { figcaption { "Cache hits / misses by epoch" } (counters(&trained)) }
                }
            }
        }
    };
    let introduction = "Times and counters are of rank 0. The first epoch is cold: its batches come from the store. From \
        the second on a large enough cache answers alone.";
    part("epochs", "Epochs and the batch cache", introduction, &body)
}

type Trained<'a> = (usize, &'a CandidateInput, &'a TrainResult);

fn times(trained: &[Trained<'_>]) -> LineChart {
    let series: Vec<Series> = trained
        .iter()
        .map(|(colour, candidate, result)| {
            let name = &candidate.planned.name;
            let point = |e: &EpochCurve| {
                (
                    e.epoch as f64,
                    e.seconds,
                    format!("{name}, epoch {}: {}", e.epoch, format::seconds(e.seconds)),
                )
            };
            Series {
                name: name.clone(),
                colour: *colour,
                joined: true,
                points: result.curves.iter().map(point).collect(),
            }
        })
        .collect();
    let values = series.iter().flat_map(|s| s.points.iter().map(|point| point.1)).chain([0.0]);
    let mut y = Axis::around(values, |seconds| format!("{seconds}"));
    y.low = 0.0;
    y.ticks.retain(|(value, _)| *value >= 0.0);
    LineChart {
        title: "seconds by epoch".to_owned(),
        x_label: "epoch",
        x: super::curves::epochs(&series),
        y,
        series,
    }
}

fn comparison(trained: &[Trained<'_>]) -> Markup {
    html! {
        div.scroll { table {
            thead { tr {
                th scope="col" { "Candidate" }
                th.number scope="col" title="the first epoch" { "Cold" }
                th.number scope="col" title="mean of the other epochs" { "Cached" }
                th.number scope="col" title="share of the epochs' time, waiting for peers included" { "All-reduce" }
                th.number scope="col" title="reads from the store after the first epoch" { "Later reads" }
                th.number scope="col" title="of rank 0" { "Cache" }
            } }
            tbody { @for (n, candidate, result) in trained { (row(*n, candidate, result)) } }
        } }
    }
}

fn row(n: usize, candidate: &CandidateInput, result: &TrainResult) -> Markup {
    let (first, later) = result.curves.split_at(result.curves.len().min(1));
    let seconds = |epochs: &[EpochCurve]| epochs.iter().map(|e| e.seconds).sum::<f64>();
    let mean = |epochs: &[EpochCurve]| match epochs.len() {
        0 => "–".to_owned(),
        count => format::seconds(seconds(epochs) / count as f64),
    };
    let waiting: f64 = result.curves.iter().map(|e| e.all_reduce_seconds).sum();
    let share = waiting / seconds(&result.curves).max(f64::MIN_POSITIVE);
    let reads: u64 = later.iter().map(|e| e.store_reads).sum();
    let cache = candidate.ranks().first().and_then(|rank| facts::measured(rank, "cache_bytes"));
    html! {
        tr {
            th scope="row" { (candidates::name(n, candidate)) }
            td.number { (mean(first)) }
            td.number { (mean(later)) }
            td.number { (format::rough_percent(share)) }
            td.number { (format::count(reads)) }
            td.number { (cache.map_or_else(|| "–".to_owned(), format::bytes)) }
        }
    }
}

fn counters(trained: &[Trained<'_>]) -> Markup {
    let epochs = trained.iter().map(|(_, _, result)| result.curves.len()).max().unwrap_or(0);
    html! {
        div.scroll { table.counters {
            thead { tr {
                th scope="col" { "Candidate" }
                @for epoch in 1..=epochs { th.number scope="col" { (epoch) } }
            } }
            tbody { @for (n, candidate, result) in trained {
                tr {
                    th scope="row" { (candidates::name(*n, candidate)) }
                    @for n in 0..epochs { (counter(result.curves.get(n))) }
                }
            } }
        } }
    }
}

/// A cell as deep as its share of hits.
fn counter(epoch: Option<&EpochCurve>) -> Markup {
    let Some(epoch) = epoch else {
        return html! { td {} };
    };
    let (hits, misses) = (epoch.cache_hits, epoch.cache_misses);
    let depth = hits as f64 / (hits + misses).max(1) as f64 * 30.0;
    html! {
        td.number.depth style={ "--depth:" (format!("{depth:.0}")) "%" }
            title={ (epoch.store_reads) " reads from the store" } {
            (format::count(hits)) " / " (format::count(misses))
        }
    }
}
