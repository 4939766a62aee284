//! The smallest run there is: whether cluster, images, manifests and MinIO fit together at all.

use std::time::Duration;

use crate::support::site::{DENSE, Site};

#[tokio::test(flavor = "multi_thread")]
async fn one_candidate_is_trained_and_becomes_the_champion() {
    let site = Site::new("smallest").await;
    let run = site.submit("run", &[("candidates", DENSE)]).await;
    let done = site.succeeded(&run, Duration::from_secs(240)).await;
    let digests = site.digests(&done).await;
    assert_eq!(digests.models.len(), 1, "{digests:?}");
    assert_eq!(digests.champion, digests.models.values().next().copied(), "{digests:?}");
    let pods: Vec<_> = done.pods().map(|node| node.template()).collect();
    assert_eq!(pods.iter().filter(|template| **template == "rank").count(), 3, "{pods:?}");
    println!("{} pods, {} s", pods.len(), done.seconds());
}
