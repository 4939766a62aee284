//! Many images in one request.

use std::time::Duration;

use hyper::Method;
use selvedge_web::Code;
use serde_json::{Value, json};

use crate::harness::{Balancer, Mode, QUICK, Replica, set_all, three};

/// `Bag0 Shirt1 Bag2 …`
fn ids(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{}{n}", if n % 2 == 0 { "Bag" } else { "Shirt" })).collect()
}

fn texts(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}

fn answered(answer: &Value) -> Vec<&str> {
    answer["items"].as_array().unwrap().iter().map(|item| item["image_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_batch_is_spread_and_merged_in_order() {
    let [a, b, c] = three().await;
    // The first chunk comes last.
    a.set(Mode::Ready(Duration::from_millis(50)));
    let balancer = Balancer::start(&[&a, &b, &c], &["--strategy", "hash"]).await;
    let ids = ids(30);
    let answer = balancer.batch(&texts(&ids)).await;
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!(answered(&answer), texts(&ids));
    assert_eq!(answer["classes"], json!({"Bag": 15, "Shirt": 15}));
    assert_eq!(answer["replicas"], json!({"serve-0": 10, "serve-1": 10, "serve-2": 10}));
    assert_eq!(answer["models"], json!({"abc": 30}));
    assert_eq!(answer["failed"], 0);
    assert_eq!([a.count(), b.count(), c.count()], [1, 1, 1]);
    let item = answer["items"][1].as_object().unwrap();
    let fields = ["image_id", "predicted_class", "confidence", "processing_time_ms", "server_replica"];
    assert!(item.len() == 5 && fields.iter().all(|field| item.contains_key(*field)), "{item:?}");
}

#[tokio::test]
async fn a_large_batch_goes_in_many_chunks() {
    let [a, b, c] = three().await;
    let balancer = Balancer::start(&[&a, &b, &c], &[]).await;
    let ids = ids(1000);
    let answer = balancer.batch(&texts(&ids)).await.json();
    assert_eq!(answered(&answer), texts(&ids));
    assert_eq!(a.count() + b.count() + c.count(), 16);
    assert_eq!(answer["failed"], 0);
}

#[tokio::test]
async fn one_bad_image_is_one_bad_entry() {
    let [a, b, c] = three().await;
    let balancer = Balancer::start(&[&a, &b, &c], &[]).await;
    let answer = balancer.batch(&["Bag1", "bad2", "Bag3"]).await.json();
    assert_eq!(answered(&answer), ["Bag1", "bad2", "Bag3"]);
    assert_eq!(answer["items"][1]["error"]["code"], "bad_image");
    assert_eq!((&answer["failed"], &answer["classes"]), (&json!(1), &json!({"Bag": 2})));
}

#[tokio::test]
async fn a_chunk_whose_replica_fails_is_answered_by_another() {
    let [a, b, c] = three().await;
    for mode in [Mode::BrokenBody, Mode::Declines(Code::Internal), Mode::Declines(Code::Overloaded)] {
        a.set(mode);
        let balancer = Balancer::start(&[&a, &b, &c], &[]).await;
        let (before, ids) = (a.count(), ids(9));
        let answer = balancer.batch(&texts(&ids)).await.json();
        assert_eq!(answered(&answer), texts(&ids), "{mode:?}");
        assert_eq!(answer["failed"], 0, "{mode:?}");
        assert!(answer["replicas"].get("serve-0").is_none() && a.count() > before, "{mode:?}");
    }
}

#[tokio::test]
async fn what_nobody_can_answer_is_an_entry_with_an_error() {
    let [a, b, _] = three().await;
    set_all(&[&a, &b], Mode::Declines(Code::Internal));
    let balancer = Balancer::start(&[&a, &b], &[]).await;
    let answer = balancer.batch(&["Bag1", "Bag2"]).await;
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!(answered(&answer), ["Bag1", "Bag2"]);
    assert_eq!(answer["items"][0]["error"]["code"], "upstream_failed");
    assert_eq!((&answer["failed"], &answer["classes"]), (&json!(2), &json!({})));
}

#[tokio::test]
async fn an_empty_batch_is_an_empty_answer_and_another_form_is_refused() {
    let replica = Replica::start("serve-0", QUICK).await;
    let balancer = Balancer::start(&[&replica], &[]).await;
    assert_eq!(balancer.batch(&[]).await.json()["items"], json!([]));
    for body in ["", "[]", "{}", "{\"images\":3}", "{\"images\":[1,]}", "picture"] {
        let answer = balancer.request(Method::POST, "/v1/classify/batch", &[], body).await.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"), "{body}");
    }
    assert_eq!(replica.count(), 0);
}
