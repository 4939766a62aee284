//! The Argo server's REST API, which its UI's buttons call; reached through the Kubernetes API, wherever the cluster is.

use anyhow::Context;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::kubectl::{NAMESPACE, kubectl, with_input};

/// What the Retry button sends: `PUT /api/v1/workflows/<namespace>/<name>/retry`.
pub(crate) async fn retry(name: &str) -> anyhow::Result<()> {
    let body = json!({"name": name, "namespace": NAMESPACE});
    put(&format!("/api/v1/workflows/{NAMESPACE}/{name}/retry"), &body).await.map(drop)
}

/// `GET <path>`, whatever it answers.
pub(crate) async fn text(path: &str) -> anyhow::Result<String> {
    kubectl(&["get", "--raw", &at(path).await?]).await
}

/// `PUT <path>` with a JSON body.
pub(crate) async fn put(path: &str, body: &Value) -> anyhow::Result<Value> {
    let answer = with_input(&["replace", "--raw", &at(path).await?, "-f", "-"], &body.to_string()).await?;
    serde_json::from_str(&answer).with_context(|| format!("PUT {path}: {answer}"))
}

/// The path of the Kubernetes API behind which the server's `path` lies.
async fn at(path: &str) -> anyhow::Result<String> {
    static SCHEME: OnceCell<&str> = OnceCell::const_new();
    let scheme = SCHEME.get_or_try_init(scheme).await?;
    Ok(behind(scheme, path))
}

fn behind(scheme: &str, path: &str) -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/services/{scheme}:argo-server:2746/proxy{path}")
}

/// Installations differ in whether the server speaks TLS.
async fn scheme() -> anyhow::Result<&'static str> {
    let plain = kubectl(&["get", "--raw", &behind("http", "/api/v1/version")]).await;
    if plain.is_ok() {
        return Ok("http");
    }
    kubectl(&["get", "--raw", &behind("https", "/api/v1/version")])
        .await
        .and(Ok("https"))
        .or(plain.map(|_| "http"))
}
