//! What `serve` can be told.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use selvedge_contract::{ByteSize, Common, Misconfigured};
use selvedge_store::StoreOptions;

use crate::batcher;

/// One replica of the prediction service: follows the champion log of a data set and classifies images over HTTP.
///
/// It answers 503 `no_model` until there is a first champion, swaps to each new one between two batches once that
/// reproduced its golden vectors, and keeps the old one where it does not. With the store down it keeps answering; started
/// then, it waits for the store.
///
/// POST /v1/classify         image/png, image/jpeg, application/octet-stream (one record) or JSON
/// POST /v1/classify/batch   JSON {"images":[…]}
/// GET  /v1/model            what answers
/// GET  /healthz  /readyz    200 while alive; 200 while a model serves and no stop was requested
/// GET  /metrics             on the metrics port
///
/// SIGTERM drains: readyz says so, requests under way are answered, exit code 0.
#[derive(Debug, Clone, Parser)]
#[command(name = "serve", version, about, long_about, verbatim_doc_comment)]
pub struct Config {
    /// What every binary can be told.
    #[command(flatten)]
    pub common: Common,
    /// Where models are.
    #[command(flatten)]
    pub store: StoreOptions,
    /// Data set whose champion serves: the name of the champion log
    #[arg(long, env = "STEP_NAME", value_parser = name)]
    pub name: String,
    /// Name of this replica, in answers and for the balancer [default: this machine's host name]
    #[arg(long, env = "STEP_REPLICA", default_value_t = host_name(), hide_default_value = true)]
    pub replica: String,
    /// Address for requests
    #[arg(long, env = "STEP_LISTEN", default_value = "0.0.0.0:8000")]
    pub listen: SocketAddr,
    /// Address for metrics
    #[arg(long, env = "STEP_METRICS_LISTEN", default_value = "0.0.0.0:9000")]
    pub metrics_listen: SocketAddr,
    /// How often the champion log is looked at; a refused generation is tried again every 60 times
    #[arg(long, env = "STEP_POLL_INTERVAL", default_value = "500ms", value_parser = humantime::parse_duration)]
    pub poll_interval: Duration,
    /// Records of one forward pass, 1 to 4096
    #[arg(long, env = "STEP_MAX_BATCH", default_value = "32", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub max_batch: u32,
    /// The longest that a batch waits for requests which are being read; it never waits for others
    #[arg(long, env = "STEP_BATCH_DEADLINE", default_value = "2ms", value_parser = humantime::parse_duration)]
    pub batch_deadline: Duration,
    /// Requests that may wait for the model; further ones get 503 `overloaded`
    #[arg(long, env = "STEP_QUEUE", default_value = "256", value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub queue: u32,
    /// The largest body, with unit: 64KiB, 1MiB
    #[arg(long, env = "STEP_BODY_LIMIT", default_value = "1MiB")]
    pub body_limit: ByteSize,
    /// How long after SIGTERM requests under way may take
    #[arg(long, env = "STEP_DRAIN_TIMEOUT", default_value = "10s", value_parser = humantime::parse_duration)]
    pub drain_timeout: Duration,
    /// How long after SIGTERM requests are still accepted, so that balancers see the drain first
    #[arg(long, env = "STEP_DRAIN_GRACE", default_value = "1s", value_parser = humantime::parse_duration)]
    pub drain_grace: Duration,
}

impl AsRef<Common> for Config {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

impl Config {
    /// The batcher's part.
    pub fn batches(&self) -> batcher::Limits {
        batcher::Limits {
            max_batch: self.max_batch as usize,
            deadline: self.batch_deadline,
            queue: self.queue as usize,
        }
    }

    /// What the parser of single values cannot see.
    ///
    /// # Errors
    /// [`Misconfigured`], naming the values.
    pub fn check(&self) -> Result<(), Misconfigured> {
        if self.drain_grace > self.drain_timeout {
            return Err(Misconfigured::message(format!(
                "drain-grace={:?} is longer than drain-timeout={:?}",
                self.drain_grace, self.drain_timeout
            )));
        }
        if hyper::header::HeaderValue::from_str(&self.replica).is_err() || self.replica.is_empty() {
            return Err(Misconfigured::message(format!("replica={:?} is no name", self.replica)));
        }
        Ok(())
    }
}

/// A folder of the champion log.
fn name(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() || text.starts_with('.') || !text.chars().all(allowed) {
        return Err("write letters, digits, dashes, dots and underscores".into());
    }
    Ok(text.to_owned())
}

/// What `gethostname` says; Kubernetes makes it the pod's name.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "serve".into() } else { name.trim().to_owned() }
}
