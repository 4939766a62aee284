//! Everything that is refused before anything starts: exit code 2 and one line with the name.

use std::net::TcpListener;

use selvedge::yaml::fields::{Meaning, meaning};

use crate::place::Place;

#[track_caller]
fn refused(place: &Place, arguments: &[&str], parts: &[&str]) {
    let ended = place.selvedge(arguments).with(2);
    for part in parts {
        assert!(ended.stderr.contains(part), "{part} in {}", ended.stderr);
    }
    assert_eq!(place.notes(), Vec::<String>::new(), "nothing was started");
}

#[test]
fn a_parameter_that_is_not_there_or_not_allowed() {
    let place = Place::of_the_repository();
    refused(&place, &["run", "-p", "sed=2"], &["sed", "seed"]);
    refused(&place, &["run", "-p", "policy=lax"], &["policy", "lax", "tolerant, textbook, content"]);
    refused(&place, &["run", "-p", "seed"], &["seed", "NAME=VALUE"]);
    refused(&place, &["plan", "-p", "sed=2"], &["sed"]);
}

#[test]
fn a_field_that_is_unknown_or_cannot_be_honoured() {
    for (from, to, parts) in [
        (
            "failFast: false",
            "failFast: false\n      speed: 9",
            ["pipeline.yaml", "spec.templates[pipeline].dag.speed"],
        ),
        ("entrypoint: pipeline", "entrypoint: pipeline\n  onExit: x", ["spec.onExit", "cannot be honoured"]),
        ("failFast: false", "failFast: true", ["pipeline.yaml", "failFast"]),
        ("depends: ingest\n", "depends: ingest && other\n", ["fingerprint-training", "other"]),
        ("depends: fingerprint-source\n", "depends: candidates\n", ["pipeline.yaml", "depends on itself"]),
        ("template: candidate\n", "template: candidat\n", ["pipeline/candidat", "not there"]),
        (
            "{name: status, value: \"{{tasks.candidates.status}}\"}",
            "{name: statu, value: x}",
            ["finalize/finalize", "status"],
        ),
        (
            "kind: WorkflowTemplate",
            "kind: Workflow",
            ["pipeline.yaml", "kind Workflow of argoproj.io/v1alpha1"],
        ),
        ("apiVersion: argoproj.io/v1alpha1\n", "", ["pipeline.yaml", "no apiVersion"]),
        ("spec:", "spec: [", ["pipeline.yaml", "not YAML"]),
    ] {
        let place = Place::of_the_repository();
        let yaml = std::fs::read_to_string(place.at("workflows/pipeline.yaml")).unwrap();
        assert!(yaml.contains(from), "{from}");
        place.write("workflows/pipeline.yaml", &yaml.replacen(from, to, 1));
        refused(&place, &["run"], &parts);
    }
}

#[test]
fn the_three_lists_of_fields() {
    let table = [
        (
            Meaning::Honoured,
            [
                "spec.templates.container.env.valueFrom.secretKeyRef.optional",
                "spec.templates.dag.tasks.depends",
            ],
        ),
        (
            Meaning::Honoured,
            ["spec.templates.retryStrategy.expression", "spec.templates.memoize.cache.configMap.name"],
        ),
        (Meaning::Meaningless, ["spec.templates.container.image", "spec.templates.container.resources"]),
        (Meaning::Meaningless, ["spec.podSpecPatch", "spec.templates.volumes"]),
        // A workflow that is run by hand is stopped by hand; an attempt that hangs is not noticed.
        (Meaning::Meaningless, ["spec.activeDeadlineSeconds", "spec.templates.pendingTimeout"]),
        (Meaning::Honoured, ["spec.templates.activeDeadlineSeconds", "spec.templates.retryStrategy.limit"]),
        (Meaning::Refused, ["spec.templates.timeout", "spec.templates.outputs.artifacts"]),
        (Meaning::Refused, ["spec.onExit", "spec.templates.script"]),
        (
            Meaning::Refused,
            ["spec.templates.dag.tasks.when", "spec.templates.retryStrategy.backoff.maxDuration"],
        ),
        (Meaning::Unknown, ["spec.templates.container.colour", "spec.templates.memoize.cache.configMap.key"]),
        (Meaning::Unknown, ["spec.schedule", "spec.entrypoint.name"]),
    ];
    for (expected, paths) in table {
        for path in paths {
            assert_eq!(meaning(path), expected, "{path}");
        }
    }
}

#[test]
fn a_program_that_is_missing() {
    let place = Place::of_the_repository();
    std::fs::remove_file(place.at("bin/evaluate")).unwrap();
    refused(&place, &["run"], &["bin/evaluate is missing"]);
    let place = Place::of_the_repository();
    refused(&place, &["run", "--serve"], &["bin/serve is missing"]);
}

#[test]
fn a_port_that_is_taken() {
    let place = Place::of_the_repository();
    for server in ["serve", "balance"] {
        place.stub(server, "note started");
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    refused(&place, &["run", "--serve", "--port", &port], &[&format!("port {port} is taken")]);
    refused(&place, &["up", "--port", &port], &[&format!("port {port} is taken")]);
}

#[test]
fn a_store_that_is_none() {
    let place = Place::of_the_repository();
    refused(&place, &["run", "--store", "gopher://x"], &["gopher"]);
    refused(&place, &["show", "nothing"], &["nothing"]);
}
