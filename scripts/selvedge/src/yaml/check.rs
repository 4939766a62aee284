//! What types cannot see: that every reference leads somewhere, and that nothing is asked for that cannot be done.

use std::collections::BTreeSet;

use anyhow::Context;

use super::Templates;
use super::model::{Body, Call, Dag, Template, WorkflowTemplate};
use super::pod::{Container, EnvVarSource, OutputSource};
use crate::depends::Condition;
use crate::layout;

/// Checks one WorkflowTemplate among all of them.
pub(super) fn file(file: &WorkflowTemplate, all: &Templates) -> anyhow::Result<()> {
    let name = &file.metadata.name;
    if let Some(entrypoint) = &file.spec.entrypoint {
        all.template(name, entrypoint)
            .with_context(|| format!("there is no template {entrypoint}, the entrypoint"))?;
    }
    for template in &file.spec.templates {
        check(template, name, all).with_context(|| format!("template {}", template.name))?;
    }
    Ok(())
}

fn check(template: &Template, file: &str, all: &Templates) -> anyhow::Result<()> {
    if template.memoize.as_ref().is_some_and(|memoize| !memoize.max_age.is_empty()) {
        anyhow::bail!("memoize.maxAge is not empty, which cannot be honoured here");
    }
    match &template.body {
        Body::Container(container) => {
            for output in &template.outputs.parameters {
                let path = output.value_from.path.as_deref();
                let path = path.with_context(|| format!("output {} has no valueFrom.path", output.name))?;
                layout::output_file(path).map(drop)?;
            }
            check_container(container)
        }
        _ if template.retry_strategy.is_some() => {
            anyhow::bail!("retryStrategy on something other than a container")
        }
        _ if template.active_deadline_seconds.is_some() => {
            anyhow::bail!("activeDeadlineSeconds on something other than a container")
        }
        _ if template.memoize.is_some() && !template.outputs.parameters.is_empty() => {
            anyhow::bail!("outputs of something that is memoized: nobody can rely on them")
        }
        _ if template.outputs.parameters.iter().any(|output| !is_handed_on(&output.value_from)) => {
            anyhow::bail!("an output of tasks or steps has something else than valueFrom.parameter")
        }
        Body::Dag(dag) => check_dag(dag, file, all),
        Body::Steps(groups) => groups.iter().flatten().try_for_each(|call| {
            if !call.depends.is_empty() {
                anyhow::bail!("step {} has depends, which belongs to tasks", call.name);
            }
            check_call(call, file, all)
        }),
    }
}

fn is_handed_on(source: &OutputSource) -> bool {
    source.parameter.is_some() && source.path.is_none() && source.default.is_none()
}

fn check_container(container: &Container) -> anyhow::Result<()> {
    layout::program(container.command.first().map_or("", String::as_str)).map(drop)?;
    for variable in &container.env {
        if let Some(EnvVarSource::FieldRef(field)) = &variable.value_from {
            layout::pod_field(&field.field_path, "")
                .with_context(|| format!("environment variable {}", variable.name))?;
        }
    }
    Ok(())
}

fn check_call(call: &Call, file: &str, all: &Templates) -> anyhow::Result<()> {
    let (target, template) =
        call.target(file).with_context(|| format!("{} needs one of template and templateRef", call.name))?;
    let called = all
        .template(target, template)
        .with_context(|| format!("{} calls {target}/{template}, which is not there", call.name))?;
    if call.with_param.is_some() && call.with_sequence.is_some() {
        anyhow::bail!("{} has both withParam and withSequence", call.name);
    }
    let given: BTreeSet<_> = call.arguments.parameters.iter().map(|argument| &argument.name).collect();
    for input in &called.inputs.parameters {
        if input.value.is_none() && !given.contains(&input.name) {
            anyhow::bail!("{} does not give {target}/{template} its input {}", call.name, input.name);
        }
    }
    Ok(())
}

fn check_dag(dag: &Dag, file: &str, all: &Templates) -> anyhow::Result<()> {
    if dag.fail_fast != Some(false) {
        anyhow::bail!("dag.failFast is not false: only that is honoured");
    }
    let mut reachable = BTreeSet::new();
    let mut waiting = Vec::new();
    for task in &dag.tasks {
        check_call(task, file, all)?;
        let condition =
            Condition::parse(&task.depends).with_context(|| format!("task {}: depends", task.name))?;
        for name in condition.tasks() {
            if !dag.tasks.iter().any(|other| other.name == name) {
                anyhow::bail!("task {} depends on {name}, which is not there", task.name);
            }
        }
        waiting.push((task, condition));
    }
    // Whatever never becomes reachable waits for itself.
    while let Some(at) =
        waiting.iter().position(|(_, on)| on.tasks().iter().all(|name| reachable.contains(name)))
    {
        reachable.insert(waiting.swap_remove(at).0.name.clone());
    }
    match waiting.first() {
        Some((task, _)) => anyhow::bail!("task {} depends on itself", task.name),
        None => Ok(()),
    }
}
