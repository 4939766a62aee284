//! What a replica answers with.

use jiff::Timestamp;
use selvedge_plan::Family;
use selvedge_store::Digest;
use selvedge_web::error::ErrorDetail;
use serde::Serialize;

/// The answer about one image: exactly five fields.
#[derive(Debug, Serialize)]
pub struct Classified<'a> {
    /// What the request called the image, else the digest of its bytes.
    pub image_id: String,
    /// The name of the most probable class.
    pub predicted_class: &'a str,
    /// Its probability, 0 to 1.
    pub confidence: f32,
    /// Milliseconds from the whole request to its answer.
    pub processing_time_ms: f64,
    /// The name of this replica.
    pub server_replica: &'a str,
}

/// The entry of one image in an answer to many.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Item<'a> {
    /// It was classified.
    Classified(Classified<'a>),
    /// It was not.
    Failed {
        /// What the request called the image, where it did.
        image_id: Option<String>,
        /// Why.
        error: ErrorDetail,
    },
}

/// The answer to a batch.
#[derive(Debug, Serialize)]
pub struct Batch<'a> {
    /// One entry an image, in the order of the request.
    pub items: Vec<Item<'a>>,
    /// The model that answered.
    pub model: Digest,
    /// Its generation.
    pub generation: u64,
    /// The name of this replica.
    pub replica: &'a str,
}

/// `GET /v1/model`.
#[derive(Debug, Serialize)]
pub struct Model<'a> {
    /// Of the data set, and so of the champion log.
    pub name: &'a str,
    /// Names `models/<digest>.json`.
    pub model: Digest,
    /// Of the champion log.
    pub generation: u64,
    /// The candidate's name.
    pub candidate: &'a str,
    /// The kind of network.
    pub family: Family,
    /// The names of its classes.
    pub classes: &'a [String],
    /// Height, width and channels of a record.
    pub input: [usize; 3],
    /// On the validation split, by which it was chosen; 0 to 1.
    pub accuracy: Option<f64>,
    /// On the test split; 0 to 1.
    pub test_accuracy: Option<f64>,
    /// When this replica began to serve this generation.
    pub since: Timestamp,
}

/// `GET /readyz`.
#[derive(Debug, Serialize)]
pub struct Ready<'a> {
    /// Whether this replica wants requests.
    pub status: ReadyStatus,
    /// The name of this replica.
    pub replica: &'a str,
    /// The generation that serves.
    pub generation: Option<u64>,
    /// The model that serves.
    pub model: Option<Digest>,
    /// The newest generation, where it was refused.
    pub refused: Option<&'a Refused>,
}

/// Whether a replica wants requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadyStatus {
    /// It does.
    Ready,
    /// There is no champion yet.
    NoModel,
    /// It is stopping.
    Draining,
}

/// A generation that does not serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Of the champion log.
    pub generation: u64,
    /// One line.
    pub reason: String,
}
