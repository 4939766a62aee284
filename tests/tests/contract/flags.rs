//! Flag `--data-uri`, variable `STEP_DATA_URI`, parameter `data-uri`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use selvedge_tests::binary;
use selvedge_tests::process::run;

use crate::manifests::{Pod, ours};

/// What `--help` says of a binary: its variables by flag, and the flags that have to be given.
struct Help {
    variables: BTreeMap<String, String>,
    required: BTreeSet<String>,
}

fn help(pod: &Pod) -> Help {
    let mut command = Command::new(binary(&pod.program().unwrap()));
    let text = run(command.args(pod.arguments()).arg("--help")).expect(0).stdout;
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

fn variable(flag: &str) -> String {
    format!("STEP_{}", flag.to_uppercase().replace('-', "_"))
}

#[test]
fn every_variable_of_the_manifests_is_a_flag_of_its_binary_under_the_same_name() {
    let pods = ours();
    assert_eq!(
        pods.len(),
        9,
        "fingerprint twice, ingest, train, evaluate, promote, finalize, serve, balance"
    );
    for pod in pods {
        let help = help(&pod);
        let (given, inputs) = (pod.variables(), pod.inputs());
        for (name, value) in &given {
            let flag = name.strip_prefix("STEP_").unwrap().to_lowercase().replace('_', "-");
            assert_eq!(help.variables.get(&flag), Some(name), "{name} of {}", pod.name);
            if let Some(input) = value.as_str().and_then(|value| value.strip_prefix("{{inputs.parameters.")) {
                assert_eq!(input.trim_end_matches("}}"), flag, "{name} of {}", pod.name);
                assert!(inputs.contains(&flag), "input {flag} of {}", pod.name);
            }
        }
        for flag in &help.required {
            let name = variable(flag);
            assert!(given.iter().any(|(given, _)| *given == name), "{} does not give --{flag}", pod.name);
        }
        let used = |input: &String| {
            given.iter().any(|(_, value)| *value == format!("{{{{inputs.parameters.{input}}}}}"))
        };
        assert!(inputs.iter().all(used), "an input of {} reaches no variable", pod.name);
    }
}

#[test]
fn every_flag_has_the_variable_of_its_name() {
    for pod in ours() {
        for (flag, name) in help(&pod).variables {
            assert_eq!(name, variable(&flag), "{}", pod.name);
        }
    }
}

#[test]
fn what_a_manifest_cannot_set_right_is_refused_with_code_2_and_one_line() {
    for pod in ours() {
        let mut command = Command::new(binary(&pod.program().unwrap()));
        command
            .args(pod.arguments())
            .env("STEP_STORE", "no uri at all")
            .env("STEP_TERMINATION_LOG", "/dev/null");
        let output = run(&mut command).expect(2);
        assert_eq!(output.stderr.lines().count(), 1, "{}: {output}", pod.name);
    }
}
