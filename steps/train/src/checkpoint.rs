//! Checkpoints: `gangs/<key>/checkpoints/<epoch>-<digest>.safetensors`, and beside it `.json` with the curves so far,
//! written last. They are shared by the runs of one key: whoever wrote one, its bits are the same.

use anyhow::Context;
use bytes::Bytes;
use selvedge_gang::Gang;
use selvedge_plan::EpochCurve;
use selvedge_store::{Digest, Store};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

/// The state after an epoch.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    /// Epochs done.
    pub(crate) epoch: usize,
    /// Of `state`.
    pub(crate) digest: Digest,
    /// Parameters, momentum and step, as the model writes them.
    pub(crate) state: Bytes,
    pub(crate) curves: Vec<EpochCurve>,
}

#[derive(Serialize, Deserialize)]
struct Curves {
    curves: Vec<EpochCurve>,
}

impl Checkpoint {
    /// The state after `epoch` epochs.
    pub(crate) fn new(epoch: usize, state: Vec<u8>, curves: &[EpochCurve]) -> Self {
        Self { epoch, digest: Digest::of(&state), state: state.into(), curves: curves.to_vec() }
    }

    /// Keeps it.
    pub(crate) async fn save(&self, store: &Store, key: &Digest) -> anyhow::Result<()> {
        let path = path(key, self.epoch, &self.digest);
        store.create(&format!("{path}.safetensors"), self.state.clone()).await?;
        store.create_record(&format!("{path}.json"), &Curves { curves: self.curves.clone() }).await?;
        Ok(())
    }

    /// The newest one of `key` that is whole.
    pub(crate) async fn newest(store: &Store, key: &Digest) -> anyhow::Result<Option<Self>> {
        let paths = store.list(&folder(key)).await?;
        for (epoch, digest) in paths.iter().rev().filter_map(|path| name(path)) {
            match Self::read(store, key, epoch, &digest).await {
                Ok(checkpoint) => return Ok(Some(checkpoint)),
                Err(error) => tracing::warn!("{error:#}"),
            }
        }
        Ok(None)
    }

    /// The newest one that rank 0 found: all ranks must begin at the same.
    pub(crate) fn common(
        store: &Store,
        key: &Digest,
        gang: &mut Gang,
        handle: &Handle,
    ) -> anyhow::Result<Option<Self>> {
        let found = match gang.rank() {
            0 => handle.block_on(Self::newest(store, key))?,
            _ => None,
        };
        let words = found.as_ref().map_or(Vec::new(), |found| {
            let digest: Vec<i32> = bytemuck::pod_collect_to_vec(found.digest.bytes());
            [&[found.epoch as i32], digest.as_slice()].concat()
        });
        let of_rank_0 = gang.gather(&words)?.swap_remove(0);
        match of_rank_0.split_first() {
            Some((epoch, digest)) if gang.rank() > 0 => {
                let digest: [u8; 32] =
                    bytemuck::cast_slice(digest).try_into().context("a checkpoint's digest")?;
                let digest = Digest::from(digest);
                handle.block_on(Self::read(store, key, *epoch as usize, &digest)).map(Some)
            }
            _ => Ok(found),
        }
    }

    /// This very one, whole.
    pub(crate) async fn read(
        store: &Store,
        key: &Digest,
        epoch: usize,
        digest: &Digest,
    ) -> anyhow::Result<Self> {
        let path = path(key, epoch, digest);
        let Curves { curves } = store.expect_record(&format!("{path}.json")).await?;
        let state = store.get(&format!("{path}.safetensors")).await?;
        let state = state.filter(|state| Digest::of(state) == *digest);
        let state = state.with_context(|| format!("checkpoint {path} is gone or corrupt"))?;
        Ok(Self { epoch, digest: *digest, state, curves })
    }
}

fn folder(key: &Digest) -> String {
    format!("gangs/{key}/checkpoints")
}

fn path(key: &Digest, epoch: usize, digest: &Digest) -> String {
    format!("{}/{epoch:06}-{digest}", folder(key))
}

/// Epoch and digest of a record's path.
fn name(path: &str) -> Option<(usize, Digest)> {
    let (epoch, digest) = path.rsplit('/').next()?.strip_suffix(".json")?.split_once('-')?;
    Some((epoch.parse().ok()?, digest.parse().ok()?))
}
