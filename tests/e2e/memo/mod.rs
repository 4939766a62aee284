//! Memoization: a second run starts no pod for what is stored and whole, and whatever is lost, damaged, forbidden or
//! forgotten, the same digests come out.
//!
//! * [`reuse`]: two runs one after the other, and at once. [`loss`]: what the store lost. [`without`]: no `memoize`.
//! * What other runs would notice: [`forgotten`], the ConfigMap is lost; [`rights`], what the controller may not do.

mod forgotten;
mod loss;
mod reuse;
mod rights;
mod without;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::support::kubectl;
use crate::support::site::{DENSE, Site};
use crate::support::workflow::Workflow;

/// What any run may take.
const LIMIT: Duration = Duration::from_secs(300);
/// The ConfigMap that the templates name.
const MEMO: &str = "memo";

/// Submits the pipeline with one candidate, which trains if nothing of it is stored, and waits until it has succeeded.
async fn again(site: &Site, name: &str) -> Workflow {
    site.succeeded(&site.submit(name, &[("candidates", DENSE)]).await, LIMIT).await
}

/// How many pods each leaf template started.
fn pods(workflow: &Workflow) -> BTreeMap<&str, usize> {
    let mut pods = BTreeMap::new();
    workflow.pods().for_each(|node| *pods.entry(node.template()).or_default() += 1);
    pods
}

/// Memoized nodes that were found, and that were not.
fn hits(workflow: &Workflow) -> (usize, usize) {
    let (hit, missed): (Vec<_>, Vec<_>) = workflow.memoized().partition(|(_, memo)| memo.hit);
    (hit.len(), missed.len())
}

/// The ConfigMap's entries, if it exists.
async fn entries() -> BTreeMap<String, Value> {
    let found = kubectl::json(&["get", "configmap", MEMO, "--ignore-not-found"]).await;
    // Without an object there is no JSON.
    let data = found.map(|map| map["data"].clone()).unwrap_or_default();
    serde_json::from_value(data).unwrap_or_default()
}

/// What each pod of train said of itself in this run: `trained …`, or `reused: …`.
async fn trained(site: &Site, workflow: &Workflow) -> Vec<String> {
    let events = site.run(workflow).events().await.unwrap();
    events.into_iter().filter(|event| event.stage == "train").map(|event| event.what).collect()
}
