//! The manifests as they are written, and the containers in them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A pod as some manifest asks for it: a leaf template, a StatefulSet's, a Deployment's or a Job's.
pub(crate) struct Pod {
    /// Manifest and template.
    pub(crate) name: String,
    /// What it is called by labels.
    pub(crate) labels: Value,
    /// What holds its security context.
    pub(crate) spec: Value,
    pub(crate) container: Value,
    /// The template, where it is one.
    pub(crate) template: Option<Value>,
}

/// Every object of every file below `workflows/`.
pub(crate) fn objects() -> Vec<Value> {
    let mut found = Vec::new();
    for path in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../workflows")) {
        let text = fs::read_to_string(&path).unwrap();
        let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        found.extend(objects);
    }
    found
}

/// The objects of one kind.
pub(crate) fn of_kind(kind: &str) -> Vec<Value> {
    objects().into_iter().filter(|object| object["kind"] == kind).collect()
}

/// The only object of this kind and name.
pub(crate) fn object(kind: &str, name: &str) -> Value {
    let mut named = of_kind(kind).into_iter().filter(|object| object["metadata"]["name"] == name);
    let found = named.next().unwrap_or_else(|| panic!("there is no {kind} {name}"));
    assert!(named.next().is_none(), "{kind} {name} is there twice");
    found
}

/// The pods of all manifests.
pub(crate) fn pods() -> Vec<Pod> {
    let templates = of_kind("WorkflowTemplate").into_iter().flat_map(|object| {
        let of = text(&object["metadata"]["name"]);
        let leaves =
            list(&object["spec"]["templates"]).into_iter().filter(|leaf| !leaf["container"].is_null());
        leaves.map(move |template| leaf(&of, template)).collect::<Vec<_>>()
    });
    let sets =
        ["StatefulSet", "Deployment", "Job"].into_iter().flat_map(of_kind).flat_map(|object| of_set(&object));
    templates.chain(sets).collect()
}

/// The pods whose container runs one of our binaries.
pub(crate) fn ours() -> Vec<Pod> {
    pods().into_iter().filter(|pod| pod.program().is_some()).collect()
}

impl Pod {
    /// The binary that it runs, if it is one of ours.
    pub(crate) fn program(&self) -> Option<String> {
        let command = text(&self.container["command"][0]);
        command.strip_prefix("/usr/local/bin/").map(str::to_owned)
    }

    /// What follows the program: a subcommand, flags.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let command = list(&self.container["command"]).into_iter().skip(1);
        command.chain(list(&self.container["args"])).map(|part| text(&part)).collect()
    }

    /// Its variables: name, and value or source.
    pub(crate) fn variables(&self) -> Vec<(String, Value)> {
        let source = |variable: &Value| {
            let value = &variable["value"];
            if value.is_null() { variable["valueFrom"].clone() } else { value.clone() }
        };
        list(&self.container["env"])
            .iter()
            .map(|variable| (text(&variable["name"]), source(variable)))
            .collect()
    }

    /// The parameters that a leaf template is given.
    pub(crate) fn inputs(&self) -> Vec<String> {
        let template = self.template.as_ref().map_or(Value::Null, |template| template["inputs"].clone());
        list(&template["parameters"]).iter().map(|input| text(&input["name"])).collect()
    }
}

/// The elements of a list; none where there is no list.
pub(crate) fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// A text; empty where there is none.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn leaf(of: &str, template: Value) -> Pod {
    Pod {
        name: format!("{of}/{}", text(&template["name"])),
        labels: template["metadata"]["labels"].clone(),
        spec: template.clone(),
        container: template["container"].clone(),
        template: Some(template),
    }
}

fn of_set(object: &Value) -> Vec<Pod> {
    let template = &object["spec"]["template"];
    let containers =
        list(&template["spec"]["initContainers"]).into_iter().chain(list(&template["spec"]["containers"]));
    let pod = |container: Value| Pod {
        name: format!("{}/{}", text(&object["metadata"]["name"]), text(&container["name"])),
        labels: template["metadata"]["labels"].clone(),
        spec: template["spec"].clone(),
        container,
        template: None,
    };
    containers.map(pod).collect()
}
