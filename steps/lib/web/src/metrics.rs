//! Requests counted and timed, and the server that shows all metrics of a process.

use std::sync::Arc;
use std::time::Instant;

use hyper::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use selvedge_contract::Stop;
use tokio::net::TcpListener;

use crate::error::ApiError;
use crate::message::{Response, respond};
use crate::server::{Drained, Limits, serve};

/// Requests by route and status, their times, and how many are under way. Clones share the counts.
#[derive(Debug, Clone)]
pub struct Requests {
    total: Family<Answered, Counter>,
    seconds: Family<Route, Histogram>,
    in_flight: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: &'static str,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: &'static str,
}

/// Counts down also when the client went away and the handler was dropped.
struct InFlight(Gauge);

/// Upper bounds in seconds, a factor of about two apart: 250 µs to 8 s.
pub const LATENCY_BUCKETS: [f64; 16] = [
    0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0,
];

impl Requests {
    /// Counts into `registry`, as `requests`, `request_seconds` and `requests_in_flight` below its prefix.
    pub fn register(registry: &mut Registry) -> Self {
        let new = Self {
            total: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS)),
            in_flight: Gauge::default(),
        };
        registry.register("requests", "Requests answered, by route and status", new.total.clone());
        registry.register(
            "request_seconds",
            "Time from a request's head to the head of its answer",
            new.seconds.clone(),
        );
        registry.register("requests_in_flight", "Requests being answered", new.in_flight.clone());
        new
    }

    /// Awaits `answer` and counts it under `route`, which must come from a fixed list: every name is kept for good.
    pub async fn measure(
        &self,
        route: &'static str,
        answer: impl Future<Output = Result<Response, ApiError>>,
    ) -> Result<Response, ApiError> {
        let begin = Instant::now();
        self.in_flight.inc();
        let guard = InFlight(self.in_flight.clone());
        let answer = answer.await;
        drop(guard);
        let status = match &answer {
            Ok(response) => response.status(),
            Err(error) => error.code.status(),
        };
        let code = status.as_u16();
        self.total.get_or_create(&Answered { route, code }).inc();
        self.seconds.get_or_create(&Route { route }).observe(begin.elapsed().as_secs_f64());
        answer
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// All metrics of `registry` in the OpenMetrics text format, which Prometheus reads.
pub fn show(registry: &Registry) -> Response {
    let mut text = String::new();
    encode(&mut text, registry).expect("a string takes any text");
    respond(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", text)
}

/// Answers `GET /metrics` on a port of its own until `stop`.
pub async fn serve_metrics(listener: TcpListener, registry: Arc<Registry>, stop: Stop) -> Drained {
    let handler = move |request: crate::Request| {
        let answer = match (request.method(), request.uri().path()) {
            (&Method::GET, "/metrics") => Ok(show(&registry)),
            (_, "/metrics") => Err(ApiError::method_not_allowed("/metrics", "GET")),
            (_, path) => Err(ApiError::not_found(path)),
        };
        std::future::ready(answer)
    };
    serve(listener, handler, Limits::default(), stop).await
}
