//! The executor: walks the templates from the entry point and runs each pod as a process.
//!
//! * [`calls`]: tasks, steps, and what they are expanded into.
//! * [`pod`]: one container, its attempts and its outputs.
//! * [`locks`]: the mutexes of templates.
//!
//! Everything is one future on one thread; processes are what runs in parallel.

mod calls;
mod locks;
mod pod;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use selvedge_contract::Stop;
use selvedge_store::Store;

use crate::display::{Display, NodeId};
use crate::memo::Memos;
use crate::phase::{Outcome, Phase};
use crate::scope::Scope;
use crate::yaml::Templates;
use crate::yaml::model::{Body, Template};
use locks::Locks;

/// One execution of a workflow.
#[derive(Debug)]
pub struct Engine<'a> {
    files: &'a Templates,
    memos: Memos,
    settings: &'a Settings,
    display: &'a Display,
    stop: Stop,
    globals: Scope,
    locks: Locks,
}

/// What an [`Engine`] needs to know besides the files.
#[derive(Debug)]
pub struct Settings {
    /// The run's name: what `{{workflow.uid}}` stands for.
    pub run: String,
    /// The workflow's parameters, all of them.
    pub parameters: BTreeMap<String, String>,
    /// Where the programs are.
    pub programs: PathBuf,
    /// Where processes leave outputs, logs and progress.
    pub work: PathBuf,
    /// Variables that take the place of Secrets.
    pub secrets: BTreeMap<String, String>,
    /// Log filter of the processes.
    pub log: String,
    /// How long processes may take to end after SIGTERM.
    pub grace: Duration,
    /// One item of `withParam` after the other.
    pub sequential: bool,
    /// Only ask: fingerprints run dry, nothing else runs.
    pub dry: bool,
}

/// Where in the workflow something happens.
#[derive(Debug, Clone, Copy)]
struct At<'a> {
    /// The WorkflowTemplate whose templates are called by bare names.
    file: &'a str,
    node: NodeId,
    /// Whether it is one of a sequence: a rank.
    ranked: bool,
}

type Inputs = BTreeMap<String, String>;

impl<'a> Engine<'a> {
    /// An engine that has not begun.
    pub fn new(
        files: &'a Templates,
        store: &Store,
        settings: &'a Settings,
        display: &'a Display,
        stop: &Stop,
    ) -> Self {
        let mut globals = Scope::default();
        globals.set("workflow.uid", &settings.run);
        globals.set("workflow.name", &settings.run);
        for (name, value) in &settings.parameters {
            globals.set(format!("workflow.parameters.{name}"), value);
        }
        Self {
            files,
            memos: Memos::new(store),
            settings,
            display,
            stop: stop.clone(),
            globals,
            locks: Locks::default(),
        }
    }

    /// Executes WorkflowTemplate `workflow` from its entry point to the end.
    ///
    /// # Errors
    /// When it has none.
    pub async fn run(&self, workflow: &'a str) -> anyhow::Result<Outcome> {
        let entrypoint = self.files.file(workflow).and_then(|file| file.spec.entrypoint.as_deref());
        let entrypoint =
            entrypoint.with_context(|| format!("WorkflowTemplate {workflow} has no entrypoint"))?;
        let template = self.files.template(workflow, entrypoint).context("checked when loaded")?;
        let at = At { file: workflow, node: self.display.begin(None, workflow, false), ranked: false };
        Ok(self.execute(at, template, Inputs::new()).await)
    }

    /// Executes a template: waits for its mutexes, asks the memos, does what it says.
    fn execute(&'a self, at: At<'a>, template: &'a Template, inputs: Inputs) -> LocalBoxFuture<'a, Outcome> {
        async move {
            let outcome = self.try_execute(at, template, inputs).await;
            let outcome = outcome.unwrap_or_else(|error| Outcome::error(&error));
            self.display.end(at.node, &outcome);
            outcome
        }
        .boxed_local()
    }

    async fn try_execute(
        &'a self,
        at: At<'a>,
        template: &'a Template,
        inputs: Inputs,
    ) -> anyhow::Result<Outcome> {
        let scope = self.scope(template, inputs)?;
        let names = template.synchronization.mutexes.iter().map(|mutex| scope.fill(&mutex.name));
        let _held = self.locks.hold(names.collect::<anyhow::Result<_>>()?).await;
        if self.stop.is_requested() {
            return Ok(Outcome::new(Phase::Failed, "stopped"));
        }
        let Some(memoize) = &template.memoize else { return self.body(at, template, &scope).await };

        let (cache, key) = (&memoize.cache.config_map.name, scope.fill(&memoize.key)?);
        if let Some(memo) = self.memos.find(cache, &key).await? {
            self.display.reused(at.node);
            return Ok(Outcome::new(Phase::Succeeded, format!("made by run {}", memo.run)));
        }
        if self.settings.dry {
            return Ok(Outcome::new(Phase::Skipped, "would run"));
        }
        let outcome = self.body(at, template, &scope).await?;
        if outcome.phase == Phase::Succeeded {
            self.memos.keep(cache, &key, &self.settings.run, &self.display.path(at.node)).await?;
        }
        Ok(outcome)
    }

    async fn body(&'a self, at: At<'a>, template: &'a Template, scope: &Scope) -> anyhow::Result<Outcome> {
        match &template.body {
            Body::Dag(dag) => self.dag(at, template, dag, scope).await,
            Body::Steps(groups) => self.steps(at, template, groups, scope).await,
            Body::Container(container) => self.pod(at, template, container, scope).await,
        }
    }

    /// What tags stand for inside a template: the workflow's, and its inputs.
    fn scope(&self, template: &Template, mut given: Inputs) -> anyhow::Result<Scope> {
        let mut scope = self.globals.clone();
        for input in &template.inputs.parameters {
            let value = match (given.remove(&input.name), &input.value) {
                (Some(value), _) => value,
                (None, Some(default)) => self.globals.fill(&default.0)?,
                (None, None) => {
                    anyhow::bail!("input {} of template {} is missing", input.name, template.name)
                }
            };
            if !input.allowed.is_empty() && !input.allowed.iter().any(|allowed| allowed.0 == value) {
                anyhow::bail!("input {}={value:?} of template {} is not allowed", input.name, template.name);
            }
            scope.set(format!("inputs.parameters.{}", input.name), value);
        }
        Ok(scope)
    }
}
