//! Data: from source files to batches, and from batches to the order in which a training meets them.

pub mod cache;
pub mod manifest;
pub mod order;
pub mod random;

pub use cache::{Cache, CacheCounters};
pub use manifest::{BatchEntry, Manifest, Shape, Split, SplitEntry};
pub use order::{OrderError, RecordRef, ShardEpoch, Window};
pub use random::Random;
