//! A workflow and its nodes, read from what the API says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

/// A workflow at one moment.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Workflow {
    pub(crate) metadata: Metadata,
    #[serde(default)]
    pub(crate) status: Status,
}

/// What names it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// What became of it so far.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Status {
    pub(crate) phase: String,
    pub(crate) message: String,
    pub(crate) progress: String,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) nodes: BTreeMap<String, Node>,
}

/// One node: a pod, or a group of nodes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Node {
    pub(crate) id: String,
    /// The path from the root, `e2e-x.candidates(0:…).gang.rank(1:1)(0)`.
    pub(crate) name: String,
    /// Its last part.
    pub(crate) display_name: String,
    /// `Pod`, `Retry`, `Steps`, `StepGroup`, `DAG`, `TaskGroup`, `Skipped`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    template_name: String,
    template_ref: TemplateRef,
    pub(crate) phase: String,
    pub(crate) message: String,
    pub(crate) progress: String,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) memoization_status: Option<Memoization>,
    inputs: Arguments,
    outputs: Arguments,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct TemplateRef {
    template: String,
}

/// Whether a memoized node was found in its cache.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Memoization {
    pub(crate) hit: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Arguments {
    parameters: Vec<Parameter>,
    exit_code: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Parameter {
    name: String,
    #[serde(default)]
    value: serde_json::Value,
}

impl Workflow {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Whether nothing more will happen unless it is retried.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.status.phase.as_str(), "Succeeded" | "Failed" | "Error")
    }

    /// All nodes by the time of their start.
    pub(crate) fn nodes(&self) -> Vec<&Node> {
        let mut nodes: Vec<_> = self.status.nodes.values().collect();
        nodes.sort_by_key(|node| (node.started_at, &node.name));
        nodes
    }

    /// The pods that were started, by the time of their start.
    pub(crate) fn pods(&self) -> impl Iterator<Item = &Node> {
        self.nodes().into_iter().filter(|node| node.kind == "Pod")
    }

    /// The pods of a leaf template (`source`, `training`, `batches`, `rank`, `evaluate`, `promote`, `finalize`).
    pub(crate) fn of<'a>(&'a self, template: &'a str) -> impl Iterator<Item = &'a Node> {
        self.pods().filter(move |node| node.template() == template)
    }

    /// The memoized nodes that were looked up, and whether they were found.
    pub(crate) fn memoized(&self) -> impl Iterator<Item = (&Node, &Memoization)> {
        self.nodes().into_iter().filter_map(|node| Some((node, node.memoization_status.as_ref()?)))
    }

    /// The value of an output parameter of a template's newest pod that has one.
    pub(crate) fn output(&self, template: &str, name: &str) -> Option<String> {
        self.of(template).filter_map(|node| node.output(name)).last()
    }

    /// From start to end, so far.
    pub(crate) fn seconds(&self) -> u64 {
        let Status { started_at, finished_at, .. } = &self.status;
        seconds(*started_at, *finished_at)
    }

    /// The name of a pod node's pod.
    pub(crate) fn pod_of(&self, node: &Node) -> String {
        let hash = node.id.rsplit('-').next().unwrap_or_default();
        format!("{}-{}-{hash}", self.name(), node.template())
    }
}

impl Node {
    /// The template that it is made from, whatever WorkflowTemplate that is in.
    pub(crate) fn template(&self) -> &str {
        if self.template_ref.template.is_empty() { &self.template_name } else { &self.template_ref.template }
    }

    /// The value of an input parameter.
    pub(crate) fn input(&self, name: &str) -> Option<String> {
        self.inputs.value(name)
    }

    /// The value of an output parameter.
    pub(crate) fn output(&self, name: &str) -> Option<String> {
        self.outputs.value(name)
    }

    /// The exit code of its main container, if it had one.
    pub(crate) fn exit_code(&self) -> Option<i32> {
        self.outputs.exit_code.as_ref()?.parse().ok()
    }

    /// `rank dense 1 (0)`: template, candidate, rank and attempt, where it has them.
    pub(crate) fn title(&self) -> String {
        let mut title = self.template().to_owned();
        for input in ["candidate", "rank"] {
            title.extend(self.input(input).map(|value| format!(" {value}")));
        }
        let attempt = self.name.rsplit_once('(').filter(|_| self.kind == "Pod" && self.name.ends_with(')'));
        title.extend(attempt.map(|(_, number)| format!(" ({number}")));
        title
    }
}

impl Arguments {
    fn value(&self, name: &str) -> Option<String> {
        let parameter = self.parameters.iter().find(|parameter| parameter.name == name)?;
        match &parameter.value {
            serde_json::Value::String(text) => Some(text.clone()),
            serde_json::Value::Null => None,
            other => Some(other.to_string()),
        }
    }
}

fn seconds(from: Option<Timestamp>, to: Option<Timestamp>) -> u64 {
    let Some(from) = from else { return 0 };
    (to.unwrap_or_else(Timestamp::now).as_second() - from.as_second()).unsigned_abs()
}
