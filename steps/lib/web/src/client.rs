//! A client with pooled connections: balancer to replica, `promote` to balancer, anybody to a webhook. http only.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

/// Pooled connections to any number of servers. Clones share them.
#[derive(Debug, Clone)]
pub struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status, whatever that is.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
}

/// Why there is no answer. Which of them may be tried again is for the caller to say: [`ClientError::was_sent`].
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL is none.
    #[error("{url:?} is no http URL: {reason}")]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody listens there, or the name is unknown: nothing was sent.
    #[error("cannot connect to {url}")]
    Connect {
        /// Where to.
        url: String,
        /// Why.
        source: hyper_util::client::legacy::Error,
    },
    /// The connection broke before a response's head had come.
    #[error("no response from {url}")]
    Broken {
        /// Where from.
        url: String,
        /// Why.
        source: hyper_util::client::legacy::Error,
    },
    /// Nothing came in time.
    #[error("no response from {url} within {after:?}")]
    Timeout {
        /// Where from.
        url: String,
        /// The timeout.
        after: Duration,
    },
    /// The body broke off, or is larger than [`BODY_LIMIT`].
    #[error("the response of {url} broke off: {reason}")]
    Body {
        /// Where from.
        url: String,
        /// Why.
        reason: String,
    },
    /// The server refused.
    #[error("{url} answered {status}: {body}")]
    Status {
        /// Who.
        url: String,
        /// With which status.
        status: StatusCode,
        /// The beginning of the body.
        body: String,
    },
    /// The answer is not the JSON that was expected.
    #[error("the answer of {url} is not understood")]
    Json {
        /// Whose.
        url: String,
        /// Why.
        source: serde_json::Error,
    },
}

/// The largest answer that is read whole, in bytes.
pub const BODY_LIMIT: usize = 64 << 20;
/// An idle connection is closed by the client, before a server's [`crate::Limits::head`] does.
const IDLE: Duration = Duration::from_secs(30);
const IDLE_PER_SERVER: usize = 64;

impl Client {
    /// A client that gives up connecting after `connect`.
    pub fn new(connect: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(connect));
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_SERVER)
            .build(connector);
        Self { pool }
    }

    /// Sends `request` and waits `patience` for the head of the response; the body streams.
    ///
    /// # Errors
    /// [`ClientError::Connect`], [`ClientError::Broken`], [`ClientError::Timeout`].
    pub async fn send(
        &self,
        request: hyper::Request<Full<Bytes>>,
        patience: Duration,
    ) -> Result<Response<Incoming>, ClientError> {
        let uri = request.uri().clone();
        match timeout(patience, self.pool.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(source)) => {
                let url = uri.to_string();
                Err(if source.is_connect() {
                    ClientError::Connect { url, source }
                } else {
                    ClientError::Broken { url, source }
                })
            }
            Err(_) => Err(ClientError::Timeout { url: uri.to_string(), after: patience }),
        }
    }

    /// GET, the whole answer whatever its status, all of it within `patience`.
    ///
    /// # Errors
    /// Any but [`ClientError::Status`] and [`ClientError::Json`].
    pub async fn get(&self, url: &str, patience: Duration) -> Result<Answer, ClientError> {
        self.whole(Method::GET, url, None, patience).await
    }

    /// GET of JSON from a 2xx answer.
    ///
    /// # Errors
    /// Any.
    pub async fn get_json<T: DeserializeOwned>(
        &self,
        url: &str,
        patience: Duration,
    ) -> Result<T, ClientError> {
        self.get(url, patience).await?.accepted(url)?.json(url)
    }

    /// POST of JSON, the whole answer whatever its status, all of it within `patience`.
    ///
    /// # Errors
    /// Any but [`ClientError::Status`]; [`ClientError::Json`] where `value` cannot be written as JSON.
    pub async fn post_json(
        &self,
        url: &str,
        value: &impl Serialize,
        patience: Duration,
    ) -> Result<Answer, ClientError> {
        let body =
            serde_json::to_vec(value).map_err(|source| ClientError::Json { url: url.to_owned(), source })?;
        let json = ("application/json", Bytes::from(body));
        self.whole(Method::POST, url, Some(json), patience).await
    }

    async fn whole(
        &self,
        method: Method,
        url: &str,
        body: Option<(&str, Bytes)>,
        patience: Duration,
    ) -> Result<Answer, ClientError> {
        let mut request = hyper::Request::builder().method(method).uri(http(url)?);
        if let Some((content_type, _)) = &body {
            request = request.header(CONTENT_TYPE, *content_type);
        }
        let request = request
            .body(Full::new(body.map_or_else(Bytes::new, |(_, bytes)| bytes)))
            .expect("a parsed URL and a fixed header make a request");
        let all = async {
            let response = self.send(request, patience).await?;
            let status = response.status();
            let body = collect(response.into_body(), url).await?;
            Ok(Answer { status, body })
        };
        timeout(patience, all)
            .await
            .unwrap_or_else(|_| Err(ClientError::Timeout { url: url.to_owned(), after: patience }))
    }
}

impl Answer {
    /// The same answer if its status is 2xx.
    ///
    /// # Errors
    /// [`ClientError::Status`] with the beginning of the body.
    pub fn accepted(self, url: &str) -> Result<Self, ClientError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let body = String::from_utf8_lossy(&self.body[..self.body.len().min(300)]).into_owned();
        Err(ClientError::Status { url: url.to_owned(), status: self.status, body })
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`ClientError::Json`].
    pub fn json<T: DeserializeOwned>(&self, url: &str) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|source| ClientError::Json { url: url.to_owned(), source })
    }
}

impl ClientError {
    /// Whether the server may have seen the request, so that only what is idempotent may be sent again.
    pub fn was_sent(&self) -> bool {
        !matches!(self, Self::Url { .. } | Self::Connect { .. })
    }
}

async fn collect(body: Incoming, url: &str) -> Result<Bytes, ClientError> {
    match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(ClientError::Body { url: url.to_owned(), reason: error.to_string() }),
    }
}

fn http(url: &str) -> Result<Uri, ClientError> {
    let wrong = |reason: String| ClientError::Url { url: url.to_owned(), reason };
    let uri: Uri = url.parse().map_err(|e| wrong(format!("{e}")))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some(_)) => Ok(uri),
        (Some(scheme), _) if scheme != "http" => Err(wrong(format!("scheme {scheme:?} is not supported"))),
        _ => Err(wrong("write http://host:port/path".into())),
    }
}
