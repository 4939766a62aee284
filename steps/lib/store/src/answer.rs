//! What the answer of an S3 store means: come again, or do not; and what a person is told.
//!
//! The client's errors are long and tell neither in their types; what is needed lies in the texts of their chain.

use std::error::Error as StdError;

use contract::{Misconfigured, Temporary};
use object_store::client::HttpError;
use selvedge_contract as contract;

type Boxed = Box<dyn StdError + Send + Sync>;

/// Whether the store was not there, or too busy: the same request may succeed later.
pub(crate) fn is_away(error: &object_store::Error) -> bool {
    let transport = chain(error).any(|cause| cause.is::<HttpError>());
    // 409: another conditional write to this object is under way, and nobody knows how it ends.
    transport || status(error).is_some_and(|status| status >= 500 || [408, 409, 429].contains(&status))
}

/// Whether there is no such object. A missing bucket is an error of another kind.
pub(crate) fn is_missing(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. }) && code(error).as_deref() != Some("NoSuchBucket")
}

/// Whether the object of a conditional write exists.
pub(crate) fn is_there(error: &object_store::Error) -> bool {
    use object_store::Error::{AlreadyExists, Precondition};
    matches!(error, AlreadyExists { .. } | Precondition { .. }) && !is_away(error)
}

/// The error of `server` in a few words, of the class that its exit code follows.
pub(crate) fn classify(server: &str, error: object_store::Error) -> Boxed {
    if is_away(&error) {
        return Box::new(Temporary::message(format!("{server} does not answer: {}", cause(&error))));
    }
    match refusal(&error) {
        Some(refusal) => Box::new(Misconfigured::message(format!("{server}: {refusal}"))),
        None => Box::new(Temporary::new(error)),
    }
}

/// What a refusal means for whoever configured this.
fn refusal(error: &object_store::Error) -> Option<String> {
    let status = status(error)?;
    let code = code(error).unwrap_or_else(|| if status == 403 { "AccessDenied" } else { "" }.to_owned());
    let hint = match code.as_str() {
        "NoSuchBucket" => "the bucket does not exist",
        "InvalidAccessKeyId" => "the access key is not known there",
        "SignatureDoesNotMatch" => "the secret key does not belong to the access key",
        "AccessDenied" => {
            "the access key has no right to do this; without s3:ListBucket on the bucket even asking for a missing object is refused"
        }
        _ => {
            let message = element(error, "Message").unwrap_or_default();
            return Some(format!("status {status} {code}: {message}"));
        }
    };
    Some(format!("{hint} ({code})"))
}

/// Why a store is away: the answer that it gave, or the innermost error of the transport.
pub(crate) fn cause(error: &object_store::Error) -> String {
    if let Some(status) = status(error) {
        return format!("status {status} {}", code(error).unwrap_or_default()).trim_end().to_owned();
    }
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

fn status(error: &object_store::Error) -> Option<u16> {
    chain(error).find_map(|cause| cause.to_string().split_once("status code: ")?.1.get(..3)?.parse().ok())
}

fn code(error: &object_store::Error) -> Option<String> {
    element(error, "Code")
}

/// The text of an element of the answer's body, which is XML.
fn element(error: &object_store::Error, name: &str) -> Option<String> {
    chain(error).find_map(|cause| {
        let text = cause.to_string();
        let (_, after) = text.split_once(&format!("<{name}>"))?;
        Some(after.split_once(&format!("</{name}>"))?.0.to_owned())
    })
}

fn chain<'a>(error: &'a object_store::Error) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error as &(dyn StdError + 'static)), |&cause| cause.source())
}
