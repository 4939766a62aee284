//! What is to be trained: the run's plan, held against the configuration.

use anyhow::{Context, ensure};
use selvedge_contract::Misconfigured;
use selvedge_data::{Manifest, Split, order};
use selvedge_model::{Network, check_libtorch, set_instructions};
use selvedge_plan::{PlannedCandidate, Run, Settings};
use selvedge_store::{Digest, Store};

use crate::Config;

/// What the plan says of this candidate, and of what data set.
pub(crate) struct Planned {
    pub(crate) candidate: PlannedCandidate,
    pub(crate) manifest: Digest,
}

/// One training.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) key: Digest,
    pub(crate) candidate: PlannedCandidate,
    pub(crate) dataset: Digest,
    pub(crate) manifest: Manifest,
    pub(crate) network: Network,
    /// Steps of one epoch.
    pub(crate) steps: usize,
}

/// The candidate in the run's newest plan.
///
/// # Errors
/// Of class 2 where plan and configuration do not agree.
pub(crate) async fn planned(config: &Config, store: &Store) -> anyhow::Result<Planned> {
    let newest = Run::new(store, &config.run).plans().newest().await?;
    let found = newest.ok_or_else(|| format!("run {} has no plan", config.run)).and_then(|(_, plan)| {
        let mut candidates = plan.candidates.into_iter();
        let candidate = candidates.find(|candidate| candidate.name == config.candidate);
        let candidate = candidate.ok_or_else(|| {
            format!("the plan of run {} has no candidate {:?}", config.run, config.candidate)
        })?;
        check(config, &candidate)?;
        Ok(Planned { candidate, manifest: plan.manifest })
    });
    Ok(found.map_err(Misconfigured::message)?)
}

fn check(config: &Config, candidate: &PlannedCandidate) -> Result<(), String> {
    let Config { key, rank, world, min_world, .. } = config;
    if candidate.key != *key {
        let (name, planned) = (&candidate.name, &candidate.key);
        return Err(format!("STEP_KEY={key}: the plan's key of candidate {name:?} is {planned}"));
    }
    let shards = candidate.settings.shards;
    if !(1..=shards).contains(world) {
        return Err(format!("STEP_WORLD={world}: expected 1 to {shards}, the candidate's shards"));
    }
    if rank >= world {
        return Err(format!("STEP_RANK={rank}: expected below STEP_WORLD={world}"));
    }
    if !(1..=*world).contains(min_world) {
        return Err(format!("STEP_MIN_WORLD={min_world}: expected 1 to STEP_WORLD={world}"));
    }
    Ok(())
}

impl Job {
    /// Settles libtorch's instructions, before anything else of it is used, and reads the data set's manifest.
    ///
    /// # Errors
    /// Of class 2 where the settings cannot be trained.
    pub(crate) async fn prepare(config: &Config, store: &Store, planned: Planned) -> anyhow::Result<Self> {
        let Planned { candidate, manifest: dataset } = planned;
        set_instructions(&candidate.settings.instructions)?;
        check_libtorch()?;
        let manifest = Manifest::read(store, &dataset).await?;
        let about = format!("candidate {:?}", candidate.name);
        let (network, steps) =
            trainable(&candidate.settings, &manifest).map_err(Misconfigured::new).context(about)?;
        Ok(Self { key: config.key, candidate, dataset, manifest, network, steps })
    }

    /// The candidate's settings.
    pub(crate) fn settings(&self) -> &Settings {
        &self.candidate.settings
    }

    /// Steps of all epochs.
    pub(crate) fn all_steps(&self) -> u64 {
        (self.steps * self.settings().epochs) as u64
    }

    /// Multiply-adds of all forward passes of the training.
    pub(crate) fn multiply_adds(&self) -> f64 {
        let records = self.manifest.records(Split::Train) * self.settings().epochs;
        self.network.multiply_adds() as f64 * records as f64
    }
}

/// The network, and the steps of an epoch.
fn trainable(settings: &Settings, manifest: &Manifest) -> anyhow::Result<(Network, usize)> {
    ensure!(settings.epochs > 0, "epochs is 0, expected at least 1");
    let network = Network::parse(&settings.network, manifest.shape, manifest.classes.len())?;
    let steps = order::steps_per_epoch(manifest, settings.shards, settings.micro_batch)?;
    Ok((network, steps))
}
