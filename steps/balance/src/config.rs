//! What `balance` can be told.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use selvedge_contract::{ByteSize, Common, Misconfigured};

use crate::source::Sources;
use crate::strategy::Strategy;

/// The load balancer over the replicas of the prediction service, with a web page to try it.
///
/// POST /v1/classify         passed to one replica, tried on another where nothing was answered
/// POST /v1/classify/batch   spread over the ready replicas, merged in order
/// GET  /v1/model            what answers
/// GET  /v1/replicas         the replicas: status, generation, model, requests
/// GET  /                    the page
/// GET  /healthz  /readyz    200 while alive; 503 before the first replica answered, and once a stop was requested
/// On the metrics port: GET /metrics, GET and PUT /v1/strategy {"strategy":"hash"}
///
/// SIGTERM drains: readyz says so, requests under way are answered, exit code 0.
#[derive(Debug, Clone, Parser)]
#[command(name = "balance", version, about, long_about, verbatim_doc_comment)]
pub struct Config {
    /// What every binary can be told.
    #[command(flatten)]
    pub common: Common,
    /// Replicas: serve-0=http://127.0.0.1:8001,serve-1=… or http://host:port, a DNS name resolved again and again
    #[arg(long, env = "STEP_UPSTREAMS")]
    pub upstreams: Sources,
    /// Address for requests and the page
    #[arg(long, env = "STEP_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Address for metrics and for changing the strategy
    #[arg(long, env = "STEP_METRICS_LISTEN", default_value = "0.0.0.0:9100")]
    pub metrics_listen: SocketAddr,
    /// How a replica is chosen: round-robin, least-connections, hash (header x-selvedge-key, else cookie selvedge-key,
    /// else the client's address) or latency
    #[arg(long, env = "STEP_STRATEGY", default_value = "round-robin", verbatim_doc_comment)]
    pub strategy: Strategy,
    /// How often each replica's /readyz is asked
    #[arg(long, env = "STEP_HEALTH_INTERVAL", default_value = "500ms", value_parser = humantime::parse_duration)]
    pub health_interval: Duration,
    /// How long a replica may take to answer /readyz
    #[arg(long, env = "STEP_HEALTH_TIMEOUT", default_value = "1s", value_parser = humantime::parse_duration)]
    pub health_timeout: Duration,
    /// How often DNS names are resolved
    #[arg(long, env = "STEP_RESOLVE_INTERVAL", default_value = "5s", value_parser = humantime::parse_duration)]
    pub resolve_interval: Duration,
    /// How long connecting to a replica may take
    #[arg(long, env = "STEP_CONNECT_TIMEOUT", default_value = "1s", value_parser = humantime::parse_duration)]
    pub connect_timeout: Duration,
    /// How long a client waits for the head of an answer, all tries together
    #[arg(long, env = "STEP_REQUEST_TIMEOUT", default_value = "10s", value_parser = humantime::parse_duration)]
    pub request_timeout: Duration,
    /// The largest body of one image, with unit
    #[arg(long, env = "STEP_IMAGE_LIMIT", default_value = "1MiB")]
    pub image_limit: ByteSize,
    /// The largest body of a batch of images, with unit
    #[arg(long, env = "STEP_BODY_LIMIT", default_value = "32MiB")]
    pub body_limit: ByteSize,
    /// Client connections at once; further ones wait
    #[arg(long, env = "STEP_CONNECTIONS", default_value = "1024", value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub connections: u32,
    /// How long after SIGTERM requests under way may take
    #[arg(long, env = "STEP_DRAIN_TIMEOUT", default_value = "10s", value_parser = humantime::parse_duration)]
    pub drain_timeout: Duration,
    /// How long after SIGTERM requests are still accepted, so that whoever routes to this pod sees the drain first
    #[arg(long, env = "STEP_DRAIN_GRACE", default_value = "1s", value_parser = humantime::parse_duration)]
    pub drain_grace: Duration,
}

impl AsRef<Common> for Config {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

impl Config {
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
        let durations = [
            ("health-interval", self.health_interval),
            ("health-timeout", self.health_timeout),
            ("resolve-interval", self.resolve_interval),
            ("connect-timeout", self.connect_timeout),
            ("request-timeout", self.request_timeout),
        ];
        match durations.iter().find(|(_, duration)| duration.is_zero()) {
            Some((name, _)) => Err(Misconfigured::message(format!("{name}=0s: must be longer than that"))),
            None => Ok(()),
        }
    }
}
