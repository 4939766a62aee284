//! One replica of the prediction service.
//!
//! * [`request`] and [`preprocess`]: from a body to a record of the data set's form.
//! * [`batcher`]: one thread owns the model and takes what is waiting, all at once.
//! * [`follow`] and [`load`]: the newest generation of the champion log serves, once it reproduced its golden vectors.
//! * [`api`] and [`classify`]: the routes; [`answer`]: what they say; [`metrics`]: what they count.

pub mod answer;
pub mod api;
pub mod batcher;
pub mod classify;
pub mod config;
pub mod follow;
mod golden;
pub mod load;
pub mod metrics;
pub mod network;
pub mod preprocess;
pub mod request;

use std::sync::Arc;

use anyhow::Context;
use selvedge_contract::Stop;
use selvedge_store::Store;
use selvedge_web::{Drained, Limits, serve, serve_metrics};
use tokio::net::TcpListener;

use api::Api;
use batcher::Batcher;
use classify::Classify;
pub use config::Config;
use follow::Follower;
use metrics::Metrics;

/// Answers requests on `listener` until `stop`, then drains.
///
/// # Errors
/// [`selvedge_contract::Misconfigured`] for values that do not go together; when no thread can be started.
pub async fn run(
    listener: TcpListener,
    metrics_listener: TcpListener,
    config: Config,
    store: Store,
    stop: Stop,
) -> anyhow::Result<()> {
    config.check()?;
    let (metrics, registry) = Metrics::new();
    let batcher =
        Batcher::start(config.batches(), metrics.clone()).context("cannot start the inference thread")?;
    let (follower, status) =
        Follower::new(&store, &config.name, config.poll_interval, batcher.clone(), metrics.clone());
    let drained = Stop::new();
    let following = tokio::spawn(follower.run(drained.clone()));
    let showing = tokio::spawn(serve_metrics(metrics_listener, Arc::new(registry), drained.clone()));
    tracing::info!(
        listen = %listener.local_addr()?,
        replica = config.replica,
        name = config.name,
        "answering requests"
    );
    let api = Arc::new(Api {
        name: config.name.clone(),
        replica: config.replica.clone(),
        classify: Classify::new(&config.replica, config.body_limit.0 as usize, batcher),
        status,
        metrics,
        stop: stop.clone(),
    });
    let limits = Limits { grace: config.drain_grace, drain: config.drain_timeout, ..Limits::default() };
    let ended = serve(listener, move |request| Arc::clone(&api).answer(request), limits, stop).await;
    if let Drained::Cut(connections) = ended {
        tracing::warn!(connections, "drain-timeout passed, connections were cut");
    }
    // Metrics and the model's news to the last: a drain is worth watching.
    drained.request();
    let _ = tokio::join!(following, showing);
    Ok(())
}
