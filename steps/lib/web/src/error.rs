//! What a handler fails with: a code that programs match on, and a sentence for people.

use std::fmt;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER};
use serde::{Deserialize, Serialize};

use crate::message::{Response, json};

/// The machine name of an error; each has one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// 503: the first model is still being trained.
    NoModel,
    /// 503: no replica is ready to answer.
    NoUpstream,
    /// 503: more requests than can be answered in time; says when to come back.
    Overloaded,
    /// 503: this process is stopping.
    Draining,
    /// 413: the body is larger than the limit.
    BodyTooLarge,
    /// 400: the request cannot be understood.
    BadRequest,
    /// 400: the picture cannot be decoded.
    BadImage,
    /// 400: the picture is not of the data set's size.
    WrongSize,
    /// 415: the content type is none of those that are understood.
    UnsupportedMediaType,
    /// 404: there is nothing at this path.
    NotFound,
    /// 405: this path does not answer this method.
    MethodNotAllowed,
    /// 408: the body did not arrive in time.
    RequestTimeout,
    /// 502: the replica failed, or its answer broke off.
    UpstreamFailed,
    /// 504: the replica did not answer in time.
    Timeout,
    /// 500: a bug; the log says more than the answer.
    Internal,
}

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// What programs match on.
    pub code: Code,
    /// What people read.
    pub message: String,
    /// When to come back, where that is known.
    pub retry_after: Option<Duration>,
}

/// The body of every failed request: `{"error":{"code":"no_model","message":"…"}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The only field.
    pub error: ErrorDetail,
}

/// Inside of an [`ErrorBody`], and of an entry that failed in an answer to many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// What programs match on.
    pub code: Code,
    /// What people read.
    pub message: String,
}

impl Code {
    /// The status that goes with this code.
    pub fn status(self) -> StatusCode {
        match self {
            Self::NoModel | Self::NoUpstream | Self::Overloaded | Self::Draining => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BadRequest | Self::BadImage | Self::WrongSize => StatusCode::BAD_REQUEST,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::UpstreamFailed => StatusCode::BAD_GATEWAY,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl ApiError {
    /// An error with its code and a sentence.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None }
    }

    /// 404, naming what was asked for.
    pub fn not_found(path: &str) -> Self {
        Self::new(Code::NotFound, format!("there is nothing at {path}"))
    }

    /// 405, naming what the path answers to.
    pub fn method_not_allowed(path: &str, allowed: &str) -> Self {
        Self::new(Code::MethodNotAllowed, format!("{path} answers to {allowed}"))
    }

    /// 500. The cause goes to the log, never to the caller.
    pub fn internal(cause: &anyhow::Error) -> Self {
        tracing::error!(cause = format!("{cause:#}"), "request failed");
        Self::new(Code::Internal, "internal error")
    }

    /// The same error with a `Retry-After`, in whole seconds, at least one.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The part of the body that an entry of an answer to many has too.
    pub fn detail(&self) -> ErrorDetail {
        ErrorDetail { code: self.code, message: self.message.clone() }
    }

    /// The whole response.
    pub fn response(&self) -> Response {
        let body = ErrorBody { error: self.detail() };
        let mut response = json(self.code.status(), &body);
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs_f64().ceil().max(1.0) as u64;
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
