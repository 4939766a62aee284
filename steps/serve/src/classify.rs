//! Classifying one image and many: from a request to its answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::StatusCode;
use selvedge_data::Shape;
use selvedge_web::{ApiError, Code, Request, Response, json, read};
use tokio::sync::Semaphore;

use crate::answer::{Batch, Classified, Item};
use crate::api::{COME_BACK, signed};
use crate::batcher::{Answer, Batcher, Coming, Failure};
use crate::network::Serving;
use crate::preprocess::{self, Image};
use crate::request::{self, JsonQuestion, JsonQuestions, Question};

/// What it takes to classify.
pub struct Classify {
    replica: String,
    body_limit: usize,
    batcher: Batcher,
    /// Large images are decoded by a few at a time: each may have [`preprocess::MAX_SIDE`]² pixels.
    large_images: Semaphore,
}

/// A batch on its way: the records of all good images one after the other, and an entry for every image.
#[derive(Default)]
struct Prepared {
    records: Vec<u8>,
    entries: Vec<Entry>,
}

/// The `image_id` of an image that is classified; of another, what is known of it, and why it is not.
type Entry = Result<String, (Option<String>, ApiError)>;

/// How long a body may take to arrive.
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// How many large images are decoded at once.
const LARGE_IMAGES_AT_ONCE: usize = 2;
/// Bytes of all records of a batch: small files can hold large pictures.
const BATCH_BYTES: usize = 64 << 20;

impl Classify {
    /// For the replica of this name.
    pub fn new(replica: &str, body_limit: usize, batcher: Batcher) -> Self {
        Self {
            replica: replica.to_owned(),
            body_limit,
            batcher,
            large_images: Semaphore::new(LARGE_IMAGES_AT_ONCE),
        }
    }

    /// `POST /v1/classify`, for the model that serves as `now` says.
    pub(crate) async fn one(
        &self,
        request: Request,
        now: impl FnOnce() -> Result<Arc<Serving>, ApiError>,
    ) -> Result<Response, ApiError> {
        let (parts, body) = read(request, self.body_limit, BODY_PATIENCE).await?;
        let begin = Instant::now();
        let shape = now()?.shape;
        let mut coming = Some(self.batcher.coming());
        let question = Question::parse(&parts, body)?;
        let record = self.record(question.image, shape, &mut coming).await?;
        let answer = self.batcher.predict(coming, record, shape).await.map_err(refusal)?;
        let classified = self.classified(question.image_id, &answer, 0, begin);
        Ok(signed(json(StatusCode::OK, &classified), &answer.serving))
    }

    /// `POST /v1/classify/batch`.
    pub(crate) async fn many(
        &self,
        request: Request,
        now: impl FnOnce() -> Result<Arc<Serving>, ApiError>,
    ) -> Result<Response, ApiError> {
        let (parts, body) = read(request, self.body_limit, BODY_PATIENCE).await?;
        let begin = Instant::now();
        let now = now()?;
        let mut coming = Some(self.batcher.coming());
        let Prepared { records, entries } =
            self.prepare(request::batch(&parts, &body)?, now.shape, &mut coming).await?;
        let answer = if records.is_empty() {
            Answer { serving: now, predictions: Vec::new() }
        } else {
            self.batcher.predict(coming, records.into(), now.shape).await.map_err(refusal)?
        };
        let batch = Batch {
            items: self.items(entries, &answer, begin),
            model: answer.serving.model,
            generation: answer.serving.generation,
            replica: &self.replica,
        };
        Ok(signed(json(StatusCode::OK, &batch), &answer.serving))
    }

    async fn prepare(
        &self,
        questions: JsonQuestions,
        shape: Shape,
        coming: &mut Option<Coming>,
    ) -> Result<Prepared, ApiError> {
        let mut prepared = Prepared::default();
        for question in questions {
            let given = question.as_ref().ok().and_then(|q| q.image_id().map(str::to_owned));
            match self.question(question, shape, coming).await {
                Ok((image_id, record)) => {
                    prepared.records.extend_from_slice(&record);
                    prepared.entries.push(Ok(image_id));
                }
                Err(error) => prepared.entries.push(Err((given, error))),
            }
            if prepared.records.len() > BATCH_BYTES {
                let text = format!("the images of the batch are larger than {BATCH_BYTES} bytes together");
                return Err(ApiError::new(Code::BodyTooLarge, text));
            }
            // Thousands of small images must not keep a thread from everybody else's requests.
            tokio::task::consume_budget().await;
        }
        Ok(prepared)
    }

    async fn question(
        &self,
        question: Result<JsonQuestion, ApiError>,
        shape: Shape,
        coming: &mut Option<Coming>,
    ) -> Result<(String, Bytes), ApiError> {
        let question = question?.resolve()?;
        Ok((question.image_id, self.record(question.image, shape, coming).await?))
    }

    /// The record that an image is. What takes long is done on a thread of its own, and no batch waits for it.
    async fn record(
        &self,
        image: Image,
        shape: Shape,
        coming: &mut Option<Coming>,
    ) -> Result<Bytes, ApiError> {
        if !image.is_large()? {
            return Ok(preprocess::record(image, shape)?);
        }
        drop(coming.take());
        let _turn = self.large_images.acquire().await.expect("the semaphore is never closed");
        let decoded = tokio::task::spawn_blocking(move || preprocess::record(image, shape)).await;
        Ok(decoded.map_err(|error| ApiError::internal(&error.into()))??)
    }

    fn items<'a>(&'a self, entries: Vec<Entry>, answer: &'a Answer, begin: Instant) -> Vec<Item<'a>> {
        let mut classified = 0..answer.predictions.len();
        let item = |entry: Entry| match entry {
            Err((image_id, error)) => Item::Failed { image_id, error: error.detail() },
            Ok(image_id) => {
                let index = classified.next().expect("every record that was sent has a prediction");
                Item::Classified(self.classified(image_id, answer, index, begin))
            }
        };
        entries.into_iter().map(item).collect()
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
