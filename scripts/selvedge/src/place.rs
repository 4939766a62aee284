//! Where things are: templates, programs, store, working folder; and the parameters of a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use selvedge_contract::Misconfigured;
use selvedge_store::{Store, StoreOptions};

use crate::cli::{ParameterOptions, Place};
use crate::layout;
use crate::yaml::Templates;
use crate::yaml::model::{Body, Parameter};

/// The WorkflowTemplate that is run.
pub(crate) const PIPELINE: &str = "pipeline";

/// Everything that is found before anything starts.
#[derive(Debug)]
pub struct Home {
    /// The templates.
    pub templates: Templates,
    /// Where the programs are.
    pub programs: PathBuf,
    /// Where working files and reports go.
    pub work: PathBuf,
    /// How to open the store.
    pub store: StoreOptions,
    /// What stands in the place of the Secret that holds a store's credentials: variables by name.
    pub secrets: BTreeMap<String, String>,
    /// The folder that holds `workflows`.
    root: PathBuf,
}

impl Home {
    /// Finds everything.
    ///
    /// # Errors
    /// [`Misconfigured`], with the name of what is missing or wrong.
    pub fn find(place: &Place) -> anyhow::Result<Self> {
        Self::try_find(place).map_err(|error| Misconfigured::new(error).into())
    }

    fn try_find(place: &Place) -> anyhow::Result<Self> {
        let here = std::env::current_dir().context("there is no current folder")?;
        let program = std::env::current_exe().context("this program is nowhere")?;
        let beside = program.parent().unwrap_or(Path::new("/")).to_owned();
        let (root, workflows) = match &place.workflows {
            Some(folder) => (here.clone(), folder.clone()),
            None => {
                // A program lies in target/<profile> of its sources.
                let roots = [here.clone(), beside.join("../..").canonicalize().unwrap_or_default()];
                let root = roots.into_iter().find(|root| root.join("workflows").is_dir());
                let root = root.context("no folder workflows here: name one by --workflows")?;
                (root.clone(), root.join("workflows"))
            }
        };
        let templates = Templates::load(&workflows)?;
        let programs = place.bin_folder.clone().unwrap_or(beside);
        let programs = programs.canonicalize().with_context(|| programs.display().to_string())?;
        let store = uri(place.store.as_deref(), &root.join(".selvedge/store"))?;
        // Whoever chose a store of their own wants nothing left in the folder of the sources.
        let work = if place.store.is_some() { &here } else { &root }.join(".selvedge");
        let mut options = StoreOptions::folder(Path::new("/"))?;
        options.store = store.parse().with_context(|| format!("store {store:?} is no URI"))?;
        options.store_endpoint.clone_from(&place.store_endpoint);
        options.store_access_key.clone_from(&place.store_access_key);
        options.store_secret_key = place.store_secret_key.as_str().into();
        Ok(Self { templates, programs, work, store: options, secrets: secrets(place), root })
    }

    /// Opens the store.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open(&self) -> anyhow::Result<Store> {
        Ok(Store::open(&self.store).await?)
    }

    /// The parameters of a run: those of the YAML, with what this machine and then the person put in their place.
    ///
    /// # Errors
    /// [`Misconfigured`] for a parameter that the pipeline does not have, or a value that it does not allow.
    pub fn parameters(&self, options: &ParameterOptions) -> anyhow::Result<BTreeMap<String, String>> {
        self.try_parameters(options).map_err(|error| Misconfigured::new(error).into())
    }

    fn try_parameters(&self, options: &ParameterOptions) -> anyhow::Result<BTreeMap<String, String>> {
        let known = self.known()?;
        let mut values = BTreeMap::new();
        for parameter in known {
            let value = parameter.value.as_ref().map(|value| value.0.clone());
            values.insert(parameter.name.clone(), value);
        }
        let source = uri(options.source.as_deref(), &self.root.join(".data/fashion-mnist"))?;
        for (name, value) in [("store", self.store.store.to_string()), ("source", source)] {
            values.entry(name.to_owned()).and_modify(|known| *known = Some(value));
        }
        for (name, value) in &options.parameters {
            let parameter = known.iter().find(|known| known.name == *name);
            let Some(parameter) = parameter else {
                let names: Vec<_> = known.iter().map(|known| known.name.as_str()).collect();
                anyhow::bail!("there is no parameter {name:?}; there are {}", names.join(", "));
            };
            if name == "store" {
                anyhow::bail!("parameter store is given by --store");
            }
            allow(parameter, value)?;
            values.insert(name.clone(), Some(value.clone()));
        }
        let given = |(name, value): (String, Option<String>)| {
            value.map(|value| (name.clone(), value)).with_context(|| format!("parameter {name} has no value"))
        };
        values.into_iter().map(given).collect()
    }

    /// The parameters that the pipeline has.
    fn known(&self) -> anyhow::Result<&[Parameter]> {
        let pipeline = self
            .templates
            .file(PIPELINE)
            .with_context(|| format!("there is no WorkflowTemplate {PIPELINE}"))?;
        Ok(&pipeline.spec.arguments.parameters)
    }

    /// Looks whether all programs are there, those of the templates and `further` ones.
    ///
    /// # Errors
    /// [`Misconfigured`], naming the first that is not.
    pub fn check_programs(&self, further: &[&str]) -> anyhow::Result<()> {
        let containers =
            self.templates.iter().flat_map(|file| &file.spec.templates).filter_map(|t| match &t.body {
                Body::Container(container) => container.command.first(),
                _ => None,
            });
        let named: Vec<_> =
            containers.map(|command| layout::program(command)).collect::<anyhow::Result<_>>()?;
        for name in named.into_iter().chain(further.iter().copied()) {
            let path = self.programs.join(name);
            if !path.is_file() {
                return Err(Misconfigured::message(format!("program {} is missing", path.display())).into());
            }
        }
        Ok(())
    }
}

fn secrets(place: &Place) -> BTreeMap<String, String> {
    let all = [
        ("STEP_STORE_ENDPOINT", &place.store_endpoint),
        ("STEP_STORE_ACCESS_KEY", &place.store_access_key),
        ("STEP_STORE_SECRET_KEY", &place.store_secret_key),
    ];
    let given = all.into_iter().filter(|(_, value)| !value.is_empty());
    given.map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

fn allow(parameter: &Parameter, value: &str) -> anyhow::Result<()> {
    let allowed: Vec<_> = parameter.allowed.iter().map(|allowed| allowed.0.as_str()).collect();
    if !allowed.is_empty() && !allowed.contains(&value) {
        anyhow::bail!(
            "parameter {}={value:?} is not allowed; allowed are {}",
            parameter.name,
            allowed.join(", ")
        );
    }
    Ok(())
}

/// A URI as it is; a folder as one, and `default` where nothing is given.
fn uri(given: Option<&str>, default: &Path) -> anyhow::Result<String> {
    let folder = match given {
        Some(uri) if uri.contains("://") => return Ok(uri.to_owned()),
        Some(folder) => std::path::absolute(folder).with_context(|| folder.to_owned())?,
        None => default.to_owned(),
    };
    Ok(StoreOptions::folder(&folder)?.store.to_string().trim_end_matches('/').to_owned())
}
