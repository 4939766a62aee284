//! Small templates, each for one rule of the executor.

use crate::place::Place;

/// A pipeline whose tasks run program `step` with their name, and what more a task says.
fn pipeline(tasks: &[(&str, &str)], template: &str) -> String {
    let task = |(name, more): &(&str, &str)| {
        format!(
            "      - name: {name}\n        template: step\n        arguments: {{parameters: [{{name: me, value: {name}}}]}}\n        {more}\n"
        )
    };
    format!(
        "apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {{name: pipeline}}
spec:
  entrypoint: all
  arguments: {{parameters: [{{name: name, value: x}}]}}
  templates:
  - name: all
    dag:
      failFast: false
      tasks:
{}  - name: step
    inputs: {{parameters: [{{name: me}}]}}
    container:
      command: [/usr/local/bin/step]
      env: [{{name: STEP_ME, value: \"{{{{inputs.parameters.me}}}}\"}}]
    {template}
",
        tasks.iter().map(task).collect::<String>()
    )
}

#[test]
fn what_depends_on_an_omitted_task_ends_as_it_and_the_leaves_decide() {
    let place = Place::of(&pipeline(
        &[
            ("bad", ""),
            ("after-bad", "depends: bad"),
            ("after-that", "depends: after-bad.Succeeded"),
            ("mended", "depends: bad.Failed && after-bad.Omitted"),
        ],
        "",
    ));
    place.stub("step", r#"note "$STEP_ME"; [ "$STEP_ME" != bad ]"#);
    place.selvedge(&["run"]).with(1);
    assert_eq!(place.notes(), ["bad", "mended"]);

    let place = Place::of(&pipeline(&[("bad", ""), ("mended", "depends: bad.Failed")], ""));
    place.stub("step", r#"note "$STEP_ME"; [ "$STEP_ME" != bad ]"#);
    place.selvedge(&["run"]).with(0);
}

const RETRY: &str = "retryStrategy: {limit: 3, retryPolicy: Always, backoff: {duration: 10ms, factor: 2}, \
    expression: \"lastRetry.status == 'Error' || asInt(lastRetry.exitCode) in [75, 137, 143]\"}";

#[test]
fn exit_code_75_and_a_death_by_signal_are_tried_again_and_nothing_else_is() {
    for (end, attempts, code) in [
        (r#"[ "$(wc -l < "$HERE/notes")" = 3 ] || exit 75"#, 3, 0),
        (r#"[ "$(wc -l < "$HERE/notes")" = 2 ] || kill -9 $$"#, 2, 0),
        ("exit 75", 4, 1),
        ("exit 1", 1, 1),
        ("exit 2", 1, 1),
        ("kill -15 $$", 4, 1),
    ] {
        let place = Place::of(&pipeline(&[("a", "")], RETRY));
        place.stub("step", &format!("note x; {end}"));
        place.selvedge(&["run"]).with(code);
        assert_eq!(place.notes().len(), attempts, "{end}");
    }
}

#[test]
fn an_attempt_that_takes_longer_than_its_deadline_is_stopped() {
    let place = Place::of(&pipeline(&[("a", "")], &format!("{RETRY}\n    activeDeadlineSeconds: 1")));
    place.stub("step", r#"note begin; [ "$(wc -l < "$HERE/notes")" = 2 ] || exec sleep 60"#);
    let started = std::time::Instant::now();
    place.selvedge(&["run"]).with(0);
    assert_eq!(place.notes(), ["begin", "begin"]);
    assert!(started.elapsed().as_secs() < 30, "nobody waited for the sleeper");
}

#[test]
fn a_death_by_signal_is_128_and_the_signal() {
    let place = Place::of(&pipeline(&[("a", "")], ""));
    place.stub("step", "kill -9 $$");
    let ended = place.selvedge(&["run"]).with(1);
    assert!(ended.stdout.contains("exit code 137, signal 9"), "{}", ended.stdout);
}

#[test]
fn a_mutex_lets_one_in_at_a_time() {
    let step = r#"note "begin"; sleep 0.1; note "end""#;
    let place =
        Place::of(&pipeline(&[("a", ""), ("b", ""), ("c", "")], "synchronization: {mutexes: [{name: one}]}"));
    place.stub("step", step);
    place.selvedge(&["run"]).with(0);
    assert_eq!(place.notes(), ["begin", "end", "begin", "end", "begin", "end"]);

    let place = Place::of(&pipeline(&[("a", ""), ("b", "")], ""));
    place.stub("step", step);
    place.selvedge(&["run"]).with(0);
    assert_eq!(place.notes()[..2], ["begin", "begin"], "without it, all at once");
}

#[test]
fn outputs_become_arguments_and_lose_one_newline() {
    let yaml = pipeline(
        &[("a", ""), ("b", "depends: a")],
        "outputs: {parameters: [{name: o, valueFrom: {path: /tmp/outputs/o}}]}",
    )
    .replace(
        "value: b}",
        "value: \"{{tasks.a.outputs.parameters.o}}-{{tasks.a.status}}-{{workflow.parameters.name}}\"}",
    );
    let place = Place::of(&yaml);
    place.stub("step", r#"note "$STEP_ME"; printf 'one\n' > "$STEP_OUTPUTS/o""#);
    place.selvedge(&["run"]).with(0);
    assert_eq!(place.notes(), ["a", "one-Succeeded-x"]);
}

#[test]
fn steps_hand_on_an_output_unless_they_are_memoized() {
    let yaml = pipeline(
        &[("a", ""), ("b", "depends: a")],
        "outputs: {parameters: [{name: o, valueFrom: {path: /tmp/outputs/o}}]}
  - name: group
    outputs: {parameters: [{name: p, valueFrom: {parameter: \"{{steps.inner.outputs.parameters.o}}\"}}]}
    steps: [[{name: inner, template: step, arguments: {parameters: [{name: me, value: inner}]}}]]",
    )
    .replace("template: step\n        arguments: {parameters: [{name: me, value: a}]}", "template: group")
    .replace("value: b}", "value: \"{{tasks.a.outputs.parameters.p}}\"}");
    let place = Place::of(&yaml);
    place.stub("step", r#"note "$STEP_ME"; printf 'one' > "$STEP_OUTPUTS/o""#);
    place.selvedge(&["run"]).with(0);
    assert_eq!(place.notes(), ["inner", "one"]);

    let memoize = "memoize: {key: k, maxAge: \"\", cache: {configMap: {name: memo}}}\n    steps: [[";
    let place = Place::of(&yaml.replace("steps: [[", memoize));
    let ended = place.selvedge(&["run"]).with(2);
    assert!(
        ended.stderr.contains("template group: outputs of something that is memoized"),
        "{}",
        ended.stderr
    );
}

#[test]
fn an_output_without_a_file_is_its_default_or_an_error() {
    let outputs = |default: &str| {
        format!("outputs: {{parameters: [{{name: o, valueFrom: {{path: /tmp/outputs/o{default}}}}}]}}")
    };
    let place = Place::of(&pipeline(&[("a", "")], &outputs(", default: \"\"")));
    place.stub("step", "");
    place.selvedge(&["run"]).with(0);
    let place = Place::of(&pipeline(&[("a", "")], &outputs("")));
    place.stub("step", "");
    let ended = place.selvedge(&["run"]).with(1);
    assert!(ended.stdout.contains("outputs/o: No such file"), "{}", ended.stdout);
}
