//! The load generator as a process: what it counts, and that it counts all of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use hyper::StatusCode;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selvedge_contract::Stop;
use selvedge_load::Seen;
use selvedge_web::{ApiError, Code, Limits, Request, Response, bind, json, serve};

/// A balancer that refuses every seventh request, and counts all.
async fn answer(count: Arc<AtomicUsize>, request: Request) -> Result<Response, ApiError> {
    let number = count.fetch_add(1, Relaxed);
    if number % 7 == 6 {
        return Err(ApiError::new(Code::Overloaded, "the seventh"));
    }
    if request.uri().path().ends_with("/batch") {
        let items = [0; 4];
        return Ok(json(
            StatusCode::OK,
            &serde_json::json!({"items": items, "failed": 0, "replicas": {"b": 4}, "models": {"m": 4}}),
        ));
    }
    let mut response = json(StatusCode::OK, &serde_json::json!({}));
    response.headers_mut().insert("x-selvedge-replica", "a".parse().unwrap());
    response.headers_mut().insert("x-selvedge-model", "m".parse().unwrap());
    Ok(response)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_counted_and_what_was_lost_is_named() {
    let (stop, count) = (Stop::new(), Arc::new(AtomicUsize::new(0)));
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let counted = Arc::clone(&count);
    let serving = tokio::spawn({
        let stop = stop.clone();
        async move {
            serve(listener, move |request| answer(Arc::clone(&counted), request), Limits::default(), stop)
                .await
        }
    });
    let seen = tokio::task::spawn_blocking(move || load(&url, 3)).await.unwrap();
    stop.request();
    serving.await.unwrap();
    assert_eq!(seen.requests, count.load(Relaxed), "{seen:?}");
    assert_eq!(seen.failures(), seen.requests / 7, "{:?}", seen.failed);
    assert!(
        seen.failed.keys().all(|why| why.starts_with("503 ") && why.contains("the seventh")),
        "{:?}",
        seen.failed
    );
    assert_eq!(seen.latencies.len() + seen.failures(), seen.requests);
    assert!(seen.replicas["a"] > seen.replicas["b"] && seen.replicas["b"] > 0, "{:?}", seen.replicas);
    assert_eq!(seen.models["m"], seen.latencies.len());
}

#[test]
fn where_nobody_listens_everything_is_lost() {
    let seen = load("http://127.0.0.1:1", 2);
    assert!(seen.requests > 0 && seen.failures() == seen.requests, "{seen:?}");
}

/// The sum of the first `lines` lines that it says and of those after it was asked to end.
fn load(url: &str, lines: usize) -> Seen {
    let mut command = Command::new(env!("CARGO_BIN_EXE_load"));
    let mut child = command.args(["--url", url]).stdout(Stdio::piped()).spawn().unwrap();
    let mut seen = Seen::default();
    for (number, line) in BufReader::new(child.stdout.take().unwrap()).lines().enumerate() {
        seen.add(serde_json::from_str(&line.unwrap()).unwrap());
        if number + 1 == lines {
            kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
        }
    }
    assert!(child.wait().unwrap().success());
    seen
}
