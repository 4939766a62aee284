//! One request to one replica, and to another where that does no harm.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::RETRY_AFTER;
use hyper::http::uri::PathAndQuery;
use hyper::{HeaderMap, Method, StatusCode, Uri};
use selvedge_web::{ApiError, Client, ClientError, Code, ErrorBody, Response};

use crate::headers;
use crate::health::Status;
use crate::metrics::Metrics;
use crate::pool::Pool;
use crate::strategy::Strategy;
use crate::upstream::{Counted, InFlight, Upstream};

/// Sends requests to replicas.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Whom to.
    pub pool: Arc<Pool>,
    /// By what.
    pub client: Client,
    /// Counted where.
    pub metrics: Metrics,
    /// How long the head of an answer may take, all tries together.
    pub patience: Duration,
}

/// A request that can be sent again: whole, and idempotent, as classifying is.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub path: PathAndQuery,
    /// Its head, as [`headers::forward`] leaves it.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// What its client is known by.
    pub key: u64,
    /// Another strategy than the one that is set.
    pub strategy: Option<Strategy>,
}

/// What came of one try.
enum Tried {
    /// An answer for the client.
    Answered(Response),
    /// The replica does not answer now; another may.
    Declined(ApiError),
    /// The replica is gone, or went.
    Failed(ApiError, &'static str),
}

/// A request is sent to at most so many replicas.
const MOST_TRIES: usize = 3;
/// A 503 is read to see why; a longer one is nobody's that this balancer knows.
const REFUSAL_LIMIT: usize = 64 << 10;

impl Proxy {
    /// Sends `request` to a replica that is not in `tried`, and on to others while nothing was answered, the budget
    /// for retries lasts and time is left. Those asked are added to `tried`.
    ///
    /// # Errors
    /// [`Code::NoModel`], [`Code::NoUpstream`], [`Code::UpstreamFailed`], [`Code::Timeout`], or what the last replica
    /// declined with.
    pub async fn send(
        &self,
        request: &Outgoing,
        tried: &mut Vec<Arc<Upstream>>,
    ) -> Result<Response, ApiError> {
        let deadline = Instant::now() + self.patience;
        let mut last: Option<(ApiError, &'static str)> = None;
        self.pool.earn_retry();
        for _ in 0..MOST_TRIES {
            if last.is_some() && !self.pool.may_retry() {
                break;
            }
            let Some(seat) = self.pool.choose(request.key, tried, request.strategy) else { break };
            tried.push(Arc::clone(seat.upstream()));
            if let Some((_, reason)) = &last {
                self.metrics.retried(reason);
            }
            let was_full = last.as_ref().is_some_and(|(error, _)| error.code == Code::Overloaded);
            last = match self.attempt(request, seat, deadline).await? {
                Tried::Answered(response) => return Ok(response),
                // Two replicas with full queues are enough to know.
                Tried::Declined(error) if error.code == Code::Overloaded && was_full => return Err(error),
                Tried::Declined(error) => Some((error, "declined")),
                Tried::Failed(error, reason) => Some((error, reason)),
            };
        }
        Err(match last {
            Some((error, _)) if error.code != Code::NoUpstream => error,
            // Who has no model yet says more than who cannot be reached.
            last => {
                let nobody = self.pool.nobody();
                last.map(|(error, _)| error).filter(|_| nobody.code == Code::NoUpstream).unwrap_or(nobody)
            }
        })
    }

    async fn attempt(
        &self,
        request: &Outgoing,
        seat: InFlight,
        deadline: Instant,
    ) -> Result<Tried, ApiError> {
        let upstream = Arc::clone(seat.upstream());
        let left = deadline.saturating_duration_since(Instant::now());
        let begin = Instant::now();
        let sent = self.client.send(request.to(upstream.authority()), left);
        let result = tokio::select! {
            result = sent => result,
            () = self.abandoned(&upstream) => {
                let text = format!("replica {} stopped answering", upstream.name());
                return Ok(Tried::Failed(ApiError::new(Code::UpstreamFailed, text), "lost"));
            }
        };
        let (name, took) = (upstream.name(), begin.elapsed());
        let code = match &result {
            Ok(response) => response.status().as_u16().to_string(),
            Err(error) => kind(error).to_owned(),
        };
        self.metrics.sent(Arc::clone(&name), code, took);
        match result {
            Ok(response) => Ok(answered(response, seat, took).await),
            Err(ClientError::Timeout { .. }) => {
                let text = format!("replica {name} did not answer within {:?}", self.patience);
                Err(ApiError::new(Code::Timeout, text))
            }
            Err(error) => {
                let tried = failed(&name, &error);
                if upstream.failed() {
                    let error = format!("{:#}", anyhow::Error::from(error));
                    tracing::warn!(%name, error, "replica ejected");
                    self.metrics.ejected(name);
                }
                Ok(tried)
            }
        }
    }
}

impl Proxy {
    /// Completes when `upstream` is found unreachable while another replica is ready: waiting for it is pointless then.
    async fn abandoned(&self, upstream: &Upstream) {
        loop {
            upstream.lost().await;
            if self.pool.ready() > 0 {
                return;
            }
        }
    }
}

impl Outgoing {
    fn to(&self, authority: &str) -> hyper::Request<Full<Bytes>> {
        let uri =
            Uri::builder().scheme("http").authority(authority).path_and_query(self.path.clone()).build();
        let mut request = hyper::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri.expect("authorities are checked when upstreams are read, paths by hyper");
        *request.headers_mut() = self.headers.clone();
        request
    }
}

fn kind(error: &ClientError) -> &'static str {
    match error {
        ClientError::Connect { .. } => "unreachable",
        ClientError::Timeout { .. } => "timeout",
        _ => "broken",
    }
}

fn failed(name: &str, error: &ClientError) -> Tried {
    let kind = kind(error);
    let error = if error.was_sent() {
        ApiError::new(Code::UpstreamFailed, format!("replica {name} broke off before it answered"))
    } else {
        ApiError::new(Code::NoUpstream, format!("replica {name} cannot be reached"))
    };
    Tried::Failed(error, kind)
}

/// An answer, streamed on, unless it says that another replica should be asked.
async fn answered(response: hyper::Response<Incoming>, seat: InFlight, took: Duration) -> Tried {
    if response.status() != StatusCode::SERVICE_UNAVAILABLE {
        seat.upstream().succeeded(took);
        return Tried::Answered(streamed(response, seat));
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = Limited::new(body, REFUSAL_LIMIT).collect().await.map(|body| body.to_bytes()) else {
        return Tried::Failed(
            ApiError::new(Code::UpstreamFailed, "a replica broke off while it declined"),
            "broken",
        );
    };
    if let Ok(ErrorBody { error }) = serde_json::from_slice(&body) {
        let status = match error.code {
            Code::NoModel => Some(Status::NoModel),
            Code::Draining => Some(Status::Draining),
            _ => None,
        };
        if let Some(status) = status {
            // The next request need not find out again; the next probe may.
            seat.upstream().observe(status);
        }
        let after = parts.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let retry_after = after.map(Duration::from_secs);
        return Tried::Declined(ApiError { code: error.code, message: error.message, retry_after });
    }
    let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::from_parts(parts, body);
    headers::strip(response.headers_mut());
    Tried::Answered(response)
}

fn streamed(response: hyper::Response<Incoming>, seat: InFlight) -> Response {
    let mut response = response.map(|body| Counted::new(body, seat).map_err(Into::into).boxed_unsync());
    headers::strip(response.headers_mut());
    response
}
