//! The component that takes `memoize` away.

use crate::support::site::{DENSE, Site};
use crate::support::templates;

use super::{LIMIT, hits};

#[tokio::test(flavor = "multi_thread")]
async fn without_the_component_nothing_is_memoized_and_the_same_comes_out() {
    let plain = templates::with_component("without-memo").await.unwrap();
    let memoized = plain.iter().flat_map(|template| template["spec"]["templates"].as_array().unwrap());
    assert!(
        memoized.clone().count() > 0 && memoized.clone().all(|template| template.get("memoize").is_none())
    );
    templates::copy(&plain, "plain", |_| ()).await.unwrap();
    let (site, parameters) = (Site::new("plain").await, [("candidates", DENSE)]);
    let first = site.succeeded(&site.submit_from("pipeline-plain", "first", &parameters).await, LIMIT).await;
    let second =
        site.succeeded(&site.submit_from("pipeline-plain", "second", &parameters).await, LIMIT).await;
    assert_eq!((hits(&first), hits(&second)), ((0, 0), (0, 0)));
    assert_eq!(second.of("rank").count(), 3, "pods are started, and find the result");
    assert_eq!(site.trained(&second, "dense").await.run, first.metadata.uid);
    assert_eq!(site.digests(&second).await, site.digests(&first).await);
}
