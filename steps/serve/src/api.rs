//! The routes of a replica.

use std::sync::Arc;
use std::time::Duration;

use hyper::http::{HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use selvedge_contract::Stop;
use selvedge_data::Shape;
use selvedge_web::{ApiError, Code, Request, Response, json, text};
use tokio::sync::watch;

use crate::answer::{Model, Ready, ReadyStatus};
use crate::classify::Classify;
use crate::follow::Status;
use crate::metrics::Metrics;
use crate::network::Serving;

/// What the handlers of one replica share.
pub struct Api {
    /// Of the champion log.
    pub name: String,
    /// Of this replica.
    pub replica: String,
    /// What answers about images.
    pub classify: Classify,
    /// What the follower says.
    pub status: watch::Receiver<Status>,
    /// Counts.
    pub metrics: Metrics,
    /// Whether this replica is stopping.
    pub stop: Stop,
}

/// When a client that met a full queue, or no model, may come back.
pub(crate) const COME_BACK: Duration = Duration::from_secs(1);

const MODEL: HeaderName = HeaderName::from_static("x-selvedge-model");
const GENERATION: HeaderName = HeaderName::from_static("x-selvedge-generation");
const REPLICA: HeaderName = HeaderName::from_static("x-selvedge-replica");

impl Api {
    /// Answers one request.
    pub async fn answer(self: Arc<Self>, request: Request) -> Result<Response, ApiError> {
        let route = route(request.uri().path());
        let answer = self.metrics.requests.measure(route, self.dispatch(request)).await;
        let mut response = answer.unwrap_or_else(|error| error.response());
        if let Ok(replica) = HeaderValue::from_str(&self.replica) {
            response.headers_mut().insert(REPLICA, replica);
        }
        Ok(response)
    }

    async fn dispatch(&self, request: Request) -> Result<Response, ApiError> {
        let path = request.uri().path().to_owned();
        match (request.method(), path.as_str()) {
            (&Method::POST, "/v1/classify") => self.classify.one(request, || self.serving()).await,
            (&Method::POST, "/v1/classify/batch") => self.classify.many(request, || self.serving()).await,
            (&Method::GET, "/v1/model") => self.model(),
            (&Method::GET, "/healthz") => Ok(text(StatusCode::OK, "ok\n")),
            (&Method::GET, "/readyz") => Ok(self.ready()),
            (_, "/v1/classify" | "/v1/classify/batch") => Err(ApiError::method_not_allowed(&path, "POST")),
            (_, "/v1/model" | "/healthz" | "/readyz") => Err(ApiError::method_not_allowed(&path, "GET")),
            _ => Err(ApiError::not_found(&path)),
        }
    }

    fn model(&self) -> Result<Response, ApiError> {
        let serving = self.serving()?;
        let Shape { height, width, channels } = serving.shape;
        let model = Model {
            name: &self.name,
            model: serving.model,
            generation: serving.generation,
            candidate: &serving.candidate,
            family: serving.family,
            classes: &serving.classes,
            input: [height, width, channels],
            accuracy: serving.accuracy,
            test_accuracy: serving.test_accuracy,
            since: serving.since,
        };
        Ok(signed(json(StatusCode::OK, &model), &serving))
    }

    fn ready(&self) -> Response {
        let Status { serving, refused } = self.status.borrow().clone();
        let status = match &serving {
            _ if self.stop.is_requested() => ReadyStatus::Draining,
            None => ReadyStatus::NoModel,
            Some(_) => ReadyStatus::Ready,
        };
        let code = match status {
            ReadyStatus::Ready => StatusCode::OK,
            ReadyStatus::NoModel | ReadyStatus::Draining => StatusCode::SERVICE_UNAVAILABLE,
        };
        let ready = Ready {
            status,
            replica: &self.replica,
            generation: serving.as_ref().map(|s| s.generation),
            model: serving.as_ref().map(|s| s.model),
            refused: refused.as_ref(),
        };
        json(code, &ready)
    }

    fn serving(&self) -> Result<Arc<Serving>, ApiError> {
        let serving = self.status.borrow().serving.clone();
        serving.ok_or_else(|| {
            let text = format!("no model of {} was promoted yet", self.name);
            ApiError::new(Code::NoModel, text).retry_after(COME_BACK)
        })
    }
}

/// The names under which requests are counted.
fn route(path: &str) -> &'static str {
    match path {
        "/v1/classify" => "classify",
        "/v1/classify/batch" => "classify_batch",
        "/v1/model" => "model",
        "/healthz" => "healthz",
        "/readyz" => "readyz",
        _ => "other",
    }
}

/// The answer, saying which model it is of.
pub(crate) fn signed(mut response: Response, serving: &Serving) -> Response {
    let headers = response.headers_mut();
    let model = HeaderValue::from_str(&serving.model.to_string()).expect("hex digits make a header");
    headers.insert(MODEL, model);
    headers.insert(GENERATION, HeaderValue::from(serving.generation));
    response
}
