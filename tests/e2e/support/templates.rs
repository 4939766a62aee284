//! Copies of the installed WorkflowTemplates under other names, changed: what a test needs otherwise is beside the plain
//! ones and not in their place, so that nothing has to be restored and other runs do not notice.

use std::collections::BTreeSet;

use anyhow::Context;
use serde_json::{Value, json};

use super::kubectl;

const LABEL: &str = "app.kubernetes.io/part-of";

/// The installed WorkflowTemplates.
pub(crate) async fn installed() -> anyhow::Result<Vec<Value>> {
    let list = kubectl::json(&["get", "workflowtemplates", "-l", &format!("{LABEL}=selvedge")]).await?;
    let templates = list["items"].as_array().cloned().unwrap_or_default();
    anyhow::ensure!(!templates.is_empty(), "no WorkflowTemplates are installed: kubectl apply -k workflows");
    Ok(templates)
}

/// The WorkflowTemplates of a kustomization that adds a component of `workflows/` to it.
pub(crate) async fn with_component(component: &str) -> anyhow::Result<Vec<Value>> {
    let folder = tempfile::tempdir_in(super::results())?;
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "resources": ["../installation/workflows"], "components": [format!("../../../workflows/{component}")],
    });
    std::fs::write(folder.path().join("kustomization.yaml"), kustomization.to_string())?;
    let folder = folder.path().to_str().context("a path in UTF-8")?;
    let text = kubectl::kubectl(&["kustomize", folder]).await?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text)?;
    Ok(documents.into_iter().filter(|document| document["kind"] == "WorkflowTemplate").collect())
}

/// Installs `templates` as `<name>-<suffix>`, the spec of each changed by `change`; references among them follow.
pub(crate) async fn copy(
    templates: &[Value],
    suffix: &str,
    change: impl Fn(&mut Value),
) -> anyhow::Result<()> {
    let names: BTreeSet<_> = templates.iter().filter_map(|one| one["metadata"]["name"].as_str()).collect();
    let copies = templates.iter().map(|template| {
        let name = template["metadata"]["name"].as_str().unwrap_or_default();
        let mut spec = template["spec"].clone();
        refer(&mut spec, &names, suffix);
        change(&mut spec);
        json!({
            "apiVersion": template["apiVersion"], "kind": "WorkflowTemplate",
            "metadata": {"name": format!("{name}-{suffix}"), "labels": {LABEL: "selvedge-e2e"}},
            "spec": spec,
        })
    });
    let list = json!({"apiVersion": "v1", "kind": "List", "items": copies.collect::<Vec<_>>()});
    kubectl::apply(&list).await
}

/// The templates in the spec of a WorkflowTemplate.
pub(crate) fn of(spec: &mut Value) -> impl Iterator<Item = &mut Value> {
    spec["templates"].as_array_mut().into_iter().flatten()
}

/// Lets every templateRef to one of `names` mean its copy.
fn refer(value: &mut Value, names: &BTreeSet<&str>, suffix: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, names, suffix)),
        Value::Object(fields) => {
            if let Some(name) = fields.get_mut("templateRef").and_then(|reference| reference.get_mut("name"))
                && let Some(text) = name.as_str().filter(|text| names.contains(text))
            {
                *name = format!("{text}-{suffix}").into();
            }
            fields.values_mut().for_each(|field| refer(field, names, suffix));
        }
        _ => {}
    }
}
