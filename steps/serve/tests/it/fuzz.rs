//! Whatever is sent: an answer, and a replica that is as well as before.

use bytes::Bytes;
use hyper::StatusCode;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::support::{GREY, House, pixels, record, request};

/// Bodies that begin like good ones, and such that do not.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "\"pixels\":",
        "\"data\":",
        "\"image_id\":",
        "\"images\":",
        "1",
        "255",
        "-1",
        "1e999",
        ",",
        "null",
        "\"\"",
        "\"iVBORw0KGgo=\"",
        "\"/9j/\"",
        "\\u0000",
        "é",
        "{\"pixels\":[0,0]}",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..600),
        prop::collection::vec(fragment, 0..40).prop_map(|parts| parts.concat().into_bytes()),
        (0_usize..1500).prop_map(|depth| "[".repeat(depth).into_bytes()),
        prop::collection::vec(any::<u8>(), 0..200)
            .prop_map(|tail| [b"\x89PNG\r\n\x1a\n".as_slice(), &tail].concat()),
        prop::collection::vec(any::<u8>(), 0..200)
            .prop_map(|tail| [b"\xff\xd8\xff".as_slice(), &tail].concat()),
    ]
}

#[test]
fn a_bad_body_is_a_4xx_with_the_error_body_and_hurts_nobody() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let house = runtime.block_on(House::new());
    let replica = runtime.block_on(house.serving(&["--body-limit", "4KiB"]));
    let kind = prop::sample::select(vec![
        "application/json",
        "application/octet-stream",
        "image/png",
        "image/jpeg",
        "image/webp",
        "",
    ]);
    let path = prop::sample::select(vec!["/v1/classify", "/v1/classify/batch", "/v1/model", "/"]);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(400));
    let cases = (body(), kind, path);
    runner
        .run(&cases, |(body, kind, path)| {
            let url = format!("{}{path}", replica.url);
            let headers = [("content-type", kind)];
            let answer =
                runtime.block_on(request(&replica.client, "POST", &url, &headers, Bytes::from(body.clone())));
            // Only a batch that holds nothing but bad images is an answer.
            if answer.status == StatusCode::OK {
                prop_assert_eq!(path, "/v1/classify/batch");
                let items = answer.json()["items"].as_array().unwrap().clone();
                prop_assert!(items.iter().all(|item| item["error"]["code"].is_string()));
                return Ok(());
            }
            prop_assert!(answer.status.is_client_error(), "{:?}", answer);
            answer.code();
            Ok(())
        })
        .unwrap();
    let fine = runtime.block_on(replica.post_json("/v1/classify", &pixels(&record(GREY, 1))));
    assert_eq!(fine.status, StatusCode::OK);
    runtime.block_on(replica.end());
}
