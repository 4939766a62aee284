//! What the tests on a cluster share.
//!
//! * [`process`]: programs as processes. [`kubectl`], [`argo`]: the two that the tests live on. [`server`]: the Argo
//!   server's REST API.
//! * [`workflow`]: a workflow and its nodes, as values. [`watch`]: waiting for one, with what happens printed, and what
//!   failed shown.
//! * [`templates`]: changed copies of the WorkflowTemplates. [`faults`]: those whose pods can be harmed.
//! * [`door`]: an address of a Service. [`site`]: a data set, a store and a salt of a test's own, and its workflows.

pub(crate) mod argo;
pub(crate) mod door;
pub(crate) mod faults;
pub(crate) mod kubectl;
pub(crate) mod process;
pub(crate) mod server;
pub(crate) mod site;
pub(crate) mod templates;
pub(crate) mod watch;
pub(crate) mod workflow;

/// The folder for what tests measured.
pub(crate) fn results() -> std::path::PathBuf {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/e2e");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
