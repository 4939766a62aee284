//! Gangs of threads over real sockets and a store in a folder.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;
mod exchanges;
mod joining;
