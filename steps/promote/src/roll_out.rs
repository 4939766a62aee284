//! Watching a roll-out through the balancer's list of replicas.

use std::time::Duration;

use jiff::Timestamp;
use selvedge_contract::Temporary;
use selvedge_web::{Client, ClientError};
use serde::Deserialize;
use tokio::time::{Instant, sleep};
use url::Url;

/// The part of `GET /v1/replicas` that matters here.
#[derive(Debug, Deserialize)]
struct Replicas {
    replicas: Vec<Replica>,
}

#[derive(Debug, Deserialize)]
struct Replica {
    name: String,
    generation: Option<u64>,
}

/// Between two looks; the balancer's own health checks come every half second.
const INTERVAL: Duration = Duration::from_millis(100);

/// Waits until most of the replicas that `balancer` lists serve `generation` or a newer one. A balancer that does not
/// answer is asked again until `limit` has passed: it may be starting.
pub(crate) async fn watch(
    client: &Client,
    balancer: &Url,
    generation: u64,
    limit: Duration,
) -> anyhow::Result<Option<Timestamp>> {
    let url = format!("{}/v1/replicas", balancer.as_str().trim_end_matches('/'));
    let deadline = Instant::now() + limit;
    loop {
        let patience = deadline.saturating_duration_since(Instant::now()).max(INTERVAL);
        let listed = client.get_json::<Replicas>(&url, patience).await;
        match &listed {
            Ok(Replicas { replicas }) if replicas.is_empty() => return Ok(None),
            Ok(listed) if listed.mostly_at(generation) => return Ok(Some(Timestamp::now())),
            _ => {}
        }
        if Instant::now() >= deadline {
            return Err(late(balancer, generation, limit, listed).into());
        }
        sleep(INTERVAL).await;
    }
}

impl Replicas {
    fn mostly_at(&self, generation: u64) -> bool {
        let there = self.replicas.iter().filter(|replica| replica.generation >= Some(generation)).count();
        2 * there > self.replicas.len()
    }
}

fn late(
    balancer: &Url,
    generation: u64,
    limit: Duration,
    listed: Result<Replicas, ClientError>,
) -> Temporary {
    let what = format!("generation {generation} is not served by most replicas after {limit:?}");
    match listed {
        Err(error) => Temporary::new(anyhow::Error::new(error).context(what)),
        Ok(Replicas { replicas }) => {
            let behind = replicas.iter().map(|Replica { name, generation }| match generation {
                Some(generation) => format!("{name} at {generation}"),
                None => format!("{name} at none"),
            });
            let behind = behind.collect::<Vec<_>>().join(", ");
            Temporary::message(format!("{what}: balancer {balancer} lists {behind}"))
        }
    }
}
