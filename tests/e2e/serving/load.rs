//! A load generator: an open loop of requests at a fixed rate, every other one on a connection of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::CONTENT_TYPE;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

pub(crate) const PER_SECOND: u32 = 100;
/// One request of so many is a batch of images.
const BATCH_EVERY: u64 = 20;
const BATCH_IMAGES: usize = 4;
const PATIENCE: Duration = Duration::from_secs(15);

type Http = Client<HttpConnector, Full<Bytes>>;

/// What came of all requests.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    pub(crate) requests: usize,
    /// By kind: a status other than 200, an error of the connection, an entry of a batch that failed.
    pub(crate) failed: BTreeMap<String, usize>,
    /// Of the answered ones, in milliseconds.
    latencies: Vec<f64>,
    /// Requests answered, by replica.
    pub(crate) replicas: BTreeMap<String, usize>,
    /// Requests answered, by the digest of the model.
    pub(crate) models: BTreeMap<String, usize>,
}

/// Load that goes on until it is stopped.
pub(crate) struct Load {
    stop: CancellationToken,
    seen: Arc<Mutex<Seen>>,
    sending: JoinHandle<()>,
}

impl Load {
    /// Begins to send `record` to the balancer at `url`.
    pub(crate) fn start(url: &str, record: &[u8]) -> Self {
        let (stop, seen) = (CancellationToken::new(), Arc::new(Mutex::new(Seen::default())));
        let sender = Sender::new(url, record, Arc::clone(&seen));
        Self { sending: tokio::spawn(sender.run(stop.clone())), stop, seen }
    }

    /// Failures so far, for a look in the middle.
    pub(crate) fn failed(&self) -> usize {
        self.seen.lock().unwrap().failed.values().sum()
    }

    /// Stops sending, waits for what is under way, and tells what came.
    pub(crate) async fn stop(self) -> Seen {
        self.stop.cancel();
        self.sending.await.unwrap();
        let mut seen = self.seen.lock().unwrap().clone();
        seen.latencies.sort_by(f64::total_cmp);
        seen
    }
}

#[derive(Clone)]
struct Sender {
    kept: Http,
    fresh: Http,
    url: String,
    record: Bytes,
    batch: Bytes,
    seen: Arc<Mutex<Seen>>,
}

impl Sender {
    fn new(url: &str, record: &[u8], seen: Arc<Mutex<Seen>>) -> Self {
        // A client that sends nothing twice by itself: every lost request is seen.
        let client = |idle| {
            let mut builder = Client::builder(TokioExecutor::new());
            builder.retry_canceled_requests(false).pool_max_idle_per_host(idle).build(HttpConnector::new())
        };
        let image = json!({"pixels": record});
        let batch = json!({"images": vec![image; BATCH_IMAGES]}).to_string().into();
        let record = Bytes::copy_from_slice(record);
        Self { kept: client(usize::MAX), fresh: client(0), url: url.to_owned(), record, batch, seen }
    }

    async fn run(self, stop: CancellationToken) {
        let mut ticks = interval(Duration::from_secs(1) / PER_SECOND);
        // An open loop: what is late is sent all the same.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut requests = JoinSet::new();
        for number in 0.. {
            tokio::select! { _ = ticks.tick() => {}, () = stop.cancelled() => break }
            requests.spawn(self.clone().ask(number));
            while requests.try_join_next().is_some() {}
        }
        requests.join_all().await;
    }

    async fn ask(self, number: u64) {
        let begin = Instant::now();
        let answer = timeout(PATIENCE, self.answer(number)).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("nothing within {PATIENCE:?}")));
        let mut seen = self.seen.lock().unwrap();
        seen.requests += 1;
        match answer {
            Ok((replica, model)) => {
                seen.latencies.push(begin.elapsed().as_secs_f64() * 1000.0);
                *seen.replicas.entry(replica).or_default() += 1;
                *seen.models.entry(model).or_default() += 1;
            }
            Err(error) => {
                let connection = if number.is_multiple_of(2) { "kept" } else { "fresh" };
                let time = jiff::Timestamp::now();
                println!("  {time:.3} request {number} ({connection}) failed: {error}");
                *seen.failed.entry(error).or_default() += 1;
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
        let answer = client.request(request.body(Full::new(body)).unwrap()).await.map_err(|e| chain(&e))?;
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

impl Seen {
    pub(crate) fn failures(&self) -> usize {
        self.failed.values().sum()
    }

    /// The latency below which the share `of` of the answers stayed, in milliseconds.
    pub(crate) fn latency(&self, of: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * of).round() as usize).copied().unwrap_or_default()
    }
}
