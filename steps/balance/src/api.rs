//! What the balancer answers itself, and what it passes on.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};
use hyper::{HeaderMap, Method, StatusCode};
use prometheus_client::registry::Registry;
use selvedge_contract::Stop;
use selvedge_web::{ApiError, Code, Peer, Request, Response, html, json, read, show};
use serde::{Deserialize, Serialize};

use crate::proxy::{Outgoing, Proxy};
use crate::strategy::Strategy;
use crate::upstream::Shown;
use crate::{batch, headers};

/// For clients.
#[derive(Debug, Clone)]
pub struct Api {
    /// To replicas.
    pub proxy: Proxy,
    /// Bytes of one image's body.
    pub image_limit: usize,
    /// Bytes of a batch's body.
    pub batch_limit: usize,
    /// Requested once this balancer drains.
    pub stop: Stop,
}

/// For operators.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Whose strategy and metrics.
    pub proxy: Proxy,
    /// What is shown.
    pub registry: Arc<Registry>,
}

#[derive(Serialize)]
struct Replicas {
    strategy: Strategy,
    replicas: Vec<Shown>,
}

#[derive(Serialize)]
struct Ready {
    status: &'static str,
    replicas: usize,
}

#[derive(Serialize, Deserialize)]
struct Chosen {
    strategy: Strategy,
}

/// The page, whole: no other file and no other host is asked for anything.
const PAGE: &str = include_str!("../page/index.html");
/// The page runs its own scripts, talks to its own origin, and shows pictures that it made.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      img-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// How long a client may take for a body.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

impl Api {
    /// Answers one request.
    ///
    /// # Errors
    /// What the client is told.
    pub async fn answer(self, request: Request) -> Result<Response, ApiError> {
        let clients = self.proxy.metrics.clients.clone();
        let route = match request.uri().path() {
            "/v1/classify" => "/v1/classify",
            "/v1/classify/batch" => "/v1/classify/batch",
            "/v1/model" => "/v1/model",
            "/v1/replicas" => "/v1/replicas",
            "/" => "/",
            "/healthz" => "/healthz",
            "/readyz" => "/readyz",
            path => return clients.measure("other", async { Err(ApiError::not_found(path)) }).await,
        };
        clients.measure(route, self.route(route, request)).await
    }

    async fn route(&self, route: &'static str, request: Request) -> Result<Response, ApiError> {
        let allowed = if route.starts_with("/v1/classify") { "POST" } else { "GET" };
        let head = *request.method() == Method::HEAD && allowed == "GET";
        if request.method().as_str() != allowed && !head {
            return Err(ApiError::method_not_allowed(route, allowed));
        }
        match route {
            "/v1/classify" => self.forward(request, self.image_limit).await,
            "/v1/model" => self.forward(request, 0).await,
            "/v1/classify/batch" => self.batch(request).await,
            "/v1/replicas" => Ok(self.replicas()),
            "/" => Ok(page()),
            "/healthz" => Ok(json(StatusCode::OK, &self.ready("alive"))),
            _ if self.stop.is_requested() => {
                Ok(json(StatusCode::SERVICE_UNAVAILABLE, &self.ready("draining")))
            }
            _ if !self.proxy.pool.is_informed() => {
                Ok(json(StatusCode::SERVICE_UNAVAILABLE, &self.ready("starting")))
            }
            _ => Ok(json(StatusCode::OK, &self.ready("ready"))),
        }
    }

    /// Whole, because it may have to be sent twice.
    async fn forward(&self, request: Request, limit: usize) -> Result<Response, ApiError> {
        let (mut parts, body) = read(request, limit, BODY_PATIENCE).await?;
        let client = peer(&parts.extensions)?;
        let key = headers::key(&parts.headers, client.0.ip());
        headers::forward(&mut parts.headers, client.0.ip());
        let path = parts.uri.into_parts().path_and_query.unwrap_or_else(|| "/".parse().expect("a path"));
        let request =
            Outgoing { method: parts.method, path, headers: parts.headers, body, key, strategy: None };
        self.proxy.send(&request, &mut Vec::new()).await
    }

    async fn batch(&self, request: Request) -> Result<Response, ApiError> {
        let (parts, body) = read(request, self.batch_limit, BODY_PATIENCE).await?;
        let client = peer(&parts.extensions)?;
        let mut forwarded = HeaderMap::new();
        headers::forward(&mut forwarded, client.0.ip());
        let merged = batch::classify(&self.proxy, &body, forwarded).await?;
        Ok(json(StatusCode::OK, &merged))
    }

    fn replicas(&self) -> Response {
        let pool = &self.proxy.pool;
        let replicas = pool.upstreams().iter().map(|upstream| upstream.shown()).collect();
        json(StatusCode::OK, &Replicas { strategy: pool.strategy(), replicas })
    }

    fn ready(&self, status: &'static str) -> Ready {
        Ready { status, replicas: self.proxy.pool.ready() }
    }
}

impl Admin {
    /// Answers one request.
    ///
    /// # Errors
    /// What the operator is told.
    pub async fn answer(self, request: Request) -> Result<Response, ApiError> {
        let pool = &self.proxy.pool;
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/metrics") => {
                self.proxy.metrics.refresh(pool);
                Ok(show(&self.registry))
            }
            (&Method::GET, "/v1/strategy") => Ok(json(StatusCode::OK, &Chosen { strategy: pool.strategy() })),
            (&Method::PUT, "/v1/strategy") => {
                let (_, body) = read(request, 1024, BODY_PATIENCE).await?;
                let chosen: Chosen = serde_json::from_slice(&body)
                    .map_err(|error| ApiError::new(Code::BadRequest, format!("no strategy: {error}")))?;
                pool.switch(chosen.strategy);
                Ok(json(StatusCode::OK, &chosen))
            }
            (_, "/metrics") => Err(ApiError::method_not_allowed("/metrics", "GET")),
            (_, "/v1/strategy") => Err(ApiError::method_not_allowed("/v1/strategy", "GET, PUT")),
            (_, path) => Err(ApiError::not_found(path)),
        }
    }
}

fn peer(extensions: &hyper::http::Extensions) -> Result<Peer, ApiError> {
    let peer = extensions.get::<Peer>().copied();
    peer.ok_or_else(|| ApiError::internal(&anyhow::anyhow!("a request without a peer")))
}

fn page() -> Response {
    let mut response = html(PAGE);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
