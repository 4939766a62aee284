//! What a pod is told, gives back, and when it is tried again.

use serde::Deserialize;

use super::model::Text;

/// When a pod is tried again.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryStrategy {
    /// How often at most; without it, for ever.
    pub limit: Option<Text>,
    /// After what kind of end.
    pub retry_policy: Option<RetryPolicy>,
    /// How long to wait.
    pub backoff: Option<Backoff>,
    /// Whether at all, in the language `expr`, over `lastRetry`.
    pub expression: Option<String>,
}

/// After what kind of end a pod is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum RetryPolicy {
    /// Whenever it did not succeed.
    Always,
    /// When it failed.
    OnFailure,
    /// When it could not be run.
    OnError,
}

/// How long to wait before the next attempt.
#[derive(Debug, Clone, Deserialize)]
pub struct Backoff {
    /// Before the second attempt.
    pub duration: String,
    /// Times this for each further one.
    pub factor: Option<Text>,
    /// At most this.
    pub cap: Option<String>,
}

/// A process.
#[derive(Debug, Clone, Deserialize)]
pub struct Container {
    /// Program and first arguments.
    pub command: Vec<String>,
    /// Further arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Environment variables.
    #[serde(default)]
    pub env: Vec<EnvVar>,
}

/// An environment variable.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(default)]
    pub value: String,
    /// Where its value comes from, if not from here.
    pub value_from: Option<EnvVarSource>,
}

/// Where the value of an environment variable comes from.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EnvVarSource {
    /// The pod.
    FieldRef(FieldRef),
    /// A Secret.
    SecretKeyRef(SecretRef),
}

/// A field of the pod.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldRef {
    /// `status.podIP` or `metadata.name`.
    pub field_path: String,
}

/// A key of a Secret.
#[derive(Debug, Clone, Deserialize)]
pub struct SecretRef {
    /// The Secret.
    pub name: String,
    /// The key.
    pub key: String,
    /// Whether it may be missing.
    #[serde(default)]
    pub optional: bool,
}

/// An output parameter.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputParameter {
    /// Its name.
    pub name: String,
    /// Where its value comes from.
    pub value_from: OutputSource,
}

/// Where the value of an output parameter comes from.
#[derive(Debug, Clone, Deserialize)]
pub struct OutputSource {
    /// Of a container: the path in the pod of the file that holds it.
    pub path: Option<String>,
    /// Of a container: the value where there is no such file.
    pub default: Option<Text>,
    /// Of tasks or steps: a tag that stands for an output of one of them.
    pub parameter: Option<String>,
}
