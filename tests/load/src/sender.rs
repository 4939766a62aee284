//! The requests: every other one on a connection of its own, one of twenty a batch of images.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::CONTENT_TYPE;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use selvedge_contract::Stop;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::Seen;

const BATCH_EVERY: u64 = 20;
const BATCH_IMAGES: usize = 4;
const PATIENCE: Duration = Duration::from_secs(15);

type Http = Client<HttpConnector, Full<Bytes>>;

/// Sends requests, and keeps what came of them until somebody takes it.
#[derive(Debug, Clone)]
pub struct Sender {
    kept: Http,
    fresh: Http,
    url: String,
    record: Bytes,
    batch: Bytes,
    seen: Arc<Mutex<Seen>>,
}

impl Sender {
    /// One that asks the balancer at `url` about a record of `pixels` bytes.
    pub fn new(url: &str, pixels: usize) -> Self {
        // A client that sends nothing twice by itself: every lost request is seen.
        let client = |idle| {
            let mut builder = Client::builder(TokioExecutor::new());
            builder.retry_canceled_requests(false).pool_max_idle_per_host(idle).build(HttpConnector::new())
        };
        let record: Vec<u8> = (0..pixels).map(|pixel| (pixel % 251) as u8).collect();
        let batch = json!({"images": vec![json!({"pixels": record}); BATCH_IMAGES]}).to_string().into();
        let url = url.trim_end_matches('/').to_owned();
        Self {
            kept: client(usize::MAX),
            fresh: client(0),
            url,
            record: record.into(),
            batch,
            seen: Arc::default(),
        }
    }

    /// Sends `rate` requests a second until `stop`, and waits for what is under way then.
    pub async fn run(&self, rate: u32, stop: &Stop) {
        let mut ticks = interval(Duration::from_secs(1) / rate);
        // An open loop: what is late is sent all the same.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut requests = JoinSet::new();
        for number in 0.. {
            tokio::select! { _ = ticks.tick() => {}, () = stop.requested() => break }
            requests.spawn(self.clone().ask(number));
            while requests.try_join_next().is_some() {}
        }
        requests.join_all().await;
    }

    /// What came of the requests that ended since the last call.
    pub fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn ask(self, number: u64) {
        let begin = Instant::now();
        let answer = timeout(PATIENCE, self.answer(number)).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("nothing within {PATIENCE:?}")));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok((replica, model)) => seen.answered(begin.elapsed().as_secs_f64() * 1000.0, replica, model),
            Err(error) => {
                let connection = if number.is_multiple_of(2) { "kept" } else { "fresh" };
                seen.lost(format!("{error} ({connection} connection)"));
            }
        }
    }

    /// Who answered, and by which model; or what went wrong.
    async fn answer(&self, number: u64) -> Result<(String, String), String> {
        let client = if number.is_multiple_of(2) { &self.kept } else { &self.fresh };
        let batch = number % BATCH_EVERY == BATCH_EVERY - 1;
        let (path, content_type, body) = if batch {
            ("/v1/classify/batch", "application/json", self.batch.clone())
        } else {
            ("/v1/classify", "application/octet-stream", self.record.clone())
        };
        let request = hyper::Request::post(format!("{}{path}", self.url)).header(CONTENT_TYPE, content_type);
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        let answer = client.request(request).await.map_err(|error| chain(&error))?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| chain(&error))?.to_bytes();
        if head.status != 200 {
            return Err(format!("{} {}", head.status, String::from_utf8_lossy(&body)));
        }
        if batch {
            return whole_batch(&body);
        }
        let header =
            |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let both = header("x-selvedge-replica").zip(header("x-selvedge-model"));
        both.ok_or_else(|| "an answer without replica or model".to_owned())
    }
}

/// A batch counts for one of its replicas and models, if all of it was answered.
fn whole_batch(body: &[u8]) -> Result<(String, String), String> {
    let merged: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let items = merged["items"].as_array().map_or(0, Vec::len);
    if items != BATCH_IMAGES || merged["failed"] != 0 {
        return Err(format!("a batch with failures: {merged}"));
    }
    let first = |of: &Value| of.as_object().and_then(|of| of.keys().next().cloned()).unwrap_or_default();
    Ok((first(&merged["replicas"]), first(&merged["models"])))
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
