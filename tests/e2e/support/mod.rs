//! What the tests on a cluster share.
//!
//! * [`process`]: programs as processes. [`kubectl`], [`argo`]: the two that the tests live on. [`server`]: the Argo
//!   server's REST API.
//! * [`workflow`]: a workflow and its nodes, as values. [`watch`]: waiting for one, with what happens printed, and what
//!   failed shown.
//! * [`door`]: an address of a Service. [`site`]: a data set, a store and a salt of a test's own, and its workflows.

pub(crate) mod argo;
pub(crate) mod door;
pub(crate) mod kubectl;
pub(crate) mod process;
pub(crate) mod server;
pub(crate) mod site;
pub(crate) mod watch;
pub(crate) mod workflow;
