//! The routes: what is asked, and exactly what is answered.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::StatusCode;
use image::ColorType;
use selvedge_store::Digest;
use serde_json::json;

use crate::support::{GREY, House, jpeg, pixels, png, record, request};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_has_exactly_the_five_fields_and_says_who_gave_it() {
    let house = House::new().await;
    let replica = house.serving(&[]).await;
    let answer = replica.post_json("/v1/classify", &pixels(&record(GREY, 1))).await;
    assert_eq!(answer.status, StatusCode::OK);
    let body = answer.json();
    let mut fields: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    let five = ["confidence", "image_id", "predicted_class", "processing_time_ms", "server_replica"];
    assert_eq!(fields, five);
    let confidence = body["confidence"].as_f64().unwrap();
    assert!((0.1..=1.0).contains(&confidence), "{body}");
    assert!(body["processing_time_ms"].as_f64().unwrap() > 0.0);
    assert!(body["predicted_class"].as_str().unwrap().starts_with("class "));
    assert_eq!(body["server_replica"], "serve-7");
    assert_eq!(body["image_id"], Digest::of(record(GREY, 1)).to_string());
    let model = house.model(1).await.digest();
    assert_eq!(answer.header("x-selvedge-model"), model.to_string());
    assert_eq!(answer.generation(), 1);
    assert_eq!(answer.header("x-selvedge-replica"), "serve-7");
    replica.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_the_same_record_gets_the_same_answer() {
    let house = House::new().await;
    let replica = house.serving(&[]).await;
    for n in 0..5 {
        let record = record(GREY, n);
        let file = png(&record, 28, 28, ColorType::L8);
        let base64 = STANDARD.encode(&file);
        let colour: Vec<u8> = record.iter().flat_map(|v| [*v, *v, *v, 255]).collect();
        let json =
            |value: serde_json::Value| ("application/json; charset=utf-8", value.to_string().into_bytes());
        let bodies = [
            json(pixels(&record)),
            ("application/octet-stream", record.clone()),
            ("IMAGE/PNG", file),
            ("image/png", png(&colour, 28, 28, ColorType::Rgba8)),
            json(json!({"data": base64})),
            json(json!({"data": format!("data:image/png;base64,{base64}")})),
        ];
        let mut said = Vec::new();
        for (content_type, body) in bodies {
            let answer = replica.post("/v1/classify", content_type, body).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            let body = answer.json();
            said.push((body["predicted_class"].clone(), body["confidence"].clone()));
        }
        said.dedup();
        assert_eq!(said.len(), 1, "{said:?}");
        let lossy = jpeg(&record, 28, 28, ColorType::L8);
        assert_eq!(replica.post("/v1/classify", "image/jpeg", lossy).await.status, StatusCode::OK);
    }
    replica.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_id_is_the_headers_or_the_jsons_or_the_digest() {
    let house = House::new().await;
    let replica = house.serving(&[]).await;
    let url = format!("{}/v1/classify", replica.url);
    let named = json!({"image_id": "from json", "pixels": record(GREY, 1)}).to_string();
    let of = |answer: crate::support::Answer| answer.json()["image_id"].as_str().unwrap().to_owned();
    let headers = [("content-type", "application/json"), ("x-image-id", "from header")];
    let answer = request(&replica.client, "POST", &url, &headers, named.clone().into()).await;
    assert_eq!(of(answer), "from header");
    let answer = request(&replica.client, "POST", &url, &headers[..1], named.into()).await;
    assert_eq!(of(answer), "from json");
    let file = png(&record(GREY, 1), 28, 28, ColorType::L8);
    let answer = replica.post("/v1/classify", "image/png", file.clone()).await;
    assert_eq!(of(answer), Digest::of(file).to_string());
    replica.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_answered_in_order_and_a_bad_image_spoils_no_other() {
    let house = House::new().await;
    let replica = house.serving(&["--max-batch", "4"]).await;
    let mut images = Vec::new();
    let mut expected = Vec::new();
    for n in 0..11 {
        let one = replica.post_json("/v1/classify", &pixels(&record(GREY, n))).await.json();
        expected.push((format!("image {n}"), one["predicted_class"].clone()));
        images.push(json!({"image_id": format!("image {n}"), "pixels": record(GREY, n)}));
    }
    images[3] = json!({"image_id": "short", "pixels": [1, 2, 3]});
    images[5] = json!({"image_id": "loud", "pixels": [300]});
    images[8] = json!({"image_id": "scrap", "data": "AAAA"});
    let answer = replica.post_json("/v1/classify/batch", &json!({"images": images})).await;
    assert_eq!(answer.status, StatusCode::OK);
    let body = answer.json();
    assert_eq!(body["model"], answer.header("x-selvedge-model"));
    assert_eq!((&body["generation"], &body["replica"]), (&json!(1), &json!("serve-7")));
    let items = body["items"].as_array().unwrap();
    assert_eq!(items.len(), 11);
    for (n, item) in items.iter().enumerate() {
        match n {
            3 => assert_eq!(
                (&item["image_id"], &item["error"]["code"]),
                (&json!("short"), &json!("wrong_size"))
            ),
            5 => assert_eq!(item["error"]["code"], "bad_request"),
            8 => assert_eq!(
                (&item["image_id"], &item["error"]["code"]),
                (&json!("scrap"), &json!("bad_image"))
            ),
            _ => assert_eq!(
                (item["image_id"].as_str().unwrap(), &item["predicted_class"]),
                (expected[n].0.as_str(), &expected[n].1)
            ),
        }
    }
    let empty = replica.post_json("/v1/classify/batch", &json!({"images": []})).await.json();
    assert_eq!(empty["items"], json!([]));
    replica.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_champion_there_is_no_model() {
    let house = House::new().await;
    let replica = house.replica(&[]).await;
    assert_eq!(replica.get("/healthz").await.status, StatusCode::OK);
    for answer in [
        replica.get("/v1/model").await,
        replica.post_json("/v1/classify", &pixels(&record(GREY, 1))).await,
        replica.post_json("/v1/classify/batch", &json!({"images": []})).await,
    ] {
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "no_model"));
        assert_eq!(answer.header("retry-after"), "1");
    }
    let ready = replica.get("/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    let nothing = json!({"status": "no_model", "replica": "serve-7", "generation": null, "model": null, "refused": null});
    assert_eq!(ready.json(), nothing);

    let model = house.model(1).await;
    house.promote(1, model.digest()).await;
    replica.generation(1).await;
    let said = replica.get("/v1/model").await.json();
    assert_eq!(
        (&said["name"], &said["candidate"], &said["family"]),
        (&json!("tiny"), &json!("candidate-1"), &json!("dense"))
    );
    assert_eq!((&said["input"], &said["classes"][9]), (&json!([28, 28, 1]), &json!("class 9")));
    assert_eq!((&said["model"], &said["accuracy"]), (&json!(model.digest()), &json!(null)));
    replica.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_said_by_code_and_value() {
    let house = House::new().await;
    let replica = house.serving(&["--body-limit", "64KiB"]).await;
    let wide = png(&vec![0; 5000], 5000, 1, ColorType::L8);
    let cut = png(&record(GREY, 1), 28, 28, ColorType::L8)[..300].to_vec();
    let long_id = json!({"image_id": "x".repeat(300), "pixels": record(GREY, 1)}).to_string();
    let cases: Vec<(&str, Vec<u8>, u16, &str, &str)> = vec![
        ("application/octet-stream", vec![0; 783], 400, "wrong_size", "784 bytes (28×28×1), found 783"),
        ("application/octet-stream", vec![], 400, "wrong_size", "found 0"),
        ("application/json", pixels(&[7; 785]).to_string().into(), 400, "wrong_size", "found 785"),
        ("application/json", b"{\"pixels\":[256]}".into(), 400, "bad_request", "256"),
        ("application/json", b"{\"pixels\":[-1]}".into(), 400, "bad_request", "-1"),
        ("application/json", b"{\"pixel\":[1]}".into(), 400, "bad_request", "`pixel`"),
        ("application/json", b"{}".into(), 400, "bad_request", "`pixels` or `data`"),
        ("application/json", b"{\"pixels\":[0".into(), 400, "bad_request", "EOF"),
        ("application/json", b"{\"data\":\"%%\"}".into(), 400, "bad_image", "base64"),
        ("application/json", long_id.into(), 400, "bad_request", "300 bytes"),
        ("image/png", b"not an image at all".into(), 400, "bad_image", "PNG"),
        ("image/png", cut, 400, "bad_image", "PNG"),
        ("image/png", jpeg(&record(GREY, 1), 28, 28, ColorType::L8), 400, "bad_image", "PNG"),
        ("image/png", wide, 400, "bad_image", "4096×4096"),
        ("image/jpeg", vec![], 400, "bad_image", "JPEG"),
        ("image/gif", b"GIF89a".into(), 415, "unsupported_media_type", "image/gif"),
        ("text/plain", b"hello".into(), 415, "unsupported_media_type", "text/plain"),
        ("application/octet-stream", vec![0; 70_000], 413, "body_too_large", "65536 bytes"),
    ];
    for (content_type, body, status, code, says) in cases {
        let answer = replica.post("/v1/classify", content_type, body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{answer:?}");
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(says), "{message:?} does not say {says:?}");
    }
    let url = format!("{}/v1/classify", replica.url);
    let untyped = request(&replica.client, "POST", &url, &[], Bytes::from_static(b"x")).await;
    assert_eq!((untyped.status.as_u16(), untyped.code().as_str()), (415, "unsupported_media_type"));
    assert_eq!(replica.get("/v1/classify").await.code(), "method_not_allowed");
    assert_eq!(replica.post("/readyz", "text/plain", "").await.status.as_u16(), 405);
    assert_eq!(replica.get("/v2").await.code(), "not_found");
    let list = replica.post("/v1/classify/batch", "application/json", "[]").await;
    assert_eq!((list.status.as_u16(), list.code().as_str()), (400, "bad_request"));
    // None of it hurt the replica.
    let fine = replica.post_json("/v1/classify", &pixels(&record(GREY, 1))).await;
    assert_eq!(fine.status, StatusCode::OK);
    replica.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn photographs_of_any_size_are_classified() {
    let house = House::new().await;
    let replica = house.serving(&[]).await;
    // Large enough to be decoded on a thread of its own.
    let photograph: Vec<u8> =
        (0..600 * 400).flat_map(|i| [250, 250, if i % 600 > 200 { 10 } else { 250 }]).collect();
    for file in [png(&photograph, 600, 400, ColorType::Rgb8), png(&[128], 1, 1, ColorType::L8)] {
        let answer = replica.post("/v1/classify", "image/png", file).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    replica.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_said_at_once_and_when_to_come_back() {
    let house = House::new().await;
    // 40 M multiply-adds a record: a batch of 40 takes some hundred milliseconds.
    let heavy = house.model_of("c64.5.1 c32.5.1 m f o", GREY, 1).await;
    house.promote(1, heavy.digest()).await;
    let replica = house.replica(&["--queue", "1"]).await;
    replica.generation(1).await;
    let body = json!({"images": vec![pixels(&record(GREY, 1)); 40]});
    let asked = (0..10).map(|_| replica.post_json("/v1/classify/batch", &body));
    let answers = futures::future::join_all(asked).await;
    let (fine, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == StatusCode::OK);
    assert!(!fine.is_empty() && !refused.is_empty(), "{} fine of 10", fine.len());
    for answer in refused {
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "overloaded"));
        assert_eq!(answer.header("retry-after"), "1");
    }
    // It recovers by itself, and the count of what waits is 0 again.
    assert_eq!(replica.post_json("/v1/classify", &pixels(&record(GREY, 1))).await.status, StatusCode::OK);
    assert!(replica.metrics().await.contains("selvedge_serve_queue_requests 0\n"));
    replica.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_requests_batches_and_models() {
    let house = House::new().await;
    let replica = house.serving(&[]).await;
    for n in 0..3 {
        replica.post_json("/v1/classify", &pixels(&record(GREY, n))).await;
    }
    replica.post("/v1/classify", "image/png", "nonsense").await;
    let metrics = replica.metrics().await;
    for line in [
        "selvedge_serve_requests_total{route=\"classify\",code=\"200\"} 3",
        "selvedge_serve_requests_total{route=\"classify\",code=\"400\"} 1",
        "selvedge_serve_request_seconds_count{route=\"classify\"} 4",
        "selvedge_serve_batch_records_sum 3",
        "selvedge_serve_generation 1",
        "selvedge_serve_swaps_total 1",
        "selvedge_serve_refusals_total 0",
    ] {
        assert!(
            metrics.contains(&format!("{line}\n")) || metrics.contains(&format!("{line}.0\n")),
            "{line}: {metrics}"
        );
    }
    replica.end().await;
}
