//! What a run shows to those who look at it with Argo's own means: reasons, the report, metrics.

use std::time::Duration;

use crate::support::kubectl::{self, NAMESPACE, kubectl};
use crate::support::site::{DENSE, Site};
use crate::support::workflow::Workflow;
use crate::support::{server, templates};

#[tokio::test(flavor = "multi_thread")]
async fn reasons_the_report_and_metrics_are_shown_by_argo() {
    let with_report = templates::with_component("report-artifact").await.unwrap();
    templates::copy(&with_report, "report", |_| ()).await.unwrap();
    let site = Site::new("shown").await;
    // A name of its own, so that its metrics are.
    let parameters = [("candidates", DENSE), ("name", site.name())];
    let run = site.submit_from("pipeline-report", "run", &parameters).await;
    let done = site.succeeded(&run, Duration::from_secs(240)).await;

    for (template, reason) in [("source", "refresh"), ("training", "run"), ("promote", "first champion")] {
        let said = done.output(template, "reason").unwrap_or_default();
        println!("{template}: {said}");
        assert!(!said.is_empty(), "{template} has no reason, expected one like {reason}");
    }
    let report = report(&done).await;
    println!("report: {} bytes", report.len());
    let champion = site.digests(&done).await.champion.unwrap();
    assert!(report.starts_with("<!DOCTYPE html>") && report.contains(&champion.short()), "{report:.200}");

    let metrics = metrics().await;
    let of = |metric: &str, also: &str| -> Vec<&str> {
        let ours = |line: &&str| line.contains(metric) && line.contains(also);
        metrics.lines().filter(ours).collect()
    };
    let accuracy = of("selvedge_pipeline_accuracy{", site.name());
    println!("{}", accuracy.join("\n"));
    let said: f64 = done.output("evaluate", "accuracy").unwrap().parse().unwrap();
    let value = |line: &&str| line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
    assert!(
        accuracy.iter().filter_map(value).any(|value| (value - said).abs() < 1e-9),
        "{said}: {accuracy:?}"
    );
    let decisions = of("selvedge_pipeline_decisions_total{", site.name());
    println!("{}", decisions.join("\n"));
    assert!(decisions.iter().any(|line| line.contains(r#"stage="promote""#)), "{decisions:?}");
    for stage in ["fingerprint", "ingest", "train", "evaluate", "promote", "finalize"] {
        let seconds = of("selvedge_pipeline_seconds_count{", &format!("stage=\"{stage}"));
        assert!(!seconds.is_empty(), "no duration of {stage}");
    }
}

/// As the UI fetches it: by the server, at the node `finalize`.
async fn report(done: &Workflow) -> String {
    let finalize = done.of("finalize").last().unwrap();
    let path =
        format!("/artifact-files/{NAMESPACE}/workflows/{}/{}/outputs/report", done.name(), finalize.id);
    server::text(&path).await.unwrap()
}

/// What the workflow controller tells Prometheus.
async fn metrics() -> String {
    let pods = kubectl::json(&["get", "pods", "-l", "app=workflow-controller"]).await.unwrap();
    let pod = pods["items"][0]["metadata"]["name"].as_str().unwrap();
    let path = |scheme| format!("/api/v1/namespaces/{NAMESPACE}/pods/{scheme}:{pod}:9090/proxy/metrics");
    match kubectl(&["get", "--raw", &path("https")]).await {
        Ok(metrics) => metrics,
        Err(_) => kubectl(&["get", "--raw", &path("http")]).await.unwrap(),
    }
}
