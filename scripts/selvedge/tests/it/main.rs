//! `selvedge` as a person starts it, on stub programs: the executor's behaviour, seen from outside.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod configuration;
mod pipeline;
mod place;
mod processes;
mod small;
