//! The report of one run: a single HTML file without scripts or anything remote.
//!
//! Argo's page shows it under `default-src 'none'; style-src 'unsafe-inline'`: style and SVG are inline, hovering
//! is left to SVG's `<title>`. [`load`] reads everything from the store, [`render`] is a pure function of it.

mod caching;
mod candidates;
mod chart;
mod classes;
mod confusion;
mod curves;
mod decisions;
mod facts;
mod format;
mod history;
mod inputs;
mod load;
mod memory;
mod provenance;
mod sequential;
mod summary;
mod timeline;

use maud::{DOCTYPE, Markup, PreEscaped, html};

pub use inputs::{CandidateInput, Inputs, PastRun};
pub use load::load;

const STYLE: &str = include_str!("style.css");

/// The policy that Argo serves the page under, kept where the file is opened by itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The page.
pub fn render(inputs: &Inputs) -> String {
    let plan = &inputs.plan;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (plan.name) " · run " (plan.run) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (summary::header(inputs))
                main {
                    (summary::warnings(inputs))
                    (summary::cards(inputs))
                    (timeline::section(inputs))
                    (candidates::section(inputs))
                    (curves::section(inputs))
                    (classes::section(inputs))
                    (confusion::section(inputs))
                    (caching::section(inputs))
                    (memory::section(inputs))
                    (decisions::section(inputs))
                    (provenance::section(inputs))
                }
                footer {
                    p {
                        "Written by finalize at " (format::moment(inputs.written))
                        ". All figures come from the store’s records."
                    }
                }
            }
        }
    }
    .into_string()
}

/// One part of the page, with an introduction of a line or two.
fn part(id: &str, title: &str, introduction: &str, body: &Markup) -> Markup {
    html! {
        section id=(id) aria-labelledby={ (id) "-title" } {
            h2 id={ (id) "-title" } { (title) }
            @if !introduction.is_empty() { p.introduction { (introduction) } }
            (body)
        }
    }
}
