//! Decisions over real stores and sources, and the binary as a process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;
mod process;
mod source;
mod training;
