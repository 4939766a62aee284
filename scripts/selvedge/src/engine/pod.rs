//! One container: a process and its attempts, its variables and its outputs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::time::timeout;

use super::{At, Engine};
use crate::layout;
use crate::phase::{Outcome, Phase};
use crate::process::{Launch, Process};
use crate::retry::Attempt;
use crate::scope::Scope;
use crate::yaml::model::Template;
use crate::yaml::pod::{Container, EnvVar, EnvVarSource};

/// Pods are nicer than the replicas that serve, ranks are nicer than the stages that bring a model into service; how much,
/// among ranks, is the business of train, which knows what is before it.
const NICENESS: i32 = 1;
const NICENESS_OF_RANKS: i32 = 4;
/// The one program that can be asked without anything being done.
const FINGERPRINT: &str = "fingerprint";

impl<'a> Engine<'a> {
    /// Runs a container until it succeeds, or is not worth another attempt.
    pub(super) async fn pod(
        &'a self,
        at: At<'a>,
        template: &'a Template,
        container: &Container,
        scope: &Scope,
    ) -> anyhow::Result<Outcome> {
        let program = layout::program(container.command.first().map_or("", String::as_str))?;
        if self.settings.dry && program != FINGERPRINT {
            return Ok(Outcome::new(Phase::Skipped, "would run"));
        }
        for number in 0.. {
            let started = Instant::now();
            let folder = self.folder(at, number)?;
            let attempt = async {
                let mut process = self.start(at, program, container, scope, &folder)?;
                self.end(&mut process, template.active_deadline_seconds).await
            };
            let (exit_code, message) = match attempt.await {
                Ok(0) => return outputs(template, &folder),
                Ok(code) => (Some(code), format!("{}: {}", describe(code), last_words(&folder))),
                Err(error) => (None, selvedge_contract::failure::one_line(&error)),
            };
            let phase = if exit_code.is_some() { Phase::Failed } else { Phase::Errored };
            let attempt = Attempt { phase, exit_code, message, seconds: started.elapsed().as_secs_f64() };
            let wait =
                template.retry_strategy.as_ref().map_or(Ok(None), |retry| retry.next(number, &attempt))?;
            let Some(wait) = wait.filter(|_| !self.stop.is_requested()) else {
                return Ok(Outcome::new(phase, attempt.message));
            };
            self.display.again(at.node, &attempt.message, wait);
            tokio::select! { () = tokio::time::sleep(wait) => {}, () = self.stop.requested() => {} }
            if self.stop.is_requested() {
                return Ok(Outcome::new(phase, attempt.message));
            }
        }
        unreachable!("a retry limit is below 2^32")
    }

    fn start(
        &self,
        at: At<'a>,
        program: &str,
        container: &Container,
        scope: &Scope,
        folder: &Path,
    ) -> anyhow::Result<Process> {
        let mut arguments = Vec::new();
        for argument in container.command.iter().skip(1).chain(&container.args) {
            arguments.push(scope.fill(argument)?);
        }
        if self.settings.dry {
            arguments.push("--dry-run".to_owned());
        }
        self.display.progress_in(at.node, folder.join("progress"));
        Process::start(&Launch {
            program: &self.settings.programs.join(program),
            arguments: &arguments,
            environment: &self.environment(at, container, scope, folder)?,
            log: &folder.join("log"),
            niceness: if at.ranked { NICENESS_OF_RANKS } else { NICENESS },
        })
        .with_context(|| format!("cannot start {}", self.settings.programs.join(program).display()))
    }

    /// Waits for the exit code; after `deadline` seconds it is the one of a process that was told to stop.
    async fn end(&self, process: &mut Process, deadline: Option<u64>) -> anyhow::Result<i32> {
        let grace = self.settings.grace;
        let Some(deadline) = deadline else { return Ok(process.end(&self.stop, grace).await?) };
        match timeout(Duration::from_secs(deadline), process.end(&self.stop, grace)).await {
            Ok(code) => Ok(code?),
            Err(_) => Ok(process.terminate(grace).await?),
        }
    }

    fn environment(
        &self,
        at: At<'a>,
        container: &Container,
        scope: &Scope,
        folder: &Path,
    ) -> anyhow::Result<BTreeMap<String, String>> {
        let place = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let mut environment = BTreeMap::from([
            ("STEP_LOG".to_owned(), self.settings.log.clone()),
            ("STEP_OUTPUTS".to_owned(), place("outputs")),
            ("STEP_TERMINATION_LOG".to_owned(), place("termination-log")),
            ("ARGO_PROGRESS_FILE".to_owned(), place("progress")),
        ]);
        for variable in &container.env {
            if let Some(value) = self.variable(at, variable, scope)? {
                environment.insert(variable.name.clone(), value);
            }
        }
        Ok(environment)
    }

    fn variable(&self, at: At<'a>, variable: &EnvVar, scope: &Scope) -> anyhow::Result<Option<String>> {
        let name = &variable.name;
        match &variable.value_from {
            None => {
                scope.fill(&variable.value).map(Some).with_context(|| format!("environment variable {name}"))
            }
            Some(EnvVarSource::FieldRef(field)) => {
                layout::pod_field(&field.field_path, &self.display.path(at.node)).map(Some)
            }
            Some(EnvVarSource::SecretKeyRef(secret)) => match self.settings.secrets.get(name) {
                Some(value) => Ok(Some(value.clone())),
                None if secret.optional => Ok(None),
                None => anyhow::bail!("{name} comes from Secret {}, key {}: set it", secret.name, secret.key),
            },
        }
    }

    /// A fresh folder for the files of one attempt.
    fn folder(&self, at: At<'a>, number: u32) -> anyhow::Result<PathBuf> {
        let path = layout::folder(&self.display.path(at.node));
        let folder = self.settings.work.join(&self.settings.run).join(path).join(number.to_string());
        let make = || {
            std::fs::create_dir_all(folder.join("outputs"))?;
            // The contract writes the last error only where Kubernetes made a file for it.
            std::fs::write(folder.join("termination-log"), [])
        };
        make().with_context(|| format!("cannot make folder {}", folder.display()))?;
        Ok(folder)
    }
}

/// The outputs of a process that succeeded; as its message, the reason that it gave.
fn outputs(template: &Template, folder: &Path) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::new(Phase::Succeeded, "");
    for output in &template.outputs.parameters {
        let path = output.value_from.path.as_deref().context("checked when loaded")?;
        let path = folder.join("outputs").join(layout::output_file(path)?);
        let value = match (std::fs::read_to_string(&path), &output.value_from.default) {
            (Ok(text), _) => text.strip_suffix('\n').map(str::to_owned).unwrap_or(text),
            (Err(error), Some(default)) if error.kind() == std::io::ErrorKind::NotFound => default.0.clone(),
            (Err(error), _) => return Err(error).with_context(|| format!("output {}", path.display())),
        };
        outcome.outputs.insert(output.name.clone(), value);
    }
    outcome.message = outcome.outputs.get("reason").cloned().unwrap_or_default();
    Ok(outcome)
}

/// The last error of a process: what it left for Kubernetes, else the last line of its log.
fn last_words(folder: &Path) -> String {
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap_or_default();
    let last_line = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
    };
    let left = last_line(&read("termination-log"));
    if left.is_empty() { last_line(&read("log")) } else { left }
}

fn describe(code: i32) -> String {
    match code {
        129..160 => format!("exit code {code}, signal {}", code - 128),
        _ => format!("exit code {code}"),
    }
}
