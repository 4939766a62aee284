//! A store in a folder, and gangs in it.

use std::net::Ipv4Addr;
use std::time::Duration;

use selvedge_contract::Stop;
use selvedge_gang::{Gang, Place, Timing};
use selvedge_store::{Digest, Store, StoreOptions};
use tokio::task::JoinHandle;

pub(crate) struct Room {
    pub(crate) store: Store,
    _folder: tempfile::TempDir,
}

pub(crate) fn timing() -> Timing {
    Timing::with_join(Duration::from_secs(20))
}

pub(crate) fn place(run: &str, rank: usize, world: usize) -> Place {
    Place { key: Digest::of("key"), run: run.to_owned(), rank, world, address: Ipv4Addr::LOCALHOST.into() }
}

impl Room {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreOptions::folder(folder.path()).unwrap()).await.unwrap();
        Self { store, _folder: folder }
    }

    pub(crate) fn join(
        &self,
        place: Place,
        timing: &Timing,
        stop: &Stop,
    ) -> JoinHandle<anyhow::Result<Gang>> {
        let (store, timing, stop) = (self.store.clone(), timing.clone(), stop.clone());
        tokio::spawn(async move { Gang::join(&store, place, timing, &stop).await })
    }

    pub(crate) async fn gang(&self, run: &str, world: usize) -> Vec<Gang> {
        self.gang_with(run, world, &timing()).await
    }

    pub(crate) async fn gang_with(&self, run: &str, world: usize, timing: &Timing) -> Vec<Gang> {
        self.gang_until(run, world, timing, &Stop::new()).await
    }

    pub(crate) async fn gang_until(
        &self,
        run: &str,
        world: usize,
        timing: &Timing,
        stop: &Stop,
    ) -> Vec<Gang> {
        let joins: Vec<_> = (0..world).map(|rank| self.join(place(run, rank, world), timing, stop)).collect();
        let mut gangs = Vec::new();
        for join in joins {
            gangs.push(join.await.unwrap().unwrap());
        }
        gangs
    }
}

/// Does the same on every rank, each on a thread of its own.
pub(crate) fn each<T: Send>(gangs: &mut [Gang], work: impl Fn(&mut Gang) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = gangs.iter_mut().map(|gang| scope.spawn(|| work(gang))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Numbers of both signs over some orders of magnitude around 2^exponent, from a xorshift.
pub(crate) fn noise(seed: u64, length: usize, exponent: i32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let value =
        |bits: u64| (bits as i32 as f32 / 2_f32.powi(31)) * 2_f32.powi(exponent - (bits >> 60) as i32);
    (0..length).map(|_| value(next())).collect()
}
