//! The Kubernetes API by `kubectl`: JSON in, JSON out.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::process;

/// The namespace of Argo and of everything that is installed.
pub(crate) const NAMESPACE: &str = "argo";

/// `kubectl -n <namespace> …`: what it prints.
pub(crate) async fn kubectl(arguments: &[&str]) -> anyhow::Result<String> {
    with_input(arguments, "").await
}

/// As [`kubectl`], with something on its standard input.
pub(crate) async fn with_input(arguments: &[&str], input: &str) -> anyhow::Result<String> {
    process::run("kubectl", &[&["-n", NAMESPACE], arguments].concat(), input).await
}

/// `kubectl … -o json`.
pub(crate) async fn json(arguments: &[&str]) -> anyhow::Result<Value> {
    let text = kubectl(&[arguments, &["-o", "json"]].concat()).await?;
    serde_json::from_str(&text).with_context(|| format!("kubectl {}: {text}", arguments.join(" ")))
}

/// Creates or changes what `manifest` describes: one object or a `List`.
pub(crate) async fn apply(manifest: &Value) -> anyhow::Result<()> {
    let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    with_input(&arguments, &manifest.to_string()).await.map(drop)
}

/// Deletes an object, and waits until it is gone; one that is not there is as good as deleted.
pub(crate) async fn delete(kind: &str, name: &str) -> anyhow::Result<()> {
    kubectl(&["delete", kind, name, "--ignore-not-found", "--timeout=60s"]).await.map(drop)
}

/// Takes a pod away as a lost node does: at once, and without a word to it.
pub(crate) async fn take_away(pod: &str) -> anyhow::Result<()> {
    kubectl(&["delete", "pod", pod, "--force", "--grace-period=0"]).await.map(drop)
}

/// The last lines of a pod's log: of its main container, or of all where that never ran.
pub(crate) async fn log(pod: &str, lines: usize) -> String {
    let tail = format!("--tail={lines}");
    match kubectl(&["logs", pod, "-c", "main", &tail]).await {
        Ok(log) => log,
        Err(error) => {
            let all = kubectl(&["logs", pod, "--all-containers", "--ignore-errors", "--prefix", &tail]).await;
            all.unwrap_or_else(|_| format!("(no log: {error:#})"))
        }
    }
}

/// The state of a pod's main container once it has ended, or whatever it has come to within `limit`.
pub(crate) async fn ended(pod: &str, limit: Duration) -> Value {
    let start = Instant::now();
    loop {
        let found = json(&["get", "pod", pod]).await.unwrap();
        let containers = found["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
        let main = containers.into_iter().find(|container| container["name"] == "main");
        let state = main.map(|container| container["state"].clone()).unwrap_or_default();
        if !state["terminated"].is_null() || start.elapsed() > limit {
            return state;
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// The value of `key` in a Secret.
pub(crate) async fn secret(name: &str, key: &str) -> anyhow::Result<String> {
    use base64::Engine;
    let secret = json(&["get", "secret", name]).await?;
    let value = secret["data"][key].as_str().with_context(|| format!("Secret {name} has no key {key}"))?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(value)?;
    Ok(String::from_utf8(bytes)?)
}
