//! What leaf templates and the schedule keep to.

use std::collections::BTreeSet;

use crate::manifests::{list, object, objects, pods, text};

/// What is worth another attempt; `selvedge` tests the same text.
const AGAIN: &str = "lastRetry.status == 'Error' || asInt(lastRetry.exitCode) in [75, 137, 143]";

#[test]
fn every_stage_ends_some_day_is_tried_again_and_is_measured() {
    for pod in pods() {
        let Some(template) = pod.template else { continue };
        assert!(template["activeDeadlineSeconds"].is_u64(), "{}", pod.name);
        assert_eq!(template["retryStrategy"]["limit"], 3, "{}", pod.name);
        assert_eq!(template["retryStrategy"]["expression"], AGAIN, "{}", pod.name);
        let metrics = list(&template["metrics"]["prometheus"]);
        let names: BTreeSet<_> = metrics.iter().map(|metric| text(&metric["name"])).collect();
        for name in ["selvedge_pipeline_seconds", "selvedge_pipeline_failures_total"] {
            assert!(names.contains(name), "{}: {name}", pod.name);
        }
        for metric in metrics {
            let values: BTreeSet<_> =
                list(&metric["labels"]).iter().map(|label| text(&label["value"])).collect();
            let of_a_run =
                |value: &String| value.contains("uid") || value.contains("key") || value.contains("rank");
            assert!(!values.iter().any(of_a_run), "{}: a series a run is a leak: {values:?}", pod.name);
        }
    }
}

#[test]
fn the_schedule_gives_parameters_of_the_pipeline_and_keeps_failed_runs() {
    let schedule = object("CronWorkflow", "pipeline")["spec"].clone();
    let pipeline = object("WorkflowTemplate", "pipeline")["spec"].clone();
    let names = |spec: &serde_json::Value| -> BTreeSet<String> {
        list(&spec["arguments"]["parameters"]).iter().map(|parameter| text(&parameter["name"])).collect()
    };
    assert!(names(&schedule["workflowSpec"]).is_subset(&names(&pipeline)));
    assert_eq!(schedule["workflowSpec"]["workflowTemplateRef"]["name"], "pipeline");
    assert_eq!(schedule["concurrencyPolicy"], "Forbid");
    assert!(schedule["failedJobsHistoryLimit"].as_u64().unwrap() >= 3);
    assert!(pipeline["activeDeadlineSeconds"].is_null(), "Argo 4.0 would leave memoized groups running");
}

#[test]
fn every_parameter_of_the_pipeline_is_explained_in_the_form() {
    for parameter in list(&object("WorkflowTemplate", "pipeline")["spec"]["arguments"]["parameters"]) {
        assert!(parameter["description"].is_string(), "{}", parameter["name"]);
        let allowed = list(&parameter["enum"]);
        assert!(allowed.is_empty() || allowed.contains(&parameter["value"]), "{}", parameter["name"]);
    }
}

#[test]
fn every_object_says_whose_it_is() {
    for object in objects() {
        let kind = text(&object["kind"]);
        if ["Kustomization", "Component"].contains(&kind.as_str()) {
            continue;
        }
        let label = &object["metadata"]["labels"]["app.kubernetes.io/part-of"];
        assert_eq!(label, "selvedge", "{kind} {}", object["metadata"]["name"]);
    }
}
