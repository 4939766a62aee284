//! A folder of YAML files to templates.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;

use super::check;
use super::fields;
use super::model::{Template, WorkflowTemplate};

/// The WorkflowTemplates of a folder, by name.
#[derive(Debug, Clone)]
pub struct Templates(BTreeMap<String, WorkflowTemplate>);

/// Argo's group; whatever is of another one says nothing about what a workflow does.
const ARGO: &str = "argoproj.io/";

impl Templates {
    /// Reads every `.yaml` file of `folder`.
    ///
    /// # Errors
    /// For a file that is no YAML, a field that is not honoured, a reference to what does not exist: with file, path
    /// and name.
    pub fn load(folder: &Path) -> anyhow::Result<Self> {
        let (mut found, mut paths) = (BTreeMap::new(), BTreeMap::new());
        for path in files(folder)? {
            let text =
                std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            for template in parse(&text).with_context(|| path.display().to_string())? {
                let name = template.metadata.name.clone();
                paths.insert(name.clone(), path.clone());
                if found.insert(name.clone(), template).is_some() {
                    anyhow::bail!("{}: WorkflowTemplate {name} is there twice", path.display());
                }
            }
        }
        if found.is_empty() {
            anyhow::bail!("no WorkflowTemplate in {}", folder.display());
        }
        let templates = Self(found);
        for (name, path) in paths {
            check::file(&templates.0[&name], &templates).with_context(|| path.display().to_string())?;
        }
        Ok(templates)
    }

    /// The WorkflowTemplate called `name`.
    pub fn file(&self, name: &str) -> Option<&WorkflowTemplate> {
        self.0.get(name)
    }

    /// Template `template` of WorkflowTemplate `file`.
    pub fn template(&self, file: &str, template: &str) -> Option<&Template> {
        self.file(file)?.spec.templates.iter().find(|candidate| candidate.name == template)
    }

    /// All WorkflowTemplates.
    pub fn iter(&self) -> impl Iterator<Item = &WorkflowTemplate> {
        self.0.values()
    }
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let list =
        || std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
    let mut paths = list().with_context(|| format!("cannot list {}", folder.display()))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    Ok(paths)
}

fn parse(text: &str) -> anyhow::Result<Vec<WorkflowTemplate>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| {
        // The first line names the place; a picture of the source follows.
        anyhow::anyhow!("not YAML: {}", error.to_string().lines().next().unwrap_or_default())
    })?;
    let mut templates = Vec::new();
    for document in documents {
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        let version = text("apiVersion").context("there is no apiVersion")?;
        match text("kind").context("there is no kind")? {
            _ if !version.starts_with(ARGO) => {}
            // It says when, not what.
            "CronWorkflow" => {}
            "WorkflowTemplate" => {
                fields::check(&document)?;
                templates.push(serde_json::from_value(document).context("not understood")?);
            }
            kind => anyhow::bail!("kind {kind} of {version} cannot be honoured here"),
        }
    }
    Ok(templates)
}
