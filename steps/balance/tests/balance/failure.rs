//! Replicas that die, drain, are slow, full or not ready yet; clients that send too much; and the balancer's own end.

use std::time::{Duration, Instant};

use futures::future::join_all;
use hyper::Method;
use selvedge_web::{Code, Limits};

use crate::harness::{Balancer, Mode, QUICK, Replica, set_all, three};

#[tokio::test]
async fn no_request_is_lost_when_a_replica_dies_in_the_middle() {
    let [a, b, c] = three().await;
    set_all(&[&a, &b, &c], Mode::Ready(Duration::from_millis(30)));
    let balancer = Balancer::start(&[&a, &b, &c], &[]).await;
    let requests = join_all((0..60).map(|_| balancer.classify()));
    let (state, killed) = (a.state.clone(), async {
        a.state.arrived.notified().await;
        let began = a.count();
        a.kill().await;
        began
    });
    let (answers, began) = tokio::join!(requests, killed);
    assert!(began > 0, "some requests were at the replica that died");
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert!(
        answers.iter().all(|answer| answer.replica() != "serve-0" || !state.seen.lock().unwrap().is_empty())
    );
    let metrics = balancer.metrics().await;
    assert!(metrics.contains("selvedge_balance_retries_total{reason="), "{metrics}");
    assert!(metrics.contains("selvedge_balance_ejections_total{upstream=\"serve-0\"} "), "{metrics}");
    // And later, by its probe.
    balancer.eventually(|shown| shown[0]["status"] == "unreachable" && shown[0]["ready"] == false).await;
    let sent = balancer.shown().await[0]["requests"].clone();
    join_all((0..20).map(|_| balancer.classify())).await;
    assert_eq!(balancer.shown().await[0]["requests"], sent);
}

#[tokio::test]
async fn no_request_is_lost_while_a_replica_drains() {
    let grace =
        Limits { grace: Duration::from_millis(200), drain: Duration::from_secs(5), ..Limits::default() };
    let slow = Mode::Ready(Duration::from_millis(20));
    let going = Replica::start_with("serve-0", slow, grace).await;
    let staying = Replica::start("serve-1", slow).await;
    let balancer = Balancer::start(&[&going, &staying], &[]).await;
    let requests = async {
        for round in 0..20 {
            if round == 4 {
                going.stop.request();
            }
            let answers = join_all((0..10).map(|_| balancer.classify())).await;
            assert!(answers.iter().all(|answer| answer.status == 200), "round {round}: {answers:?}");
        }
    };
    requests.await;
    balancer.eventually(|shown| shown[0]["ready"] == false).await;
    assert!(staying.count() > going.count());
    assert_eq!(going.ended.await.unwrap(), selvedge_web::Drained::Clean);
}

#[tokio::test]
async fn a_replica_that_comes_back_is_used_again() {
    let [a, b, _] = three().await;
    let balancer = Balancer::start(&[&a, &b], &[]).await;
    a.set(Mode::NoModel);
    balancer.eventually(|shown| shown[0]["status"] == "no_model" && shown[0]["healthy"] == true).await;
    assert_eq!(balancer.classify().await.replica(), "serve-1");
    a.set(QUICK);
    balancer.eventually(|shown| shown[0]["ready"] == true && shown[0]["generation"] == 7).await;
    let replicas = [balancer.classify().await.replica(), balancer.classify().await.replica()];
    assert!(replicas.contains(&"serve-0".to_owned()), "{replicas:?}");
}

#[tokio::test]
async fn no_model_is_told_from_nobody_there() {
    let waiting = Replica::start("serve-0", Mode::NoModel).await;
    let gone = Replica::start("serve-1", QUICK).await;
    let address = gone.address;
    gone.kill().await;
    let list = format!("serve-0=http://{},serve-1=http://{address}", waiting.address);
    let balancer = Balancer::over(&list, &[]).await;
    balancer.eventually(|shown| shown[0]["status"] == "no_model").await;
    for answer in [balancer.classify().await, balancer.batch(&["Bag1"]).await] {
        assert_eq!((answer.status, answer.code().as_str()), (503, "no_model"));
    }
    waiting.kill().await;
    balancer.eventually(|shown| shown.iter().all(|one| one["status"] == "unreachable")).await;
    for answer in [balancer.classify().await, balancer.batch(&["Bag1"]).await] {
        assert_eq!((answer.status, answer.code().as_str()), (503, "no_upstream"));
    }
}

#[tokio::test]
async fn a_replica_that_is_full_or_going_is_replaced_and_two_full_ones_are_enough() {
    let [a, b, c] = three().await;
    a.set(Mode::Declines(Code::Overloaded));
    let balancer = Balancer::start(&[&a, &b, &c], &[]).await;
    for _ in 0..9 {
        assert_eq!(balancer.classify().await.status, 200);
    }
    assert!(a.count() > 0);
    set_all(&[&b, &c], Mode::Declines(Code::Overloaded));
    let before = a.count() + b.count() + c.count();
    let answer = balancer.classify().await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "overloaded"));
    assert_eq!(answer.headers["retry-after"], "3");
    assert_eq!(a.count() + b.count() + c.count() - before, 2);
}

#[tokio::test]
async fn a_replica_that_does_not_answer_is_504() {
    let replica = Replica::start("serve-0", Mode::Held).await;
    let balancer = Balancer::start(&[&replica], &["--request-timeout", "100ms"]).await;
    let begin = Instant::now();
    let answer = balancer.classify().await;
    assert_eq!((answer.status, answer.code().as_str()), (504, "timeout"));
    assert!(begin.elapsed() < Duration::from_secs(3));
    balancer.eventually(|shown| shown[0]["in_flight"] == 0).await;
}

#[tokio::test]
async fn requests_at_a_replica_that_stops_answering_go_to_another() {
    let [a, b, _] = three().await;
    set_all(&[&a, &b], Mode::Held);
    let balancer = Balancer::start(&[&a, &b], &["--health-timeout", "50ms"]).await;
    let hang = async {
        a.state.arrived.notified().await;
        b.set(QUICK);
        a.set(Mode::Hung);
    };
    let begin = Instant::now();
    // One of the two is at each replica.
    let requests = join_all((0..2).map(|_| balancer.classify()));
    let release = async {
        b.state.arrived.notified().await;
        b.state.release.notify_one();
    };
    let (answers, (), ()) = tokio::join!(requests, hang, release);
    assert!(answers.iter().all(|answer| answer.replica() == "serve-1"), "{answers:?}");
    assert!(begin.elapsed() < Duration::from_secs(5), "the request timeout is 10 s");
    let metrics = balancer.metrics().await;
    assert!(metrics.contains("selvedge_balance_retries_total{reason=\"lost\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn where_nobody_is_ready_one_that_drains_is_asked() {
    let grace = Limits { grace: Duration::from_secs(5), drain: Duration::from_secs(5), ..Limits::default() };
    let last = Replica::start_with("serve-0", QUICK, grace).await;
    let balancer = Balancer::start(&[&last], &[]).await;
    last.stop.request();
    balancer.eventually(|shown| shown[0]["status"] == "draining").await;
    assert_eq!(balancer.classify().await.status, 200);
    assert_eq!(balancer.batch(&["Bag1"]).await.status, 200);
}

#[tokio::test]
async fn a_balancer_is_ready_once_a_replica_answered_and_stays_so() {
    let late = Replica::start("serve-0", Mode::Hung).await;
    let upstreams = format!("serve-0=http://{}", late.address);
    let balancer = Balancer::over(&upstreams, &["--health-timeout", "50ms"]).await;
    let ready = async || balancer.request(Method::GET, "/readyz", &[], "").await.unwrap();
    balancer.eventually(|shown| shown[0]["status"] == "unreachable").await;
    let answer = ready().await;
    assert_eq!((answer.status, answer.json()["status"].as_str()), (503, Some("starting")));
    late.set(Mode::NoModel);
    balancer.eventually(|shown| shown[0]["status"] == "no_model").await;
    assert_eq!(ready().await.status, 200);
    late.set(Mode::Hung);
    balancer.eventually(|shown| shown[0]["status"] == "unreachable").await;
    assert_eq!(ready().await.status, 200);
}

#[tokio::test]
async fn a_lone_replica_that_breaks_off_is_502() {
    let replica = Replica::start("serve-0", Mode::Held).await;
    let balancer = Balancer::start(&[&replica], &["--health-interval", "1h"]).await;
    let kill = async {
        replica.state.arrived.notified().await;
        replica.kill().await;
    };
    let (answer, ()) = tokio::join!(balancer.classify(), kill);
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_failed"));
    let answer = balancer.classify().await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "no_upstream"));
}

#[tokio::test]
async fn an_answer_that_breaks_off_half_way_breaks_off_for_the_client_too() {
    let replica = Replica::start("serve-0", Mode::BrokenBody).await;
    let balancer = Balancer::start(&[&replica], &[]).await;
    let answer = balancer.classify().await;
    assert_eq!((answer.status, answer.body), (200, None));
    balancer.eventually(|shown| shown[0]["in_flight"] == 0).await;
}

#[tokio::test]
async fn a_picture_over_the_limit_is_413_and_reaches_no_replica() {
    let replica = Replica::start("serve-0", QUICK).await;
    let balancer = Balancer::start(&[&replica], &["--image-limit", "1KiB", "--body-limit", "8KiB"]).await;
    let send = |path: &'static str, size| balancer.request(Method::POST, path, &[], vec![b' '; size]);
    let answer = send("/v1/classify", 1025).await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"));
    assert_eq!(send("/v1/classify/batch", 8193).await.unwrap().status, 413);
    assert_eq!(replica.count(), 0);
    assert_eq!(send("/v1/classify", 1024).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_request_is_under_way_until_its_body_ends_and_a_drain_waits_for_it() {
    let replica = Replica::start("halves", Mode::HalfBody).await;
    let balancer = Balancer::start(&[&replica], &[]).await;
    let stopping = async {
        balancer.eventually(|shown| shown[0]["in_flight"] == 1).await;
        // The head has passed; the half body keeps it under way.
        assert_eq!(balancer.shown().await[0]["in_flight"], 1);
        balancer.stop.request();
        let connect =
            || tokio::net::TcpStream::connect(balancer.url.trim_start_matches("http://").to_owned());
        while connect().await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(!balancer.ended.is_finished());
        replica.release_halves();
    };
    let (answer, ()) = tokio::join!(balancer.classify(), stopping);
    assert_eq!(answer.json()["server_replica"], "halves");
    balancer.ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_drain_that_takes_too_long_says_so() {
    let replica = Replica::start("serve-0", Mode::Held).await;
    let balancer = Balancer::start(&[&replica], &["--drain-timeout", "100ms"]).await;
    let stop = async {
        replica.state.arrived.notified().await;
        balancer.stop.request();
    };
    let request = balancer.request(Method::POST, "/v1/classify", &[], "picture");
    let (answer, ()) = tokio::join!(request, stop);
    assert!(answer.is_err(), "{answer:?}");
    let error = balancer.ended.await.unwrap().unwrap_err();
    assert!(format!("{error:#}").contains("1 connections cut after drain-timeout=100ms"), "{error:#}");
}
