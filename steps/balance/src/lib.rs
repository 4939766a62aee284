//! The load balancer: one address for all replicas, a batch spread over them, and a page to try it.
//!
//! * [`source`], [`watch`], [`health`], [`upstream`]: where replicas are, and how they are.
//! * [`strategy`], [`ring`], [`ewma`], [`pool`]: the choice among them; strategies are pure functions over a snapshot.
//! * [`proxy`], [`headers`], [`budget`]: a request to one of them, and to another where that does no harm.
//! * [`batch`]: many images, one answer.
//! * [`api`], [`metrics`]: what clients and operators are told.

pub mod api;
pub mod batch;
pub mod budget;
mod config;
pub mod ewma;
pub mod headers;
pub mod health;
pub mod metrics;
pub mod pool;
pub mod proxy;
pub mod ring;
pub mod source;
pub mod strategy;
pub mod upstream;
pub mod watch;

use std::sync::Arc;

use anyhow::Context;
use prometheus_client::registry::Registry;
use selvedge_contract::{Stop, Stopped};
use selvedge_web::{Client, Drained, Limits, serve};
use tokio::net::TcpListener;

use crate::api::{Admin, Api};
pub use crate::config::Config;
use crate::metrics::Metrics;
use crate::pool::Pool;
use crate::proxy::Proxy;
use crate::watch::{Watch, watch};

/// Balances requests on `listener`, and answers operators on `admin`, until `stop`; then drains.
///
/// # Errors
/// [`Stopped`] where requests had to be cut at the deadline.
pub async fn run(
    config: Config,
    listener: TcpListener,
    admin: TcpListener,
    stop: Stop,
) -> anyhow::Result<()> {
    config.check()?;
    let pool = Arc::new(Pool::new(config.strategy));
    let mut registry = Registry::with_prefix("selvedge_balance");
    let metrics = Metrics::register(&mut registry);
    let client = Client::new(config.connect_timeout);
    let proxy =
        Proxy { pool: Arc::clone(&pool), client: client.clone(), metrics, patience: config.request_timeout };

    let rhythm = Watch {
        every: config.health_interval,
        patience: config.health_timeout,
        resolve_every: config.resolve_interval,
    };
    let watching = tokio::spawn(watch(pool, config.upstreams.clone(), client, rhythm));
    let operators = Admin { proxy: proxy.clone(), registry: Arc::new(registry) };
    // Operators can look on while clients are drained.
    let drained = Stop::new();
    let administration = tokio::spawn(serve(
        admin,
        move |request| operators.clone().answer(request),
        Limits::default(),
        drained.clone(),
    ));

    let api = Api {
        proxy,
        image_limit: config.image_limit.0 as usize,
        batch_limit: config.body_limit.0 as usize,
        stop: stop.clone(),
    };
    tracing::info!(address = %listener.local_addr()?, strategy = %config.strategy, "balancing");
    let end = serve(listener, move |request| api.clone().answer(request), limits(&config), stop).await;
    watching.abort();
    drained.request();
    administration.await?;
    match end {
        Drained::Clean => {
            tracing::info!("drained");
            Ok(())
        }
        Drained::Cut(left) => Err(Stopped).with_context(|| {
            format!("{left} connections cut after drain-timeout={:?}", config.drain_timeout)
        }),
    }
}

fn limits(config: &Config) -> Limits {
    Limits {
        connections: config.connections as usize,
        grace: config.drain_grace,
        drain: config.drain_timeout,
        ..Limits::default()
    }
}
