//! Promote as a process, on a store made by hand, with a balancer and a webhook that are real sockets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use hyper::StatusCode;
use selvedge_promote::MEDIA_TYPE;
use selvedge_registry::Act;
use world::listener::Listener;
use world::{Candidate, Ended, World, end, interrupted};

async fn promote(world: &World, run: &str, candidate: &Candidate, more: &[&str]) -> Ended {
    end(env!("CARGO_BIN_EXE_promote"), world.promote(run, candidate, more)).await
}

#[tokio::test]
async fn the_first_good_model_is_promoted_and_only_a_significantly_better_one_after_it() {
    let world = World::new().await;
    let cnn = world.candidate("cnn", 4000, 0..100).await;
    let resnet = world.candidate("resnet", 2000, 2..100).await;
    let wide = world.candidate("wide", 9000, 30..100).await;
    world.plan("r1", "auto", &[&cnn, &resnet, &wide]).await;

    let first = promote(&world, "r1", &cnn, &[]).await.decided("promote");
    assert_eq!(first.output("generation"), "1");
    let tie = promote(&world, "r1", &resnet, &[]).await.decided("keep");
    assert!(
        tie.output("reason")
            .contains("champion cnn (90.00 %) is not significantly worse than resnet (90.20 %)")
    );
    assert_eq!(tie.output("generation"), "1");
    let better = promote(&world, "r1", &wide, &[]).await.decided("promote");
    assert_eq!(better.output("generation"), "2");

    let decisions: Vec<_> =
        world.decisions("r1").await.into_iter().map(|d| (d.candidate, d.decision)).collect();
    let expected = [("cnn", "promote"), ("resnet", "keep"), ("wide", "promote")];
    assert_eq!(decisions, expected.map(|(candidate, decision)| (Some(candidate.into()), decision.into())));
    let events = selvedge_plan::Run::new(&world.store, "r1").events().await.unwrap();
    assert_eq!(events.iter().filter(|event| event.stage == "promote").count(), 3);
}

#[tokio::test]
async fn a_model_below_the_floor_is_kept_out() {
    let world = World::new().await;
    let poor = world.candidate("poor", 10, 0..201).await;
    world.plan("r1", "auto", &[&poor]).await;
    let ended = promote(&world, "r1", &poor, &[]).await.decided("keep");
    assert!(ended.output("reason").contains("below the floor of 80.00 %"), "{}", ended.output("reason"));
    assert_eq!(world.generations().await, []);
}

#[tokio::test]
async fn never_and_at_end_leave_the_log_alone() {
    let world = World::new().await;
    let cnn = world.candidate("cnn", 10, 0..100).await;
    for (promote_when, decision) in [("never", "not-promoting"), ("at-end", "deferred")] {
        world.plan(promote_when, promote_when, &[&cnn]).await;
        let ended = promote(&world, promote_when, &cnn, &[]).await.decided(decision);
        assert!(ended.output("reason").starts_with(&format!("promote={promote_when}")));
    }
    assert_eq!(world.generations().await, []);
}

#[tokio::test]
async fn a_hold_refuses_promotions_until_it_is_lifted() {
    let world = World::new().await;
    let old = world.candidate("old", 10, 0..150).await;
    let new = world.candidate("new", 10, 0..50).await;
    world.append(Act::Promote, &old).await;
    world.append(Act::Hold, &old).await;
    world.plan("r1", "auto", &[&new]).await;
    let ended = promote(&world, "r1", &new, &[]).await.decided("keep");
    assert_eq!(ended.output("reason"), "promotions are on hold since generation 2: because");
    world.append(Act::Release, &old).await;
    let ended = promote(&world, "r1", &new, &[]).await.decided("promote");
    assert_eq!(ended.output("generation"), "4");
}

#[tokio::test]
async fn a_rollback_stands_until_the_next_run() {
    let world = World::new().await;
    let old = world.candidate("old", 10, 0..150).await;
    let new = world.candidate("new", 10, 0..50).await;
    world.append(Act::Promote, &old).await;
    world.plan("r1", "auto", &[&new]).await;
    world.append(Act::Rollback, &old).await;
    promote(&world, "r1", &new, &[]).await.decided("keep");
    world.plan("r2", "auto", &[&new]).await;
    promote(&world, "r2", &new, &[]).await.decided("promote");
}

#[tokio::test]
async fn a_champion_that_nobody_scored_on_this_data_defers_and_one_of_other_classes_counts_as_none() {
    let world = World::new().await;
    let other = world.other_data(&["Bag", "Coat", "Dress", "Shirt"]).await;
    let stranger = other.candidate("stranger", 10, 0..10).await;
    let cnn = world.candidate("cnn", 10, 0..100).await;
    world.append(Act::Promote, &stranger).await;
    world.plan("r1", "auto", &[&cnn]).await;
    let ended = promote(&world, "r1", &cnn, &[]).await.decided("deferred");
    assert!(ended.output("reason").contains("champion stranger of generation 1 has no predictions"));

    let other = world.other_data(&["cat", "dog"]).await;
    let stranger = other.candidate("cats", 10, 0..10).await;
    world.append(Act::Promote, &stranger).await;
    let ended = promote(&world, "r1", &cnn, &[]).await.decided("promote");
    assert!(
        ended.output("reason").contains("champion cats of generation 2 is not comparable: its classes are")
    );
}

#[tokio::test]
async fn a_promotion_is_watched_and_announced_and_a_retry_promotes_nothing_anew() {
    let world = World::new().await;
    let cnn = world.candidate("cnn", 10, 0..100).await;
    world.plan("r1", "auto", &[&cnn]).await;
    let listener = Listener::start(&[None, None, None]).await;
    listener.swap_after(3, 1);
    let (balancer, webhook) = (listener.url(""), listener.url("/hook"));
    let followers = ["--balancer", &balancer, "--webhook", &webhook];

    promote(&world, "r1", &cnn, &followers).await.decided("promote");
    assert!(listener.looks() >= 3);
    let served_at = world.decisions("r1").await[0].served_at.unwrap();
    let champion = world.log().get(1).await.unwrap().unwrap();
    assert!(champion.at < served_at);
    let (media_type, document) = listener.heard().remove(0);
    assert_eq!(media_type, MEDIA_TYPE);
    assert_eq!(document["specversion"], "1.0");
    assert_eq!(document["id"], champion.promotion);
    assert_eq!(document["type"], "selvedge.model.promoted");
    assert_eq!(document["data"]["model"], cnn.model.to_string());
    assert_eq!(document["data"]["generation"], 1);

    promote(&world, "r1", &cnn, &followers).await.decided("promote");
    assert_eq!(world.generations().await.len(), 1);
    assert_eq!(world.decisions("r1").await.len(), 1);
    let occurrence = ("selvedge.model.promoted".to_owned(), champion.promotion);
    assert_eq!(listener.occurrences(), [occurrence.clone(), occurrence]);
}

#[tokio::test]
async fn a_promotion_that_was_overtaken_before_it_was_announced_is_announced_by_the_retry() {
    let world = World::new().await;
    let cnn = world.candidate("cnn", 10, 0..100).await;
    let best = world.candidate("best", 10, 0..20).await;
    world.plan("r1", "auto", &[&cnn, &best]).await;
    let listener = Listener::start(&[]).await;
    let webhook = listener.url("/hook");
    listener.refuse(Some(StatusCode::SERVICE_UNAVAILABLE));
    let ended = promote(&world, "r1", &cnn, &["--webhook", &webhook]).await.expect(75);
    assert_eq!(ended.line, format!("webhook {} answered 503 Service Unavailable", listener.url("")));
    promote(&world, "r1", &best, &[]).await.decided("promote");

    listener.refuse(None);
    let ended = promote(&world, "r1", &cnn, &["--webhook", &webhook]).await.decided("promote");
    assert_eq!(ended.output("generation"), "1");
    assert_eq!(world.generations().await.len(), 2);
    let ids: Vec<_> = listener.occurrences().into_iter().map(|(_, id)| id).collect();
    assert_eq!((ids.len(), ids[0] == ids[1]), (2, true));
}

#[tokio::test]
async fn a_roll_out_that_takes_too_long_is_temporary_and_undoes_nothing() {
    let world = World::new().await;
    let cnn = world.candidate("cnn", 10, 0..100).await;
    world.plan("r1", "auto", &[&cnn]).await;
    let listener = Listener::start(&[Some(1), None, Some(0)]).await;
    let balancer = listener.url("");
    let ended = promote(&world, "r1", &cnn, &["--balancer", &balancer, "--roll-out-timeout", "300ms"])
        .await
        .expect(75);
    assert_eq!(
        ended.line,
        format!(
            "generation 1 is not served by most replicas after 300ms: balancer {balancer}/ lists serve-0 at 1, serve-1 \
             at none, serve-2 at 0"
        )
    );
    assert_eq!(world.generations().await.len(), 1);
    listener.swap_after(0, 1);
    promote(&world, "r1", &cnn, &["--balancer", &balancer]).await.decided("promote");
    let served: Vec<_> = world.decisions("r1").await.iter().map(|d| d.served_at.is_some()).collect();
    assert_eq!(served, [false, true]);
}

#[tokio::test]
async fn one_that_is_killed_after_it_promoted_is_finished_by_the_next() {
    let world = World::new().await;
    let cnn = world.candidate("cnn", 10, 0..100).await;
    world.plan("r1", "auto", &[&cnn]).await;
    let listener = Listener::start(&[None, None, None]).await;
    let (balancer, webhook) = (listener.url(""), listener.url("/hook"));
    let followers = ["--balancer", &balancer, "--webhook", &webhook];
    let arguments = world.promote("r1", &cnn, &followers);
    let binary = env!("CARGO_BIN_EXE_promote");
    assert_eq!(interrupted(binary, arguments.clone(), &listener, "-KILL").await, None);
    assert_eq!(interrupted(binary, arguments, &listener, "-TERM").await, Some(143));
    assert_eq!((listener.heard().len(), world.decisions("r1").await.len()), (0, 0));

    listener.swap_after(0, 1);
    promote(&world, "r1", &cnn, &followers).await.decided("promote");
    assert_eq!(world.generations().await.len(), 1);
    assert_eq!((listener.heard().len(), world.decisions("r1").await.len()), (1, 1));
}

#[tokio::test]
async fn a_balancer_without_replicas_is_not_waited_for() {
    let world = World::new().await;
    let cnn = world.candidate("cnn", 10, 0..100).await;
    world.plan("r1", "auto", &[&cnn]).await;
    let balancer = Listener::start(&[]).await.url("");
    promote(&world, "r1", &cnn, &["--balancer", &balancer]).await.decided("promote");
    assert_eq!(world.decisions("r1").await[0].served_at, None);
}

#[tokio::test]
async fn followers_that_cannot_be_reached_are_named_and_temporary() {
    let world = World::new().await;
    let cnn = world.candidate("cnn", 10, 0..100).await;
    world.plan("r1", "auto", &[&cnn]).await;
    // Bound and closed again: nobody listens there.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let url = format!("http://{address}/T0K3N");
    let ended = promote(&world, "r1", &cnn, &["--webhook", &url]).await.expect(75);
    assert!(ended.line.starts_with(&format!("webhook http://{address}: cannot connect")), "{}", ended.line);
    assert!(!ended.line.contains("T0K3N"), "{}", ended.line);
    let ended =
        promote(&world, "r1", &cnn, &["--balancer", &url, "--roll-out-timeout", "100ms"]).await.expect(75);
    assert!(ended.line.contains(&address), "{}", ended.line);
    let ended = promote(&world, "r1", &cnn, &["--webhook", "https://hook"]).await.expect(2);
    assert!(ended.line.contains("https"), "{}", ended.line);
}

#[tokio::test]
async fn what_is_missing_or_damaged_is_named_and_permanent() {
    let world = World::new().await;
    let [card, weights, predictions, model] = ["card", "weights", "predictions", "model"];
    let mut candidates = Vec::new();
    for name in [card, weights, predictions, model] {
        candidates.push(world.candidate(name, 10, 0..100).await);
    }
    world.plan("r1", "auto", &candidates.iter().collect::<Vec<_>>()).await;
    world.remove(&world.card_path(&candidates[0]));
    world.damage_blob(&candidates[1].identity.weights);
    world.damage_blob(&candidates[2].card.splits[&selvedge_data::Split::Validation].predictions);
    world.remove(&selvedge_registry::ModelIdentity::path(&candidates[3].model));
    for (candidate, what) in
        candidates.iter().zip(["record cards/", "weights: blob ", "predictions", "record models/"])
    {
        let ended = promote(&world, "r1", candidate, &[]).await.expect(1);
        assert!(ended.line.starts_with(&format!("candidate {}: ", candidate.planned.name)), "{}", ended.line);
        assert!(ended.line.contains(what), "{}", ended.line);
    }
    assert_eq!(world.generations().await, []);
}

#[tokio::test]
async fn a_run_without_a_plan_and_a_candidate_out_of_the_plan_are_named() {
    let world = World::new().await;
    let cnn = world.candidate("cnn", 10, 0..100).await;
    let other = world.candidate("other", 10, 0..100).await;
    let ended = promote(&world, "r9", &cnn, &[]).await.expect(1);
    assert_eq!(ended.line, "run \"r9\" has no plan");
    world.plan("r1", "auto", &[&cnn]).await;
    let ended = promote(&world, "r1", &other, &[]).await.expect(1);
    assert_eq!(ended.line, "run r1 plans no candidate \"other\"");
    let arguments = world.arguments(&["--run", "r1", "--candidate", "cnn", "--key", "beef"]);
    let ended = end(env!("CARGO_BIN_EXE_promote"), arguments).await.expect(2);
    assert!(ended.line.contains("beef"), "{}", ended.line);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_race_leave_one_generation_each() {
    let world = World::new().await;
    let mut candidates = Vec::new();
    for (index, wrong) in [200, 150, 100, 50].into_iter().enumerate() {
        candidates.push(world.candidate(&format!("c{index}"), 10, 0..wrong).await);
    }
    world.plan("r1", "auto", &candidates.iter().collect::<Vec<_>>()).await;
    let twice = candidates.iter().chain(&candidates);
    let racing: Vec<_> = twice
        .map(|candidate| {
            tokio::spawn(end(env!("CARGO_BIN_EXE_promote"), world.promote("r1", candidate, &[])))
        })
        .collect();
    for process in racing {
        process.await.unwrap().expect(0);
    }
    let log = world.generations().await;
    let mut names: Vec<_> = log.iter().map(|(_, _, candidate)| candidate.clone()).collect();
    assert_eq!(
        log.iter().map(|entry| entry.0).collect::<Vec<_>>(),
        (1..=log.len() as u64).collect::<Vec<_>>()
    );
    // Each is significantly better than the one before, so the names rise, none twice, and the best is last.
    assert_eq!(names.last().map(String::as_str), Some("c3"));
    let in_order = names.clone();
    names.sort();
    names.dedup();
    assert_eq!(in_order, names);
}
