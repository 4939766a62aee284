//! `selvedge` as a person starts it, on stub programs: the executor's behaviour, seen from outside.

// What a test prepares has to be there.
#![allow(clippy::unwrap_used)]

mod configuration;
mod pipeline;
mod place;
mod processes;
mod small;
