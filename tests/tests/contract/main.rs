//! The contract between YAML and binaries, and what every manifest of `workflows/` keeps to.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod flags;
mod manifests;
mod pods;
mod templates;
