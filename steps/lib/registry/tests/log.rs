//! The champion log under races, crashes and lost answers, on a real folder and over a real socket.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod forgetful;

use std::collections::BTreeSet;

use selvedge_registry::{Act, Champion, ChampionLog, Promotion, champion};
use selvedge_store::{Created, Digest, Store, StoreOptions};
use tempfile::TempDir;

async fn open(folder: &TempDir) -> ChampionLog {
    let store = Store::open(&StoreOptions::folder(folder.path()).unwrap()).await.unwrap();
    champion::log(&store, "garments")
}

fn promotion_of(candidate: &str) -> Promotion {
    Promotion {
        run: "r1".into(),
        stage: "promote".into(),
        candidate: candidate.into(),
        model: Digest::of(candidate),
        dataset: Digest::of("data"),
        reason: "better".into(),
    }
}

/// What a stage does: finds what it did before, else promotes, and begins again after a lost race.
async fn promote(log: &ChampionLog, promotion: &Promotion) -> Champion {
    loop {
        let newest = newest(log).await;
        if let Some(before) = promotion.find(log, newest.as_ref(), 0).await.unwrap() {
            return before;
        }
        if let Some(appended) = promotion.append(log, newest.as_ref()).await.unwrap() {
            return appended;
        }
    }
}

async fn newest(log: &ChampionLog) -> Option<Champion> {
    log.newest().await.unwrap().map(|(_, champion)| champion)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_stages_leave_no_gap_and_promote_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    // Every stage runs three times at once, as after a forced deletion of pods that live on.
    let names: Vec<_> = (0..8).map(|candidate| format!("c{candidate}")).collect();
    let mut tasks = Vec::new();
    for name in names.iter().chain(&names).chain(&names) {
        let (log, promotion) = (open(&folder).await, promotion_of(name));
        tasks.push(tokio::spawn(async move { promote(&log, &promotion).await }));
    }
    let mut told = BTreeSet::new();
    for task in tasks {
        let champion = task.await.unwrap();
        told.insert((champion.generation, champion.candidate));
    }
    let log: Vec<_> = open(&folder).await.all().await.unwrap();
    let written: BTreeSet<_> = log.iter().map(|c| (c.generation, c.candidate.clone())).collect();
    assert_eq!(log.iter().map(|c| c.generation).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
    assert_eq!(log.iter().map(|c| &c.promotion).collect::<BTreeSet<_>>().len(), 8);
    assert_eq!(told, written, "every process tells what the log says");
}

#[tokio::test]
async fn a_race_lost_to_another_is_told_and_one_lost_to_a_twin_is_won() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).await;
    let (mine, theirs) = (promotion_of("mine"), promotion_of("theirs"));
    promote(&log, &theirs).await;
    assert_eq!(mine.append(&log, None).await.unwrap(), None);
    let twin = theirs.append(&log, None).await.unwrap();
    assert_eq!(twin.map(|champion| champion.promotion), Some(theirs.id(1)));
    assert_eq!(log.all().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_found_to_have_happened() {
    let server = forgetful::Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut options = StoreOptions::folder(folder.path()).unwrap();
    options.store = "s3://bucket/prefix".parse().unwrap();
    options.store_endpoint = server.address();
    options.store_access_key = "key".into();
    options.store_secret_key = "secret".into();
    let log = champion::log(&Store::open(&options).await.unwrap(), "garments");
    let champion = promote(&log, &promotion_of("mine")).await;
    assert_eq!(champion.promotion, promotion_of("mine").id(1));
    assert_eq!((champion.generation, log.all().await.unwrap().len()), (1, 1));
    assert_eq!(server.forgotten(), 1, "the test tests something");
}

#[tokio::test]
async fn hold_and_rollback_refuse_until_they_are_lifted() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).await;
    let mut refusals = Vec::new();
    for (act, candidate) in [
        (Act::Promote, "a"),
        (Act::Hold, "a"),
        (Act::Rollback, "b"),
        (Act::Release, "b"),
        (Act::Promote, "c"),
        (Act::Rollback, "b"),
    ] {
        append(&log, act, candidate, "someone").await;
        refusals.push(champion::refusal(&log, newest(&log).await.as_ref(), 3).await.unwrap());
    }
    let hold = Some("promotions are on hold since generation 2: why not".to_owned());
    let rollback = Some("generation 6 rolled back during this run: why not".to_owned());
    assert_eq!(refusals, [None, hold.clone(), hold, None, None, rollback]);
}

#[tokio::test]
async fn the_incumbent_is_the_newest_choice_of_somebody_else() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder).await;
    let mut incumbents = Vec::new();
    for (act, candidate, run) in [
        (Act::Promote, "mine", "r1"),
        (Act::Promote, "old", "r0"),
        (Act::Promote, "mine", "r1"),
        (Act::Hold, "mine", "someone"),
        (Act::Release, "mine", "someone"),
        (Act::Rollback, "older", "someone"),
        (Act::Promote, "mine", "r1"),
    ] {
        append(&log, act, candidate, run).await;
        let incumbent = champion::incumbent(&log, newest(&log).await.as_ref(), "r1").await.unwrap();
        incumbents.push(incumbent.map_or(0, |champion| champion.generation));
    }
    assert_eq!(incumbents, [0, 2, 2, 2, 2, 6, 6]);
}

async fn append(log: &ChampionLog, act: Act, candidate: &str, run: &str) {
    let generation = newest(log).await.map_or(1, |champion| champion.generation + 1);
    let record = Champion {
        generation,
        act,
        model: Digest::of(candidate),
        dataset: Digest::of("data"),
        candidate: candidate.into(),
        run: run.into(),
        promotion: format!("{generation}"),
        reason: "why not".into(),
        at: "2026-01-01T00:00:00Z".parse().unwrap(),
    };
    assert_eq!(log.append(generation, &record).await.unwrap(), Created::New);
}
