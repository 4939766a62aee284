//! The honoured fields as types.

use std::fmt;

use serde::{Deserialize, Deserializer};

use super::pod::{Container, OutputParameter, RetryStrategy};

/// A WorkflowTemplate: one file's worth of templates, and for the pipeline its parameters.
#[derive(Debug, Clone, Deserialize)]
pub struct WorkflowTemplate {
    /// Its name, by which others refer to it.
    pub metadata: Metadata,
    /// Everything else.
    pub spec: Spec,
}

/// A resource's name.
#[derive(Debug, Clone, Deserialize)]
pub struct Metadata {
    /// The name.
    pub name: String,
}

/// What a WorkflowTemplate holds.
#[derive(Debug, Clone, Deserialize)]
pub struct Spec {
    /// The template that a workflow begins with.
    pub entrypoint: Option<String>,
    /// The workflow's parameters.
    #[serde(default)]
    pub arguments: Parameters<Parameter>,
    /// The templates.
    #[serde(default)]
    pub templates: Vec<Template>,
}

/// A list of parameters.
#[derive(Debug, Clone, Deserialize)]
pub struct Parameters<T> {
    /// The parameters.
    #[serde(default = "Vec::new")]
    pub parameters: Vec<T>,
}

/// A parameter of a workflow, an input of a template, or an argument.
#[derive(Debug, Clone, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its value, or the value that it has unless somebody gives one.
    #[serde(alias = "default")]
    pub value: Option<Text>,
    /// The only values that it may have, unless empty.
    #[serde(default, rename = "enum")]
    pub allowed: Vec<Text>,
}

/// A value that YAML may write as text, number or truth value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(pub String);

/// A template.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// Its name within the WorkflowTemplate.
    pub name: String,
    /// What it is given.
    #[serde(default)]
    pub inputs: Parameters<Parameter>,
    /// What it gives back.
    #[serde(default)]
    pub outputs: Parameters<OutputParameter>,
    /// Whether it need not run again.
    pub memoize: Option<Memoize>,
    /// What it waits for.
    #[serde(default)]
    pub synchronization: Synchronization,
    /// When it is tried again.
    pub retry_strategy: Option<RetryStrategy>,
    /// How long an attempt may take.
    pub active_deadline_seconds: Option<u64>,
    /// What it does.
    #[serde(flatten)]
    pub body: Body,
}

/// What a template does.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Body {
    /// Tasks that depend on each other.
    Dag(Dag),
    /// Groups of calls, one group after the other.
    Steps(Vec<Vec<Call>>),
    /// A process.
    Container(Container),
}

/// Tasks that depend on each other.
#[derive(Debug, Clone, Deserialize)]
pub struct Dag {
    /// The tasks.
    pub tasks: Vec<Call>,
    /// Has to be written, and to be false: a branch that fails stops no other.
    #[serde(rename = "failFast")]
    pub fail_fast: Option<bool>,
}

/// A task of a DAG, or a step.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Its name.
    pub name: String,
    /// When it starts.
    #[serde(default)]
    pub depends: String,
    /// A template of the same file.
    pub template: Option<String>,
    /// A template of another file.
    pub template_ref: Option<Reference>,
    /// What it is given.
    #[serde(default)]
    pub arguments: Parameters<Parameter>,
    /// A JSON list: once for every item.
    pub with_param: Option<String>,
    /// Once for every number.
    pub with_sequence: Option<Sequence>,
}

/// A template of another file.
#[derive(Debug, Clone, Deserialize)]
pub struct Reference {
    /// The WorkflowTemplate.
    pub name: String,
    /// The template in it.
    pub template: String,
}

/// The numbers from 0.
#[derive(Debug, Clone, Deserialize)]
pub struct Sequence {
    /// How many.
    pub count: Text,
}

/// Where it is remembered that a template need not run again.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Memoize {
    /// The memo key.
    pub key: String,
    /// Has to be empty: entries do not grow old.
    pub max_age: String,
    /// The cache.
    pub cache: Cache,
}

/// A memoization cache.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cache {
    /// Its name; on Argo the name of a ConfigMap.
    pub config_map: Metadata,
}

/// What a template waits for.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Synchronization {
    /// Locks that it holds while it runs.
    #[serde(default)]
    pub mutexes: Vec<Metadata>,
}

impl Template {
    /// Whether it is a process.
    pub(crate) fn is_pod(&self) -> bool {
        matches!(self.body, Body::Container(_))
    }
}

impl Call {
    /// The name of the template it calls, and of the file that holds it.
    pub(crate) fn target<'a>(&'a self, file: &'a str) -> Option<(&'a str, &'a str)> {
        match (&self.template, &self.template_ref) {
            (Some(template), None) => Some((file, template)),
            (None, Some(reference)) => Some((&reference.name, &reference.template)),
            _ => None,
        }
    }
}

impl<T> Default for Parameters<T> {
    fn default() -> Self {
        Self { parameters: Vec::new() }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(text)),
            other @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => {
                Ok(Self(other.to_string()))
            }
            other => Err(serde::de::Error::custom(format!("{other} is no text"))),
        }
    }
}
