//! Test doubles of replicas: real servers that answer what a test wants.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::{HeaderMap, Method, StatusCode};
use selvedge_contract::Stop;
use selvedge_web::{ApiError, Code, Drained, Limits, Request, Response, bind, json, read, serve};
use serde_json::{Value, json as value};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::harness::{LOCAL, PATIENCE};

/// What a replica does with requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// Answers after a while.
    Ready(Duration),
    /// Answers half of a body, and the rest once released.
    HalfBody,
    /// Answers half of a body and breaks off.
    BrokenBody,
    /// Answers once released.
    Held,
    /// Declines with this code, but its probe says ready.
    Declines(Code),
    /// Says so on `/readyz` and declines.
    NoModel,
    Draining,
    /// Accepts and says nothing, not even to probes, as a process that is stopped.
    Hung,
}

pub const QUICK: Mode = Mode::Ready(Duration::ZERO);

pub struct Replica {
    pub name: String,
    pub address: SocketAddr,
    pub state: Arc<State>,
    pub stop: Stop,
    pub ended: JoinHandle<Drained>,
}

type Sender = futures::channel::mpsc::UnboundedSender<Result<Frame<Bytes>, std::io::Error>>;

pub struct State {
    name: String,
    mode: Mutex<Mode>,
    /// The heads of requests that came, probes not among them.
    pub seen: Mutex<Vec<HeaderMap>>,
    pub arrived: Notify,
    pub release: Notify,
    /// Second halves of bodies, and where they go.
    halves: Mutex<Vec<(Sender, Bytes)>>,
}

impl Replica {
    pub async fn start(name: &str, mode: Mode) -> Self {
        Self::start_with(name, mode, Limits { drain: Duration::ZERO, ..Limits::default() }).await
    }

    pub async fn start_with(name: &str, mode: Mode, limits: Limits) -> Self {
        let listener = bind(LOCAL).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            name: name.to_owned(),
            mode: Mutex::new(mode),
            seen: Mutex::default(),
            arrived: Notify::new(),
            release: Notify::new(),
            halves: Mutex::default(),
        });
        let (stop, answering) = (Stop::new(), Arc::clone(&state));
        let draining = stop.clone();
        let handler = move |request| {
            let (state, draining) = (Arc::clone(&answering), draining.is_requested());
            async move { state.answer(request, draining).await }
        };
        let ended = tokio::spawn(serve(listener, handler, limits, stop.clone()));
        Self { name: name.to_owned(), address, state, stop, ended }
    }

    pub fn set(&self, mode: Mode) {
        *self.state.mode.lock().unwrap() = mode;
    }

    pub fn count(&self) -> usize {
        self.state.seen.lock().unwrap().len()
    }

    /// Sends the second half of every body that it began.
    pub fn release_halves(&self) {
        for (sender, rest) in self.state.halves.lock().unwrap().drain(..) {
            sender.unbounded_send(Ok(Frame::data(rest))).unwrap();
        }
    }

    /// Gone at once, requests under way cut.
    pub async fn kill(self) {
        self.stop.request();
        self.ended.await.unwrap();
    }
}

impl State {
    async fn answer(&self, request: Request, draining: bool) -> Result<Response, ApiError> {
        let mode = if draining { Mode::Draining } else { *self.mode.lock().unwrap() };
        if mode == Mode::Hung {
            self.arrived.notify_one();
            return std::future::pending().await;
        }
        if request.uri().path() == "/readyz" {
            let (status, text) = match mode {
                Mode::NoModel => (StatusCode::SERVICE_UNAVAILABLE, "no_model"),
                Mode::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
                _ => (StatusCode::OK, "ready"),
            };
            let generation = (status == StatusCode::OK).then_some(7);
            let said = value!({"status": text, "replica": self.name, "generation": generation,
                "model": generation.map(|_| "abc"), "refused": null});
            return Ok(json(status, &said));
        }
        self.seen.lock().unwrap().push(request.headers().clone());
        self.arrived.notify_one();
        match mode {
            Mode::Ready(delay) => sleep(delay).await,
            Mode::Held => self.release.notified().await,
            Mode::Declines(code) => {
                return Err(ApiError::new(code, "not now").retry_after(Duration::from_secs(3)));
            }
            Mode::NoModel => return Err(ApiError::new(Code::NoModel, "no model yet")),
            Mode::Draining if !draining => return Err(ApiError::new(Code::Draining, "stopping")),
            _ => {}
        }
        self.classify(request, mode).await
    }

    async fn classify(&self, request: Request, mode: Mode) -> Result<Response, ApiError> {
        let batch = request.uri().path() == "/v1/classify/batch";
        let (parts, body) = read(request, 1 << 20, PATIENCE).await?;
        let mut answer = if batch {
            let images: Value = serde_json::from_slice(&body).unwrap();
            let items: Vec<_> = images["images"]
                .as_array()
                .unwrap()
                .iter()
                .map(|image| self.item(&image["image_id"]))
                .collect();
            json(
                StatusCode::OK,
                &value!({"items": items, "model": "abc", "generation": 7, "replica": self.name}),
            )
        } else if parts.method == Method::GET {
            json(StatusCode::OK, &value!({"model": "abc"}))
        } else {
            json(StatusCode::OK, &self.item(&value!(body.len().to_string())))
        };
        answer.headers_mut().insert("x-selvedge-replica", self.name.parse().unwrap());
        answer.headers_mut().insert("keep-alive", "timeout=5".parse().unwrap());
        Ok(match mode {
            Mode::HalfBody => self.in_halves(answer, false).await,
            Mode::BrokenBody => self.in_halves(answer, true).await,
            _ => answer,
        })
    }

    /// An image whose id begins with `bad` cannot be classified; others are what their id begins with.
    fn item(&self, image_id: &Value) -> Value {
        let class: String =
            image_id.as_str().unwrap_or("?").chars().take_while(|c| c.is_alphabetic()).collect();
        if class == "bad" {
            return value!({"image_id": image_id, "error": {"code": "bad_image", "message": "no picture"}});
        }
        value!({"image_id": image_id, "predicted_class": class, "confidence": 0.9, "processing_time_ms": 1.5,
            "server_replica": self.name})
    }

    async fn in_halves(&self, answer: Response, broken: bool) -> Response {
        let (parts, body) = answer.into_parts();
        let whole = body.collect().await.unwrap().to_bytes();
        let (first, rest) = (whole.slice(..whole.len() / 2), whole.slice(whole.len() / 2..));
        let (sender, receiver) = futures::channel::mpsc::unbounded::<Result<Frame<Bytes>, std::io::Error>>();
        sender.unbounded_send(Ok(Frame::data(first))).unwrap();
        if broken {
            tokio::spawn(async move {
                // The head and the first half are gone by then.
                sleep(Duration::from_millis(50)).await;
                sender.unbounded_send(Err(std::io::Error::other("broken"))).unwrap();
            });
        } else {
            self.halves.lock().unwrap().push((sender, rest));
        }
        let body = StreamBody::new(receiver).map_err(Into::into).boxed_unsync();
        Response::from_parts(parts, body)
    }
}

/// Sets all of them.
pub fn set_all(replicas: &[&Replica], mode: Mode) {
    replicas.iter().for_each(|replica| replica.set(mode));
}

/// Three replicas that answer at once.
pub async fn three() -> [Replica; 3] {
    let start = |n| async move { Replica::start(&format!("serve-{n}"), QUICK).await };
    [start(0).await, start(1).await, start(2).await]
}
