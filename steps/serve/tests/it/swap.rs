//! Following the champion log: what serves, what is refused, and what nobody notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use hyper::StatusCode;
use selvedge_data::Shape;
use selvedge_registry::Act;
use selvedge_store::Digest;
use selvedge_web::Client;
use serde_json::json;

use crate::support::{GREY, House, PATIENCE, Replica, flip_a_byte, pixels, record, request};

#[tokio::test(flavor = "multi_thread")]
async fn models_are_swapped_under_load_without_a_failed_request() {
    let house = House::new().await;
    let replica = house.serving(&[]).await;
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> =
        (0..4).map(|n| tokio::spawn(hammer(replica.url.clone(), n, Arc::clone(&done)))).collect();
    for generation in 2..=8 {
        let model = house.model(generation).await.digest();
        house.promote(generation, model).await;
        replica.generation(generation).await;
        // Whoever saw the new generation gets answers of it.
        let answer = replica.post_json("/v1/classify", &pixels(&record(GREY, 1))).await;
        assert_eq!(
            (answer.generation(), answer.header("x-selvedge-model")),
            (generation, model.to_string().as_str())
        );
    }
    done.store(true, Ordering::Relaxed);
    for client in clients {
        let (requests, newest) = client.await.unwrap();
        assert!(requests > 20 && newest == 8, "{requests} requests, generation {newest}");
    }
    replica.end().await;
}

/// Asks over one connection until `done`; generations must not go backwards.
async fn hammer(url: String, n: usize, done: Arc<AtomicBool>) -> (usize, u64) {
    let client = Client::new(PATIENCE);
    let (mut requests, mut newest) = (0, 0);
    let url = format!("{url}/v1/classify");
    loop {
        let is_last = done.load(Ordering::Relaxed);
        let body = Bytes::from(pixels(&record(GREY, n)).to_string());
        let answer = request(&client, "POST", &url, &[("content-type", "application/json")], body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert!(answer.generation() >= newest, "{} after {newest}", answer.generation());
        (requests, newest) = (requests + 1, answer.generation());
        if is_last {
            return (requests, newest);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_not_what_it_should_be_is_refused_and_the_old_one_stays() {
    let house = House::new().await;
    let replica = house.serving(&[]).await;

    let corrupt = house.model(2).await;
    flip_a_byte(&house.blob(&corrupt.weights));
    house.promote(2, corrupt.digest()).await;
    refused(&replica, 2, "is corrupt").await;

    let missing = house.model(3).await;
    std::fs::remove_file(house.blob(&missing.weights)).unwrap();
    house.promote(3, missing.digest()).await;
    refused(&replica, 3, "is gone").await;

    let lying = house.identity("f b16 o", GREY, 4, 0.01).await;
    house.commit(&lying).await;
    house.promote(4, lying.digest()).await;
    refused(&replica, 4, "tolerance 0.0001").await;

    house.promote(5, Digest::of("nobody wrote this")).await;
    refused(&replica, 5, "is missing").await;

    let other = selvedge_registry::ModelIdentity { weights: corrupt.golden.blob, ..house.model(6).await };
    house.commit(&other).await;
    house.promote(6, other.digest()).await;
    refused(&replica, 6, "weights").await;

    let wrong = Digest::of("a record that says something else");
    house.store.create_record(&selvedge_registry::ModelIdentity::path(&wrong), &other).await.unwrap();
    house.promote(7, wrong).await;
    refused(&replica, 7, "describes model").await;

    let metrics = replica.metrics().await;
    assert!(metrics.contains("selvedge_serve_refused_generation 7\n"), "{metrics}");

    let good = house.model(8).await;
    house.promote(8, good.digest()).await;
    replica.generation(8).await;
    assert_eq!(replica.get("/readyz").await.json()["refused"], json!(null));
    replica.end().await;
}

/// Waits until `generation` is refused with a reason that holds `says`; generation 1 goes on answering.
async fn refused(replica: &Replica, generation: u64, says: &str) {
    let ready = replica.ready(|ready| ready["refused"]["generation"] == generation).await;
    let reason = ready.json()["refused"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains(says) && !reason.contains('\n'), "{reason:?} does not say {says:?}");
    assert_eq!(ready.status, StatusCode::OK);
    assert_eq!(ready.json()["generation"], 1);
    let answer = replica.post_json("/v1/classify", &pixels(&record(GREY, 1))).await;
    assert_eq!((answer.status, answer.generation()), (StatusCode::OK, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_and_is_made_again_serves_after_all() {
    let house = House::new().await;
    let replica = house.serving(&[]).await;
    let lost = house.model(2).await;
    let kept = std::fs::read(house.blob(&lost.weights)).unwrap();
    std::fs::remove_file(house.blob(&lost.weights)).unwrap();
    house.promote(2, lost.digest()).await;
    refused(&replica, 2, "is gone").await;
    house.store.put_blob(kept).await.unwrap();
    replica.generation(2).await;
    replica.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_starts_on_a_bad_generation_serves_the_one_before() {
    let house = House::new().await;
    let (good, bad) = (house.model(1).await, house.model(2).await);
    house.promote(1, good.digest()).await;
    house.promote(2, bad.digest()).await;
    std::fs::remove_file(house.blob(&bad.golden.blob)).unwrap();
    let replica = house.replica(&[]).await;
    replica.generation(1).await;
    refused(&replica, 2, "is gone").await;
    replica.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hold_release_and_rollback_are_generations_like_any_other() {
    let house = House::new().await;
    let replica = house.serving(&[]).await;
    let (first, second) = (house.model(1).await.digest(), house.model(2).await.digest());
    house.promote(2, second).await;
    house.act(3, second, Act::Hold).await;
    house.act(4, second, Act::Release).await;
    replica.generation(4).await;
    assert_eq!(replica.get("/v1/model").await.json()["model"], json!(second));
    house.act(5, first, Act::Rollback).await;
    replica.generation(5).await;
    assert_eq!(replica.get("/v1/model").await.json()["model"], json!(first));
    let answer = replica.post_json("/v1/classify", &pixels(&record(GREY, 1))).await;
    assert_eq!((answer.generation(), answer.header("x-selvedge-model")), (5, first.to_string().as_str()));
    replica.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_of_another_form_asks_for_images_of_that_form() {
    let house = House::new().await;
    let replica = house.serving(&[]).await;
    let colour = Shape { height: 8, width: 6, channels: 3 };
    let model = house.model_of("c8.3.1 f o", colour, 2).await;
    house.promote(2, model.digest()).await;
    replica.generation(2).await;
    let small = replica.post("/v1/classify", "application/octet-stream", record(colour, 1)).await;
    assert_eq!(small.status, StatusCode::OK, "{small:?}");
    let old = replica.post("/v1/classify", "application/octet-stream", record(GREY, 1)).await;
    assert_eq!(old.code(), "wrong_size");
    assert!(old.json()["error"]["message"].as_str().unwrap().contains("144 bytes (8×6×3), found 784"));
    replica.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_store_a_replica_goes_on_answering() {
    let house = House::new().await;
    let replica = house.serving(&[]).await;
    std::fs::remove_dir_all(house.folder.path()).unwrap();
    let looked = house.store.reads().0;
    while house.store.reads().0 < looked + 5 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let answer = replica.post_json("/v1/classify", &pixels(&record(GREY, 1))).await;
    assert_eq!((answer.status, answer.generation()), (StatusCode::OK, 1));
    assert_eq!(replica.get("/readyz").await.status, StatusCode::OK);
    replica.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_read_is_read_again_later() {
    let house = House::new().await;
    let replica = house.serving(&[]).await;
    // A folder where the next record should be: an error that is not "no such object".
    let next = house.folder.path().join("champions/tiny/0000000002.json");
    std::fs::create_dir_all(next.join("in the way")).unwrap();
    let looked = house.store.reads().0;
    while house.store.reads().0 < looked + 5 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(replica.get("/readyz").await.status, StatusCode::OK);
    std::fs::remove_dir_all(&next).unwrap();
    house.promote(2, house.model(2).await.digest()).await;
    replica.generation(2).await;
    replica.end().await;
}
