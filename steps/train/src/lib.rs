//! Train: one rank of the gang that trains one candidate.
//!
//! * [`job`]: what is to be trained, from the run's plan. [`result`]: a result that is there, and committing a new one.
//! * [`training`]: epochs and steps. [`feed`]: the records of each step. [`assess`]: calibration and validation.
//! * [`checkpoint`]: where a gang that lost a rank goes on.
//!
//! The result is the same bits for any world size and any number of kills; two gangs that train one key commit the same.

mod allocator;
mod assess;
mod checkpoint;
mod feed;
mod golden;
mod job;
mod niceness;
mod result;
mod training;

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use selvedge_contract::{ByteSize, Common, Stop, peak_memory_bytes};
use selvedge_data::CacheCounters;
use selvedge_gang::{Gang, Place, Timing};
use selvedge_plan::{Event, Run, Stored, TrainResult};
use selvedge_store::{Digest, Store, StoreOptions};
use tokio::runtime::Handle;

use crate::feed::Feed;
use crate::job::Job;
use crate::training::Training;

/// Trains a model as one rank of a gang.
///
/// The ranks of a gang find each other through the store, train on shards of the data set, and commit one model. A rank
/// that is lost ends the gang with code 75; run again, it goes on from the last epoch.
#[derive(Debug, Clone, Parser)]
#[command(version, about)]
pub struct Config {
    /// What every stage can be told.
    #[command(flatten)]
    pub common: Common,
    /// Where everything is kept.
    #[command(flatten)]
    pub store: StoreOptions,
    /// The run: a workflow's uid
    #[arg(long, env = "STEP_RUN", value_parser = selvedge_plan::name::parse_run)]
    pub run: String,
    /// Name of the candidate, as in the run's plan
    #[arg(long, env = "STEP_CANDIDATE", value_parser = selvedge_plan::name::parse)]
    pub candidate: String,
    /// Result key, from fingerprint
    #[arg(long, env = "STEP_KEY")]
    pub key: Digest,
    /// Rank of this process, from 0
    #[arg(long, env = "STEP_RANK")]
    pub rank: usize,
    /// Ranks in the gang; at most the candidate's shards
    #[arg(long, env = "STEP_WORLD", default_value = "3")]
    pub world: usize,
    /// Address under which the other ranks reach this one: the pod's
    #[arg(long, env = "STEP_ADDRESS", default_value = "127.0.0.1")]
    pub address: IpAddr,
    /// Most bytes of batches kept in memory
    #[arg(long, env = "STEP_CACHE_LIMIT", default_value = "256MiB")]
    pub cache_limit: ByteSize,
    /// How long absent ranks are waited for; then the gang starts with those that have come
    #[arg(long, env = "STEP_JOIN_WINDOW", default_value = "30s", value_parser = humantime::parse_duration)]
    pub join_window: Duration,
    /// Ranks with which the gang may start
    #[arg(long, env = "STEP_MIN_WORLD", default_value = "1")]
    pub min_world: usize,
    /// How long may pass until a gang has formed
    #[arg(long, env = "STEP_JOIN_TIMEOUT", default_value = "2m", value_parser = humantime::parse_duration)]
    pub join_timeout: Duration,
}

impl AsRef<Common> for Config {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

impl Config {
    fn timing(&self) -> Timing {
        Timing { window: self.join_window, least: self.min_world, ..Timing::with_join(self.join_timeout) }
    }
}

/// Trains, unless the key's result is in the store and whole.
///
/// # Errors
/// Of class 75 when the store does not answer or a peer is lost, 2 when plan and configuration do not agree; permanent
/// for corrupt batches, a training that diverges, or another process on this place.
pub async fn run(config: Config, store: Store, stop: Stop) -> anyhow::Result<()> {
    let mut event = Event::begin("train");
    event.candidate = Some(config.candidate.clone());
    event.rank = Some(config.rank);
    let planned = job::planned(&config, &store).await?;
    let (result, how) = match result::find(&store, &config.key).await? {
        Stored::Whole(result) => {
            let how = format!("reused: trained by run {}", result.run);
            (result, how)
        }
        Stored::Lost(why) => {
            tracing::info!(candidate = config.candidate, key = %config.key, "training: {why}");
            let job = Job::prepare(&config, &store, planned).await?;
            let (result, counters, how) = train(&config, &store, job, &stop).await?;
            measure(&mut event, &counters);
            (result, format!("{how}: {why}"))
        }
    };
    event.measure("steps", result.steps as f64);
    event.measure("store_reads", store.reads().0 as f64);
    event.measure("cpu_seconds", cpu_seconds());
    event.measure("peak_memory_bytes", peak_memory_bytes() as f64);
    tracing::info!(candidate = config.candidate, rank = config.rank, model = %result.model, "{how}");
    let outputs = config.common.outputs();
    outputs.write("model", result.model.to_string())?;
    outputs.write("steps", result.steps.to_string())?;
    Ok(Run::new(&store, config.run).record(&event.end(how)).await?)
}

/// Joins the gang and trains on a thread of its own: libtorch and the exchanges block.
async fn train(
    config: &Config,
    store: &Store,
    job: Job,
    stop: &Stop,
) -> anyhow::Result<(TrainResult, CacheCounters, String)> {
    let Config { key, run, rank, world, address, .. } = config.clone();
    let place = Place { key, run, rank, world, address };
    let gang = tokio::select! {
        gang = Gang::join(store, place, config.timing(), stop) => gang?,
        result = committed(store, &config.key) => return Ok(trained_meanwhile(result?)),
    };
    // A gang that worked without this rank may have ended just now.
    if let Stored::Whole(result) = result::find(store, &config.key).await? {
        return Ok(trained_meanwhile(result));
    }
    let (config, store) = (config.clone(), store.clone());
    let handle = Handle::current();
    let working = move || work(&config, &store, job, gang, &handle);
    tokio::task::spawn_blocking(working).await.context("the training thread")?
}

fn trained_meanwhile(result: TrainResult) -> (TrainResult, CacheCounters, String) {
    let how = format!("reused: trained by run {} meanwhile", result.run);
    (result, CacheCounters::default(), how)
}

/// Returns when somebody commits the key's result: whoever waits for a gang that has ended need not.
async fn committed(store: &Store, key: &Digest) -> anyhow::Result<TrainResult> {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if let Stored::Whole(result) = result::find(store, key).await? {
            return Ok(result);
        }
    }
}

fn work(
    config: &Config,
    store: &Store,
    job: Job,
    mut gang: Gang,
    handle: &Handle,
) -> anyhow::Result<(TrainResult, CacheCounters, String)> {
    niceness::raise(job.multiply_adds());
    allocator::keep_freed_memory();
    let feed = Feed::new(store, &job, config.cache_limit.0, handle);
    let how = format!("trained by {} ranks in generation {}", gang.world(), gang.generation());
    let done =
        Training::begin(&job, &feed, store, &mut gang, config.common.progress()).and_then(|training| {
            let trained = training.run(&mut gang)?;
            if gang.rank() == 0 {
                handle.block_on(result::commit(store, config, &job, &trained, gang.world()))?;
            }
            Ok(trained.resumed)
        });
    let resumed = match done {
        Ok(resumed) => resumed,
        Err(error) => {
            gang.leave(&error);
            return Err(error);
        }
    };
    let ended = gang.barrier();
    // A peer that is lost after the commit spoils nothing.
    let result = match (handle.block_on(result::find(store, &config.key))?, ended) {
        (Stored::Whole(result), _) => result,
        (Stored::Lost(_), Err(error)) => return Err(error),
        (Stored::Lost(why), Ok(())) => anyhow::bail!("the committed result is not there: {why}"),
    };
    let how = if resumed > 0 { format!("{how} from epoch {}", resumed + 1) } else { how };
    Ok((result, feed.counters(), how))
}

fn measure(event: &mut Event, counters: &CacheCounters) {
    event.measure("cache_hits", counters.hits as f64);
    event.measure("cache_misses", counters.misses as f64);
    event.measure("cache_bytes", counters.cached_bytes as f64);
}

/// Processor time of all threads so far; 0 where the kernel does not tell.
fn cpu_seconds() -> f64 {
    getrusage(UsageWho::RUSAGE_SELF)
        .map_or(0.0, |usage| (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6)
}
