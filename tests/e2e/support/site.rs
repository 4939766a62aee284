//! What one test has for itself: a store, a salt, workflows; and a cut of the data that tests share.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use selvedge_plan::{Plan, Run, TrainResult, key};
use selvedge_registry::champion;
use selvedge_store::{Digest, Store, StoreOptions};
use selvedge_tests::cut::{self, Labels};

use super::door::Door;
use super::kubectl::NAMESPACE;
use super::workflow::Workflow;
use super::{argo, kubectl, watch};

/// The candidate that is trained fastest: 3 epochs of 25 steps on the small cut, a checkpoint after each.
pub(crate) const DENSE: &str =
    r#"[{"name": "dense", "family": "dense", "settings": {"epochs": 3, "micro-batch": 8}}]"#;
/// One candidate of each family, a few epochs each.
pub(crate) const ALL: &str = r#"[
    {"name": "cnn", "family": "cnn", "settings": {"epochs": 2, "micro-batch": 8}},
    {"name": "dense", "family": "dense", "settings": {"epochs": 3, "micro-batch": 8}},
    {"name": "resnet", "family": "resnet", "settings": {"epochs": 2, "micro-batch": 8}}]"#;

/// Tells to which site a workflow belongs.
pub(crate) const LABEL: &str = "selvedge-e2e";

/// How much of the real data a test trains on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) train: usize,
    pub(crate) test: usize,
    pub(crate) labels: Labels,
}

/// Enough for several steps.
pub(crate) const SMALL: Cut = Cut { train: 1_200, test: 300, labels: Labels::True };

/// A test's own part of the cluster. What it made is removed when it goes, unless the test failed: then it is stopped
/// and left to be looked at.
#[derive(Debug)]
pub(crate) struct Site {
    name: String,
    source: String,
    store: Store,
    /// The way to the store stays open for as long as this lives.
    _door: Door,
}

/// What a run is judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digests {
    pub(crate) manifest: Digest,
    /// Candidate → model.
    pub(crate) models: BTreeMap<String, Digest>,
    pub(crate) champion: Option<Digest>,
}

impl Site {
    /// A site with the small cut; `name` in lower-case letters, digits and dashes, short.
    pub(crate) async fn new(name: &str) -> Self {
        Self::with(name, SMALL).await
    }

    /// A site with another cut.
    pub(crate) async fn with(name: &str, cut: Cut) -> Self {
        let door = Door::to(NAMESPACE, "service/minio", 9000).await.unwrap();
        let name = format!("e2e-{name}-{:04x}", rand::random::<u16>());
        let store = open(&door, &format!("s3://selvedge/{name}")).await;
        let source = upload(&door, cut).await;
        println!("{name}: store s3://selvedge/{name}, source {source}");
        Self { name, source, store, _door: door }
    }

    /// The site's name: its store's prefix, its salt, the beginning of its workflows' names, and their label.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its store, with all rights.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Its store's URI.
    pub(crate) fn uri(&self) -> String {
        format!("s3://selvedge/{}", self.name)
    }

    /// Submits the pipeline as workflow `<site>-<name>`; `parameters` are added to those of the site.
    pub(crate) async fn submit(&self, name: &str, parameters: &[(&str, &str)]) -> String {
        self.submit_from("pipeline", name, parameters).await
    }

    /// The workflow that [`Site::submit`] makes of `name`.
    pub(crate) fn workflow(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    /// As [`Site::submit`], from another WorkflowTemplate.
    pub(crate) async fn submit_from(&self, template: &str, name: &str, more: &[(&str, &str)]) -> String {
        let (workflow, parameters) = (self.workflow(name), self.parameters(more));
        let submitted = argo::submit(template, &workflow, &self.label(), &parameters).await.unwrap();
        submitted.metadata.name
    }

    /// The parameters of the site's runs, and `more`.
    pub(crate) fn parameters(&self, more: &[(&str, &str)]) -> BTreeMap<String, String> {
        let uri = self.uri();
        let own = [
            ("store", uri.as_str()),
            ("source", &self.source),
            ("salt", &self.name),
            ("batch-size", "100"),
            ("floor", "0.2"),
            ("balancer", ""),
        ];
        own.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// Waits until a workflow has succeeded.
    pub(crate) async fn succeeded(&self, workflow: &str, limit: Duration) -> Workflow {
        self.wait(workflow, limit, |workflow| workflow.status.phase == "Succeeded").await
    }

    /// Waits until a workflow has failed.
    pub(crate) async fn failed(&self, workflow: &str, limit: Duration) -> Workflow {
        self.wait(workflow, limit, |workflow| workflow.is_over() && workflow.status.phase != "Succeeded")
            .await
    }

    /// Waits until `until` holds.
    pub(crate) async fn wait(
        &self,
        workflow: &str,
        limit: Duration,
        until: impl Fn(&Workflow) -> bool,
    ) -> Workflow {
        watch::wait(workflow, limit, until).await.unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// The records of a workflow's run.
    pub(crate) fn run(&self, workflow: &Workflow) -> Run {
        Run::new(&self.store, &workflow.metadata.uid)
    }

    /// The plan that holds in a workflow's run.
    pub(crate) async fn plan(&self, workflow: &Workflow) -> Plan {
        let newest = self.run(workflow).plans().newest().await.unwrap();
        newest.unwrap_or_else(|| panic!("run {} has no plan", workflow.name())).1
    }

    /// What training `candidate` produced.
    pub(crate) async fn trained(&self, workflow: &Workflow, candidate: &str) -> TrainResult {
        let plan = self.plan(workflow).await;
        let planned = plan.candidates.iter().find(|planned| planned.name == candidate).unwrap();
        self.store.expect_record(&key::result_path("train", &planned.key)).await.unwrap()
    }

    /// Every digest that a run led to.
    pub(crate) async fn digests(&self, workflow: &Workflow) -> Digests {
        let plan = self.plan(workflow).await;
        let mut models = BTreeMap::new();
        for planned in &plan.candidates {
            let path = key::result_path("train", &planned.key);
            let trained: TrainResult = self.store.expect_record(&path).await.unwrap();
            models.insert(planned.name.clone(), trained.model);
        }
        let champion = champion::log(&self.store, &plan.name).newest().await.unwrap();
        Digests { manifest: plan.manifest, models, champion: champion.map(|(_, champion)| champion.model) }
    }

    fn label(&self) -> String {
        format!("{LABEL}={}", self.name)
    }

    async fn remove(&self) -> anyhow::Result<()> {
        kubectl::kubectl(&["delete", "workflow", "-l", &self.label(), "--wait=false"]).await?;
        for path in self.store.list("").await? {
            self.store.delete(&path).await?;
        }
        Ok(())
    }

    async fn stop(&self) -> anyhow::Result<()> {
        let running = ["get", "workflow", "-l", &self.label(), "-o", "name"];
        for workflow in kubectl::kubectl(&running).await?.lines() {
            let name = workflow.rsplit('/').next().unwrap_or(workflow);
            // One that is over already cannot be terminated, and need not be.
            let _ = argo::terminate(name).await;
            println!("left to be looked at: workflow {name}");
        }
        Ok(())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let end = async { if std::thread::panicking() { self.stop().await } else { self.remove().await } };
        let ended = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(end));
        if let Err(error) = ended {
            println!("{} is not cleaned up: {error:#}", self.name);
        }
    }
}

/// How to open `uri` with the keys of Secret `identity`.
pub(crate) async fn options(door: &Door, identity: &str, uri: &str) -> StoreOptions {
    StoreOptions {
        store: uri.parse().unwrap(),
        store_endpoint: door.url(),
        store_access_key: kubectl::secret(identity, "access-key").await.unwrap(),
        store_secret_key: kubectl::secret(identity, "secret-key").await.unwrap().as_str().into(),
        ..StoreOptions::folder(Path::new("/")).unwrap()
    }
}

/// A store with MinIO's own rights: tests damage and delete, which no identity of the pipeline may.
async fn open(door: &Door, uri: &str) -> Store {
    Store::open(&options(door, "minio-root", uri).await).await.unwrap()
}

/// Puts a cut where pipelines can read it, once for all tests.
async fn upload(door: &Door, cut: Cut) -> String {
    let Cut { train, test, labels } = cut;
    let uri = format!("s3://datasets/e2e/{train}-{test}-{labels:?}").to_lowercase();
    let (folder, store) = (tempfile::tempdir().unwrap(), open(door, &uri).await);
    cut::write(folder.path(), train, test, labels);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        store
            .create(entry.file_name().to_str().unwrap(), std::fs::read(entry.path()).unwrap())
            .await
            .unwrap();
    }
    uri
}
