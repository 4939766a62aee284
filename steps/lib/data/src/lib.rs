//! Data: from source files to batches, and from batches to the order in which a training meets them.

pub mod manifest;

pub use manifest::{BatchEntry, Manifest, Shape, Split, SplitEntry};
