//! What is passed on, and what the balancer answers itself.

use hyper::Method;
use serde_json::json;

use crate::harness::{Balancer, QUICK, Replica};

#[tokio::test]
async fn heads_are_passed_on_without_what_is_meant_for_one_hop() {
    let replica = Replica::start("serve-0", QUICK).await;
    let balancer = Balancer::start(&[&replica], &[]).await;
    let headers = [
        ("x-forwarded-for", "1.2.3.4"),
        ("host", "example.org"),
        ("connection", "x-private"),
        ("x-private", "1"),
        ("te", "trailers"),
        ("x-image-id", "seven"),
        ("content-type", "image/png"),
    ];
    let answer = balancer.classify_as(&headers).await;
    let seen = replica.state.seen.lock().unwrap()[0].clone();
    let value = |name: &str| seen.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(value("x-forwarded-for"), Some("1.2.3.4, 127.0.0.1"));
    assert_eq!(value("x-forwarded-host"), Some("example.org"));
    assert_eq!(value("x-forwarded-proto"), Some("http"));
    assert_eq!(value("host"), Some(replica.address.to_string().as_str()));
    assert_eq!((value("x-image-id"), value("content-type")), (Some("seven"), Some("image/png")));
    assert_eq!((value("connection"), value("x-private"), value("te")), (None, None, None));
    assert!(!answer.headers.contains_key("keep-alive"));
    assert_eq!(answer.json()["image_id"], "7", "seven bytes came");
}

#[tokio::test]
async fn connections_to_replicas_are_kept() {
    let replica = Replica::start("serve-0", QUICK).await;
    let balancer = Balancer::start(&[&replica], &["--health-interval", "1h"]).await;
    let connections = || std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = format!(":{:04X} ", replica.address.port());
    for _ in 0..50 {
        balancer.classify().await;
    }
    // One line for either end of each connection, and one for the listener.
    let lines = connections().lines().filter(|line| line.contains(&port)).count();
    assert!(lines <= 5, "{lines}");
}

#[tokio::test]
async fn the_page_is_one_file_that_asks_nobody_else() {
    let balancer = Balancer::over("serve-0=http://127.0.0.1:1", &[]).await;
    let answer = balancer.request(Method::GET, "/", &[], "").await.unwrap();
    let page = String::from_utf8(answer.body.unwrap().to_vec()).unwrap();
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    assert!(answer.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    for part in ["<canvas", "Classify", "/v1/classify", "/v1/replicas", "prefers-color-scheme", "lang=\"en\""]
    {
        assert!(page.contains(part), "{part}");
    }
    for foreign in ["https://", "src=\"/", "href=\"/", "@import"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[tokio::test]
async fn own_answers_probes_and_errors() {
    let replica = Replica::start("serve-0", QUICK).await;
    let balancer = Balancer::start(&[&replica], &[]).await;
    let get = |method, path: &'static str| balancer.request(method, path, &[], "");
    assert_eq!(get(Method::GET, "/healthz").await.unwrap().status, 200);
    let ready = get(Method::GET, "/readyz").await.unwrap();
    assert_eq!(ready.json(), json!({"status": "ready", "replicas": 1}));
    assert_eq!(get(Method::GET, "/v1/model").await.unwrap().json(), json!({"model": "abc"}));
    assert_eq!(get(Method::HEAD, "/v1/model").await.unwrap().status, 200);
    assert_eq!(get(Method::GET, "/nowhere").await.unwrap().code(), "not_found");
    assert_eq!(get(Method::GET, "/v1/classify").await.unwrap().code(), "method_not_allowed");
    assert_eq!(get(Method::DELETE, "/").await.unwrap().status, 405);
    let shown = balancer.shown().await;
    let expected = json!({"name": "serve-0", "address": format!("http://{}", replica.address), "healthy": true,
        "ready": true, "status": "ready", "ejected": false, "generation": 7, "model": "abc", "in_flight": 0,
        "requests": 2});
    assert_eq!(shown, [expected]);
}

#[tokio::test]
async fn metrics_tell_replicas_and_codes_apart() {
    let replica = Replica::start("serve-0", QUICK).await;
    let balancer = Balancer::start(&[&replica], &[]).await;
    balancer.classify().await;
    let metrics = balancer.metrics().await;
    for line in [
        "selvedge_balance_requests_total{route=\"/v1/classify\",code=\"200\"} 1\n",
        "selvedge_balance_upstream_requests_total{upstream=\"serve-0\",code=\"200\"} 1\n",
        "selvedge_balance_upstream_seconds_count{upstream=\"serve-0\"} 1\n",
        "selvedge_balance_upstream_ready{upstream=\"serve-0\"} 1\n",
        "selvedge_balance_upstream_in_flight{upstream=\"serve-0\"} 0\n",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert_eq!(balancer.request(Method::GET, "/metrics", &[], "").await.unwrap().status, 404);
}
