//! What a body of `/v1/classify` says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use selvedge_store::Digest;
use selvedge_web::{ApiError, Code};
use serde::Deserialize;

use crate::preprocess::{BadImage, Format, Image};

/// An image to be classified, and what its sender calls it.
#[derive(Debug, Clone)]
pub struct Question {
    /// The request's, else the digest of the image's bytes as they were sent.
    pub image_id: String,
    /// The image.
    pub image: Image,
}

/// The JSON form of a [`Question`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonQuestion {
    image_id: Option<String>,
    pixels: Option<Vec<u8>>,
    data: Option<String>,
}

/// The body of `/v1/classify/batch`, or of as much of it as is JSON at all.
pub type JsonQuestions = Vec<Result<JsonQuestion, ApiError>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<T> {
    images: Vec<T>,
}

/// An `image_id` is repeated in answers and logs; it is no place to keep data.
const LONGEST_ID: usize = 256;
const ACCEPTED: &str = "image/png, image/jpeg, application/octet-stream or application/json";

impl Question {
    /// What a request asks.
    ///
    /// # Errors
    /// [`Code::UnsupportedMediaType`], [`Code::BadRequest`], [`Code::BadImage`].
    pub fn parse(parts: &Parts, body: Bytes) -> Result<Self, ApiError> {
        let given = header_id(parts)?;
        let image = match media_type(parts)?.as_str() {
            "image/png" => Image::Encoded(body, Format::Png),
            "image/jpeg" => Image::Encoded(body, Format::Jpeg),
            "application/octet-stream" => Image::Record(body),
            "application/json" => {
                let question: JsonQuestion = serde_json::from_slice(&body).map_err(|e| not_understood(&e))?;
                let own = question.resolve()?;
                return Ok(Self { image_id: given.unwrap_or(own.image_id), image: own.image });
            }
            other => return Err(unsupported(&format!("{other:?} is not understood"))),
        };
        Self::new(given, image)
    }

    fn new(given: Option<String>, image: Image) -> Result<Self, ApiError> {
        let image_id = match given {
            Some(id) if id.is_empty() || id.len() > LONGEST_ID => {
                let text = format!("image_id has {} bytes, allowed are 1 to {LONGEST_ID}", id.len());
                return Err(ApiError::new(Code::BadRequest, text));
            }
            Some(id) => id,
            None => match &image {
                Image::Record(bytes) | Image::Encoded(bytes, _) => Digest::of(bytes).to_string(),
            },
        };
        Ok(Self { image_id, image })
    }
}

impl JsonQuestion {
    /// What the sender calls the image, for an answer that says what is wrong with it.
    pub fn image_id(&self) -> Option<&str> {
        self.image_id.as_deref()
    }

    /// The image itself.
    ///
    /// # Errors
    /// [`Code::BadRequest`] where it holds not exactly one image, [`Code::BadImage`].
    pub fn resolve(self) -> Result<Question, ApiError> {
        let image = match (self.pixels, self.data) {
            (Some(pixels), None) => Image::Record(pixels.into()),
            (None, Some(data)) => decoded(&data)?,
            _ => return Err(ApiError::new(Code::BadRequest, "an image has either `pixels` or `data`")),
        };
        Question::new(self.image_id, image)
    }
}

/// The images of a batch; one that is not understood does not spoil the others.
///
/// # Errors
/// [`Code::UnsupportedMediaType`], and [`Code::BadRequest`] where there is no list of images.
pub fn batch(parts: &Parts, body: &[u8]) -> Result<JsonQuestions, ApiError> {
    let media_type = media_type(parts)?;
    if media_type != "application/json" {
        return Err(unsupported(&format!("{media_type:?} is not understood, send application/json")));
    }
    if let Ok(batch) = serde_json::from_slice::<Batch<JsonQuestion>>(body) {
        return Ok(batch.images.into_iter().map(Ok).collect());
    }
    // Slower, and only for a batch in which something is wrong.
    let batch: Batch<serde_json::Value> = serde_json::from_slice(body).map_err(|e| not_understood(&e))?;
    let each = batch.images.into_iter();
    Ok(each.map(|image| serde_json::from_value(image).map_err(|e| not_understood(&e))).collect())
}

/// How an [`BadImage`] is answered.
impl From<BadImage> for ApiError {
    fn from(bad: BadImage) -> Self {
        let code = match bad {
            BadImage::WrongSize { .. } => Code::WrongSize,
            BadImage::Unreadable(..) | BadImage::NoSuchForm(_) => Code::BadImage,
        };
        Self::new(code, bad.to_string())
    }
}

fn header_id(parts: &Parts) -> Result<Option<String>, ApiError> {
    let Some(value) = parts.headers.get("x-image-id") else {
        return Ok(None);
    };
    let no_text = |_| ApiError::new(Code::BadRequest, "x-image-id is no visible ASCII text");
    value.to_str().map(|id| Some(id.to_owned())).map_err(no_text)
}

/// Type and subtype in lower case, without parameters.
fn media_type(parts: &Parts) -> Result<String, ApiError> {
    let Some(value) = parts.headers.get(CONTENT_TYPE) else {
        return Err(unsupported("there is no content-type"));
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    let essence = text.split(';').next().unwrap_or_default();
    Ok(essence.trim().to_ascii_lowercase())
}

fn unsupported(what: &str) -> ApiError {
    ApiError::new(Code::UnsupportedMediaType, format!("{what}: send {ACCEPTED}"))
}

fn not_understood(error: &serde_json::Error) -> ApiError {
    ApiError::new(Code::BadRequest, format!("the body is not the JSON expected: {error}"))
}

/// A file in base64, as it is or as the data URL that a browser's canvas gives.
fn decoded(data: &str) -> Result<Image, ApiError> {
    let base64 = match data.strip_prefix("data:") {
        Some(url) => url.split_once(";base64,").map_or(url, |(_, base64)| base64),
        None => data,
    };
    let bytes = STANDARD
        .decode(base64)
        .map_err(|e| ApiError::new(Code::BadImage, format!("`data` is not base64: {e}")))?;
    let Some(format) = Format::guess(&bytes) else {
        return Err(ApiError::new(Code::BadImage, "`data` is neither a PNG nor a JPEG file"));
    };
    Ok(Image::Encoded(bytes.into(), format))
}
