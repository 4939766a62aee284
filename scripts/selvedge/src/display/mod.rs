//! What a person sees of a run: a live tree on a terminal, a line for each change elsewhere.

mod live;

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::phase::{Outcome, Phase};
use live::Tree;

/// The nodes of a run, and where they are shown. Everything happens on one thread.
#[derive(Debug)]
pub struct Display {
    started: Instant,
    nodes: RefCell<Vec<Node>>,
    form: Form,
}

/// Names a node of a [`Display`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeId(usize);

/// A node.
#[derive(Debug, Clone)]
pub struct Node {
    /// The labels from the root on, by `/`; the root has none.
    pub path: String,
    /// Its own label.
    pub label: String,
    /// Nodes above it.
    pub depth: usize,
    /// Whether it is a process.
    pub pod: bool,
    /// What it does.
    pub state: State,
    /// Why, in one line or several.
    pub message: String,
    progress: PathBuf,
    began: Instant,
}

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs, or waits for what it needs.
    Running,
    /// A memo made it unnecessary.
    Reused,
    /// It is over.
    Ended(Phase),
}

#[derive(Debug)]
enum Form {
    Silent,
    Lines,
    Live(Tree),
}

impl Display {
    /// A live tree where stdout is a terminal, else lines.
    pub fn new() -> Self {
        Self::of(if std::io::stdout().is_terminal() { Form::Live(Tree::new()) } else { Form::Lines })
    }

    /// Nothing is shown; nodes are remembered all the same.
    pub fn silent() -> Self {
        Self::of(Form::Silent)
    }

    fn of(form: Form) -> Self {
        Self { started: Instant::now(), nodes: RefCell::default(), form }
    }

    /// A new node below `parent`.
    pub(crate) fn begin(&self, parent: Option<NodeId>, label: &str, pod: bool) -> NodeId {
        let mut nodes = self.nodes.borrow_mut();
        let (path, depth) = match parent.map(|parent| &nodes[parent.0]) {
            Some(parent) if parent.path.is_empty() => (label.to_owned(), parent.depth + 1),
            Some(parent) => (format!("{}/{label}", parent.path), parent.depth + 1),
            None => (String::new(), 0),
        };
        let id = NodeId(nodes.len());
        nodes.push(Node {
            path,
            label: label.to_owned(),
            depth,
            pod,
            state: State::Running,
            message: String::new(),
            progress: PathBuf::new(),
            began: Instant::now(),
        });
        match &self.form {
            Form::Live(tree) => tree.add(id, &nodes),
            Form::Lines if pod => self.line("running", &nodes[id.0], ""),
            Form::Lines | Form::Silent => {}
        }
        id
    }

    /// The labels of a node and those above it.
    pub(crate) fn path(&self, id: NodeId) -> String {
        self.nodes.borrow()[id.0].path.clone()
    }

    /// Where a process writes its progress.
    pub(crate) fn progress_in(&self, id: NodeId, file: PathBuf) {
        self.nodes.borrow_mut()[id.0].progress = file;
    }

    /// A node need not run.
    pub(crate) fn reused(&self, id: NodeId) {
        self.nodes.borrow_mut()[id.0].state = State::Reused;
    }

    /// A node will be tried again.
    pub(crate) fn again(&self, id: NodeId, why: &str, wait: Duration) {
        let nodes = self.nodes.borrow();
        match &self.form {
            Form::Live(tree) => tree.note(id, &format!("again in {wait:?}: {why}")),
            Form::Lines => self.line("again", &nodes[id.0], &format!("in {wait:?}: {why}")),
            Form::Silent => {}
        }
    }

    /// A node is over.
    pub(crate) fn end(&self, id: NodeId, outcome: &Outcome) {
        let mut nodes = self.nodes.borrow_mut();
        let node = &mut nodes[id.0];
        if node.state == State::Running {
            node.state = State::Ended(outcome.phase);
        }
        node.message.clone_from(&outcome.message);
        match &self.form {
            Form::Live(tree) => tree.end(id, &nodes),
            Form::Lines => self.line_at_end(&nodes[id.0]),
            Form::Silent => {}
        }
    }

    /// A line of its own, above a tree.
    pub fn say(&self, text: impl fmt::Display) {
        match &self.form {
            Form::Live(tree) => tree.say(&text.to_string()),
            Form::Lines => print(&format!("{:8.1}s {text}", self.started.elapsed().as_secs_f64())),
            Form::Silent => {}
        }
    }

    /// The tree goes; what is printed from now on stays where it is.
    pub fn close(&self) {
        if let Form::Live(tree) = &self.form {
            tree.freeze();
        }
    }

    /// All nodes, in the order of their beginning.
    pub fn nodes(&self) -> Vec<Node> {
        self.nodes.borrow().clone()
    }

    /// Moves the bars of a live tree, for ever. Lines tell no progress.
    pub async fn follow(&self) -> Infallible {
        let Form::Live(tree) = &self.form else { return std::future::pending().await };
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        loop {
            tick.tick().await;
            let nodes = self.nodes.borrow();
            for (number, node) in nodes.iter().enumerate().filter(|(_, node)| node.state == State::Running) {
                tree.progress(NodeId(number), node.began.elapsed(), read_progress(&node.progress));
            }
        }
    }

    /// Composite nodes are told of where they did not just do what their pods did.
    fn line_at_end(&self, node: &Node) {
        let word = match node.state {
            State::Reused => "reused",
            State::Ended(phase)
                if node.pod || matches!(phase, Phase::Skipped | Phase::Omitted | Phase::Errored) =>
            {
                word(phase)
            }
            State::Ended(_) | State::Running => return,
        };
        self.line(word, node, &node.message);
    }

    fn line(&self, word: &str, node: &Node, message: &str) {
        let message = message.lines().collect::<Vec<_>>().join("; ");
        self.say(format!("{word:9} {:28} {message}", node.path).trim_end());
    }
}

impl Default for Display {
    fn default() -> Self {
        Self::new()
    }
}

/// How a phase is called in lines and tables.
pub(crate) fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Succeeded => "succeeded",
        Phase::Failed => "failed",
        Phase::Errored => "error",
        Phase::Skipped => "skipped",
        Phase::Omitted => "omitted",
    }
}

/// A line on stdout. Nobody reading it any more is no reason to stop a run.
pub(crate) fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// `N/M`, where a process wrote it.
fn read_progress(file: &Path) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(file).ok()?;
    let (done, total) = text.trim().split_once('/')?;
    Some((done.parse().ok()?, total.parse().ok()?))
}
