//! Data: from source files to batches, and from batches to the order in which a training meets them.
//!
//! * [`source`]: the four IDX files of a data set, wherever they lie; [`pair`] and [`idx`] read them as streams.
//! * [`classes`]: their names, as they are configured; [`membership`]: which training records are for validation.
//! * [`batch`]: what is stored, a safetensors file a batch; [`manifest`]: all of them, whose digest names the data set.
//! * [`cache`]: processed batches in memory; [`order`]: which record comes when, drawn by [`random`].
//! * [`synthetic`]: data sets made up for tests and benches of every crate.

pub mod batch;
pub mod cache;
pub mod classes;
pub mod idx;
mod input;
pub mod manifest;
pub mod membership;
pub mod order;
pub mod pair;
pub mod random;
pub mod source;
pub mod synthetic;

pub use batch::Batch;
pub use cache::{Cache, CacheCounters};
pub use classes::Classes;
pub use manifest::{BatchEntry, Manifest, Shape, Split, SplitEntry};
pub use order::{OrderError, RecordRef, ShardEpoch, Window};
pub use pair::{Pair, PairError};
pub use random::Random;
pub use source::{Half, Heads, Source};
pub use synthetic::Synthetic;
