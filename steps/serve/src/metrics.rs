//! What `/metrics` shows.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use selvedge_web::Requests;

/// The counts of one replica. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Requests by route and status, and their times.
    pub requests: Requests,
    /// Records of each batch.
    pub batch_records: Histogram,
    /// Requests that wait for the model.
    pub queue: Gauge,
    /// The generation that serves, 0 before the first.
    pub generation: Gauge,
    /// The newest generation that was refused, 0 where the newest one serves.
    pub refused_generation: Gauge,
    /// Models that began to serve.
    pub swaps: Counter,
    /// Generations that were refused.
    pub refused: Counter,
}

impl Metrics {
    /// Metrics, and the registry that shows them, all below `selvedge_serve`.
    pub fn new() -> (Self, Registry) {
        let mut registry = Registry::with_prefix("selvedge_serve");
        let new = Self {
            requests: Requests::register(&mut registry),
            batch_records: Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]),
            queue: Gauge::default(),
            generation: Gauge::default(),
            refused_generation: Gauge::default(),
            swaps: Counter::default(),
            refused: Counter::default(),
        };
        registry.register("batch_records", "Records of each batch", new.batch_records.clone());
        registry.register("queue_requests", "Requests that wait for the model", new.queue.clone());
        registry.register(
            "generation",
            "The generation that serves, 0 before the first",
            new.generation.clone(),
        );
        registry.register(
            "refused_generation",
            "The newest generation, where it was refused, else 0",
            new.refused_generation.clone(),
        );
        registry.register("swaps", "Models that began to serve", new.swaps.clone());
        registry.register("refusals", "Generations that were refused", new.refused.clone());
        (new, registry)
    }
}
