//! What the balancer counts, beside the requests of its clients.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use selvedge_web::Requests;
use selvedge_web::metrics::LATENCY_BUCKETS;

use crate::pool::Pool;

/// All of it. Clones share the counts.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Requests of clients.
    pub clients: Requests,
    upstream_requests: Family<Outcome, Counter>,
    upstream_seconds: Family<Replica, Histogram>,
    in_flight: Family<Replica, Gauge>,
    ready: Family<Replica, Gauge>,
    retries: Family<Reason, Counter>,
    ejections: Family<Replica, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    upstream: Arc<str>,
    code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Replica {
    upstream: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

impl Metrics {
    /// Counts into `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let new = Self {
            clients: Requests::register(registry),
            upstream_requests: Family::default(),
            upstream_seconds: Family::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS)),
            in_flight: Family::default(),
            ready: Family::default(),
            retries: Family::default(),
            ejections: Family::default(),
        };
        let (requests, seconds) = (new.upstream_requests.clone(), new.upstream_seconds.clone());
        registry.register("upstream_requests", "Requests sent, by replica and what came of them", requests);
        registry.register("upstream_seconds", "Time until the head of a replica's answer", seconds);
        registry.register("upstream_in_flight", "Requests under way, by replica", new.in_flight.clone());
        registry.register("upstream_ready", "1 where a replica can be chosen", new.ready.clone());
        registry.register("retries", "Requests sent once more, by reason", new.retries.clone());
        registry.register(
            "ejections",
            "Times a replica was left alone after failures",
            new.ejections.clone(),
        );
        new
    }

    /// A replica answered with `code` after `took`, or failed in the way that `code` names.
    pub fn sent(&self, upstream: Arc<str>, code: String, took: Duration) {
        self.upstream_requests.get_or_create(&Outcome { upstream: Arc::clone(&upstream), code }).inc();
        self.upstream_seconds.get_or_create(&Replica { upstream }).observe(took.as_secs_f64());
    }

    /// A request is sent once more.
    pub fn retried(&self, reason: &'static str) {
        self.retries.get_or_create(&Reason { reason }).inc();
    }

    /// A replica is left alone for a while.
    pub fn ejected(&self, upstream: Arc<str>) {
        self.ejections.get_or_create(&Replica { upstream }).inc();
    }

    /// Reads the gauges, for somebody who wants to see them now. Replicas that are gone are not shown any more.
    pub fn refresh(&self, pool: &Pool) {
        self.in_flight.clear();
        self.ready.clear();
        for upstream in pool.upstreams() {
            let shown = upstream.shown();
            let replica = Replica { upstream: shown.name.into() };
            self.in_flight.get_or_create(&replica).set(shown.in_flight as i64);
            self.ready.get_or_create(&replica).set(i64::from(shown.ready));
        }
    }
}
