//! The balancer over replicas that are test doubles; sockets, HTTP and the balancer are real.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(missing_docs, unreachable_pub, reason = "nothing here is anybody's interface")]

mod batch;
mod choice;
mod failure;
mod harness;
mod pages;
mod process;
mod replica;
