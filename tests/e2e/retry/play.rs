//! One row of the Retry matrix, from its submission to its end.

use std::time::Duration;

use selvedge_plan::TrainResult;
use tokio::time::{Instant, sleep};

use super::scenario::{Hand, Harm, Scenario, Stage};
use super::{LIMIT, undisturbed};
use crate::support::site::{Digests, Site};
use crate::support::workflow::{Node, Workflow};
use crate::support::{argo, faults, kubectl, server};

/// A pod that is deleted in the first ten seconds of its node Argo makes again without a word, as the same attempt.
const YOUNG: Duration = Duration::from_secs(11);

/// What was seen.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// How the harmed pod ended, as Argo says it.
    pub(crate) end: String,
    /// Pods of the harmed stage, all attempts.
    pub(crate) attempts: usize,
    /// Steps of the model, and those that the last gang did of them.
    pub(crate) steps: Option<(u64, u64)>,
    pub(crate) seconds: u64,
}

/// Plays `scenario` and compares what came of it with an undisturbed run.
pub(crate) async fn play(number: usize, scenario: &Scenario) -> Outcome {
    let start = Instant::now();
    let site = Site::new(&format!("retry-{number}")).await;
    faults::set(&site.workflow("run"), &scenario.entries()).await;
    let candidates = scenario.candidates();
    let workflow = site.submit_from(faults::PIPELINE, "run", &[("candidates", &candidates)]).await;
    let end = harmed(&site, &workflow, scenario).await;
    faults::clear(&workflow).await;
    let before = argo::get(&workflow).await.unwrap();
    if scenario.harm.needs_a_hand() {
        retry(&workflow, scenario.hand).await;
    }
    let done = site.succeeded(&workflow, LIMIT).await;
    let seconds = start.elapsed().as_secs();
    compare(&site, &done, scenario, undisturbed().await).await;
    let steps = steps(&site, &done, scenario).await;
    // A retry by hand removes the attempts before it.
    let earlier = if scenario.harm.needs_a_hand() { of(&before, scenario).count() } else { 0 };
    let attempts = of(&done, scenario).count() + earlier;
    Outcome { end, attempts, steps, seconds }
}

async fn retry(workflow: &str, hand: Hand) {
    println!("  {workflow}: retried, {hand:?}");
    match hand {
        Hand::Command => argo::retry(workflow).await.unwrap(),
        Hand::Button => server::retry(workflow).await.unwrap(),
    }
}

/// Waits until the harm is done, by this function's own hand where it has to be; how the harmed pod ended.
async fn harmed(site: &Site, workflow: &str, scenario: &Scenario) -> String {
    match scenario.harm {
        Harm::Failed => {
            let failed = site.failed(workflow, LIMIT).await;
            others_are_promoted(site, &failed, scenario).await;
            ended(&failed, scenario, |node| node.exit_code() == Some(1))
        }
        Harm::Killed | Harm::Memory => {
            let killed = |node: &Node| node.phase == "Failed" && node.message.contains("137");
            let seen = site.wait(workflow, LIMIT, |workflow| of(workflow, scenario).any(killed)).await;
            let end = ended(&seen, scenario, killed);
            let by_the_kernel = end.contains("OOMKilled");
            assert_eq!(by_the_kernel, scenario.harm == Harm::Memory, "{end}");
            end
        }
        Harm::Deleted => {
            let seen = take_away(site, workflow, scenario).await;
            ended(&seen, scenario, lost)
        }
        Harm::Stopped | Harm::Terminated => {
            if scenario.stage == Stage::Rank {
                let trains =
                    |workflow: &Workflow| of(workflow, scenario).any(|node| is_past(&node.progress, 200));
                site.wait(workflow, LIMIT, trains).await;
            } else {
                hanging(site, workflow, scenario).await;
            }
            let stopping = Instant::now();
            match scenario.harm {
                Harm::Stopped => argo::stop(workflow).await.unwrap(),
                _ => argo::terminate(workflow).await.unwrap(),
            }
            let stopped = site.failed(workflow, LIMIT).await;
            println!("  {workflow}: over {:?} after it was asked to stop", stopping.elapsed());
            ended(&stopped, scenario, |node| node.phase != "Succeeded")
        }
    }
}

/// Deletes the pod that hangs, as a lost node would, and waits until Argo has seen it.
async fn take_away(site: &Site, workflow: &str, scenario: &Scenario) -> Workflow {
    let pod = hanging(site, workflow, scenario).await;
    sleep(YOUNG).await;
    kubectl::take_away(&pod).await.unwrap();
    site.wait(workflow, LIMIT, |workflow| of(workflow, scenario).any(lost)).await
}

/// Waits until the harmed pod hangs; its name.
async fn hanging(site: &Site, workflow: &str, scenario: &Scenario) -> String {
    let end = Instant::now() + LIMIT;
    loop {
        let runs = |node: &Node| node.phase == "Running" && is_harmed(node, scenario);
        let seen = site.wait(workflow, LIMIT, |workflow| workflow.pods().any(runs)).await;
        let pod = seen.pods().find(|node| runs(node)).map(|node| seen.pod_of(node)).unwrap();
        if faults::hangs(&pod).await {
            return pod;
        }
        assert!(Instant::now() < end, "pod {pod} does not hang");
        sleep(Duration::from_secs(1)).await;
    }
}

fn lost(node: &Node) -> bool {
    node.phase == "Error" && node.message.contains("deleted")
}

/// The message of the harmed pod that ended as `how` says.
fn ended(workflow: &Workflow, scenario: &Scenario, how: impl Fn(&Node) -> bool) -> String {
    let nodes: Vec<_> = of(workflow, scenario).collect();
    let node = nodes.iter().find(|node| how(node));
    let node = node.unwrap_or_else(|| panic!("none of these ended as expected: {nodes:#?}"));
    format!("{}: {}", node.phase, node.message)
}

/// The pods of the harmed stage.
fn of<'a>(workflow: &'a Workflow, scenario: &'a Scenario) -> impl Iterator<Item = &'a Node> {
    let candidate = scenario.harmed_candidate();
    workflow.of(scenario.stage.template()).filter(move |node| match node.input("candidate") {
        Some(name) => name == candidate,
        None => true,
    })
}

fn is_harmed(node: &Node, scenario: &Scenario) -> bool {
    let rank = node.input("rank").is_none_or(|rank| rank == "1");
    let candidate = node.input("candidate").is_none_or(|name| name == scenario.harmed_candidate());
    node.template() == scenario.stage.template() && rank && candidate
}

/// A failed candidate does not keep the others from being promoted.
async fn others_are_promoted(site: &Site, failed: &Workflow, scenario: &Scenario) {
    if scenario.candidate.is_some() {
        return;
    }
    let decisions = site.run(failed).decisions().all().await.unwrap();
    let decided: Vec<_> = decisions.iter().filter(|decision| decision.stage == "promote").collect();
    assert_eq!(decided.len(), 2, "{decided:?}");
    assert!(decided.iter().any(|decision| decision.decision == "promote"), "{decided:?}");
    assert!(decided.iter().all(|decision| decision.candidate.as_deref() != Some("dense")), "{decided:?}");
    let finalize = failed.of("finalize").last().unwrap();
    assert_eq!(
        finalize.exit_code(),
        Some(1),
        "finalize fails, so that Retry finds the candidate: {finalize:?}"
    );
}

async fn compare(site: &Site, done: &Workflow, scenario: &Scenario, undisturbed: &Digests) {
    let Digests { manifest, models, champion } = site.digests(done).await;
    assert_eq!(manifest, undisturbed.manifest, "manifest");
    for (name, model) in &models {
        assert_eq!(Some(model), undisturbed.models.get(name), "model of {name}");
    }
    match scenario.candidate {
        Some(name) => assert_eq!(champion, models.get(name).copied(), "champion"),
        None => assert_eq!(champion, undisturbed.champion, "champion"),
    }
}

/// The model's steps, and how many of them the gang did that committed it.
async fn steps(site: &Site, done: &Workflow, scenario: &Scenario) -> Option<(u64, u64)> {
    if scenario.stage != Stage::Rank {
        return None;
    }
    let name = scenario.harmed_candidate();
    let TrainResult { steps, curves, .. } = site.trained(done, name).await;
    let events = site.run(done).events().await.unwrap();
    let trained =
        events.iter().filter(|event| event.stage == "train" && event.what.starts_with("trained by "));
    let from = trained
        .filter(|event| event.candidate.as_deref() == Some(name))
        .map(|event| first_epoch(&event.what));
    let first = from.max().unwrap_or_else(|| panic!("nobody says that he trained {name}: {events:#?}"));
    let last_gang = steps / curves.len() as u64 * (curves.len() as u64 + 1 - first);
    if scenario.moment().0 == "in the middle" {
        assert!(first > 1, "the gang went on from a checkpoint: {events:#?}");
    }
    Some((steps, last_gang))
}

/// `trained by 3 ranks in generation 2 from epoch 2: …`
fn first_epoch(what: &str) -> u64 {
    let number =
        what.split_once("from epoch ").map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit));
    number.and_then(|digits| digits.collect::<String>().parse().ok()).unwrap_or(1)
}

fn is_past(progress: &str, steps: u64) -> bool {
    progress.split('/').next().and_then(|done| done.parse::<u64>().ok()).is_some_and(|done| done >= steps)
}
