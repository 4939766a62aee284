//! What a person does with the `argo` command.

use std::collections::BTreeMap;

use anyhow::Context;

use super::kubectl::NAMESPACE;
use super::process;
use super::workflow::Workflow;

async fn argo(arguments: &[&str]) -> anyhow::Result<String> {
    process::run("argo", &[arguments, &["-n", NAMESPACE]].concat(), "").await
}

/// `argo submit --from workflowtemplate/<template>`: as workflow `name`, with a label to find it by.
pub(crate) async fn submit(
    template: &str,
    name: &str,
    label: &str,
    parameters: &BTreeMap<String, String>,
) -> anyhow::Result<Workflow> {
    let from = format!("workflowtemplate/{template}");
    let pairs: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut arguments = vec!["submit", "--from", &from, "--name", name, "-l", label, "-o", "json"];
    pairs.iter().for_each(|pair| arguments.extend(["-p", pair]));
    parse(&argo(&arguments).await?)
}

/// `argo get`.
pub(crate) async fn get(name: &str) -> anyhow::Result<Workflow> {
    parse(&argo(&["get", name, "-o", "json"]).await?)
}

/// `argo retry`.
pub(crate) async fn retry(name: &str) -> anyhow::Result<()> {
    argo(&["retry", name, "-o", "name"]).await.map(drop)
}

/// `argo retry` of what Argo itself could not begin: such a node has no pod, and a plain retry would keep it as it is.
pub(crate) async fn retry_errors(name: &str) -> anyhow::Result<()> {
    let errors = format!("phase=Error,name!={name}");
    let arguments = ["retry", name, "--restart-successful", "--node-field-selector", &errors, "-o", "name"];
    argo(&arguments).await.map(drop)
}

/// `argo stop`: no new pods, SIGTERM to those that run.
pub(crate) async fn stop(name: &str) -> anyhow::Result<()> {
    argo(&["stop", name]).await.map(drop)
}

/// `argo terminate`: the same at once.
pub(crate) async fn terminate(name: &str) -> anyhow::Result<()> {
    argo(&["terminate", name]).await.map(drop)
}

/// `argo cron resume`: from now on the schedule holds.
pub(crate) async fn resume(cron_workflow: &str) -> anyhow::Result<()> {
    argo(&["cron", "resume", cron_workflow]).await.map(drop)
}

fn parse(text: &str) -> anyhow::Result<Workflow> {
    serde_json::from_str(text).with_context(|| format!("not a workflow: {text}"))
}
