//! Models: the networks, how they are trained, and how they classify. The only library that knows libtorch.
//!
//! * [`Network`]: the layers of a model, from a notation like `c32.3.1 m r64.2 f b128 o`.
//! * [`Trainer`]: gradients of micro-batches and the update that they make, bit for bit the same in every process.
//! * [`Classifier`]: a trained model that answers, from the weights of [`Trainer::weights`].
//! * [`Score`]: how well answers fit the labels.
//! * [`runtime`]: the instruction set and the version of libtorch.
//!
//! Equal bits need one thread, one instruction set, one libtorch, and 64-byte alignment of everything that kernels
//! read; all of this crate's buffers have it.

mod augment;
mod buffer;
mod calibrate;
mod checkpoint;
pub mod classifier;
mod forward;
mod initialise;
pub mod input;
pub mod network;
mod parse;
pub mod runtime;
pub mod schedule;
pub mod score;
pub mod trainer;
mod update;
pub mod weights;

pub use classifier::Classifier;
pub use network::{Network, ParameterTensor};
pub use runtime::{check_libtorch, set_instructions};
pub use schedule::learning_rate;
pub use score::Score;
pub use trainer::{MicroBatch, Trainer};
pub use weights::Statistics;
