//! The shipped manifests in a namespace of their own, with a MinIO of their own and two models in its store.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use selvedge_registry::{Act, Champion, ModelIdentity, champion};
use selvedge_store::{Store, StoreOptions};
use selvedge_tests::cut::{self, Labels};
use selvedge_tests::selvedge;
use serde_json::Value;
use tokio::process::Command;

use crate::support::door::Door;

pub(crate) const NAMESPACE: &str = "selvedge-serving";
pub(crate) const NAME: &str = "fashion-mnist";
const PREFIX: &str = "s3://selvedge/serving";
/// Two models that differ.
const CANDIDATES: &str = r#"candidates=[
    {"name": "first", "family": "dense", "settings": {"epochs": 1}},
    {"name": "second", "family": "dense", "settings": {"epochs": 2}}]"#;

/// An installation that is removed with [`Site::remove`].
pub(crate) struct Site {
    pub(crate) models: Vec<ModelIdentity>,
    pub(crate) store: Store,
    balancer: Door,
    /// The way to the store stays open for as long as this lives.
    _minio: Door,
}

impl Site {
    /// Installs everything and waits until three replicas serve the first model.
    pub(crate) async fn install() -> Self {
        namespace().await;
        kubectl(&["apply", "-k", overlay("store", STORE).to_str().unwrap()]).await;
        rollout("statefulset/minio").await;
        kubectl(&["wait", "--for=condition=complete", "job/minio-setup", "--timeout=180s"]).await;
        let minio = Door::to(NAMESPACE, "service/minio", 9000).await.unwrap();
        let store = store(&minio).await;
        let models = models(&store).await;
        kubectl(&["apply", "-k", overlay("serving", &serving()).to_str().unwrap()]).await;
        rollout("deployment/balance").await;
        let balancer = Door::to(NAMESPACE, "service/balance", 80).await.unwrap();
        let site = Self { models, store, balancer, _minio: minio };
        let newest = champion::log(&site.store, NAME).newest().await.unwrap();
        let generation = newest.map_or(0, |(generation, _)| generation) + 1;
        site.promote(generation, 0).await;
        site.eventually("three replicas serve", |shown| shown.iter().filter(|one| one.ready).count() == 3)
            .await;
        rollout("statefulset/serve").await;
        site
    }

    /// Bytes of a record.
    pub(crate) fn pixels(&self) -> usize {
        self.models[0].input.iter().product()
    }

    /// The files that install serving, for applying them again.
    pub(crate) async fn apply_again(&self) {
        kubectl(&["apply", "-k", overlay("serving", &serving()).to_str().unwrap()]).await;
    }

    /// Appends a generation to the champion log.
    pub(crate) async fn promote(&self, generation: u64, model: usize) {
        let identity = &self.models[model];
        let champion = Champion {
            generation,
            act: Act::Promote,
            model: identity.digest(),
            dataset: identity.dataset,
            candidate: format!("candidate-{model}"),
            run: "e2e".into(),
            promotion: format!("e2e-{generation}"),
            reason: "a test".into(),
            at: jiff::Timestamp::now(),
        };
        champion::log(&self.store, NAME).append(generation, &champion).await.unwrap();
    }

    /// Waits until both balancers list the replicas as `wanted`, and tells how long that took.
    pub(crate) async fn eventually(&self, what: &str, wanted: impl Fn(&[Listed]) -> bool) -> Duration {
        let (begin, mut in_a_row) = (Instant::now(), 0);
        while in_a_row < 6 {
            let shown = self.replicas().await;
            in_a_row = if shown.as_deref().is_some_and(&wanted) { in_a_row + 1 } else { 0 };
            assert!(begin.elapsed() < Duration::from_secs(240), "{what}: not after 4 minutes: {shown:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        begin.elapsed()
    }

    /// What one of the balancers says; none where it cannot be asked.
    async fn replicas(&self) -> Option<Vec<Listed>> {
        let url = format!("{}/v1/replicas", self.balancer.url());
        // A client of its own: another connection may reach another balancer.
        let http = selvedge_web::Client::new(Duration::from_secs(1));
        let listed: Value = http.get_json(&url, Duration::from_secs(3)).await.ok()?;
        serde_json::from_value(listed["replicas"].clone()).ok()
    }

    /// A pod's own answer on `/readyz`, asked at its address.
    pub(crate) async fn readyz(&self, pod: &str) -> Option<Value> {
        let door = Door::to(NAMESPACE, &format!("pod/{pod}"), 8000).await.ok()?;
        let http = selvedge_web::Client::new(Duration::from_secs(1));
        let answer = http.get(&format!("{}/readyz", door.url()), Duration::from_secs(3)).await.ok()?;
        serde_json::from_slice(&answer.body).ok()
    }

    pub(crate) async fn remove(self) {
        kubectl(&["delete", "namespace", NAMESPACE, "--wait=true", "--timeout=300s"]).await;
    }
}

/// A line of the balancer's list.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Listed {
    #[expect(dead_code, reason = "shown where a wait is in vain")]
    name: String,
    pub(crate) ready: bool,
    pub(crate) generation: Option<u64>,
}

const STORE: &str = "resources: [../../installation/quickstart]\n";

fn serving() -> String {
    format!(
        "resources: [../../installation/workflows]
patches:
- patch: |-
    apiVersion: apps/v1
    kind: StatefulSet
    metadata: {{name: serve}}
    spec: {{template: {{spec: {{containers: [{{name: serve, env: [{{name: STEP_STORE, value: \"{PREFIX}\"}}]}}]}}}}}}
"
    )
}

/// Writes an overlay of the shipped manifests for this namespace.
fn overlay(name: &str, rest: &str) -> PathBuf {
    let folder = target().join("serving").join(name);
    fs::create_dir_all(&folder).unwrap();
    let head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
    fs::write(folder.join("kustomization.yaml"), format!("{head}namespace: {NAMESPACE}\n{rest}")).unwrap();
    folder
}

/// Where these tests write.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/e2e").canonicalize().unwrap()
}

/// A namespace that takes only what meets the restricted standard.
async fn namespace() {
    let exists = try_kubectl(&["get", "namespace", NAMESPACE]).await.is_ok();
    if !exists {
        kubectl(&["create", "namespace", NAMESPACE]).await;
    }
    let label = "pod-security.kubernetes.io/enforce=restricted";
    kubectl(&["label", "namespace", NAMESPACE, label, "--overwrite"]).await;
}

/// The store as its owner, from outside of the cluster.
async fn store(minio: &Door) -> Store {
    let mut options = StoreOptions::folder(Path::new("/")).unwrap();
    options.store = PREFIX.parse().unwrap();
    options.store_endpoint = minio.url();
    options.store_access_key = secret("access-key").await;
    options.store_secret_key = secret("secret-key").await.as_str().into();
    Store::open(&options).await.unwrap()
}

async fn secret(key: &str) -> String {
    let template = format!("go-template={{{{index .data \"{key}\" | base64decode}}}}");
    kubectl(&["get", "secret", "minio-root", "-o", &template]).await
}

/// Trains two small models on this machine, and puts them into `store`.
async fn models(store: &Store) -> Vec<ModelIdentity> {
    let folder = tempfile::tempdir().unwrap();
    cut::write(&folder.path().join("data"), 2_000, 500, Labels::True);
    let uri = |name: &str| format!("file://{}", folder.path().join(name).display());
    let (local, source) = (uri("store"), uri("data"));
    let mut arguments = vec!["run", "--store", &local, "--source", &source, "-p", "batch-size=100"];
    arguments.extend(["-p", CANDIDATES, "-p", "promote=never", "-p", "world=1"]);
    selvedge(folder.path(), &arguments).expect(0);
    let from = Store::open(&StoreOptions::folder(&folder.path().join("store")).unwrap()).await.unwrap();
    let mut models = Vec::new();
    for path in from.list("models").await.unwrap() {
        let identity: ModelIdentity = from.expect_record(&path).await.unwrap();
        for blob in [&identity.weights, &identity.golden.blob] {
            store.put_blob(from.blob(blob).await.unwrap()).await.unwrap();
        }
        store.create_record(&ModelIdentity::path(&identity.digest()), &identity).await.unwrap();
        models.push(identity);
    }
    assert_eq!(models.len(), 2);
    models
}

pub(crate) async fn rollout(what: &str) {
    kubectl(&["rollout", "status", what, "--timeout=300s"]).await;
}

/// Creates what `manifest` describes.
pub(crate) async fn apply(manifest: &Value) {
    let file = target().join("serving/manifest.json");
    fs::write(&file, manifest.to_string()).unwrap();
    kubectl(&["apply", "-f", file.to_str().unwrap()]).await;
}

/// Standard output of `kubectl`, which has to succeed.
pub(crate) async fn kubectl(arguments: &[&str]) -> String {
    try_kubectl(arguments).await.unwrap_or_else(|error| panic!("kubectl {}: {error}", arguments.join(" ")))
}

/// Standard output of `kubectl`, or what it complained of.
pub(crate) async fn try_kubectl(arguments: &[&str]) -> Result<String, String> {
    let output =
        Command::new("kubectl").args(["--namespace", NAMESPACE]).args(arguments).output().await.unwrap();
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}
