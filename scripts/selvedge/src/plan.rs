//! `selvedge plan`: what a run would do. The pipeline is walked as ever, but fingerprints run dry, memos are only
//! asked, and nothing else runs.

use std::collections::BTreeMap;

use anyhow::Context;
use selvedge_contract::{ExitCode, Stop, Stopped};

use crate::cli::PlanOptions;
use crate::display::{Display, Node, State, print};
use crate::engine::Engine;
use crate::phase::Phase;
use crate::place::{Home, PIPELINE};
use crate::results::table;
use crate::run::prepare;

/// Prints which nodes would be reused, which would run, and why.
///
/// # Errors
/// Bad configuration; what keeps a fingerprint from being taken.
pub async fn plan(options: PlanOptions, stop: Stop) -> anyhow::Result<ExitCode> {
    let home = Home::find(&options.place)?;
    let mut settings = prepare(&home, &options.place, home.parameters(&options.parameters)?);
    settings.dry = true;
    home.check_programs(&[])?;
    let store = home.open().await?;
    let display = Display::silent();
    Engine::new(&home.templates, &store, &settings, &display, &stop).run(PIPELINE).await?;
    if stop.is_requested() {
        return Err(Stopped.into());
    }
    let nodes = display.nodes();
    let mut rows = table(&["", "would", "why"]);
    for node in nodes.iter().filter(|node| is_told(node)) {
        rows.add_row([node.path.as_str(), would(node), &why(node, &nodes)]);
    }
    print(&rows.to_string());
    let failed =
        nodes.iter().find(|node| node.pod && matches!(node.state, State::Ended(phase) if phase.is_failure()));
    let blocked = nodes.iter().any(|node| !node.pod && node.state == State::Ended(Phase::Skipped));
    match failed {
        // A fingerprint of what is not yet there cannot be taken.
        Some(_) if blocked => print("the candidates depend on what ingest makes of the source"),
        Some(node) => anyhow::bail!("{}: {}", node.path, node.message),
        None => {}
    }
    // What a dry run left is of no use to anybody.
    let work = settings.work.join(&settings.run);
    std::fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
    Ok(ExitCode::Done)
}

/// Processes, and what a memo decides about; what lies below an undecided memo is not known.
fn is_told(node: &Node) -> bool {
    let decided = node.state == State::Reused || node.state == State::Ended(Phase::Skipped);
    let failed = matches!(node.state, State::Ended(phase) if phase.is_failure());
    !failed && (node.pod || decided)
}

fn would(node: &Node) -> &'static str {
    match node.state {
        State::Reused => "be reused",
        _ => "run",
    }
}

/// The reason that a fingerprint gave: in full for itself, for a candidate the line that begins with its name.
fn why(node: &Node, nodes: &[Node]) -> String {
    if node.state == State::Ended(Phase::Succeeded) {
        return node.message.clone();
    }
    let lines: BTreeMap<_, _> = nodes
        .iter()
        .filter(|node| node.pod)
        .flat_map(|node| node.message.lines())
        .filter_map(|line| line.split_once(": "))
        .collect();
    let decided = node.path.split('/').rev().nth(1).filter(|_| !node.pod);
    decided.and_then(|candidate| lines.get(candidate)).map_or_else(String::new, |reason| (*reason).to_owned())
}
