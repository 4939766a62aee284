//! Line charts as SVG whose colours come from the style sheet, so that they follow light and dark.

use maud::{Markup, html};

/// Candidates that have a colour of their own; more of them begin again.
const PALETTE: usize = 8;
/// Least distance of two labels at the ends of lines.
const LABEL_GAP: f64 = 15.0;
/// Labels that begin this far apart do not overlap.
const LABEL_WIDTH: f64 = 70.0;

const WIDTH: f64 = 540.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 96.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 42.0;

/// A chart of lines with their names at their ends.
#[derive(Debug, Clone)]
pub(super) struct LineChart {
    /// What it shows, for those who do not see it.
    pub(super) title: String,
    pub(super) x_label: &'static str,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) series: Vec<Series>,
}

/// What an axis covers and where it is marked.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

/// One line of a chart, or only its points.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) name: String,
    /// Place in the palette.
    pub(super) colour: usize,
    pub(super) joined: bool,
    /// Position, and what hovering tells.
    pub(super) points: Vec<(f64, f64, String)>,
}

/// The style sheet's class of a place in the palette.
pub(super) fn colour(place: usize) -> String {
    format!("c{}", place % PALETTE)
}

/// A coordinate with one decimal: a page of a third of the size, and nobody sees the difference.
pub(super) fn place(value: f64) -> String {
    format!("{value:.1}")
}

/// A text of at most `length` characters, the last of them an ellipsis where it was longer.
pub(super) fn shortened(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        Some(_) => text.chars().take(length - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

/// The mark of a candidate in running text.
pub(super) fn swatch(place: usize) -> Markup {
    html! { svg.swatch viewBox="0 0 12 12" aria-hidden="true" { (mark(place, 6.0, 6.0, "")) } }
}

/// Round values that cover `low` to `high` in about `about` steps of 1, 2 or 5 times a power of ten.
pub(super) fn ticks(low: f64, high: f64, about: usize) -> Vec<f64> {
    let raw = ((high - low) / about.max(1) as f64).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|s| s * power).into_iter().find(|s| *s >= raw * 0.7);
    let step = step.unwrap_or(power * 10.0);
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    (first..=last).map(|n| n as f64 * step).collect()
}

/// A mark whose form tells candidates apart without colour.
pub(super) fn mark(form: usize, x: f64, y: f64, title: &str) -> Markup {
    let path = match form % 4 {
        0 => format!("M{:.1} {y:.1}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z", x - 4.0),
        1 => format!("M{:.1} {:.1}h7v7h-7z", x - 3.5, y - 3.5),
        2 => format!("M{x:.1} {:.1}l4.6 8h-9.2z", y - 5.0),
        _ => format!("M{x:.1} {:.1}l5 5l-5 5l-5 -5z", y - 5.0),
    };
    html! { path class={ "mark " (colour(form)) } d=(path) { @if !title.is_empty() { title { (title) } } } }
}

impl Axis {
    /// An axis around `values`, with round marks written by `text`.
    pub(super) fn around(values: impl Iterator<Item = f64> + Clone, text: impl Fn(f64) -> String) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(f64::NEG_INFINITY, f64::max);
        let slack = if high > low { (high - low) * 0.08 } else { high.abs().max(1.0) * 0.05 };
        let (low, high) = (low - slack, high + slack);
        let ticks = ticks(low, high, 5).into_iter().map(|value| (value, text(value))).collect();
        Self { low, high, ticks }
    }

    fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }
}

impl LineChart {
    /// The chart; nothing where there is no point.
    pub(super) fn render(&self) -> Markup {
        html! {
            @if self.series.iter().any(|series| !series.points.is_empty()) {
                svg.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(self.title) {
                    (self.grid())
                    @for series in &self.series { (self.line(series)) }
                    (self.labels())
                }
            }
        }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.share(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.share(value) * (HEIGHT - TOP - BOTTOM)
    }

    fn grid(&self) -> Markup {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        html! {
            @for (value, text) in &self.y.ticks {
                @let y = place(self.y(*value));
                line.grid x1=(LEFT) x2=(right) y1=(y) y2=(y) {}
                text.tick.end x=(LEFT - 8.0) y=(y) { (text) }
            }
            line.axis x1=(LEFT) x2=(right) y1=(bottom) y2=(bottom) {}
            @for (value, text) in &self.x.ticks {
                @let x = place(self.x(*value));
                line.axis x1=(x) x2=(x) y1=(bottom) y2=(bottom + 4.0) {}
                text.tick.middle x=(x) y=(bottom + 13.0) { (text) }
            }
            text.tick.middle x=(f64::midpoint(LEFT, right)) y=(HEIGHT - 10.0) { (self.x_label) }
        }
    }

    fn line(&self, series: &Series) -> Markup {
        let path = series.points.iter().enumerate().map(|(n, (x, y, _))| {
            let command = if n == 0 { 'M' } else { 'L' };
            format!("{command}{} {}", place(self.x(*x)), place(self.y(*y)))
        });
        html! {
            @if series.joined { path class={ "line " (colour(series.colour)) } d=(path.collect::<String>()) {} }
            @for (x, y, title) in &series.points { (mark(series.colour, self.x(*x), self.y(*y), title)) }
        }
    }

    /// Names at the ends of the lines, moved apart where they would overlap.
    fn labels(&self) -> Markup {
        let ends = self.series.iter().filter_map(|series| Some((series, series.points.last()?)));
        let mut labels: Vec<_> = ends.map(|(series, (x, y, _))| (self.y(*y), self.x(*x), series)).collect();
        labels.sort_by(|one, other| one.0.total_cmp(&other.0));
        let heights = apart(&labels.iter().map(|(y, x, _)| (*x, *y)).collect::<Vec<_>>(), HEIGHT - BOTTOM);
        html! {
            @for ((_, x, series), y) in labels.iter().zip(heights) {
                text.label.(colour(series.colour)) x=(place(x + 10.0)) y=(place(y)) {
                    (shortened(&series.name, 14))
                }
            }
        }
    }
}

/// The heights of labels that are sorted by height: those near each other [`LABEL_GAP`] apart, above `bottom` as
/// far as there is room.
fn apart(labels: &[(f64, f64)], bottom: f64) -> Vec<f64> {
    let near = |one: usize, other: usize| (labels[one].0 - labels[other].0).abs() < LABEL_WIDTH;
    let mut heights: Vec<f64> = labels.iter().map(|label| label.1).collect();
    for n in 0..heights.len() {
        for above in (0..n).filter(|above| near(*above, n)) {
            heights[n] = heights[n].max(heights[above] + LABEL_GAP);
        }
    }
    for n in (0..heights.len()).rev() {
        let below = (n + 1..heights.len()).filter(|below| near(*below, n));
        let limit = below.map(|below| heights[below] - LABEL_GAP).fold(bottom, f64::min);
        heights[n] = heights[n].min(limit);
    }
    heights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 10.0, 5), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(0.0, 0.9, 2), [0.0, 0.5]);
        assert_eq!(ticks(3.0, 3.0, 3).len(), 1);
    }

    #[test]
    fn labels_near_each_other_keep_a_distance() {
        let heights = apart(&[10.0, 12.0, 198.0, 199.0].map(|y| (0.0, y)), 200.0);
        assert!(heights.windows(2).all(|pair| pair[1] - pair[0] >= LABEL_GAP));
        assert!(heights.iter().all(|height| *height <= 200.0));
        assert_eq!(apart(&[(0.0, 10.0), (90.0, 11.0)], 200.0), [10.0, 11.0]);
    }
}
