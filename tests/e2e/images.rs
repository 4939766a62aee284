//! What every image promises: it starts by itself, as a user without rights, on a file system that nobody can write.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::kubectl;

const BINARIES: [&str; 8] =
    ["fingerprint", "ingest", "train", "evaluate", "promote", "finalize", "serve", "balance"];
const LIMIT: Duration = Duration::from_secs(120);

/// Neither a user nor a command is given, so they are the image's: Kubernetes itself refuses an image of root's, or
/// one whose user is a name.
#[tokio::test(flavor = "multi_thread")]
async fn every_image_starts_its_binary_without_rights() {
    let template = kubectl::json(&["get", "workflowtemplate", "fingerprint"]).await.unwrap();
    // From wherever this one comes from, the others do.
    let image = template["spec"]["templates"][0]["container"]["image"].as_str().unwrap();
    let mut pods = Vec::new();
    for binary in BINARIES {
        let name = format!("image-{binary}");
        kubectl::delete("pod", &name).await.unwrap();
        pods.push(pod(&name, &image.replace("fingerprint", binary)));
    }
    kubectl::apply(&json!({"apiVersion": "v1", "kind": "List", "items": pods})).await.unwrap();
    for binary in BINARIES {
        let name = format!("image-{binary}");
        let state = kubectl::ended(&name, LIMIT).await;
        let log = kubectl::log(&name, 1000).await;
        assert_eq!(state["terminated"]["exitCode"], 0, "{binary}: {state}\n{log}");
        assert!(log.contains(&format!("Usage: {binary}")), "{binary}: {log}");
        println!("  {name}: exit code 0, and its help");
        kubectl::delete("pod", &name).await.unwrap();
    }
}

fn pod(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never", "automountServiceAccountToken": false,
            "containers": [{
                "name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "args": ["--help"],
                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "256Mi"}},
                "securityContext": {
                    "runAsNonRoot": true, "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
                },
            }],
        },
    })
}
