//! Servers and clients of this crate against each other, and against sockets that misbehave.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use prometheus_client::registry::Registry;
use selvedge_contract::{ExitCode, Stop};
use selvedge_web::{
    ApiError, Client, ClientError, Code, Drained, ErrorBody, Limits, Peer, Request, Requests, Response, bind,
    json, read, serve, serve_metrics, text,
};
use serde_json::{Value, json as value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
const PATIENCE: Duration = Duration::from_secs(5);

/// A server under test: an echo with a body limit of 1000 bytes, and `/slow`, which waits to be released.
struct Server {
    address: SocketAddr,
    stop: Stop,
    arrived: Arc<Notify>,
    release: Arc<Notify>,
    ended: JoinHandle<Drained>,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let listener = bind(LOCAL).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, arrived, release) = (Stop::new(), Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (seen, free, draining) = (Arc::clone(&arrived), Arc::clone(&release), stop.clone());
        let handler = move |request: Request| {
            let (seen, free, draining) = (Arc::clone(&seen), Arc::clone(&free), draining.clone());
            async move { answer(request, &seen, &free, &draining).await }
        };
        let ended = tokio::spawn(serve(listener, handler, limits, stop.clone()));
        Self { address, stop, arrived, release, ended }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn answer(request: Request, seen: &Notify, free: &Notify, stop: &Stop) -> Result<Response, ApiError> {
    let peer = request.extensions().get::<Peer>().unwrap().0;
    match request.uri().path() {
        "/echo" => {
            let (_, body) = read(request, 1000, Duration::from_millis(300)).await?;
            let body = String::from_utf8_lossy(&body).into_owned();
            Ok(json(StatusCode::OK, &value!({"body": body, "peer": peer.ip()})))
        }
        "/slow" => {
            seen.notify_one();
            free.notified().await;
            Ok(text(StatusCode::OK, "at last"))
        }
        "/readyz" if stop.is_requested() => Err(ApiError::new(Code::Draining, "stopping")),
        "/readyz" => Ok(text(StatusCode::OK, "ready")),
        "/busy" => Err(ApiError::new(Code::Overloaded, "come back").retry_after(Duration::from_millis(1200))),
        path => Err(ApiError::not_found(path)),
    }
}

fn client() -> Client {
    Client::new(Duration::from_secs(1))
}

/// Writes `request` to a fresh connection and reads until the server closes it.
async fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn json_goes_there_and_back() {
    let server = Server::start(Limits::default()).await;
    let answer = client().post_json(&server.url("/echo"), &value!({"a": 1}), PATIENCE).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    let answer: Value = answer.json("/echo").unwrap();
    assert_eq!(answer, value!({"body": "{\"a\":1}", "peer": "127.0.0.1"}));
}

#[tokio::test]
async fn an_error_has_its_status_and_the_one_body() {
    let server = Server::start(Limits::default()).await;
    let answer = client().get(&server.url("/nowhere"), PATIENCE).await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(
        String::from_utf8_lossy(&answer.body),
        r#"{"error":{"code":"not_found","message":"there is nothing at /nowhere"}}"#
    );
    let refused = client().get_json::<Value>(&server.url("/busy"), PATIENCE).await.unwrap_err();
    assert!(matches!(refused, ClientError::Status { status, .. } if status == 503), "{refused}");
    let busy = raw(server.address, b"GET /busy HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert!(busy.contains("retry-after: 2\r\n"), "{busy}");
}

#[tokio::test]
async fn an_announced_length_over_the_limit_is_413_before_anything_is_read() {
    let server = Server::start(Limits::default()).await;
    let head =
        b"POST /echo HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 1001\r\nconnection: close\r\n\r\n";
    let answer = raw(server.address, head).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains(r#""code":"body_too_large""#), "{answer}");
}

#[tokio::test]
async fn a_chunked_body_over_the_limit_is_413_and_one_at_the_limit_passes() {
    let server = Server::start(Limits::default()).await;
    for (chunks, status) in [(10, "200"), (11, "413"), (5000, "413")] {
        let mut request =
            b"POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n".to_vec();
        for _ in 0..chunks {
            request.extend_from_slice(b"64\r\n");
            request.extend_from_slice(&[b'x'; 100]);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"0\r\n\r\n");
        let answer = raw(server.address, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{chunks}: {answer}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let server = Server::start(Limits::default()).await;
    let head = b"POST /echo HTTP/1.1\r\ncontent-length: 10\r\nconnection: close\r\n\r\nabc";
    let answer = raw(server.address, head).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_head_that_does_not_come_closes_the_connection() {
    let limits = Limits { head: Duration::from_millis(100), ..Limits::default() };
    let server = Server::start(limits).await;
    let answer = raw(server.address, b"GET /echo HTT").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_drain_answers_what_is_under_way_and_accepts_nothing_new() {
    let server = Server::start(Limits::default()).await;
    let (http, url) = (client(), server.url("/slow"));
    let idle = TcpStream::connect(server.address).await.unwrap();
    let slow = tokio::spawn(async move { http.get(&url, PATIENCE).await });
    server.arrived.notified().await;
    server.stop.request();
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!server.ended.is_finished(), "a request is under way");
    server.release.notify_one();
    assert_eq!(slow.await.unwrap().unwrap().body, "at last");
    assert_eq!(server.ended.await.unwrap(), Drained::Clean);
    let mut byte = [0];
    assert_eq!(idle.try_read(&mut byte).unwrap_or(0), 0, "idle connections are closed");
}

#[tokio::test]
async fn a_drain_that_takes_too_long_is_cut_and_says_so() {
    let limits = Limits { drain: Duration::from_millis(100), ..Limits::default() };
    let server = Server::start(limits).await;
    let (http, url) = (client(), server.url("/slow"));
    let slow = tokio::spawn(async move { http.get(&url, PATIENCE).await });
    server.arrived.notified().await;
    let begin = Instant::now();
    server.stop.request();
    assert_eq!(server.ended.await.unwrap(), Drained::Cut(1));
    assert!(begin.elapsed() < Duration::from_secs(2));
    let broken = slow.await.unwrap().unwrap_err();
    assert!(matches!(broken, ClientError::Broken { .. }) && broken.was_sent(), "{broken}");
}

#[tokio::test]
async fn within_the_grace_a_draining_server_still_answers_its_probe() {
    let limits = Limits { grace: Duration::from_millis(400), ..Limits::default() };
    let server = Server::start(limits).await;
    let ready = server.url("/readyz");
    assert_eq!(client().get(&ready, PATIENCE).await.unwrap().status, StatusCode::OK);
    server.stop.request();
    let answer = client().get(&ready, PATIENCE).await.unwrap();
    let body: ErrorBody = answer.json(&ready).unwrap();
    assert_eq!((answer.status.as_u16(), body.error.code), (503, Code::Draining));
    assert_eq!(server.ended.await.unwrap(), Drained::Clean);
}

/// Reads one answer with a body of known length from a connection that may stay open.
async fn one_answer(socket: &mut TcpStream) -> String {
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(PATIENCE, socket.read(&mut answer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test]
async fn within_the_grace_every_answer_closes_its_connection() {
    let server = Server::start(Limits { grace: Duration::from_millis(400), ..Limits::default() }).await;
    let mut kept = TcpStream::connect(server.address).await.unwrap();
    let request = b"GET /readyz HTTP/1.1\r\n\r\n";
    kept.write_all(request).await.unwrap();
    let before = one_answer(&mut kept).await;
    assert!(before.starts_with("HTTP/1.1 200") && !before.contains("connection: close"), "{before}");
    server.stop.request();
    kept.write_all(request).await.unwrap();
    let mut after = String::new();
    kept.read_to_string(&mut after).await.unwrap();
    assert!(after.contains("connection: close\r\n"), "{after}");
    assert_eq!(server.ended.await.unwrap(), Drained::Clean);
}

#[tokio::test]
async fn connections_that_nobody_accepted_yet_are_answered_by_a_server_that_goes() {
    // One connection at a time, and that one is taken: what comes waits in the kernel's queue.
    let server = Server::start(Limits { connections: 1, ..Limits::default() }).await;
    let taken = raw(server.address, b"GET /readyz HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert!(taken.starts_with("HTTP/1.1 200"), "{taken}");
    let _idle = TcpStream::connect(server.address).await.unwrap();
    let mut waiting = TcpStream::connect(server.address).await.unwrap();
    server.stop.request();
    let request = b"GET /echo HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi";
    waiting.write_all(request).await.unwrap();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"body\":\"hi\""), "{answer}");
    assert_eq!(server.ended.await.unwrap(), Drained::Clean);
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_their_turn() {
    let server = Server::start(Limits { connections: 1, ..Limits::default() }).await;
    let first = TcpStream::connect(server.address).await.unwrap();
    let (http, url) = (client(), server.url("/readyz"));
    let waiting = http.get(&url, Duration::from_millis(200)).await;
    assert!(matches!(waiting, Err(ClientError::Timeout { .. })), "{waiting:?}");
    drop(first);
    assert_eq!(http.get(&url, PATIENCE).await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn a_busy_port_is_named_and_is_the_operators_to_mend() {
    let listener = bind(LOCAL).await.unwrap();
    let address = listener.local_addr().unwrap();
    let error = bind(address).await.unwrap_err();
    assert!(format!("{error:#}").contains(&format!("cannot listen on {address}")), "{error:#}");
    assert_eq!(ExitCode::of(&error), ExitCode::Configuration);
}

#[tokio::test]
async fn client_errors_tell_what_was_never_sent_from_what_may_have_been() {
    let nobody = bind(LOCAL).await.unwrap().local_addr().unwrap();
    let refused = client().get(&format!("http://{nobody}/"), PATIENCE).await.unwrap_err();
    assert!(matches!(refused, ClientError::Connect { .. }) && !refused.was_sent(), "{refused}");
    for url in ["https://127.0.0.1/", "localhost", "", "http://"] {
        let wrong = client().get(url, PATIENCE).await.unwrap_err();
        assert!(matches!(wrong, ClientError::Url { .. }), "{url}: {wrong}");
    }
    let server = Server::start(Limits::default()).await;
    let late = client().get(&server.url("/slow"), Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(late, ClientError::Timeout { .. }) && late.was_sent(), "{late}");
    let odd = client().get_json::<Value>(&server.url("/readyz"), PATIENCE).await.unwrap_err();
    assert!(matches!(odd, ClientError::Json { .. }), "{odd}");
}

#[tokio::test]
async fn requests_are_counted_by_route_and_status_and_shown() {
    let mut registry = Registry::with_prefix("test");
    let requests = Requests::register(&mut registry);
    let fine = async { Ok(text(StatusCode::OK, "")) };
    let failed = async { Err(ApiError::new(Code::NoModel, "")) };
    requests.measure("classify", fine).await.unwrap();
    requests.measure("classify", failed).await.unwrap_err();
    let listener = bind(LOCAL).await.unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    let stop = Stop::new();
    let server = tokio::spawn(serve_metrics(listener, Arc::new(registry), stop.clone()));
    let shown = client().get(&url, PATIENCE).await.unwrap();
    let shown = String::from_utf8_lossy(&shown.body).into_owned();
    assert!(shown.contains("test_requests_total{route=\"classify\",code=\"200\"} 1\n"), "{shown}");
    assert!(shown.contains("test_requests_total{route=\"classify\",code=\"503\"} 1\n"), "{shown}");
    assert!(shown.contains("test_request_seconds_count{route=\"classify\"} 2\n"), "{shown}");
    assert!(shown.contains("test_requests_in_flight 0\n"), "{shown}");
    stop.request();
    assert_eq!(server.await.unwrap(), Drained::Clean);
}
