//! The controller's rights to the ConfigMap: never given, and taken later.

use serde_json::{Value, json};

use crate::support::site::{DENSE, Site};
use crate::support::{argo, kubectl};

use super::{LIMIT, MEMO, again, entries, hits};

/// The RoleBinding that gives the controller what memoization needs.
const BINDING: &str = "selvedge-memo";

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
async fn without_the_rights_from_the_start_runs_complete_and_never_hit() {
    let taken = Taken::away().await;
    kubectl::delete("configmap", MEMO).await.unwrap();
    let site = Site::new("unentitled").await;
    let first = again(&site, "first").await;
    let second = again(&site, "second").await;
    assert_eq!((hits(&first).0, hits(&second).0), (0, 0));
    assert!(entries().await.is_empty());
    assert_eq!(site.trained(&second, "dense").await.run, first.metadata.uid);
    assert_eq!(site.digests(&second).await, site.digests(&first).await);
    drop(taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_taken_later_are_an_error_that_names_the_config_map_until_they_are_back() {
    let site = Site::new("taken").await;
    let first = again(&site, "first").await;
    let taken = Taken::away().await;
    let second = site.submit("second", &[("candidates", DENSE)]).await;
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
