//! What members exchange, and how they lose each other.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use selvedge_contract::failure::one_line;
use selvedge_contract::{ExitCode, Stop, Stopped, Temporary};
use selvedge_gang::{FixedPoint, Gang, Reducer, ShardGradient};
use selvedge_store::Digest;

use crate::common::{Room, each, noise, timing};

/// What every rank makes of the gradients of its shards.
fn reduce(gangs: &mut [Gang], fixed: &FixedPoint, shards: &[Vec<f32>]) -> Vec<anyhow::Result<Vec<u32>>> {
    each(gangs, |gang| {
        let mut reducer = Reducer::new(fixed.clone(), shards.len());
        let mut total = vec![0.0; fixed.elements()];
        let mine: Vec<_> = (0..shards.len())
            .filter(|shard| shard % gang.world() == gang.rank())
            .map(|shard| ShardGradient { shard, values: &shards[shard], loss: 1.0 })
            .collect();
        reducer.sum(gang, 7, &mine, &mut total)?;
        Ok(total.iter().map(|value| value.to_bits()).collect())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn any_world_size_gives_the_bits_of_one() {
    let room = Room::new().await;
    let mut worlds = Vec::new();
    for world in 1..=6 {
        worlds.push(room.gang(&format!("world-{world}"), world).await);
    }
    let worlds = RefCell::new(worlds);
    let lengths = prop::collection::vec(prop_oneof![1_usize..50, 60_000_usize..70_000], 1..4);
    let gradients = (lengths, any::<u64>(), -40_i32..40);
    let mut runner = TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&gradients, |(lengths, seed, exponent)| {
        let elements: usize = lengths.iter().sum();
        let ends = lengths.iter().scan(0, |end, length| {
            *end += length;
            Some(*end - length..*end)
        });
        let fixed = FixedPoint::new(ends, elements, 6);
        let shards: Vec<_> = (0..6).map(|shard| noise(seed ^ shard, elements, exponent)).collect();
        let mut worlds = worlds.borrow_mut();
        let alone = reduce(&mut worlds[0], &fixed, &shards).remove(0).unwrap();
        for gangs in &mut worlds[1..] {
            for bits in reduce(gangs, &fixed, &shards) {
                prop_assert!(bits.unwrap() == alone);
            }
        }
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ring_sums_any_number_of_words() {
    let room = Room::new().await;
    for world in [1, 2, 3, 5] {
        let mut gangs = room.gang(&format!("world-{world}"), world).await;
        for length in [0, 1, 2, world, 1000, 16_384 * world, 235_530] {
            let sums = each(&mut gangs, |gang| {
                let mut words: Vec<i32> =
                    (0..length).map(|i| (i as i32).wrapping_mul(gang.rank() as i32 + 7)).collect();
                gang.sum(&mut words).map(|()| words)
            });
            let factor = (0..world as i32).map(|rank| rank + 7).sum::<i32>();
            for words in sums {
                let words = words.unwrap();
                assert!(words.iter().enumerate().all(|(i, word)| *word == (i as i32).wrapping_mul(factor)));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_exchanges() {
    let room = Room::new().await;
    let mut gangs = room.gang("run", 3).await;
    let done = each(&mut gangs, |gang| {
        let rank = gang.rank() as i32;
        let mut words = [rank, -rank, i32::MIN];
        gang.max(&mut words)?;
        assert_eq!(words, [2, 0, i32::MIN]);
        let mut table: Vec<f64> =
            (0..8).map(|i| if i % 3 == gang.rank() { f64::from(i as u8) / 3.0 } else { f64::NAN }).collect();
        gang.complete(&mut table)?;
        assert!(table.iter().enumerate().all(|(i, entry)| *entry == i as f64 / 3.0), "{table:?}");
        gang.barrier()?;
        gang.agree("the weather", &Digest::of("fine"))
    });
    done.into_iter().for_each(|done| done.unwrap());
    let done = each(&mut gangs, |gang| gang.agree("the weather", &Digest::of([gang.rank() as u8 / 2])));
    for error in done.into_iter().map(Result::unwrap_err) {
        assert_eq!(ExitCode::of(&error), ExitCode::Permanent);
        assert!(error.to_string().contains("the weather differs between rank 0 and ranks [2]"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gradient_that_is_not_finite_fails_everybody_with_step_and_shard() {
    let room = Room::new().await;
    let mut gangs = room.gang("run", 3).await;
    let fixed = FixedPoint::new(std::iter::once(0..5), 5, 6);
    for bad in [f32::NAN, f32::INFINITY] {
        let mut shards = vec![vec![1.0; 5]; 6];
        shards[4][3] = bad;
        for error in reduce(&mut gangs, &fixed, &shards).into_iter().map(Result::unwrap_err) {
            assert_eq!(
                error.to_string(),
                "training diverges: the gradient of shard 4 in step 7 is not finite"
            );
            assert_eq!(ExitCode::of(&error), ExitCode::Permanent);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rank_that_leaves_is_named_with_its_reason_and_class() {
    let room = Room::new().await;
    let causes = [
        (Temporary::message("no space").into(), ExitCode::Temporary),
        (Stopped.into(), ExitCode::Temporary),
        (anyhow::anyhow!("batch 0123 is corrupt"), ExitCode::Permanent),
    ];
    for (cause, code) in causes {
        let mut gangs = room.gang(&format!("run-{cause}").replace(' ', "-"), 3).await;
        gangs.remove(1).leave(&cause);
        for error in each(&mut gangs, Gang::barrier).into_iter().map(Result::unwrap_err) {
            let line = one_line(&error);
            assert!(line.contains(": rank 1 at 127.0.0.1:"), "{line}");
            assert!(line.ends_with(&format!(" is lost: it left: {cause}")), "{line}");
            assert_eq!(ExitCode::of(&error), code);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rank_that_vanishes_is_named_at_once() {
    let room = Room::new().await;
    let mut gangs = room.gang("run", 3).await;
    let begun = Instant::now();
    drop(gangs.remove(2));
    let errors = each(&mut gangs, |gang| gang.sum(&mut [0; 100]));
    let lines: Vec<_> = errors.into_iter().map(|e| one_line(&e.unwrap_err())).collect();
    assert!(
        lines.iter().any(|line| line.contains("rank 2") && line.ends_with("connection closed")),
        "{lines:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_rank_is_waited_for_and_an_absent_one_not_for_ever() {
    let room = Room::new().await;
    let short = selvedge_gang::Timing {
        heartbeat: Duration::from_millis(20),
        silence: Duration::from_millis(200),
        patience: Duration::from_millis(1500),
        ..timing()
    };
    let mut gangs = room.gang_with("run", 2, &short).await;
    // Longer than the silence that a dead peer is given: its heartbeat speaks for it.
    let done = each(&mut gangs, |gang| {
        std::thread::sleep(Duration::from_millis(600 * gang.rank() as u64));
        gang.barrier()
    });
    done.into_iter().for_each(|done| done.unwrap());
    let error = one_line(&gangs[0].barrier().unwrap_err());
    assert!(error.contains("rank 1") && error.ends_with("alive but absent for 1.5s"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_to_stop_does_not_wait_for_peers() {
    let room = Room::new().await;
    let stop = Stop::new();
    let mut gangs = room.gang_until("run", 2, &timing(), &stop).await;
    let asked = stop.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        asked.request();
    });
    let error = gangs[0].barrier().unwrap_err();
    assert_eq!(ExitCode::of(&error), ExitCode::Stopped);
}
