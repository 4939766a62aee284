//! Black-box tests of a replica: real sockets, a real store in a folder, real (tiny, untrained) models.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod batcher;
mod fuzz;
mod http;
mod preprocess;
mod process;
mod support;
mod swap;
