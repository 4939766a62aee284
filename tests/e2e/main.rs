//! Tests on a real cluster: the one that `KUBECONFIG` names, with Argo Workflows, the images and the quickstart
//! installed (`make e2e` does all that). They talk to `kubectl`, `argo`, the Argo server and MinIO, and to nothing else.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

mod gang;
mod harness;
mod images;
mod memo;
mod retry;
mod same;
mod schedule;
mod serving;
mod shown;
mod store;
