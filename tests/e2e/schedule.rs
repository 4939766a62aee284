//! The schedule: Argo starts the pipeline by itself, and never a second run beside the first.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::site::{LABEL, Site};
use crate::support::{argo, kubectl};

/// Trains over the next full minute.
const LONG: &str = r#"[{"name": "dense", "family": "dense", "settings": {"epochs": 240, "micro-batch": 8}}]"#;

/// A CronWorkflow that is deleted when this is dropped.
struct Scheduled<'a>(&'a str);

impl Drop for Scheduled<'_> {
    fn drop(&mut self) {
        let delete = kubectl::delete("cronworkflow", self.0);
        let gone = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(delete));
        if let Err(error) = gone {
            println!("CronWorkflow {} is not gone: {error:#}", self.0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_starts_one_run_at_a_time_once_it_is_resumed() {
    let site = Site::new("schedule").await;
    let installed = kubectl::json(&["get", "cronworkflow", "pipeline"]).await.unwrap();
    assert_eq!(installed["spec"]["suspend"], true, "a schedule is a decision");
    kubectl::apply(&every_minute(&site, installed["spec"].clone())).await.unwrap();
    let scheduled = Scheduled(site.name());
    argo::resume(site.name()).await.unwrap();

    let first = first_run(&site).await;
    let done = site.succeeded(&first, Duration::from_secs(300)).await;
    assert!(site.digests(&done).await.champion.is_some());
    let finished = done.status.finished_at.unwrap();
    println!("{first} ran {} s, from {} on", done.seconds(), done.status.started_at.unwrap());
    for other in runs(&site).await.into_iter().filter(|name| *name != first) {
        let started = argo::get(&other).await.unwrap().status.started_at;
        let beside = started.is_some_and(|started| started < finished);
        assert!(!beside, "{other} started at {started:?}, while {first} ran until {finished}");
    }
    drop(scheduled);
}

/// The installed CronWorkflow for `site`: every minute instead of every night.
fn every_minute(site: &Site, mut spec: Value) -> Value {
    spec["schedules"] = json!(["* * * * *"]);
    spec["workflowMetadata"]["labels"][LABEL] = site.name().into();
    let own = site.parameters(&[("candidates", LONG)]);
    let own = own.into_iter().map(|(name, value)| json!({"name": name, "value": value}));
    spec["workflowSpec"]["arguments"]["parameters"].as_array_mut().unwrap().extend(own);
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "CronWorkflow",
        "metadata": {"name": site.name()}, "spec": spec,
    })
}

async fn first_run(site: &Site) -> String {
    let end = Instant::now() + Duration::from_secs(150);
    loop {
        if let Some(name) = runs(site).await.into_iter().next() {
            return name;
        }
        assert!(Instant::now() < end, "no run after two full minutes");
        sleep(Duration::from_secs(1)).await;
    }
}

/// The workflows of `site`, by name, which ends in the time of their start.
async fn runs(site: &Site) -> Vec<String> {
    let of_site = format!("{LABEL}={}", site.name());
    let list = kubectl::json(&["get", "workflow", "-l", &of_site]).await.unwrap();
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<_> =
        items.iter().filter_map(|one| one["metadata"]["name"].as_str()).map(str::to_owned).collect();
    names.sort();
    names
}
