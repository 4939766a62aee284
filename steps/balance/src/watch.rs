//! Follows the replicas: where they are, by DNS, and how they are, by `/readyz`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use hyper::StatusCode;
use selvedge_web::{Client, ClientError};
use serde::Deserialize;
use tokio::net::lookup_host;
use tokio::time::{MissedTickBehavior, interval};

use crate::health::Status;
use crate::pool::Pool;
use crate::source::{Source, Sources};
use crate::upstream::{Observation, Upstream};

/// How often, and how patiently.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    /// Between two probes of a replica.
    pub every: Duration,
    /// How long a probe may take.
    pub patience: Duration,
    /// Between two resolutions of a DNS name.
    pub resolve_every: Duration,
}

/// A replica, and whether it is named by itself.
struct Watched {
    upstream: Arc<Upstream>,
    from_dns: bool,
}

/// What a replica's `/readyz` says.
#[derive(Deserialize)]
struct Readyz {
    status: Status,
    replica: Option<String>,
    generation: Option<u64>,
    model: Option<String>,
}

/// Keeps `pool` true until it is dropped.
pub async fn watch(pool: Arc<Pool>, sources: Sources, client: Client, rhythm: Watch) {
    let mut watched: Vec<Watched> = Vec::new();
    let mut resolved: Option<Instant> = None;
    let mut ticks = interval(rhythm.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let due = resolved.is_none_or(|at| at.elapsed() >= rhythm.resolve_every);
        if due && let Some(found) = resolve(&sources, &watched).await {
            watched = found;
            resolved = Some(Instant::now());
            pool.set(watched.iter().map(|one| Arc::clone(&one.upstream)).collect());
        }
        let probes = watched.iter().map(|one| async {
            let seen = probe(&client, &one.upstream, rhythm.patience).await;
            one.upstream.learn(seen, one.from_dns)
        });
        if join_all(probes).await.contains(&true) {
            // Another name has another place on the ring.
            pool.set(pool.upstreams());
        }
    }
}

/// Who is there now; a replica at a known address is the known one. `None` when nothing could be resolved: what was
/// known stays.
async fn resolve(sources: &Sources, known: &[Watched]) -> Option<Vec<Watched>> {
    let find = |authority: &str| known.iter().find(|one| one.upstream.authority() == authority);
    let keep = |name: &str, authority: &str, from_dns| {
        let upstream = find(authority).map(|one| Arc::clone(&one.upstream));
        Watched { upstream: upstream.unwrap_or_else(|| Upstream::new(name, authority)), from_dns }
    };
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for source in sources.iter() {
        match source {
            Source::Named { name, authority } => found.push(keep(name, authority, false)),
            Source::Dns { authority } => match lookup_host(authority).await {
                Ok(addresses) => {
                    let mut addresses: Vec<_> = addresses.map(|address| address.to_string()).collect();
                    addresses.sort();
                    let new = addresses.into_iter().filter(|address| seen.insert(address.clone()));
                    found.extend(new.map(|address| keep(&address, &address, true)));
                }
                Err(error) if known.is_empty() => {
                    tracing::warn!(name = %authority, %error, "cannot resolve the replicas' name");
                }
                Err(error) => {
                    tracing::warn!(name = %authority, %error, "cannot resolve the replicas' name, keeping those known");
                    return None;
                }
            },
        }
    }
    Some(found)
}

async fn probe(client: &Client, upstream: &Upstream, patience: Duration) -> Observation {
    let url = format!("http://{}/readyz", upstream.authority());
    let answer = client.get(&url, patience).await;
    let failed = |status| Observation { status, replica: None, generation: None, model: None };
    match answer {
        Ok(answer) => match serde_json::from_slice::<Readyz>(&answer.body) {
            Ok(said) if (answer.status == StatusCode::OK) == (said.status == Status::Ready) => {
                let Readyz { status, replica, generation, model } = said;
                Observation { status, replica, generation, model }
            }
            _ => failed(Status::Failing),
        },
        Err(ClientError::Connect { .. } | ClientError::Timeout { .. }) => failed(Status::Unreachable),
        Err(_) => failed(Status::Failing),
    }
}
