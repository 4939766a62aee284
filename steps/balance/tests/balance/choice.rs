//! Which replica gets a request.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use hyper::Method;
use serde_json::json;

use crate::harness::{Balancer, Mode, PATIENCE, QUICK, Replica, set_all, three};

#[tokio::test]
async fn round_robin_gives_everybody_the_same() {
    let [a, b, c] = three().await;
    let balancer = Balancer::start(&[&a, &b, &c], &[]).await;
    for _ in 0..30 {
        assert_eq!(balancer.classify().await.status, 200);
    }
    assert_eq!([a.count(), b.count(), c.count()], [10, 10, 10]);
    let shown = balancer.shown().await;
    assert!(shown.iter().all(|one| one["requests"] == 10 && one["in_flight"] == 0), "{shown:?}");
}

#[tokio::test]
async fn least_connections_leaves_alone_whoever_is_busy() {
    let [a, b, c] = three().await;
    a.set(Mode::Held);
    let balancer = Balancer::start(&[&a, &b, &c], &["--strategy", "least-connections"]).await;
    let busy = async { while balancer.classify().await.replica() != "serve-0" {} };
    let others = async {
        a.state.arrived.notified().await;
        let (before, here) = (b.count() + c.count(), a.count());
        for _ in 0..20 {
            assert_ne!(balancer.classify().await.replica(), "serve-0");
        }
        assert_eq!((b.count() + c.count() - before, a.count()), (20, here));
        a.state.release.notify_one();
    };
    tokio::join!(busy, others);
}

#[tokio::test]
async fn hash_keeps_a_key_at_its_replica_and_spreads_keys() {
    let [a, b, c] = three().await;
    let balancer = Balancer::start(&[&a, &b, &c], &["--strategy", "hash"]).await;
    let mut homes = BTreeMap::new();
    for round in 0..3 {
        for key in 0..30 {
            let key = format!("client {key}");
            let by_header = balancer.classify_as(&[("x-selvedge-key", &key)]).await.replica();
            let cookie = format!("theme=dark; selvedge-key={key}");
            let by_cookie = balancer.classify_as(&[("cookie", &cookie)]).await.replica();
            assert_eq!(by_header, by_cookie);
            let home = homes.entry(key).or_insert(by_header.clone());
            assert_eq!(*home, by_header, "round {round}");
        }
    }
    assert_eq!(homes.values().collect::<BTreeSet<_>>().len(), 3, "{homes:?}");
    // Only the keys of the replica that went find another home.
    c.kill().await;
    for (key, home) in &homes {
        let now = balancer.classify_as(&[("x-selvedge-key", key)]).await.replica();
        assert!(now == *home || home == "serve-2", "{key}: {home} → {now}");
    }
}

#[tokio::test]
async fn a_key_in_great_demand_is_shared() {
    let [a, b, c] = three().await;
    set_all(&[&a, &b, &c], Mode::Ready(Duration::from_millis(500)));
    let balancer = Balancer::start(&[&a, &b, &c], &["--strategy", "hash"]).await;
    join_all((0..30).map(|_| balancer.classify_as(&[("x-selvedge-key", "same")]))).await;
    let counts = [a.count(), b.count(), c.count()];
    // ceil(1.25 · 30 / 3) = 13 at once, at most.
    assert!(counts.iter().all(|count| (1..=13).contains(count)), "{counts:?}");
}

#[tokio::test]
async fn latency_turns_away_from_the_slow() {
    let [a, b, c] = three().await;
    a.set(Mode::Ready(Duration::from_millis(150)));
    let balancer = Balancer::start(&[&a, &b, &c], &["--strategy", "latency"]).await;
    for _ in 0..60 {
        balancer.classify().await;
    }
    assert!(a.count() <= 10, "{} of 60 went to the slow one", a.count());
    assert!(b.count() >= 10 && c.count() >= 10, "{} {}", b.count(), c.count());
}

#[tokio::test]
async fn the_strategy_is_switched_while_requests_are_under_way() {
    let [a, b, c] = three().await;
    let balancer = Balancer::start(&[&a, &b, &c], &[]).await;
    let requests = join_all((0..60).map(|_| balancer.classify()));
    let switches = async {
        for name in ["hash", "latency", "least-connections", "round-robin", "hash"] {
            put(&balancer, &json!({"strategy": name}), 200).await;
        }
    };
    let (answers, ()) = tokio::join!(requests, switches);
    assert!(answers.iter().all(|answer| answer.status == 200));
    let home = balancer.classify().await.replica();
    for _ in 0..10 {
        assert_eq!(balancer.classify().await.replica(), home, "by hash of one client's address");
    }
    put(&balancer, &json!({"strategy": "fastest"}), 400).await;
    let public = balancer.request(Method::PUT, "/v1/strategy", &[], "{}").await.unwrap();
    assert_eq!(public.status, 404, "only on the metrics port");
}

async fn put(balancer: &Balancer, body: &serde_json::Value, status: u16) {
    let request = hyper::Request::put(format!("{}/v1/strategy", balancer.admin));
    let request = request.body(body.to_string().into()).unwrap();
    assert_eq!(balancer.client.send(request, PATIENCE).await.unwrap().status(), status);
}

#[tokio::test]
async fn a_dns_name_is_resolved_and_its_replicas_name_themselves() {
    let replica = Replica::start("serve-5", QUICK).await;
    let balancer = Balancer::over(&format!("http://localhost:{}", replica.address.port()), &[]).await;
    // localhost may be ::1 as well, where nobody listens.
    balancer.eventually(|shown| shown.iter().any(|one| one["ready"] == true)).await;
    let shown = balancer.shown().await;
    let ready: Vec<_> = shown.iter().filter(|one| one["ready"] == true).collect();
    assert_eq!(ready.len(), 1, "{shown:?}");
    assert_eq!((&ready[0]["name"], &ready[0]["generation"]), (&json!("serve-5"), &json!(7)));
    assert_eq!(balancer.classify().await.replica(), "serve-5");
}
