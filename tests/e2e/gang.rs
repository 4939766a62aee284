//! Gangs of which a rank finds no node: the others train without it, and it finds their result when there is room.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::kubectl::kubectl;
use crate::support::site::{DENSE, Site};
use crate::support::templates;

/// Nodes that carry it take no rank whose number it names.
const CLOSED: &str = "selvedge-e2e-closed";
const PIPELINE: &str = "pipeline-narrow";
/// Gangs that train over several of the five seconds after which progress is shown.
const LONG: &str = r#"[
    {"name": "cnn", "family": "cnn", "settings": {"epochs": 16, "micro-batch": 8}},
    {"name": "dense", "family": "dense", "settings": {"epochs": 60, "micro-batch": 8}},
    {"name": "resnet", "family": "resnet", "settings": {"epochs": 16, "micro-batch": 8}}]"#;

/// Nodes that are closed to one rank, until this is dropped.
struct Closed;

impl Closed {
    async fn to(rank: usize) -> Self {
        kubectl(&["label", "nodes", "--all", "--overwrite", &format!("{CLOSED}={rank}")]).await.unwrap();
        Self
    }

    async fn open() {
        kubectl(&["label", "nodes", "--all", &format!("{CLOSED}-")]).await.unwrap();
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(Self::open()));
    }
}

/// Installs templates whose ranks go only to nodes that are not closed to them.
async fn install() {
    let installed = templates::installed().await.unwrap();
    templates::copy(&installed, "narrow", |spec| {
        for rank in templates::of(spec).filter(|template| template["name"] == "rank") {
            rank["affinity"] = affinity();
        }
    })
    .await
    .unwrap();
}

fn affinity() -> Value {
    let expression = json!({"key": CLOSED, "operator": "NotIn", "values": ["{{inputs.parameters.rank}}"]});
    let terms = json!([{"matchExpressions": [expression]}]);
    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rank_without_a_node_is_not_waited_for_and_finds_the_result_when_there_is_room() {
    let undisturbed = Site::new("gang-whole").await;
    let whole = undisturbed.submit("run", &[("candidates", DENSE)]).await;
    let expected = undisturbed.succeeded(&whole, Duration::from_secs(240)).await;
    let expected = undisturbed.digests(&expected).await;

    install().await;
    // Rank 0 too, which proposes when it is there.
    for absent in [2, 0] {
        let site = Site::new(&format!("gang-no-{absent}")).await;
        let closed = Closed::to(absent).await;
        let run = site.submit_from(PIPELINE, "run", &[("candidates", DENSE)]).await;
        let rank = absent.to_string();
        let trained = site
            .wait(&run, Duration::from_secs(300), |workflow| {
                let of_gang: Vec<_> = workflow.of("rank").collect();
                let done = of_gang.iter().filter(|node| node.phase == "Succeeded").count();
                done == 2 && of_gang.iter().any(|node| node.input("rank").as_ref() == Some(&rank))
            })
            .await;
        let waiting = trained.of("rank").find(|node| node.input("rank").as_ref() == Some(&rank)).unwrap();
        assert_eq!(waiting.phase, "Pending", "{waiting:?}");
        assert!(waiting.message.contains("Unschedulable"), "the node says why it waits: {waiting:?}");
        drop(closed);
        let done = site.succeeded(&run, Duration::from_secs(240)).await;
        assert_eq!(site.digests(&done).await, expected);
        assert_eq!(site.trained(&done, "dense").await.world, 2);
        let events = site.run(&done).events().await.unwrap();
        let late = events.iter().find(|event| event.rank == Some(absent)).unwrap();
        assert!(late.what.starts_with("reused"), "{}", late.what);
        println!("without rank {absent}: {}", late.what);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_live_and_every_rank_shows_its_own() {
    let site = Site::new("progress").await;
    let run = site.submit("run", &[("candidates", LONG)]).await;
    let live = |progress: &str| {
        let (done, of) = progress.split_once('/').unwrap_or_default();
        of.parse::<u32>().is_ok_and(|of| of > 1) && done != "0" && done != of
    };
    let seen = site
        .wait(&run, Duration::from_secs(300), |workflow| {
            workflow.of("rank").any(|node| node.phase == "Running" && live(&node.progress))
        })
        .await;
    for node in seen.of("rank").filter(|node| live(&node.progress)) {
        println!("{} {} while {}", node.title(), node.progress, node.phase);
    }
    site.succeeded(&run, Duration::from_secs(300)).await;
}
