//! Brings an image to the data set's form: one record, `height × width × channels` bytes.
//!
//! What already has the data set's size is taken as it is, bit by bit. A photograph of another size is brought to
//! what the data set's own images look like: see [`photograph`].

mod decode;
mod photograph;

use bytes::Bytes;
use selvedge_data::Shape;

pub use decode::{Encoded, Format, MAX_SIDE};

/// An image as a client sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// The bytes of one record.
    Record(Bytes),
    /// A PNG or JPEG file.
    Encoded(Bytes, Format),
}

/// Why an image cannot be classified.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadImage {
    /// Not a file of the format that it should have, or a damaged one.
    #[error("not a readable {0}: {1}")]
    Unreadable(Format, String),
    /// A record of another size.
    #[error("a record has {} bytes ({}×{}×{}), found {found}", expected.bytes(), expected.height, expected.width, expected.channels)]
    WrongSize {
        /// The data set's form.
        expected: Shape,
        /// Bytes or numbers that were sent.
        found: usize,
    },
    /// The data set's records are neither grey nor colour.
    #[error("the data set's records have {0} channels: send raw bytes or pixels")]
    NoSuchForm(usize),
}

impl Image {
    /// Whether bringing it to a form takes long enough to do it elsewhere than between other requests.
    ///
    /// # Errors
    /// As [`record`].
    pub fn is_large(&self) -> Result<bool, BadImage> {
        match self {
            Self::Record(_) => Ok(false),
            Self::Encoded(bytes, format) => Ok(Encoded::open(bytes.clone(), *format)?.is_large()),
        }
    }
}

/// The record that `image` is, in the form `shape`.
///
/// # Errors
/// [`BadImage`].
pub fn record(image: Image, shape: Shape) -> Result<Bytes, BadImage> {
    match image {
        Image::Record(bytes) if bytes.len() == shape.bytes() => Ok(bytes),
        Image::Record(bytes) => Err(BadImage::WrongSize { expected: shape, found: bytes.len() }),
        Image::Encoded(..) if !matches!(shape.channels, 1 | 3) => Err(BadImage::NoSuchForm(shape.channels)),
        Image::Encoded(bytes, format) => {
            let encoded = Encoded::open(bytes, format)?;
            Ok(if encoded.size() == (shape.width as u64, shape.height as u64) {
                photograph::as_it_is(encoded.decode()?, shape)
            } else {
                photograph::fit(encoded.decode_upright()?, shape)
            }
            .into())
        }
    }
}
