//! The workers of one model: who belongs to the gang, how they talk, and sums that are the same bits for any
//! number of them.
//!
//! * [`place`]: which place of which gang a process claims, and the records about it in the store.
//! * [`join`](Gang::join): a process registers, the newest living incarnations of all ranks become a *generation*, and its
//!   members connect every pair by an authenticated TCP connection.
//! * [`gang`]: a formed generation and its small exchanges ([gather](Gang::gather), maximum, barrier, agreement on a digest).
//! * [`ring`](Gang::sum): the all-reduce of a large buffer of integers.
//! * [`fixed`]: floating-point gradients as integers and back; [`reduce`] puts exponents, sums and the way back together.
//! * [`wire`][]: frames.
//!
//! Who works is settled when a generation forms: a lost peer ends the gang with a temporary error that names its rank, and all are
//! run again from the last checkpoint. Healing has its place in `form`: a re-form is the same loop, entered again with
//! the same door while the survivors' gradients are kept.

mod door;
mod exchange;
pub mod fixed;
mod form;
pub mod gang;
mod handshake;
mod kernels;
mod link;
mod members;
pub mod place;
pub mod reduce;
mod ring;
pub mod wire;

pub use fixed::FixedPoint;
pub use gang::Gang;
pub use place::{Generation, Member, Place, Timing};
pub use reduce::{Reducer, ShardGradient};
