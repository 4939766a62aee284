//! The controller's rights to the ConfigMap: never given, given without `memoize`, taken later.

use serde_json::{Value, json};

use crate::support::site::{DENSE, Site};
use crate::support::{argo, kubectl, templates};

use super::{LIMIT, MEMO, entries, hits};

/// The RoleBinding that gives the controller what memoization needs.
const BINDING: &str = "selvedge-memo";
const PARAMETERS: [(&str, &str); 1] = [("candidates", DENSE)];

/// The rights are away for as long as this lives.
struct Taken(Value);

impl Taken {
    async fn away() -> Self {
        let binding = kubectl::json(&["get", "rolebinding", BINDING]).await.unwrap();
        kubectl::delete("rolebinding", BINDING).await.unwrap();
        let (metadata, role) = (&binding["metadata"], &binding["roleRef"]);
        Self(json!({
            "apiVersion": binding["apiVersion"], "kind": "RoleBinding", "roleRef": role, "subjects": binding["subjects"],
            "metadata": {"name": BINDING, "labels": metadata["labels"]},
        }))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let back = kubectl::apply(&self.0);
        let back = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(back));
        if let Err(error) = back {
            println!("RoleBinding {BINDING} is not back: {error:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_component_nothing_is_memoized_and_the_same_comes_out() {
    let plain = templates::with_component("without-memo").await.unwrap();
    let memoized = plain.iter().flat_map(|template| template["spec"]["templates"].as_array().unwrap());
    assert!(
        memoized.clone().count() > 0 && memoized.clone().all(|template| template.get("memoize").is_none())
    );
    templates::copy(&plain, "plain", |_| ()).await.unwrap();
    let site = Site::new("plain").await;
    let first = site.succeeded(&site.submit_from("pipeline-plain", "first", &PARAMETERS).await, LIMIT).await;
    let second =
        site.succeeded(&site.submit_from("pipeline-plain", "second", &PARAMETERS).await, LIMIT).await;
    assert_eq!((hits(&first), hits(&second)), ((0, 0), (0, 0)));
    assert_eq!(second.of("rank").count(), 3, "pods are started, and find the result");
    assert_eq!(site.trained(&second, "dense").await.run, first.metadata.uid);
    assert_eq!(site.digests(&second).await, site.digests(&first).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_rights_from_the_start_runs_complete_and_never_hit() {
    let taken = Taken::away().await;
    kubectl::delete("configmap", MEMO).await.unwrap();
    let site = Site::new("unentitled").await;
    let first = site.succeeded(&site.submit("first", &PARAMETERS).await, LIMIT).await;
    let second = site.succeeded(&site.submit("second", &PARAMETERS).await, LIMIT).await;
    assert_eq!((hits(&first).0, hits(&second).0), (0, 0));
    assert!(entries().await.is_empty());
    assert_eq!(site.trained(&second, "dense").await.run, first.metadata.uid);
    assert_eq!(site.digests(&second).await, site.digests(&first).await);
    drop(taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_taken_later_are_an_error_that_names_the_config_map_until_they_are_back() {
    let site = Site::new("taken").await;
    let first = site.succeeded(&site.submit("first", &PARAMETERS).await, LIMIT).await;
    let taken = Taken::away().await;
    let second = site.submit("second", &PARAMETERS).await;
    let failed = site.failed(&second, LIMIT).await;
    let said: Vec<_> = failed.nodes().into_iter().map(|node| node.message.clone()).collect();
    let named = |message: &String| message.contains("configmaps") && message.contains(&format!("\"{MEMO}\""));
    assert!(said.iter().any(named), "{said:#?}");
    println!("it said: {}", said.iter().find(|message| named(message)).unwrap());
    drop(taken);
    argo::retry_errors(&second).await.unwrap();
    let done = site.succeeded(&second, LIMIT).await;
    assert_eq!(hits(&done).0, 2);
    assert_eq!(site.digests(&done).await, site.digests(&first).await);
}
