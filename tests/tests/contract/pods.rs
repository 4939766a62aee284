//! What every container of every manifest keeps to.

use serde_json::{Value, json};

use crate::manifests::{Pod, object, ours, pods, text};

/// Where the store's credentials come from, by program.
fn identity(program: &str) -> Option<&'static str> {
    match program {
        "fingerprint" | "ingest" | "train" | "evaluate" => Some("selvedge-trainer"),
        "promote" | "finalize" => Some("selvedge-promoter"),
        "serve" => Some("selvedge-reader"),
        "balance" => None,
        other => panic!("whose credentials does {other} have?"),
    }
}

/// The containers that Argo adds to every pod of the pipeline.
fn added() -> Vec<(String, Value)> {
    let patch = text(&object("WorkflowTemplate", "pipeline")["spec"]["podSpecPatch"]);
    let patch: Value = serde_saphyr::from_str(&patch).unwrap();
    let containers = ["initContainers", "containers"].map(|list| patch[list][0].clone());
    containers.map(|container| (text(&container["name"]), container)).to_vec()
}

/// Thousandths of a core.
fn millis(cpu: &Value) -> u32 {
    let cpu = text(cpu);
    cpu.strip_suffix('m').map_or_else(|| cpu.parse::<u32>().map(|cores| cores * 1000), str::parse).unwrap()
}

#[test]
fn every_container_says_what_it_needs_and_what_it_may_have() {
    let containers = pods().into_iter().map(|pod| (pod.name, pod.container));
    for (name, container) in containers.chain(added()) {
        for kind in ["requests", "limits"] {
            for what in ["cpu", "memory"] {
                let amount = &container["resources"][kind][what];
                assert!(amount.is_string(), "{name}: resources.{kind}.{what}");
            }
        }
        let [request, limit] =
            ["requests", "limits"].map(|kind| millis(&container["resources"][kind]["cpu"]));
        assert!(request <= limit, "{name}");
    }
}

#[test]
fn a_gang_a_candidate_serving_and_a_minio_fit_two_cores() {
    let request = |name: &str| {
        let found: Vec<Pod> = pods().into_iter().filter(|pod| pod.name == name).collect();
        assert_eq!(found.len(), 1, "{name}");
        millis(&found[0].container["resources"]["requests"]["cpu"])
    };
    let wait = added().iter().map(|(_, container)| millis(&container["resources"]["requests"]["cpu"])).max();
    let ranks = 9 * (request("train/rank") + wait.unwrap());
    let sum = ranks + 3 * request("serve/serve") + 2 * request("balance/balance") + request("minio/minio");
    assert!(sum < 1800, "{sum}m, and Argo needs some");
}

#[test]
fn every_container_meets_the_restricted_standard_and_writes_nowhere_else() {
    let restricted = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}
    });
    for (name, container) in pods().iter().map(|pod| (pod.name.clone(), pod.container.clone())).chain(added())
    {
        assert_eq!(container["securityContext"], restricted, "{name}");
    }
    for pod in pods() {
        let context = &pod.spec["securityContext"];
        assert_eq!(context["runAsNonRoot"], true, "{}", pod.name);
        assert_eq!(context["runAsUser"], 65532, "{}", pod.name);
        assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault", "{}", pod.name);
        for volume in pod.spec["volumes"].as_array().into_iter().flatten() {
            assert!(volume["hostPath"].is_null(), "{}", pod.name);
        }
    }
}

#[test]
fn every_binary_has_an_image_and_a_label_of_its_name() {
    for pod in ours() {
        let program = pod.program().unwrap();
        assert_eq!(pod.container["image"], format!("selvedge-{program}:0.1.0"), "{}", pod.name);
        assert_eq!(pod.container["imagePullPolicy"], "IfNotPresent", "{}", pod.name);
        assert_eq!(pod.labels["app.kubernetes.io/name"], *program, "{}", pod.name);
    }
}

#[test]
fn every_binary_has_the_credentials_of_its_identity() {
    for pod in ours() {
        let program = pod.program().unwrap();
        let secrets: Vec<_> =
            pod.variables().into_iter().filter(|(_, value)| value["secretKeyRef"].is_object()).collect();
        let Some(identity) = identity(&program) else {
            assert!(secrets.is_empty(), "{}", pod.name);
            continue;
        };
        let names = ["STEP_STORE_ENDPOINT", "STEP_STORE_ACCESS_KEY", "STEP_STORE_SECRET_KEY"];
        assert_eq!(secrets.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names, "{}", pod.name);
        for ((_, value), key) in secrets.iter().zip(["endpoint", "access-key", "secret-key"]) {
            let expected = json!({"secretKeyRef": {"name": identity, "key": key, "optional": true}});
            assert_eq!(*value, expected, "{}", pod.name);
        }
    }
}

#[test]
fn programs_have_no_token_of_a_service_account() {
    let pipeline = object("WorkflowTemplate", "pipeline");
    let patch: Value = serde_saphyr::from_str(&text(&pipeline["spec"]["podSpecPatch"])).unwrap();
    assert_eq!(patch["automountServiceAccountToken"], false);
    for pod in pods().into_iter().filter(|pod| pod.template.is_none()) {
        assert_eq!(pod.spec["automountServiceAccountToken"], false, "{}", pod.name);
    }
}
