//! The ConfigMap is deleted, for every run on this cluster.

use crate::support::kubectl;
use crate::support::site::Site;

use super::{MEMO, again, entries, hits, trained};

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_cache_costs_pods_and_no_work() {
    let site = Site::new("cache").await;
    let first = again(&site, "first").await;
    assert!(!entries().await.is_empty(), "the first run was remembered");
    kubectl::delete("configmap", MEMO).await.unwrap();

    let second = again(&site, "second").await;
    assert_eq!(hits(&second), (0, 2));
    let said = trained(&site, &second).await;
    assert!(said.len() == 3 && said.iter().all(|what| what.starts_with("reused: ")), "{said:?}");
    assert_eq!(site.digests(&second).await, site.digests(&first).await);

    let third = again(&site, "third").await;
    assert_eq!(hits(&third), (2, 0), "the cache is filled again");
}
