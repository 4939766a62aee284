//! The time of one step's reduction: exponents of two shards, their exchange, fixed point, ring, floating point again.
//! `cargo bench -p selvedge-gang --profile dev`.

#![allow(clippy::unwrap_used, reason = "a bench may fail loudly")]

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use selvedge_contract::Stop;
use selvedge_gang::{FixedPoint, Gang, Place, Reducer, ShardGradient, Timing};
use selvedge_store::{Digest, Store, StoreOptions};

const STEPS: u32 = 300;
const SHARDS: usize = 6;

#[tokio::main]
async fn main() {
    for world in [1, 2, 3] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreOptions::folder(folder.path()).unwrap()).await.unwrap();
        let joins: Vec<_> = (0..world).map(|rank| tokio::spawn(join(store.clone(), rank, world))).collect();
        let mut gangs = Vec::new();
        for join in joins {
            gangs.push(join.await.unwrap());
        }
        for elements in [100_000, 235_530] {
            let time = std::thread::scope(|scope| {
                let threads: Vec<_> =
                    gangs.iter_mut().map(|gang| scope.spawn(move || steps(gang, elements))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).max().unwrap()
            });
            println!("{world} ranks, {elements} parameters: {:.3} ms a step", time.as_secs_f64() * 1e3);
        }
    }
}

async fn join(store: Store, rank: usize, world: usize) -> Gang {
    let (key, run, address) = (Digest::of("bench"), "bench".to_owned(), Ipv4Addr::LOCALHOST.into());
    let place = Place { key, run, rank, world, address };
    Gang::join(&store, place, Timing::with_join(Duration::from_secs(20)), &Stop::new()).await.unwrap()
}

fn steps(gang: &mut Gang, elements: usize) -> Duration {
    let fixed = FixedPoint::new(std::iter::once(0..elements), elements, SHARDS);
    let mut reducer = Reducer::new(fixed, SHARDS);
    let values: Vec<_> = (0..elements).map(|i| (i as f32).sin()).collect();
    let mut total = vec![0.0; elements];
    let shards = (0..SHARDS).filter(|shard| shard % gang.world() == gang.rank());
    let mine: Vec<_> = shards.map(|shard| ShardGradient { shard, values: &values, loss: 1.0 }).collect();
    let begun = Instant::now();
    for step in 0..STEPS {
        reducer.sum(gang, step.into(), &mine, &mut total).unwrap();
    }
    begun.elapsed() / STEPS
}
