//! The contract between YAML and binaries: flag `--data-uri`, variable `STEP_DATA_URI`, parameter `data-uri`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use selvedge_tests::binary;
use selvedge_tests::process::run;
use serde_json::Value;

/// A container of a template.
struct Pod {
    /// WorkflowTemplate and template.
    name: String,
    program: String,
    arguments: Vec<String>,
    /// Variables by name, with their value or where it comes from.
    env: BTreeMap<String, String>,
    inputs: BTreeSet<String>,
}

/// What `--help` says of a binary: its variables by flag, and the flags that have to be given.
struct Help {
    variables: BTreeMap<String, String>,
    required: BTreeSet<String>,
}

fn pods() -> Vec<Pod> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../workflows");
    let mut pods = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let documents: Vec<Value> = serde_saphyr::from_multiple(&fs::read_to_string(&path).unwrap()).unwrap();
        for document in documents.iter().filter(|document| document["kind"] == "WorkflowTemplate") {
            let templates = document["spec"]["templates"].as_array().unwrap();
            let of = document["metadata"]["name"].as_str().unwrap();
            pods.extend(
                templates.iter().filter(|template| !template["container"].is_null()).map(|t| pod(of, t)),
            );
        }
    }
    pods
}

fn pod(of: &str, template: &Value) -> Pod {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let container = &template["container"];
    let mut command =
        list(&container["command"]).into_iter().chain(list(&container["args"])).map(|part| text(&part));
    let variable = |variable: &Value| {
        let value =
            variable["value"].as_str().map_or_else(|| variable["valueFrom"].to_string(), str::to_owned);
        (text(&variable["name"]), value)
    };
    Pod {
        name: format!("{of}/{}", text(&template["name"])),
        program: command.next().unwrap().trim_start_matches("/usr/local/bin/").to_owned(),
        arguments: command.collect(),
        env: list(&container["env"]).iter().map(variable).collect(),
        inputs: list(&template["inputs"]["parameters"]).iter().map(|input| text(&input["name"])).collect(),
    }
}

fn help(pod: &Pod) -> Help {
    let mut command = Command::new(binary(&pod.program));
    let text = run(command.args(&pod.arguments).arg("--help")).expect(0).stdout;
    let (mut variables, mut flag) = (BTreeMap::new(), "");
    for word in text.split_whitespace() {
        if let Some(name) = word.strip_prefix("--") {
            flag = name.split(['[', '=']).next().unwrap();
        }
        if let Some(variable) = word.strip_prefix("STEP_") {
            let name: String = variable.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
            variables.entry(flag.to_owned()).or_insert(format!("STEP_{name}"));
        }
    }
    let usage = text.lines().find(|line| line.starts_with("Usage:")).unwrap();
    let required =
        usage.split_whitespace().filter_map(|word| word.strip_prefix("--")).map(str::to_owned).collect();
    Help { variables, required }
}

#[test]
fn every_variable_of_the_templates_is_a_flag_of_its_binary_under_the_same_name() {
    let pods = pods();
    assert_eq!(pods.len(), 7, "fingerprint twice, ingest, train, evaluate, promote, finalize");
    for pod in pods {
        let help = help(&pod);
        for (variable, value) in &pod.env {
            let flag = variable.strip_prefix("STEP_").unwrap().to_lowercase().replace('_', "-");
            assert_eq!(help.variables.get(&flag), Some(variable), "{} of {}", variable, pod.name);
            if let Some(input) = value.strip_prefix("{{inputs.parameters.") {
                assert_eq!(input.trim_end_matches("}}"), flag, "{variable} of {}", pod.name);
                assert!(pod.inputs.contains(&flag), "input {flag} of {}", pod.name);
            }
        }
        for flag in &help.required {
            let variable = format!("STEP_{}", flag.to_uppercase().replace('-', "_"));
            assert!(pod.env.contains_key(&variable), "{} does not give --{flag}", pod.name);
        }
        let used = |input: &String| {
            pod.env.values().any(|value| *value == format!("{{{{inputs.parameters.{input}}}}}"))
        };
        assert!(pod.inputs.iter().all(used), "an input of {} reaches no variable", pod.name);
    }
}

#[test]
fn every_flag_has_the_variable_of_its_name() {
    for pod in pods() {
        for (flag, variable) in help(&pod).variables {
            assert_eq!(variable, format!("STEP_{}", flag.to_uppercase().replace('-', "_")), "{}", pod.name);
        }
    }
}

#[test]
fn what_a_template_cannot_set_right_is_refused_with_code_2_and_one_line() {
    for pod in pods() {
        let mut command = Command::new(binary(&pod.program));
        command
            .args(&pod.arguments)
            .env("STEP_STORE", "no uri at all")
            .env("STEP_TERMINATION_LOG", "/dev/null");
        let output = run(&mut command).expect(2);
        assert_eq!(output.stderr.lines().count(), 1, "{}: {output}", pod.name);
    }
}
