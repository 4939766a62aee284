//! The routes of a replica.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::http::{HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use selvedge_contract::Stop;
use selvedge_data::Shape;
use selvedge_web::{ApiError, Code, Request, Response, json, read, text};
use tokio::sync::{Semaphore, watch};

use crate::answer::{Batch, Classified, Item, Model, Ready, ReadyStatus};
use crate::batcher::{Answer, Batcher, Failure};
use crate::follow::Status;
use crate::metrics::Metrics;
use crate::network::Serving;
use crate::preprocess;
use crate::request::{self, Question};

/// What the handlers of one replica share.
pub struct Api {
    /// Of the champion log.
    pub name: String,
    /// Of this replica.
    pub replica: String,
    /// Bytes of a body.
    pub body_limit: usize,
    /// The way to the model.
    pub batcher: Batcher,
    /// What the follower says.
    pub status: watch::Receiver<Status>,
    /// Counts.
    pub metrics: Metrics,
    /// Whether this replica is stopping.
    pub stop: Stop,
    /// Large images are decoded by a few at a time: each may take [`preprocess::MAX_SIDE`]² pixels.
    pub large_images: Semaphore,
}

/// How many large images are decoded at once.
pub const LARGE_IMAGES_AT_ONCE: usize = 2;
/// How long a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// When a client that met a full queue, or no model, may come back.
const COME_BACK: Duration = Duration::from_secs(1);

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
            (&Method::POST, "/v1/classify") => self.classify(request).await,
            (&Method::POST, "/v1/classify/batch") => self.classify_batch(request).await,
            (&Method::GET, "/v1/model") => self.model(),
            (&Method::GET, "/healthz") => Ok(text(StatusCode::OK, "ok\n")),
            (&Method::GET, "/readyz") => Ok(self.ready()),
            (_, "/v1/classify" | "/v1/classify/batch") => Err(ApiError::method_not_allowed(&path, "POST")),
            (_, "/v1/model" | "/healthz" | "/readyz") => Err(ApiError::method_not_allowed(&path, "GET")),
            _ => Err(ApiError::not_found(&path)),
        }
    }

    async fn classify(&self, request: Request) -> Result<Response, ApiError> {
        let (parts, body) = read(request, self.body_limit, BODY_PATIENCE).await?;
        let begin = Instant::now();
        let shape = self.serving()?.shape;
        let coming = self.batcher.coming();
        let question = Question::parse(&parts, body)?;
        let record = self.record(question.image, shape).await?;
        let answer = self.batcher.predict(coming, record, shape).await.map_err(refusal)?;
        let classified = self.classified(question.image_id, &answer, 0, begin);
        Ok(signed(json(StatusCode::OK, &classified), &answer.serving))
    }

    async fn classify_batch(&self, request: Request) -> Result<Response, ApiError> {
        let (parts, body) = read(request, self.body_limit, BODY_PATIENCE).await?;
        let begin = Instant::now();
        let now = self.serving()?;
        let questions = request::batch(&parts, &body)?;
        let coming = self.batcher.coming();
        let (mut records, mut entries) = (Vec::new(), Vec::with_capacity(questions.len()));
        for question in questions {
            let given = question.as_ref().ok().and_then(|q| q.image_id().map(str::to_owned));
            match self.batch_record(question, now.shape).await {
                Ok((image_id, record)) => {
                    records.extend_from_slice(&record);
                    entries.push(Ok(image_id));
                }
                Err(error) => entries.push(Err((given, error))),
            }
        }
        let answer = if records.is_empty() {
            Answer { serving: now, predictions: Vec::new() }
        } else {
            self.batcher.predict(coming, records.into(), now.shape).await.map_err(refusal)?
        };
        let mut classified = 0..answer.predictions.len();
        let items = entries.into_iter().map(|entry| match entry {
            Err((image_id, error)) => Item::Failed { image_id, error: error.detail() },
            Ok(image_id) => {
                let index = classified.next().expect("every record that was sent has a prediction");
                Item::Classified(self.classified(image_id, &answer, index, begin))
            }
        });
        let batch = Batch {
            items: items.collect(),
            model: answer.serving.model,
            generation: answer.serving.generation,
            replica: &self.replica,
        };
        Ok(signed(json(StatusCode::OK, &batch), &answer.serving))
    }

    async fn batch_record(
        &self,
        question: Result<request::JsonQuestion, ApiError>,
        shape: Shape,
    ) -> Result<(String, Bytes), ApiError> {
        let question = question?.resolve()?;
        Ok((question.image_id, self.record(question.image, shape).await?))
    }

    /// The record that an image is. What takes long is done on a thread of its own.
    async fn record(&self, image: preprocess::Image, shape: Shape) -> Result<Bytes, ApiError> {
        if !image.is_large()? {
            return Ok(preprocess::record(image, shape)?);
        }
        let _turn = self.large_images.acquire().await.expect("the semaphore is never closed");
        let decoded = tokio::task::spawn_blocking(move || preprocess::record(image, shape)).await;
        Ok(decoded.map_err(|error| ApiError::internal(&error.into()))??)
    }

    fn classified<'a>(
        &'a self,
        image_id: String,
        answer: &'a Answer,
        index: usize,
        begin: Instant,
    ) -> Classified<'a> {
        let prediction = answer.predictions[index];
        Classified {
            image_id,
            predicted_class: &answer.serving.classes[prediction.class],
            confidence: prediction.confidence,
            processing_time_ms: begin.elapsed().as_secs_f64() * 1e3,
            server_replica: &self.replica,
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

fn signed(mut response: Response, serving: &Serving) -> Response {
    let headers = response.headers_mut();
    let model = HeaderValue::from_str(&serving.model.to_string()).expect("hex digits make a header");
    headers.insert(MODEL, model);
    headers.insert(GENERATION, HeaderValue::from(serving.generation));
    response
}

fn refusal(failure: Failure) -> ApiError {
    match failure {
        Failure::Overloaded(_) | Failure::OtherForm(_) => {
            ApiError::new(Code::Overloaded, failure.to_string()).retry_after(COME_BACK)
        }
        Failure::NoModel => ApiError::new(Code::NoModel, failure.to_string()).retry_after(COME_BACK),
        Failure::Inference(_) => ApiError::internal(&failure.into()),
    }
}
