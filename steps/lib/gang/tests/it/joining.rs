//! How a gang forms, and does not.

use std::time::{Duration, Instant};

use selvedge_contract::failure::one_line;
use selvedge_contract::{ExitCode, Stop};
use selvedge_gang::{Gang, Timing};

use crate::common::{Room, each, place, timing};

#[tokio::test(flavor = "multi_thread")]
async fn missing_ranks_are_named_when_the_join_window_closes() {
    let room = Room::new().await;
    let short = Timing::with_join(Duration::from_millis(400));
    let one = room.join(place("run", 1, 4), &short, &Stop::new());
    let other = room.join(place("run", 2, 4), &short, &Stop::new());
    for join in [one, other] {
        let error = join.await.unwrap().unwrap_err();
        assert_eq!(ExitCode::of(&error), ExitCode::Temporary);
        let line = one_line(&error);
        assert!(line.contains("of run run: no rank 0,") && line.contains("3 of 4 within 400ms"), "{line}");
    }
    assert!(room.store.list("gangs").await.unwrap().iter().all(|path| !path.contains("members")));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_window_closes_those_who_have_come_start_and_late_ones_wait() {
    let room = Room::new().await;
    let patient = Timing { window: Duration::from_millis(300), least: 2, ..timing() };
    let (one, three) = (place("run", 1, 4), place("run", 3, 4));
    let joins = [one, three].map(|place| room.join(place, &patient, &Stop::new()));
    let mut gangs = Vec::new();
    for join in joins {
        gangs.push(join.await.unwrap().unwrap());
    }
    assert_eq!([gangs[0].rank(), gangs[1].rank()], [0, 1]);
    assert!(gangs.iter().all(|gang| gang.world() == 2 && gang.generation() == 1));
    let mut words = each(&mut gangs, |gang| gang.gather(&[gang.rank() as i32]).unwrap());
    assert_eq!(words.pop().unwrap(), [[0], [1]]);

    // Longer than the time in which a gang has to form: it does not count while the others work.
    let late =
        Timing { join: Duration::from_secs(2), window: Duration::from_millis(300), least: 1, ..timing() };
    let late = [0, 2].map(|rank| room.join(place("run", rank, 4), &late, &Stop::new()));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(late.iter().all(|join| !join.is_finished()));
    drop(gangs);
    for (join, position) in late.into_iter().zip([0, 1]) {
        let gang = join.await.unwrap().unwrap();
        assert_eq!((gang.rank(), gang.world(), gang.generation()), (position, 2, 2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fewer_than_the_least_do_not_start() {
    let room = Room::new().await;
    let strict =
        Timing { join: Duration::from_millis(600), window: Duration::from_millis(100), least: 2, ..timing() };
    let error = room.join(place("run", 0, 3), &strict, &Stop::new()).await.unwrap().unwrap_err();
    assert!(one_line(&error).contains("no rank 1, 2 of 3 within 600ms"), "{}", one_line(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_claim_one_rank_one_works_and_the_other_fails() {
    let room = Room::new().await;
    let (first, second) = (place("run", 1, 2), place("run", 1, 2));
    let (one, other) =
        (room.join(first, &timing(), &Stop::new()), room.join(second, &timing(), &Stop::new()));
    let mut zero = room.join(place("run", 0, 2), &timing(), &Stop::new()).await.unwrap().unwrap();
    let (formed, failed): (Vec<_>, Vec<_>) =
        [one.await.unwrap(), other.await.unwrap()].into_iter().partition(Result::is_ok);
    let error = failed.into_iter().next().unwrap().unwrap_err();
    assert_eq!(ExitCode::of(&error), ExitCode::Permanent);
    let line = one_line(&error);
    assert!(line.starts_with("rank 1 of gang ") && line.contains(" is taken: generation 1 has "), "{line}");
    assert_eq!(line.matches(" at 127.0.0.1:").count(), 2, "{line}");
    let mut gang = formed.into_iter().next().unwrap().unwrap();
    let peer = std::thread::spawn(move || gang.barrier());
    zero.barrier().unwrap();
    peer.join().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_to_a_working_gang_fails_and_the_gang_goes_on() {
    let room = Room::new().await;
    let mut gangs = room.gang("run", 2).await;
    for rank in [0, 1] {
        let late = room.join(place("run", rank, 2), &timing(), &Stop::new()).await.unwrap();
        let line = one_line(&late.unwrap_err());
        assert!(line.contains(&format!("rank {rank} of gang")) && line.contains("is taken"), "{line}");
    }
    each(&mut gangs, Gang::barrier).into_iter().for_each(|done| done.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_all_were_lost_new_incarnations_form_a_new_generation() {
    let room = Room::new().await;
    for generation in 1..=3 {
        let mut gangs = room.gang("run", 3).await;
        assert!(gangs.iter().all(|gang| gang.generation() == generation));
        each(&mut gangs, Gang::barrier).into_iter().for_each(|done| done.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mix_of_old_and_new_incarnations_waits_for_the_new_ones() {
    let room = Room::new().await;
    let mut gangs = room.gang("run", 3).await;
    drop(gangs.remove(2));
    // Rank 2 is back while ranks 0 and 1 have not noticed yet, and still answer probes as members of generation 1.
    let two = room.join(place("run", 2, 3), &timing(), &Stop::new());
    let zero = {
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(gangs.remove(0));
        room.join(place("run", 0, 3), &timing(), &Stop::new())
    };
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(gangs);
    let one = room.join(place("run", 1, 3), &timing(), &Stop::new());
    for join in [zero, one, two] {
        assert_eq!(join.await.unwrap().unwrap().generation(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_died_before_any_generation_is_passed_over() {
    let room = Room::new().await;
    let dying = room.join(place("run", 1, 2), &timing(), &Stop::new());
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Dead without a word: its record stays.
    dying.abort();
    let zero = room.join(place("run", 0, 2), &timing(), &Stop::new());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = Instant::now();
    let one = room.join(place("run", 1, 2), &timing(), &Stop::new());
    assert_eq!(zero.await.unwrap().unwrap().generation(), 1);
    one.await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_of_the_dead_is_left_behind() {
    let room = Room::new().await;
    let gangs = room.gang("run", 2).await;
    let records = room.store.list("gangs").await.unwrap();
    let first = records.iter().find(|path| path.contains("generations")).unwrap();
    let generation: serde_json::Value = room.store.expect_record(first).await.unwrap();
    drop(gangs);
    // Whoever proposes may be overtaken by the death of those whom it names.
    for number in 2..5 {
        let mut dead = generation.clone();
        dead["number"] = number.into();
        room.store.create_record(&first.replace("01.json", &format!("0{number}.json")), &dead).await.unwrap();
    }
    let gangs = room.gang("run", 2).await;
    assert!(gangs.iter().all(|gang| gang.generation() == 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_one_key_do_not_meet() {
    let room = Room::new().await;
    let (mut one, mut other) = tokio::join!(room.gang("one", 2), room.gang("other", 3));
    each(&mut one, Gang::barrier).into_iter().for_each(|done| done.unwrap());
    each(&mut other, Gang::barrier).into_iter().for_each(|done| done.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_at_the_door_change_nothing() {
    use std::io::{Read, Write};

    let room = Room::new().await;
    let one = room.join(place("run", 1, 2), &timing(), &Stop::new());
    let member = loop {
        let records = room.store.list("gangs").await.unwrap();
        if let Some(path) = records.iter().find(|path| path.contains("members")) {
            break room.store.expect_record::<selvedge_gang::Member>(path).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let mut silent = std::net::TcpStream::connect(member.address).unwrap();
    let mut loud = std::net::TcpStream::connect(member.address).unwrap();
    loud.write_all(&[b'x'; 96]).unwrap();
    let mut answer = Vec::new();
    let _ = loud.read_to_end(&mut answer);
    assert!(answer.is_empty());
    let zero = room.join(place("run", 0, 2), &timing(), &Stop::new());
    let mut gangs = vec![zero.await.unwrap().unwrap(), one.await.unwrap().unwrap()];
    each(&mut gangs, Gang::barrier).into_iter().for_each(|done| done.unwrap());
    let _ = silent.write_all(b"too late");
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_can_be_stopped() {
    let room = Room::new().await;
    let stop = Stop::new();
    let join = room.join(place("run", 0, 2), &timing(), &stop);
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.request();
    assert_eq!(ExitCode::of(&join.await.unwrap().unwrap_err()), ExitCode::Stopped);
}
