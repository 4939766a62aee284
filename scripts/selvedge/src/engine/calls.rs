//! Tasks of a DAG, groups of steps, and the items that one call is expanded into.

use std::collections::BTreeMap;

use anyhow::Context;
use futures::FutureExt;
use futures::future::{LocalBoxFuture, join_all};
use futures::stream::{FuturesUnordered, StreamExt};
use serde_json::Value;

use super::{At, Engine, Inputs};
use crate::depends::Condition;
use crate::phase::{Outcome, Phase};
use crate::scope::Scope;
use crate::yaml::model::{Call, Dag, Template};

/// How tasks ended, by name.
type Ended<'a> = BTreeMap<&'a str, Outcome>;

impl<'a> Engine<'a> {
    /// Starts each task as soon as all that it names are over; the end of the leaves is the end of the whole.
    pub(super) async fn dag(
        &'a self,
        at: At<'a>,
        template: &Template,
        dag: &'a Dag,
        scope: &Scope,
    ) -> anyhow::Result<Outcome> {
        let (mut scope, mut ended) = (scope.clone(), Ended::new());
        let mut waiting = Vec::new();
        for task in &dag.tasks {
            waiting.push((task, Condition::parse(&task.depends)?));
        }
        let conditions: BTreeMap<_, _> =
            waiting.iter().map(|(task, on)| (task.name.as_str(), on.clone())).collect();
        let mut running = FuturesUnordered::new();
        loop {
            let (ready, later): (Vec<_>, Vec<_>) =
                waiting.into_iter().partition(|(_, on)| is_ready(on, &ended));
            waiting = later;
            for (task, condition) in ready {
                let holds = condition.holds(&|name| Some(ended.get(name)?.phase));
                running.push(self.task(at, task, holds, scope.clone()));
            }
            // A task that is omitted ends at once, and arrives here like any other.
            let Some((task, outcome)) = running.next().await else {
                return give_back(template, &scope, whole(&conditions, &ended));
            };
            tell(&mut scope, "tasks", task, &outcome);
            ended.insert(task, outcome);
        }
    }

    /// One group after the other; what fails ends the sequence when its group is over. The last word is the last step's.
    pub(super) async fn steps(
        &'a self,
        at: At<'a>,
        template: &Template,
        groups: &'a [Vec<Call>],
        scope: &Scope,
    ) -> anyhow::Result<Outcome> {
        let (mut scope, mut last) = (scope.clone(), String::new());
        for group in groups {
            let outcomes = join_all(group.iter().map(|step| self.call(at, step, &scope))).await;
            for (step, outcome) in group.iter().zip(&outcomes) {
                if outcome.phase.is_failure() {
                    return Ok(Outcome::new(outcome.phase, format!("{}: {}", step.name, outcome.message)));
                }
                tell(&mut scope, "steps", &step.name, outcome);
                last.clone_from(&outcome.message);
            }
        }
        give_back(template, &scope, Outcome::new(Phase::Succeeded, last))
    }

    async fn task(&'a self, at: At<'a>, task: &'a Call, holds: bool, scope: Scope) -> (&'a str, Outcome) {
        if holds {
            return (&task.name, self.call(at, task, &scope).await);
        }
        let node = self.display.begin(Some(at.node), &task.name, false);
        let outcome = Outcome::new(Phase::Omitted, format!("depends: {}", task.depends));
        self.display.end(node, &outcome);
        (&task.name, outcome)
    }

    fn call<'b>(&'a self, at: At<'a>, call: &'a Call, scope: &'b Scope) -> LocalBoxFuture<'b, Outcome>
    where
        'a: 'b,
    {
        async move {
            let outcome = match (&call.with_param, &call.with_sequence) {
                (Some(list), _) => self.items(at, call, list, scope).await,
                (None, Some(sequence)) => self.sequence(at, call, &sequence.count.0, scope).await,
                (None, None) => self.once(at, call, scope, call.name.clone(), false).await,
            };
            outcome.unwrap_or_else(|error| {
                let outcome = Outcome::error(&error);
                self.display.end(self.display.begin(Some(at.node), &call.name, false), &outcome);
                outcome
            })
        }
        .boxed_local()
    }

    async fn items(
        &'a self,
        at: At<'a>,
        call: &'a Call,
        list: &str,
        scope: &Scope,
    ) -> anyhow::Result<Outcome> {
        let list = scope.fill(list)?;
        let items: Vec<Value> = serde_json::from_str(&list)
            .with_context(|| format!("withParam of {}: {list:?} is no list", call.name))?;
        let group = At { node: self.display.begin(Some(at.node), &call.name, false), ..at };
        let calls = items.iter().enumerate().map(|(number, item)| {
            let (scope, label) = (scope.with_item(item), label(number, item));
            async move { self.once(group, call, &scope, label, at.ranked).await }
        });
        let outcomes = if self.settings.sequential {
            futures::stream::iter(calls).then(|call| call).collect().await
        } else {
            join_all(calls).await
        };
        let outcome = together(outcomes)?;
        self.display.end(group.node, &outcome);
        Ok(outcome)
    }

    async fn sequence(
        &'a self,
        at: At<'a>,
        call: &'a Call,
        count: &str,
        scope: &Scope,
    ) -> anyhow::Result<Outcome> {
        let count = scope.fill(count)?;
        let count: u32 =
            count.parse().with_context(|| format!("withSequence of {}: {count:?} is no count", call.name))?;
        let calls = (0..count).map(|number| {
            let scope = scope.with_item(&number.into());
            async move { self.once(at, call, &scope, format!("{}-{number}", call.name), true).await }
        });
        together(join_all(calls).await)
    }

    async fn once(
        &'a self,
        at: At<'a>,
        call: &'a Call,
        scope: &Scope,
        label: String,
        ranked: bool,
    ) -> anyhow::Result<Outcome> {
        if self.stop.is_requested() {
            return Ok(Outcome::new(Phase::Failed, "stopped"));
        }
        let mut inputs = Inputs::new();
        for argument in &call.arguments.parameters {
            let value = argument
                .value
                .as_ref()
                .with_context(|| format!("argument {} has no value", argument.name))?;
            inputs.insert(argument.name.clone(), scope.fill(&value.0)?);
        }
        let (file, name) = call.target(at.file).context("checked when loaded")?;
        let template = self.files.template(file, name).context("checked when loaded")?;
        let node = self.display.begin(Some(at.node), &label, template.is_pod());
        Ok(self.execute(At { file, node, ranked: ranked || at.ranked }, template, inputs).await)
    }
}

fn is_ready(condition: &Condition, ended: &Ended<'_>) -> bool {
    condition.tasks().iter().all(|name| ended.contains_key(name.as_str()))
}

/// Makes what a task or step gave back known to those that follow.
fn tell(scope: &mut Scope, kind: &str, name: &str, outcome: &Outcome) {
    scope.set(format!("{kind}.{name}.status"), outcome.phase.to_string());
    for (output, value) in &outcome.outputs {
        scope.set(format!("{kind}.{name}.outputs.parameters.{output}"), value);
    }
}

/// Adds a template's outputs to the outcome of its tasks or steps, if that is a success.
fn give_back(template: &Template, scope: &Scope, mut outcome: Outcome) -> anyhow::Result<Outcome> {
    if outcome.phase == Phase::Succeeded {
        for output in &template.outputs.parameters {
            let tag = output.value_from.parameter.as_deref().context("checked when loaded")?;
            outcome.outputs.insert(output.name.clone(), scope.fill(tag)?);
        }
    }
    Ok(outcome)
}

/// What a DAG ends as: what its leaves end as, an omitted one as what it depends on.
fn whole(conditions: &BTreeMap<&str, Condition>, ended: &Ended<'_>) -> Outcome {
    let is_leaf = |task: &str| !conditions.values().any(|condition| condition.tasks().contains(task));
    let blames =
        conditions.keys().filter(|task| is_leaf(task)).filter_map(|leaf| blame(leaf, conditions, ended));
    let mut blames: Vec<_> = blames.collect();
    match blames.pop() {
        Some((task, outcome)) => Outcome::new(outcome.phase, format!("{task}: {}", outcome.message)),
        None => Outcome::new(Phase::Succeeded, ""),
    }
}

fn blame<'b>(
    task: &'b str,
    conditions: &BTreeMap<&str, Condition>,
    ended: &'b Ended<'_>,
) -> Option<(&'b str, &'b Outcome)> {
    let (name, outcome) = ended.get_key_value(task)?;
    match outcome.phase {
        Phase::Failed | Phase::Errored => Some((name, outcome)),
        Phase::Omitted => {
            let on = conditions.get(task).map(Condition::tasks).unwrap_or_default();
            on.iter().find_map(|task| blame(ended.get_key_value(task.as_str())?.0, conditions, ended))
        }
        Phase::Succeeded | Phase::Skipped => None,
    }
}

/// What a group ends as: Skipped without items, else as the first that went wrong.
fn together(outcomes: Vec<anyhow::Result<Outcome>>) -> anyhow::Result<Outcome> {
    let outcomes: Vec<_> = outcomes.into_iter().collect::<anyhow::Result<_>>()?;
    if outcomes.is_empty() {
        return Ok(Outcome::new(Phase::Skipped, "an empty list"));
    }
    let failed = outcomes.into_iter().find(|outcome| outcome.phase.is_failure());
    Ok(failed.map_or_else(|| Outcome::new(Phase::Succeeded, ""), |o| Outcome::new(o.phase, o.message)))
}

/// What to call an item: its name where it has one.
fn label(number: usize, item: &Value) -> String {
    let name = item.get("name").unwrap_or(item);
    name.as_str().map_or_else(|| number.to_string(), str::to_owned)
}
