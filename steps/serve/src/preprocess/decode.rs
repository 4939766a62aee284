//! PNG and JPEG files, with limits that hold before anything is decoded.

use std::fmt;
use std::io::Cursor;

use bytes::Bytes;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::BadImage;

/// The most pixels in a row or a column.
pub const MAX_SIDE: u32 = 4096;
/// The most bytes that a decoded image and its decoder may take: four 16-bit channels at [`MAX_SIDE`].
const MAX_ALLOCATION: u64 = 8 * (MAX_SIDE as u64) * (MAX_SIDE as u64);

/// The kinds of image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Portable Network Graphics.
    Png,
    /// Joint Photographic Experts Group.
    Jpeg,
}

/// An image file whose head was read and found within the limits.
pub struct Encoded {
    decoder: Box<dyn ImageDecoder>,
    format: Format,
}

impl Format {
    /// The format that the first bytes of a file tell.
    pub fn guess(bytes: &[u8]) -> Option<Self> {
        match image::guess_format(bytes).ok()? {
            ImageFormat::Png => Some(Self::Png),
            ImageFormat::Jpeg => Some(Self::Jpeg),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
        })
    }
}

impl Encoded {
    /// Reads the head of a file.
    ///
    /// # Errors
    /// [`BadImage::Unreadable`], also for an image that is over the limits.
    pub fn open(bytes: Bytes, format: Format) -> Result<Self, BadImage> {
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_ALLOCATION);
        let kind = match format {
            Format::Png => ImageFormat::Png,
            Format::Jpeg => ImageFormat::Jpeg,
        };
        let mut reader = ImageReader::with_format(Cursor::new(bytes), kind);
        reader.limits(limits.clone());
        let decoder = reader.into_decoder().map_err(|error| unreadable(format, &error))?;
        limits.reserve(decoder.total_bytes()).map_err(|error| unreadable(format, &error))?;
        Ok(Self { decoder: Box::new(decoder), format })
    }

    /// Columns and rows.
    pub fn size(&self) -> (u64, u64) {
        let (width, height) = self.decoder.dimensions();
        (width.into(), height.into())
    }

    /// Whether decoding takes long enough to do it elsewhere than between other requests.
    pub fn is_large(&self) -> bool {
        const LARGE: u64 = 256 * 256;
        let (width, height) = self.size();
        width * height > LARGE
    }

    /// The pixels, in the order of the file.
    ///
    /// # Errors
    /// [`BadImage::Unreadable`].
    pub fn decode(self) -> Result<DynamicImage, BadImage> {
        DynamicImage::from_decoder(self.decoder).map_err(|error| unreadable(self.format, &error))
    }

    /// The pixels as a person sees them: cameras note how they were held.
    ///
    /// # Errors
    /// [`BadImage::Unreadable`].
    pub fn decode_upright(mut self) -> Result<DynamicImage, BadImage> {
        let orientation = self.decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let mut image = self.decode()?;
        image.apply_orientation(orientation);
        Ok(image)
    }
}

fn unreadable(format: Format, error: &ImageError) -> BadImage {
    let text = match error {
        ImageError::Limits(_) => format!("an image may have {MAX_SIDE}×{MAX_SIDE} pixels"),
        other => other.to_string(),
    };
    BadImage::Unreadable(format, text)
}
