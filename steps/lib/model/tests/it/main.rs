//! The library through its public surface.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod classify;
mod keep;
mod notation;
mod processes;
mod support;
mod train;
