//! Waiting for a workflow: what happens is printed, and what failed is shown with the end of its log.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, sleep};

use super::workflow::{Node, Workflow};
use super::{argo, kubectl};

/// How often the cluster is asked.
const PERIOD: Duration = Duration::from_secs(1);

/// Waits until `until` holds of workflow `name`, and tells what happens meanwhile.
///
/// # Errors
/// When it does not come to that within `limit`, or is over without: with what failed.
pub(crate) async fn wait(
    name: &str,
    limit: Duration,
    until: impl Fn(&Workflow) -> bool,
) -> anyhow::Result<Workflow> {
    let start = Instant::now();
    let mut told = BTreeMap::new();
    loop {
        let workflow = argo::get(name).await?;
        tell(&workflow, &mut told);
        if until(&workflow) {
            return Ok(workflow);
        }
        if workflow.is_over() {
            bail!("{}", autopsy(&workflow, "it is over, and not as expected").await);
        }
        if start.elapsed() > limit {
            bail!("{}", autopsy(&workflow, &format!("not as expected after {limit:?}")).await);
        }
        sleep(PERIOD).await;
    }
}

/// One line for each pod whose phase is another than last time.
fn tell(workflow: &Workflow, told: &mut BTreeMap<String, String>) {
    for node in workflow.pods() {
        let state = format!("{} {}", node.phase, node.message);
        let known = told.insert(node.id.clone(), state.clone());
        if known.as_ref() != Some(&state) {
            println!("  {} +{}s {}: {}", workflow.name(), workflow.seconds(), node.title(), state.trim_end());
        }
    }
    let status = &workflow.status;
    let state = format!("{} {}", status.phase, status.message);
    if told.insert(String::new(), state.clone()).as_ref() != Some(&state) {
        println!("  {} +{}s {}", workflow.name(), workflow.seconds(), state.trim_end());
    }
}

/// Everything useful about a workflow that is not as it should be.
pub(crate) async fn autopsy(workflow: &Workflow, why: &str) -> String {
    let status = &workflow.status;
    let mut text = format!("workflow {}: {why}: {} {}\n", workflow.name(), status.phase, status.message);
    for node in workflow.nodes() {
        let done = matches!(node.phase.as_str(), "Succeeded" | "Omitted" | "Skipped");
        if node.kind == "Pod" && !done {
            text += &pod(workflow, node).await;
        } else if !done {
            text += &format!("- {} {}: {} {}\n", node.kind, node.display_name, node.phase, node.message);
        }
    }
    text
}

async fn pod(workflow: &Workflow, node: &Node) -> String {
    let pod = workflow.pod_of(node);
    let log = kubectl::log(&pod, 30).await;
    format!("--- {} ({pod}): {} {}\n{log}\n", node.title(), node.phase, node.message)
}
