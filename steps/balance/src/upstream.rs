//! One replica, as the balancer sees it.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use serde::Serialize;
use tokio::sync::Notify;

use crate::ewma::PeakEwma;
use crate::health::{Health, Status};
use crate::strategy::Seat;

/// One replica.
#[derive(Debug)]
pub struct Upstream {
    authority: String,
    in_flight: AtomicUsize,
    requests: AtomicU64,
    known: Mutex<Known>,
    lost: Notify,
}

/// Which replicas may be chosen, each kind with those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Those that are ready, and were reached by the last requests.
    Ready,
    /// Also those that failed lately.
    Ejected,
    /// All but those that said that they have no model: probes that time out, or a drain, need not be the end.
    Anybody,
}

/// What changes together.
#[derive(Debug)]
struct Known {
    name: Arc<str>,
    generation: Option<u64>,
    model: Option<String>,
    health: Health,
    latency: PeakEwma,
}

/// What one probe of `/readyz` learnt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// What it is fit for.
    pub status: Status,
    /// What it calls itself.
    pub replica: Option<String>,
    /// The generation that it serves.
    pub generation: Option<u64>,
    /// The digest of the model that it serves.
    pub model: Option<String>,
}

/// One line of `GET /v1/replicas`.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// What it is called.
    pub name: String,
    /// Its URL.
    pub address: String,
    /// Whether somebody is there, and answered lately.
    pub healthy: bool,
    /// Whether it can be chosen.
    pub ready: bool,
    /// What counts of what it says, or of what became of probes.
    pub status: Status,
    /// Whether failed requests keep new ones away.
    pub ejected: bool,
    /// The generation that it serves, as it last said.
    pub generation: Option<u64>,
    /// The digest of the model that it serves, as it last said.
    pub model: Option<String>,
    /// Requests that it is answering.
    pub in_flight: usize,
    /// Requests that it was sent, ever.
    pub requests: u64,
}

/// A request that is counted as under way until this is dropped.
#[derive(Debug)]
pub struct InFlight(Arc<Upstream>);

/// A body that keeps its request under way until its end, or until nobody wants it any more.
#[derive(Debug)]
pub struct Counted<B> {
    body: B,
    under_way: Option<InFlight>,
}

impl Upstream {
    /// A replica nothing is known about.
    pub fn new(name: &str, authority: &str) -> Arc<Self> {
        let known = Known {
            name: name.into(),
            generation: None,
            model: None,
            health: Health::default(),
            latency: PeakEwma::new(Instant::now()),
        };
        Arc::new(Self {
            authority: authority.to_owned(),
            in_flight: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            known: Mutex::new(known),
            lost: Notify::new(),
        })
    }

    /// `host:port`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What it is called in metrics and logs, and on the hash ring.
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.known().name)
    }

    /// What counts at the moment.
    pub fn status(&self) -> Status {
        self.known().health.status()
    }

    /// This replica at the moment of choosing.
    pub fn seat(&self, now: Instant, reach: Reach) -> Seat {
        let known = self.known();
        let health = &known.health;
        let open = match reach {
            Reach::Ready => health.status() == Status::Ready && !health.is_ejected(now),
            Reach::Ejected => health.status() == Status::Ready,
            Reach::Anybody => health.status() != Status::NoModel,
        };
        Seat { open, in_flight: self.in_flight.load(Ordering::Relaxed), latency: known.latency.at(now) }
    }

    /// One more request is under way.
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// A request was answered after `took`.
    pub fn succeeded(&self, took: Duration) {
        let mut known = self.known();
        known.health.succeeded();
        known.latency.observe(Instant::now(), took);
    }

    /// A request found nobody, or broke off; whether the replica was ejected now.
    pub fn failed(&self) -> bool {
        self.known().health.failed(Instant::now())
    }

    /// Notes what a probe, or an answer to a request, says. Logs what changed.
    pub fn observe(&self, seen: Status) {
        let mut known = self.known();
        let before = known.health.status();
        if known.health.observe(seen) {
            let (name, address) = (&known.name, &self.authority);
            tracing::info!(%name, %address, ?before, now = ?seen, "replica changed");
            if seen == Status::Unreachable {
                self.lost.notify_waiters();
            }
        }
    }

    /// Completes when this replica, from now on, is found unreachable.
    pub async fn lost(&self) {
        self.lost.notified().await;
    }

    /// Notes what a probe learnt. Whether its name changed, which `learn_name` allows.
    pub fn learn(&self, seen: Observation, learn_name: bool) -> bool {
        self.observe(seen.status);
        let mut known = self.known();
        if seen.status.is_alive() {
            (known.generation, known.model) = (seen.generation, seen.model);
        }
        match seen.replica {
            Some(name) if learn_name && *name != *known.name => {
                known.name = name.into();
                true
            }
            _ => false,
        }
    }

    /// What `GET /v1/replicas` says.
    pub fn shown(&self) -> Shown {
        let known = self.known();
        let (status, ejected) = (known.health.status(), known.health.is_ejected(Instant::now()));
        Shown {
            name: known.name.to_string(),
            address: format!("http://{}", self.authority),
            healthy: status.is_alive() && !ejected,
            ready: status == Status::Ready && !ejected,
            status,
            ejected,
            generation: known.generation,
            model: known.model.clone(),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing under this lock panics half way.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InFlight {
    /// Whose request this is.
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<B> Counted<B> {
    /// `body`, with its request.
    pub fn new(body: B, under_way: InFlight) -> Self {
        Self { body, under_way: Some(under_way) }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Counted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let (Poll::Ready(Some(Err(_))), Some(under_way)) = (&frame, &self.under_way) {
            under_way.upstream().failed();
        }
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) || self.body.is_end_stream() {
            self.under_way = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
