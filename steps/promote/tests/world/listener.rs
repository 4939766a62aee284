//! A balancer that lists replicas, and a webhook that keeps what it hears, in one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use selvedge_contract::Stop;
use selvedge_web::{ApiError, Limits, Request, Response, bind, json, read, serve, text};
use serde_json::{Value, json};

/// The server; it ends with the test.
#[derive(Clone)]
pub struct Listener {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// What each replica serves.
    generations: Vec<Option<u64>>,
    looks: usize,
    /// From which look on the last generation is served by all.
    swap: Option<(usize, u64)>,
    heard: Vec<(String, Value)>,
    refusing: Option<StatusCode>,
}

impl Listener {
    pub async fn start(generations: &[Option<u64>]) -> Self {
        let socket = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = socket.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { generations: generations.to_vec(), ..State::default() }));
        let shared = Arc::clone(&state);
        let handler = move |request| answer(Arc::clone(&shared), request);
        tokio::spawn(serve(socket, handler, Limits::default(), Stop::new()));
        Self { address, state }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From the `look`th look on, two of three replicas serve `generation`.
    pub fn swap_after(&self, look: usize, generation: u64) {
        self.state.lock().unwrap().swap = Some((look, generation));
    }

    pub fn looks(&self) -> usize {
        self.state.lock().unwrap().looks
    }

    /// Answers the webhook's next callers with `status`; `None`: accepts them.
    pub fn refuse(&self, status: Option<StatusCode>) {
        self.state.lock().unwrap().refusing = status;
    }

    /// What the webhook heard: media type and document.
    pub fn heard(&self) -> Vec<(String, Value)> {
        self.state.lock().unwrap().heard.clone()
    }

    /// The types and ids of the documents.
    pub fn occurrences(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.heard().iter().map(|(_, document)| (text(&document["type"]), text(&document["id"]))).collect()
    }
}

async fn answer(state: Arc<Mutex<State>>, request: Request) -> Result<Response, ApiError> {
    if request.uri().path() == "/v1/replicas" {
        return Ok(json(StatusCode::OK, &state.lock().unwrap().replicas()));
    }
    let (head, body) = read(request, 1 << 20, Duration::from_secs(5)).await?;
    let media_type = head.headers[CONTENT_TYPE].to_str().unwrap().to_owned();
    let mut state = state.lock().unwrap();
    state.heard.push((media_type, serde_json::from_slice(&body).unwrap()));
    Ok(text(state.refusing.unwrap_or(StatusCode::ACCEPTED), "heard"))
}

impl State {
    fn replicas(&mut self) -> Value {
        self.looks += 1;
        if let Some((_, generation)) = self.swap.filter(|(look, _)| self.looks >= *look) {
            self.generations.iter_mut().skip(1).for_each(|replica| *replica = Some(generation));
        }
        let entry = |(index, generation): (usize, &Option<u64>)| {
            json!({"name": format!("serve-{index}"), "address": "http://127.0.0.1:1", "healthy": true, "ready": true,
                   "generation": generation, "in_flight": 0})
        };
        let replicas: Vec<_> = self.generations.iter().enumerate().map(entry).collect();
        json!({"strategy": "round-robin", "replicas": replicas})
    }
}
