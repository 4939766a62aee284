//! Many images in one request: spread over the replicas, and one answer of all theirs, in order.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt};
use http_body_util::BodyExt;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{HeaderMap, Method, StatusCode};
use selvedge_web::error::ErrorDetail;
use selvedge_web::{ApiError, Body, Code, ErrorBody, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::proxy::{Outgoing, Proxy};
use crate::strategy::Strategy;

/// What a client sends, and what a replica is sent. Images are passed on as they were written.
#[derive(Deserialize, Serialize)]
struct Images<'a> {
    #[serde(borrow)]
    images: Vec<&'a RawValue>,
}

/// What a replica answers.
#[derive(Deserialize)]
struct Answer {
    items: Vec<Box<RawValue>>,
    model: Option<String>,
    replica: Option<String>,
}

/// What is counted of an item.
#[derive(Deserialize)]
struct Item {
    predicted_class: Option<String>,
    server_replica: Option<String>,
}

/// What a client is told.
#[derive(Debug, Default, Serialize)]
pub struct Merged {
    items: Vec<Box<RawValue>>,
    classes: BTreeMap<String, u64>,
    replicas: BTreeMap<String, u64>,
    models: BTreeMap<String, u64>,
    failed: u64,
}

/// An item that nobody could answer.
#[derive(Serialize)]
struct FailedItem {
    image_id: Option<String>,
    error: ErrorDetail,
}

#[derive(Deserialize)]
struct Named {
    image_id: Option<String>,
}

/// A replica is sent at most so many images at once, and, if it is more than one, so many bytes: less than its own
/// limits, so that other clients get their turn.
const CHUNK_IMAGES: usize = 64;
const CHUNK_BYTES: usize = 768 << 10;
/// Chunks under way for each ready replica: one computes while the next is read.
const CHUNKS_PER_REPLICA: usize = 2;
/// An answer is about 200 bytes an image.
const ANSWER_LIMIT: usize = 16 << 20;

/// Classifies the images of `body`, in order.
///
/// # Errors
/// [`Code::BadRequest`] for a body of another form; [`Code::NoModel`] and [`Code::NoUpstream`] where no replica
/// could take any of it.
pub async fn classify(proxy: &Proxy, body: &Bytes, headers: HeaderMap) -> Result<Merged, ApiError> {
    let Images { images } = serde_json::from_slice(body).map_err(|error| {
        ApiError::new(Code::BadRequest, format!("the body is not {{\"images\":[…]}}: {error}"))
    })?;
    // Where nobody is ready, one request finds out why.
    let ready = proxy.pool.ready().max(1);
    let chunks = split(&images, ready);
    let requests: Vec<Outgoing> =
        chunks.iter().map(|chunk| outgoing(&images[chunk.clone()], &headers)).collect();
    let answers: Vec<Result<Answer, ApiError>> = stream::iter(requests)
        .map(|request| ask(proxy.clone(), request))
        .buffered(ready * CHUNKS_PER_REPLICA)
        .collect()
        .await;
    let nobody = |error: &ApiError| matches!(error.code, Code::NoModel | Code::NoUpstream);
    match answers.first() {
        Some(Err(error)) if answers.iter().all(|answer| answer.as_ref().is_err_and(nobody)) => {
            Err(error.clone())
        }
        _ => Ok(merge(&images, &chunks, answers)),
    }
}

/// Cuts images into chunks of about equal numbers, at least one a replica where there are enough.
fn split(images: &[&RawValue], ready: usize) -> Vec<Range<usize>> {
    let most = images.len().div_ceil(ready).clamp(1, CHUNK_IMAGES);
    let (mut chunks, mut begin, mut bytes) = (Vec::new(), 0, 0);
    for (index, image) in images.iter().enumerate() {
        let size = image.get().len() + 1;
        if index > begin && (index - begin == most || bytes + size > CHUNK_BYTES) {
            chunks.push(begin..index);
            (begin, bytes) = (index, 0);
        }
        bytes += size;
    }
    if begin < images.len() {
        chunks.push(begin..images.len());
    }
    chunks
}

fn outgoing(images: &[&RawValue], headers: &HeaderMap) -> Outgoing {
    let body = serde_json::to_vec(&Images { images: images.to_vec() }).expect("what was JSON is JSON");
    let mut headers = headers.clone();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Outgoing {
        method: Method::POST,
        path: PathAndQuery::from_static("/v1/classify/batch"),
        headers,
        body: body.into(),
        key: 0,
        // Spread, whatever single requests do.
        strategy: Some(Strategy::LeastConnections),
    }
}

/// The answer to one chunk; a replica that breaks off in the middle, or answers nonsense, is replaced once.
async fn ask(proxy: Proxy, request: Outgoing) -> Result<Answer, ApiError> {
    let mut tried = Vec::new();
    let first = answer(proxy.send(&request, &mut tried).await?).await;
    match first {
        Err(error) if error.code == Code::UpstreamFailed && proxy.pool.may_retry() => {
            proxy.metrics.retried("broken");
            match proxy.send(&request, &mut tried).await {
                Ok(response) => answer(response).await,
                // Nobody else: what happened first says more.
                Err(_) => Err(error),
            }
        }
        other => other,
    }
}

async fn answer(response: Response) -> Result<Answer, ApiError> {
    let (failed, status) = (|text: String| ApiError::new(Code::UpstreamFailed, text), response.status());
    let body = whole(response.into_body()).await.map_err(failed)?;
    if status == StatusCode::OK {
        return serde_json::from_slice(&body)
            .map_err(|error| failed(format!("the replica's answer: {error}")));
    }
    match serde_json::from_slice(&body) {
        Ok(ErrorBody { error }) if status.is_client_error() => Err(ApiError::new(error.code, error.message)),
        Ok(ErrorBody { error }) => Err(failed(error.message)),
        Err(_) => Err(failed(format!("the replica answered {status}"))),
    }
}

async fn whole(mut body: Body) -> Result<BytesMut, String> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("the replica's answer broke off: {error}"))?;
        read.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        if read.len() > ANSWER_LIMIT {
            return Err(format!("the replica's answer is larger than {ANSWER_LIMIT} bytes"));
        }
    }
    Ok(read)
}

fn merge(images: &[&RawValue], chunks: &[Range<usize>], answers: Vec<Result<Answer, ApiError>>) -> Merged {
    let mut merged = Merged::default();
    for (chunk, answer) in chunks.iter().zip(answers) {
        match answer {
            Ok(answer) if answer.items.len() == chunk.len() => merged.add(answer),
            Ok(answer) => {
                let text = format!("the replica answered {} of {} images", answer.items.len(), chunk.len());
                merged.fail(&images[chunk.clone()], &ApiError::new(Code::UpstreamFailed, text));
            }
            Err(error) => merged.fail(&images[chunk.clone()], &error),
        }
    }
    merged
}

impl Merged {
    fn add(&mut self, answer: Answer) {
        for item in answer.items {
            let read = serde_json::from_str::<Item>(item.get()).ok();
            if let Some(Item { predicted_class: Some(class), server_replica }) = read {
                let replica = server_replica.or_else(|| answer.replica.clone()).unwrap_or_default();
                *self.classes.entry(class).or_default() += 1;
                *self.replicas.entry(replica).or_default() += 1;
                *self.models.entry(answer.model.clone().unwrap_or_default()).or_default() += 1;
            } else {
                self.failed += 1;
            }
            self.items.push(item);
        }
    }

    fn fail(&mut self, images: &[&RawValue], error: &ApiError) {
        for image in images {
            let image_id = serde_json::from_str::<Named>(image.get()).ok().and_then(|named| named.image_id);
            let item = FailedItem { image_id, error: error.detail() };
            self.items.push(to_raw_value(&item).expect("two fields of text are JSON"));
            self.failed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(texts: &[String]) -> Vec<&RawValue> {
        texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    #[test]
    fn chunks_are_even_bounded_and_in_order() {
        let small = vec!["1".to_owned(); 200];
        for (images, ready, expected) in [
            (0, 3, vec![]),
            (2, 3, vec![1, 1]),
            (9, 3, vec![3, 3, 3]),
            (10, 3, vec![4, 4, 2]),
            (200, 1, vec![64, 64, 64, 8]),
        ] {
            let chunks = split(&raw(&small[..images]), ready);
            assert_eq!(chunks.iter().map(Range::len).collect::<Vec<_>>(), expected);
            assert!(chunks.iter().cloned().flatten().eq(0..images));
        }
    }

    #[test]
    fn a_large_image_has_a_chunk_of_its_own() {
        let large = format!("\"{}\"", "x".repeat(CHUNK_BYTES));
        let texts = ["1".to_owned(), large, "2".to_owned(), "3".to_owned()];
        assert_eq!(split(&raw(&texts), 1), [0..1, 1..2, 2..4]);
    }
}
