//! Finalize as a process, after promotions by the library, on a store made by hand.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../promote/tests/world/mod.rs"]
mod world;

use clap::Parser;
use selvedge_contract::Stop;
use selvedge_plan::Run;
use selvedge_registry::Act;
use world::listener::Listener;
use world::{Candidate, Ended, World, end, interrupted};

async fn finalize(world: &World, run: &str, status: &str, more: &[&str]) -> Ended {
    let arguments = world.arguments(&[&["--run", run, "--status", status], more].concat());
    end(env!("CARGO_BIN_EXE_finalize"), arguments).await
}

/// Promote, without a process of its own.
async fn promote(world: &World, run: &str, candidate: &Candidate) {
    let outputs = tempfile::tempdir().unwrap();
    let mut arguments = world.promote(run, candidate, &["--outputs", outputs.path().to_str().unwrap()]);
    arguments.insert(0, "promote".into());
    let config = selvedge_promote::Config::parse_from(arguments);
    selvedge_promote::run(config, world.store.clone(), Stop::new()).await.unwrap();
}

#[tokio::test]
async fn a_champion_that_nobody_beats_is_confirmed_and_the_run_reported() {
    let world = World::new().await;
    let cnn = world.candidate("cnn", 4000, 0..100).await;
    let dense = world.candidate("dense", 200, 0..180).await;
    world.plan("r1", "auto", &[&dense, &cnn]).await;
    promote(&world, "r1", &dense).await;
    promote(&world, "r1", &cnn).await;
    let ended = finalize(&world, "r1", "Succeeded", &[]).await.decided("confirm");
    assert_eq!((ended.output("generation"), ended.output("model")), ("2".into(), cnn.model.to_string()));
    assert!(ended.output("report.html").starts_with("<!DOCTYPE html>"));
    let run = Run::new(&world.store, "r1");
    let (_, report) = run.reports().newest().await.unwrap().unwrap();
    assert_eq!(world.store.blob(&report).await.unwrap(), ended.output("report.html"));
    assert_eq!(world.decisions("r1").await.last().unwrap().decision, "confirm");
    assert!(run.events().await.unwrap().iter().any(|event| event.stage == "finalize"));
}

#[tokio::test]
async fn among_equals_the_smallest_replaces_the_first_and_doing_it_again_changes_nothing() {
    let world = World::new().await;
    let cnn = world.candidate("cnn", 4000, 0..100).await;
    let resnet = world.candidate("resnet", 2000, 3..105).await;
    world.plan("r1", "auto", &[&cnn, &resnet]).await;
    promote(&world, "r1", &cnn).await;
    promote(&world, "r1", &resnet).await;
    let listener = Listener::start(&[Some(2), Some(2), None]).await;
    let (balancer, webhook) = (listener.url(""), listener.url("/hook"));
    let followers = ["--balancer", &balancer, "--webhook", &webhook];
    let mut said = Vec::new();
    for _ in 0..2 {
        let ended = finalize(&world, "r1", "Succeeded", &followers).await.decided("replace");
        said.push(["decision", "reason", "generation", "model"].map(|name| ended.output(name)));
    }
    assert_eq!(said[0], said[1]);
    assert_eq!(said[0][2], "2");
    assert!(said[0][1].contains("resnet (89.80 %) is chosen for its 2000 multiply-adds"), "{}", said[0][1]);
    assert_eq!(world.generations().await.len(), 2);
    let decisions = world.decisions("r1").await;
    assert_eq!(decisions.len(), 3, "finalize's is kept once");
    assert!(decisions[2].served_at.unwrap() >= decisions[2].at);

    let (promoted, ended) = ("selvedge.model.promoted".to_owned(), "selvedge.run.succeeded".to_owned());
    let occurrences = listener.occurrences();
    let kinds: Vec<_> = occurrences.iter().map(|(kind, _)| kind.clone()).collect();
    assert_eq!(kinds, [promoted.clone(), ended.clone(), promoted, ended]);
    assert_eq!(occurrences[0].1, world.log().get(2).await.unwrap().unwrap().promotion);
    assert_eq!(occurrences[..2], occurrences[2..], "the same occurrences have the same ids");
}

#[tokio::test]
async fn any_order_of_promotions_ends_with_the_same_champion_and_tomorrow_keeps_it() {
    // dense loses to all; cnn, resnet and wide tie, though wide is the best; resnet is the smallest of them.
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [2, 3, 0, 1], [1, 0, 3, 2]];
    for order in orders {
        let world = World::new().await;
        let old = world.candidate("old", 1, 0..250).await;
        world.append(Act::Promote, &old).await;
        let candidates = [
            world.candidate("dense", 200, 0..180).await,
            world.candidate("cnn", 4000, 0..100).await,
            world.candidate("resnet", 2000, 3..105).await,
            world.candidate("wide", 9000, 200..295).await,
        ];
        let in_order = order.map(|index| &candidates[index]);
        for run in ["today", "tomorrow"] {
            let before = world.generations().await.len();
            world.plan(run, "auto", &in_order).await;
            for candidate in in_order {
                promote(&world, run, candidate).await;
            }
            finalize(&world, run, "Succeeded", &[]).await.expect(0);
            assert_eq!(world.champion().await.as_deref(), Some("resnet"), "{order:?} {run}");
            if run == "tomorrow" {
                assert_eq!(world.generations().await.len(), before, "{order:?}");
            }
        }
    }
}

#[tokio::test]
async fn promote_and_finalize_agree_where_significance_is_not_transitive() {
    // old ties with the best, but second beats it.
    let world = World::new().await;
    let old = world.candidate("old", 1, 0..100).await;
    let best = world.candidate("best", 9, 200..289).await;
    let second = world.candidate("second", 5, 8..100).await;
    world.append(Act::Promote, &old).await;
    world.plan("r1", "auto", &[&best, &second]).await;
    promote(&world, "r1", &best).await;
    promote(&world, "r1", &second).await;
    finalize(&world, "r1", "Succeeded", &[]).await.decided("confirm");
    assert_eq!(world.generations().await.len(), 2);
    assert_eq!(world.champion().await.as_deref(), Some("second"));
}

#[tokio::test]
async fn at_end_promotes_the_best_here_and_never_promotes_nobody() {
    let world = World::new().await;
    let cnn = world.candidate("cnn", 4000, 0..100).await;
    let dense = world.candidate("dense", 200, 0..180).await;
    world.plan("r1", "never", &[&cnn, &dense]).await;
    let ended = finalize(&world, "r1", "Succeeded", &[]).await.decided("not-promoting");
    assert_eq!((ended.output("model"), ended.output("generation")), (cnn.model.to_string(), String::new()));
    assert_eq!(world.generations().await, []);
    world.plan("r2", "at-end", &[&cnn, &dense]).await;
    finalize(&world, "r2", "Succeeded", &[]).await.decided("replace");
    assert_eq!(world.generations().await, [(1, Act::Promote, "cnn".to_owned())]);
}

#[tokio::test]
async fn a_hold_a_rollback_and_a_floor_are_honoured() {
    let world = World::new().await;
    let old = world.candidate("old", 1, 0..150).await;
    let new = world.candidate("new", 1, 0..50).await;
    let poor = world.candidate("poor", 1, 0..500).await;
    world.plan("r0", "auto", &[&poor]).await;
    let ended = finalize(&world, "r0", "Succeeded", &[]).await.decided("none");
    assert!(ended.output("reason").contains("below the floor"), "{}", ended.output("reason"));

    world.append(Act::Promote, &old).await;
    world.append(Act::Hold, &old).await;
    world.plan("r1", "auto", &[&new]).await;
    let ended = finalize(&world, "r1", "Succeeded", &[]).await.decided("keep");
    assert_eq!(ended.output("reason"), "promotions are on hold since generation 2: because");
    world.append(Act::Release, &old).await;
    promote(&world, "r1", &new).await;
    world.append(Act::Rollback, &old).await;
    let ended = finalize(&world, "r1", "Succeeded", &[]).await.decided("keep");
    assert_eq!(ended.output("reason"), "generation 5 rolled back during this run: because");
    assert_eq!(world.champion().await.as_deref(), Some("old"));
}

#[tokio::test]
async fn what_another_run_promoted_meanwhile_is_not_lost() {
    let world = World::new().await;
    let old = world.candidate("old", 1, 0..150).await;
    let mine = world.candidate("mine", 1, 0..145).await;
    let theirs = world.candidate("theirs", 1, 0..100).await;
    world.append(Act::Promote, &old).await;
    world.plan("r1", "auto", &[&mine]).await;
    world.append(Act::Promote, &theirs).await;
    finalize(&world, "r1", "Succeeded", &[]).await.decided("confirm");
    let elsewhere = world.other_data(&["Bag", "Coat", "Dress", "Shirt"]).await;
    let unmeasured = elsewhere.candidate("unmeasured", 1, 0..100).await;
    world.append(Act::Promote, &unmeasured).await;
    let ended = finalize(&world, "r1", "Succeeded", &[]).await.decided("keep");
    assert!(ended.output("reason").ends_with(": the next run compares"), "{}", ended.output("reason"));
    assert_eq!(world.champion().await.as_deref(), Some("unmeasured"));
}

#[tokio::test]
async fn a_failed_candidate_fails_the_run_after_all_else_and_its_retry_counts() {
    let world = World::new().await;
    let cnn = world.candidate("cnn", 4000, 0..100).await;
    let resnet = world.candidate("resnet", 2000, 0..60).await;
    world.plan("r1", "auto", &[&cnn, &resnet]).await;
    promote(&world, "r1", &cnn).await;
    let card = world.store.get(&world.card_path(&resnet)).await.unwrap().unwrap();
    world.remove(&world.card_path(&resnet));
    let listener = Listener::start(&[]).await;
    let webhook = listener.url("/hook");
    let ended = finalize(&world, "r1", "Failed", &["--webhook", &webhook]).await.expect(1);
    let expected =
        format!("1 of 2 candidates failed: candidate resnet: record {} is missing", world.card_path(&resnet));
    assert_eq!(ended.line, expected);
    assert_eq!(ended.output("decision"), "confirm");
    assert!(ended.output("report.html").starts_with("<!DOCTYPE html>"));
    let (_, document) = listener.heard().remove(0);
    assert_eq!(
        (&document["type"], &document["data"]["failure"]),
        (&"selvedge.run.failed".into(), &expected.into())
    );

    world.store.create(&world.card_path(&resnet), card).await.unwrap();
    promote(&world, "r1", &resnet).await;
    finalize(&world, "r1", "Succeeded", &["--webhook", &webhook]).await.decided("confirm");
    assert_eq!(world.champion().await.as_deref(), Some("resnet"));
    assert_eq!(listener.occurrences()[1].0, "selvedge.run.succeeded");
}

#[tokio::test]
async fn a_candidate_whose_promote_failed_is_named() {
    let world = World::new().await;
    let cnn = world.candidate("cnn", 4000, 0..100).await;
    world.plan("r1", "auto", &[&cnn]).await;
    let ended = finalize(&world, "r1", "Error", &[]).await.expect(1);
    assert_eq!(ended.line, "1 of 1 candidates failed: candidate cnn: promote decided nothing");
    promote(&world, "r1", &cnn).await;
    let ended = finalize(&world, "r1", "Failed", &[]).await.expect(1);
    assert!(ended.line.starts_with("a stage failed, though all 1 candidates"), "{}", ended.line);
}

#[tokio::test]
async fn a_run_in_which_nobody_succeeded_chooses_nobody() {
    let world = World::new().await;
    let cnn = world.candidate("cnn", 4000, 0..100).await;
    world.plan("r1", "auto", &[&cnn]).await;
    world.damage_blob(&cnn.identity.weights);
    let ended = finalize(&world, "r1", "Failed", &[]).await.expect(1);
    assert_eq!((ended.output("decision"), ended.output("model")), ("none".into(), String::new()));
    assert!(
        ended.line.contains("candidate cnn: model") && ended.line.contains("weights: blob"),
        "{}",
        ended.line
    );
    world.plan("r2", "auto", &[]).await;
    finalize(&world, "r2", "Skipped", &[]).await.decided("none");
}

#[tokio::test]
async fn one_that_is_killed_after_it_promoted_is_finished_by_the_next() {
    let world = World::new().await;
    let cnn = world.candidate("cnn", 10, 0..100).await;
    world.plan("r1", "at-end", &[&cnn]).await;
    let listener = Listener::start(&[None, None, None]).await;
    let (balancer, webhook) = (listener.url(""), listener.url("/hook"));
    let followers = ["--balancer", &balancer, "--webhook", &webhook];
    let arguments = world.arguments(&[&["--run", "r1", "--status", "Succeeded"], &followers[..]].concat());
    let binary = env!("CARGO_BIN_EXE_finalize");
    assert_eq!(interrupted(binary, arguments, &listener, "-KILL").await, None);
    assert_eq!(listener.heard().len(), 0);

    let late = [&followers[..], &["--roll-out-timeout", "200ms"]].concat();
    let ended = finalize(&world, "r1", "Succeeded", &late).await.expect(75);
    assert!(ended.line.contains("generation 1 is not served by most replicas after 200ms"), "{}", ended.line);
    assert!(!ended.output("report.html").is_empty(), "the report does not wait for replicas");
    listener.swap_after(0, 1);
    finalize(&world, "r1", "Succeeded", &followers).await.decided("replace");
    assert_eq!((world.generations().await.len(), listener.heard().len()), (1, 2));
}

#[tokio::test]
async fn wrong_variables_are_refused_by_name_and_value() {
    let world = World::new().await;
    let ended = finalize(&world, "r1", "Perhaps", &[]).await.expect(2);
    assert!(ended.line.contains("--status") && ended.line.contains("Perhaps"), "{}", ended.line);
    let ended = finalize(&world, "r1", "Succeeded", &["--balancer", "ftp://x"]).await.expect(2);
    assert!(ended.line.contains("ftp://x"), "{}", ended.line);
    let ended = finalize(&world, "r1", "Succeeded", &[]).await.expect(1);
    assert_eq!(ended.line, "run \"r1\" has no plan");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twins_of_one_run_append_one_generation_and_say_the_same() {
    let world = World::new().await;
    let cnn = world.candidate("cnn", 10, 0..100).await;
    world.plan("r1", "at-end", &[&cnn]).await;
    let arguments = world.arguments(&["--run", "r1", "--status", "Succeeded"]);
    let twins: Vec<_> =
        (0..4).map(|_| tokio::spawn(end(env!("CARGO_BIN_EXE_finalize"), arguments.clone()))).collect();
    for twin in twins {
        let ended = twin.await.unwrap().decided("replace");
        assert_eq!(ended.output("generation"), "1");
    }
    assert_eq!(world.generations().await.len(), 1);
}
