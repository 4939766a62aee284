//! What is lost or damaged is made again, the same, and the run says why.

use selvedge_data::{Manifest, Split};
use selvedge_registry::ModelIdentity;
use selvedge_store::blob;

use crate::support::site::Site;

use super::{again, entries, hits, pods};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_or_damaged_blob_is_made_again_and_the_reason_said() {
    let site = Site::new("blobs").await;
    let first = again(&site, "first").await;
    let digests = site.digests(&first).await;

    let weights = site.trained(&first, "dense").await.weights;
    site.store().delete(&blob::path(&weights)).await.unwrap();
    let gone = again(&site, "gone").await;
    let reason = gone.output("training", "reason").unwrap();
    assert_eq!(reason, format!("dense: run: blob {}… is gone", weights.short()));
    assert_eq!((pods(&gone).get("rank"), pods(&gone).get("batches")), (Some(&3), None), "{:?}", pods(&gone));
    assert_eq!(site.digests(&gone).await, digests);

    let manifest = Manifest::read(site.store(), &digests.manifest).await.unwrap();
    let batch = manifest.batches(Split::Train).first().unwrap().digest;
    site.store().delete(&blob::path(&batch)).await.unwrap();
    site.store().create(&blob::path(&batch), "not what it was").await.unwrap();
    let corrupt = again(&site, "corrupt").await;
    let reason = corrupt.output("source", "reason").unwrap();
    assert_eq!(reason, format!("run: blob {}… is corrupt", batch.short()));
    assert_eq!(pods(&corrupt).get("batches"), Some(&1));
    assert_eq!(pods(&corrupt).get("rank"), None, "the model is whole, and of the same data");
    assert_eq!(site.digests(&corrupt).await, digests);
    site.store().verify_blob(&batch).await.unwrap();

    let identity = ModelIdentity::path(&digests.models["dense"]);
    site.store().delete(&identity).await.unwrap();
    let headless = again(&site, "headless").await;
    let reason = headless.output("training", "reason").unwrap();
    assert!(reason.contains("model") && reason.contains("is gone"), "{reason}");
    assert_eq!(site.digests(&headless).await, digests);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_store_is_filled_again_whatever_the_cache_remembers() {
    let site = Site::new("empty").await;
    let first = again(&site, "first").await;
    let digests = site.digests(&first).await;
    let remembered = entries().await;
    for path in site.store().list("").await.unwrap() {
        site.store().delete(&path).await.unwrap();
    }

    let second = again(&site, "second").await;
    assert!(entries().await.len() >= remembered.len(), "the ConfigMap was left as it was");
    assert_eq!(hits(&second), (0, 2));
    assert_eq!(second.output("source", "reason").as_deref(), Some("run: never ingested"));
    assert_eq!(second.output("training", "reason").as_deref(), Some("dense: run: no result"));
    assert_eq!(site.trained(&second, "dense").await.run, second.metadata.uid);
    assert_eq!(site.digests(&second).await, digests);
}
