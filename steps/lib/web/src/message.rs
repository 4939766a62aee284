//! Requests read within limits, and the responses that handlers give.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_TYPE, EXPECT, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode};
use serde::Serialize;
use tokio::time::timeout;

use crate::error::{ApiError, Code};

/// What a handler is given; its extensions hold the [`Peer`].
pub type Request = hyper::Request<Incoming>;
/// What a handler gives.
pub type Response = hyper::Response<Body>;
/// A body in memory, or one that streams by.
pub type Body = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// Who is at the other end of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// How much of a refused body is still read, so that its sender gets to reading the refusal.
const DISCARD: usize = 16 << 20;
const DISCARD_FOR: Duration = Duration::from_secs(2);

/// Reads the whole body, at most `limit` bytes, within `patience`.
///
/// # Errors
/// [`Code::BodyTooLarge`] (from the announced length, or once more has arrived), [`Code::RequestTimeout`],
/// [`Code::BadRequest`] for a body that breaks off.
pub async fn read(request: Request, limit: usize, patience: Duration) -> Result<(Parts, Bytes), ApiError> {
    let (parts, mut body) = request.into_parts();
    let late = || ApiError::new(Code::RequestTimeout, format!("no whole body within {patience:?}"));
    match timeout(patience, collect(&mut body, limit)).await {
        Ok(Err(error)) if error.code == Code::BodyTooLarge => {
            discard(&parts.headers, body).await;
            Err(error)
        }
        Ok(result) => Ok((parts, result?)),
        Err(_) => Err(late()),
    }
}

async fn collect(body: &mut Incoming, limit: usize) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::new(Code::BodyTooLarge, format!("the body is larger than {limit} bytes"));
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(too_large());
    }
    let mut read = BytesMut::with_capacity(announced as usize);
    while let Some(frame) = body.frame().await {
        let broken = |e| ApiError::new(Code::BadRequest, format!("the body broke off: {e}"));
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        if read.is_empty() && body.is_end_stream() && data.len() <= limit {
            // The usual case: all of it in one piece, not copied.
            return Ok(data);
        }
        if read.len() + data.len() > limit {
            return Err(too_large());
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

/// A sender that is cut off while it writes sees a reset and never the answer; one that asked with
/// `Expect: 100-continue` has not begun.
async fn discard(headers: &HeaderMap, mut body: Incoming) {
    if headers.contains_key(EXPECT) {
        return;
    }
    let reading = async {
        let mut seen = 0;
        while let Some(Ok(frame)) = body.frame().await {
            seen += frame.data_ref().map_or(0, Bytes::len);
            if seen > DISCARD {
                break;
            }
        }
    };
    let _ = timeout(DISCARD_FOR, reading).await;
}

/// A JSON response.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let bytes =
        serde_json::to_vec(value).expect("a response has string keys and nothing that fails to serialize");
    respond(status, "application/json", bytes)
}

/// A plain text response.
pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Response {
    respond(status, "text/plain; charset=utf-8", text)
}

/// An HTML response.
pub fn html(page: impl Into<Bytes>) -> Response {
    respond(StatusCode::OK, "text/html; charset=utf-8", page)
}

pub(crate) fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let body = Full::new(body.into()).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
