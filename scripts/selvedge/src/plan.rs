//! `selvedge plan`: what a run would do. The pipeline is walked as ever, but fingerprints run dry, memos are only
//! asked, and nothing else runs.

use anyhow::Context;
use selvedge_contract::{ExitCode, Stop, Stopped};

use crate::cli::PlanOptions;
use crate::display::{Display, Node, State, print};
use crate::engine::Engine;
use crate::phase::Phase;
use crate::place::{Home, PIPELINE};
use crate::results::table;
use crate::run::prepare;

/// Prints what would be reused, what would run, and why.
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
    for (number, node) in nodes.iter().enumerate().filter(|(_, node)| is_decided(node)) {
        rows.add_row([node.path.as_str(), would(node), &why(node, &nodes[..number])]);
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

/// What a memo decides about: everything else runs in any case.
fn is_decided(node: &Node) -> bool {
    !node.pod && matches!(node.state, State::Reused | State::Ended(Phase::Skipped))
}

fn would(node: &Node) -> &'static str {
    if node.state == State::Reused { "be reused" } else { "run" }
}

/// The reason that the last fingerprint gave: the line that begins with the candidate's name, or all of it.
fn why(node: &Node, before: &[Node]) -> String {
    let last = before.iter().rev().find(|node| node.pod && node.state == State::Ended(Phase::Succeeded));
    let reasons = last.map_or("", |fingerprint| fingerprint.message.as_str());
    match node.path.rsplit('/').nth(1) {
        None => reasons.to_owned(),
        Some(candidate) => {
            let mut lines = reasons.lines().filter_map(|line| line.split_once(": "));
            lines
                .find(|(name, _)| *name == candidate)
                .map_or_else(String::new, |(_, reason)| reason.to_owned())
        }
    }
}
