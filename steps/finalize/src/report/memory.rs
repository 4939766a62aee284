//! Memory: what batches of 100 to 10,000 records need by their shape, and what processes really used.

use std::collections::BTreeMap;

use maud::{Markup, html};
use selvedge_data::{Shape, Split};
use selvedge_plan::Event;

use super::chart::{Axis, LineChart, Series};
use super::facts::measured;
use super::inputs::Inputs;
use super::{candidates, format, part};

const BATCH_SIZES: [usize; 7] = [100, 200, 500, 1_000, 2_000, 5_000, 10_000];
/// Bytes of the label of a record.
const LABEL: usize = 1;
/// Bytes of an element in the processing buffer: float32.
const ELEMENT: usize = 4;

/// The largest memory that was measured, by batch size.
type Peaks = BTreeMap<usize, f64>;

pub(super) fn section(inputs: &Inputs) -> Markup {
    let window = inputs.plan.candidates.iter().map(|c| c.settings.window).max().unwrap_or(1);
    let (ingest, ranks) = (peaks(inputs, "ingest"), peaks(inputs, "train"));
    let body = html! {
        div.pair {
            figure {
                figcaption { "Memory by batch size, both axes logarithmic" }
                (chart(inputs, window, &ingest, &ranks).render())
            }
            figure { figcaption { "Batch sizes" } (sizes(inputs, window, &ingest, &ranks)) }
        }
        figure {
            figcaption { "Measured peaks, batch size " (format::count(inputs.manifest.batch_size as u64)) }
            (processes(inputs))
        }
    };
    let shape = inputs.manifest.shape;
    let introduction = format!(
        "Computed from the shape {} × {} × {}: a cached batch holds one byte an element and a label, the \
         processing buffer float32, a window is {window} cached batches. Measured is the most memory a process had \
         resident, code and libtorch included; other batch sizes are measured where runs of this store used them.",
        shape.height, shape.width, shape.channels
    );
    part("memory", "Memory", &introduction, &body)
}

fn cached(shape: Shape, records: usize) -> f64 {
    ((shape.bytes() + LABEL) * records) as f64
}

fn buffer(shape: Shape, records: usize) -> f64 {
    (shape.bytes() * ELEMENT * records) as f64
}

/// Peaks of `stage` in this run's results and in the other runs of the store.
fn peaks(inputs: &Inputs, stage: &str) -> Peaks {
    let own = inputs.candidates.iter().flat_map(|c| &c.events).chain(&inputs.ingest_events);
    let own = own.map(|event| (inputs.manifest.batch_size, event));
    let past =
        inputs.history.iter().flat_map(|past| past.events.iter().map(|event| (past.batch_size, event)));
    let mut peaks = Peaks::new();
    for (batch_size, event) in own.chain(past).filter(|(_, event)| event.stage == stage) {
        if let Some(bytes) = measured(event, "peak_memory_bytes") {
            let known = peaks.entry(batch_size).or_default();
            *known = known.max(bytes);
        }
    }
    peaks
}

fn chart(inputs: &Inputs, window: usize, ingest: &Peaks, ranks: &Peaks) -> LineChart {
    let shape = inputs.manifest.shape;
    let computed = |name: &str, colour, bytes: &dyn Fn(usize) -> f64| {
        line(name, colour, true, BATCH_SIZES.map(|n| (n, bytes(n))))
    };
    let series = vec![
        computed("cached batch", 5, &|n| cached(shape, n)),
        computed("float32 buffer", 4, &|n| buffer(shape, n)),
        computed(&format!("window of {window}"), 6, &|n| cached(shape, n * window)),
        line("ingest, peak", 7, false, ingest.iter().map(|(n, bytes)| (*n, *bytes))),
        line("rank, peak", 3, false, ranks.iter().map(|(n, bytes)| (*n, *bytes))),
    ];
    let values = || series.iter().flat_map(|s| s.points.iter().map(|point| point.1));
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(1.0, f64::max));
    // 64 KiB, 1 MiB, 16 MiB …: every factor of 16 is a round number of binary units.
    let ticks = (2..12)
        .map(|power| 16_f64.powi(power))
        .map(|bytes| (bytes.log10(), format::bytes(bytes).replace(".0", "")));
    LineChart {
        title: "bytes by batch size, computed and measured".to_owned(),
        x_label: "records in a batch",
        x: Axis {
            low: 1.9,
            high: 4.1,
            ticks: [100_usize, 1_000, 10_000].map(|n| ((n as f64).log10(), format::count(n as u64))).into(),
        },
        y: Axis {
            low: low - 0.3,
            high: high + 0.3,
            ticks: ticks.filter(|(at, _)| *at > low - 0.3 && *at < high + 0.3).collect(),
        },
        series,
    }
}

fn line(name: &str, colour: usize, joined: bool, points: impl IntoIterator<Item = (usize, f64)>) -> Series {
    let point = |(records, bytes): (usize, f64)| {
        let title = format!("{name}, {} records: {}", format::count(records as u64), format::bytes(bytes));
        ((records as f64).log10(), bytes.log10(), title)
    };
    Series { name: name.to_owned(), colour, joined, points: points.into_iter().map(point).collect() }
}

fn sizes(inputs: &Inputs, window: usize, ingest: &Peaks, ranks: &Peaks) -> Markup {
    let (shape, records) = (inputs.manifest.shape, inputs.manifest.records(Split::Train));
    let mut sizes = BATCH_SIZES.to_vec();
    sizes.push(inputs.manifest.batch_size);
    sizes.sort_unstable();
    sizes.dedup();
    let peak = |peaks: &Peaks, size| peaks.get(size).copied().map_or_else(|| "–".to_owned(), format::bytes);
    html! {
        div.scroll { table {
            thead {
                tr {
                    th {}
                    th.group colspan="4" scope="colgroup" { "computed" }
                    th.group colspan="2" scope="colgroup" { "measured peak" }
                }
                tr {
                    th.number scope="col" { "Records" } th.number scope="col" { "Batches" }
                    th.number scope="col" { "Cached" } th.number scope="col" { "Float32" } th.number scope="col" { "Window" }
                    th.number scope="col" { "Ingest" } th.number scope="col" { "Rank" }
                }
            }
            tbody { @for size in &sizes {
                tr.best[*size == inputs.manifest.batch_size] {
                    th.number scope="row" { (format::count(*size as u64)) }
                    td.number { (format::count(records.div_ceil(*size) as u64)) }
                    td.number { (format::bytes(cached(shape, *size))) }
                    td.number { (format::bytes(buffer(shape, *size))) }
                    td.number { (format::bytes(cached(shape, size * window))) }
                    td.number { (peak(ingest, size)) }
                    td.number { (peak(ranks, size)) }
                }
            } }
        } }
    }
}

fn processes(inputs: &Inputs) -> Markup {
    let mut groups: Vec<Vec<&Event>> = Vec::new();
    groups.push(inputs.ingest_events.iter().filter(|e| e.stage == "ingest").collect());
    for candidate in &inputs.candidates {
        groups.push(candidate.ranks());
        groups.push(candidate.events.iter().rev().filter(|e| e.stage == "evaluate").take(1).collect());
    }
    groups.retain(|group| group.iter().any(|event| measured(event, "peak_memory_bytes").is_some()));
    html! {
        @if groups.is_empty() { p.empty { "No process told what it used." } }
        @else { div.scroll { table {
            thead { tr {
                th scope="col" { "Stage" } th.number scope="col" { "Processes" }
                th.number scope="col" { "Peak memory, by rank" }
                th.number scope="col" { "Batch cache of one" } th.number scope="col" { "CPU time of all" }
            } }
            tbody { @for group in &groups { (processes_row(inputs, group)) } }
        } } }
    }
}

fn processes_row(inputs: &Inputs, group: &[&Event]) -> Markup {
    let figures = |name| group.iter().filter_map(move |event| measured(event, name));
    let peaks: Vec<_> = figures("peak_memory_bytes").map(format::bytes).collect();
    let cache = figures("cache_bytes").fold(0.0, f64::max);
    let cpu: f64 = figures("cpu_seconds").sum();
    let known =
        |value: f64, text: fn(f64) -> String| if value > 0.0 { text(value) } else { "–".to_owned() };
    let place = group.first().and_then(|event| inputs.colour(event.candidate.as_deref()?));
    html! {
        tr {
            th scope="row" {
                @for event in group.iter().take(1) { (event.stage) " " }
                @if let Some(place) = place { (candidates::name(place, &inputs.candidates[place])) }
            }
            td.number { (group.len()) }
            td.number { (peaks.join(" · ")) }
            td.number { (known(cache, format::bytes)) }
            td.number { (known(cpu, format::seconds)) }
        }
    }
}
