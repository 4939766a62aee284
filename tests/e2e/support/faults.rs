//! Harm to pods: copies of the WorkflowTemplates in which every container runs under the wrapper of `tests/fault`, and
//! the ConfigMap that tells the wrapper whom to harm.

use anyhow::Context;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::kubectl::{self, kubectl};
use super::templates;

/// The pipeline whose pods can be harmed.
pub(crate) const PIPELINE: &str = "pipeline-faulty";
const CONFIG_MAP: &str = "faults";

/// Installs the copies and the ConfigMap, once.
pub(crate) async fn install() {
    static DONE: OnceCell<()> = OnceCell::const_new();
    DONE.get_or_init(|| async { prepare().await.unwrap() }).await;
}

async fn prepare() -> anyhow::Result<()> {
    let installed = templates::installed().await?;
    let light = installed.iter().find(|template| template["metadata"]["name"] == "fingerprint");
    let image = light.and_then(|template| template["spec"]["templates"][0]["container"]["image"].as_str());
    // From wherever the others come from.
    let image = image.context("WorkflowTemplate fingerprint names no image")?.replace("fingerprint", "fault");
    templates::copy(&installed, "faulty", |spec| templates::of(spec).for_each(|one| wrap(one, &image)))
        .await?;
    let made = kubectl(&["create", "configmap", CONFIG_MAP]).await;
    made.map(drop).or_else(|error| if format!("{error}").contains("exists") { Ok(()) } else { Err(error) })
}

/// Puts the wrapper before the command of a template's container, and into the pod by an init container.
fn wrap(template: &mut Value, image: &str) {
    let Some(container) = template.get_mut("container") else { return };
    let (policy, security) = (container["imagePullPolicy"].clone(), container["securityContext"].clone());
    let resources = json!({"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}});
    push(&mut container["env"], json!({"name": "FAULT_WORKFLOW", "value": "{{workflow.name}}"}));
    push(&mut container["env"], json!({"name": "FAULT_ATTEMPT", "value": "{{retries}}"}));
    push(&mut container["volumeMounts"], json!({"name": "fault", "mountPath": "/fault", "readOnly": true}));
    push(&mut container["volumeMounts"], json!({"name": "faults", "mountPath": "/faults", "readOnly": true}));
    if let Some(command) = container["command"].as_array_mut() {
        command.insert(0, "/fault/fault".into());
    }
    push(&mut template["volumes"], json!({"name": "fault", "emptyDir": {}}));
    let map = json!({"name": CONFIG_MAP, "optional": true});
    push(&mut template["volumes"], json!({"name": "faults", "configMap": map}));
    let init = json!({
        "name": "fault", "image": image, "imagePullPolicy": policy, "securityContext": security,
        "command": ["/usr/local/bin/fault", "--install", "/fault/fault"], "resources": resources,
        "volumeMounts": [{"name": "fault", "mountPath": "/fault"}],
    });
    push(&mut template["initContainers"], init);
}

fn push(list: &mut Value, item: Value) {
    match list.as_array_mut() {
        Some(items) => items.push(item),
        None => *list = json!([item]),
    }
}

/// From now on new pods of `workflow` are harmed as `entries` say.
pub(crate) async fn set(workflow: &str, entries: &Value) {
    patch(&json!({"data": {workflow: entries.to_string()}})).await;
}

/// From now on no pod of `workflow` is harmed: somebody mended the cause.
pub(crate) async fn clear(workflow: &str) {
    patch(&json!({"data": {workflow: null}})).await;
}

async fn patch(patch: &Value) {
    let patch = patch.to_string();
    kubectl(&["patch", "configmap", CONFIG_MAP, "--type=merge", "-p", &patch]).await.unwrap();
}

/// Whether the wrapper in `pod` has stopped its command and waits.
pub(crate) async fn hangs(pod: &str) -> bool {
    kubectl::log(pod, 200).await.contains("fault: hang")
}
