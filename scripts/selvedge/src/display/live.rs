//! The tree on a terminal: a line a node, a bar for each process.

use std::cell::RefCell;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Node, NodeId, State};
use crate::phase::Phase;

const BAR: &str = "{prefix} {bar:16.cyan/dim} {pos:>3} %  {msg}";
const TEXT: &str = "{prefix} {wide_msg}";

/// The lines, from top to bottom.
#[derive(Debug)]
pub(super) struct Tree {
    all: MultiProgress,
    lines: RefCell<Vec<(NodeId, ProgressBar)>>,
}

impl Tree {
    pub(super) fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(10));
        Self { all, lines: RefCell::default() }
    }

    /// A line for a new node, below the last of its kin. The root has none: it is the tree.
    pub(super) fn add(&self, id: NodeId, nodes: &[Node]) {
        let node = &nodes[id.0];
        if node.depth == 0 {
            return;
        }
        let above = node.path.rsplit_once('/').map_or("", |(above, _)| above);
        let mut lines = self.lines.borrow_mut();
        let kin = lines.iter().rposition(|(other, _)| is_within(&nodes[other.0], above));
        let at = kin.map_or(lines.len(), |last| last + 1);
        let line = self.all.insert(at, ProgressBar::new(100));
        line.set_style(style(TEXT));
        line.set_prefix(prefix(node));
        line.tick();
        lines.insert(at, (id, line));
    }

    pub(super) fn progress(&self, id: NodeId, elapsed: Duration, progress: Option<(u64, u64)>) {
        let (Some(line), Some((done, total))) = (self.line(id), progress) else { return };
        line.set_style(style(BAR));
        line.set_position(done * 100 / total.max(1));
        line.set_message(format!("{:.0} s", elapsed.as_secs_f64()));
    }

    pub(super) fn note(&self, id: NodeId, text: &str) {
        if let Some(line) = self.line(id) {
            line.set_style(style(TEXT));
            line.set_message(text.to_owned());
        }
    }

    /// The last word of a node. What lies below a part of a candidate that went well makes room.
    pub(super) fn end(&self, id: NodeId, nodes: &[Node]) {
        let node = &nodes[id.0];
        self.note(id, &message(node));
        if let Some(line) = self.line(id) {
            line.set_prefix(prefix(node));
        }
        if node.state == State::Ended(Phase::Succeeded) && node.depth > 1 && !node.pod {
            self.lines.borrow_mut().retain(|(other, line)| {
                let goes = *other != id && is_within(&nodes[other.0], &node.path);
                if goes {
                    self.all.remove(line);
                }
                !goes
            });
        }
    }

    pub(super) fn say(&self, text: &str) {
        // A terminal that is gone shows nothing.
        let _ = self.all.println(text);
    }

    pub(super) fn freeze(&self) {
        for (_, line) in self.lines.borrow_mut().drain(..) {
            line.abandon();
        }
    }

    fn line(&self, id: NodeId) -> Option<ProgressBar> {
        self.lines.borrow().iter().find(|(other, _)| *other == id).map(|(_, line)| line.clone())
    }
}

/// Whether a node is the one at `path`, or below it.
fn is_within(node: &Node, path: &str) -> bool {
    path.is_empty()
        || node.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━━─")
}

fn prefix(node: &Node) -> String {
    let label = format!("{}{}", "  ".repeat(node.depth.saturating_sub(1)), node.label);
    format!("{} {label:26}", mark(node.state))
}

fn mark(state: State) -> &'static str {
    match state {
        State::Running => "·",
        State::Reused => "=",
        State::Ended(Phase::Succeeded) => "✔",
        State::Ended(Phase::Failed | Phase::Errored) => "✖",
        State::Ended(Phase::Skipped | Phase::Omitted) => "○",
    }
}

fn message(node: &Node) -> String {
    let seconds = format!("{:.1} s", node.began.elapsed().as_secs_f64());
    let text = node.message.lines().collect::<Vec<_>>().join("; ");
    match node.state {
        State::Reused => format!("reused, {text}"),
        _ if text.is_empty() => seconds,
        _ => format!("{seconds}, {text}"),
    }
}
