//! Images and labels read side by side.

use std::io::BufRead;

use crate::Shape;
use crate::idx::{IdxError, IdxReader, Kind};
use selvedge_store::Digest;

/// A file of images and a file of labels, being read in step.
pub struct Pair {
    images: IdxReader,
    labels: IdxReader,
    read: u64,
}

/// What is wrong with images and labels together.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// One of the files is not what it should be.
    #[error(transparent)]
    Idx(#[from] IdxError),
    /// The files do not belong together.
    #[error("{images}: {image_count} images, but {labels}: {label_count} labels")]
    Counts {
        /// File of the images.
        images: String,
        /// Images that its head declares.
        image_count: u64,
        /// File of the labels.
        labels: String,
        /// Labels that its head declares.
        label_count: u64,
    },
    /// A label that is no class.
    #[error("{file}: label {label} of record {record}, expected below {classes}")]
    Label {
        /// The file.
        file: String,
        /// The label.
        label: u8,
        /// The record, from 0.
        record: u64,
        /// Classes of the data set.
        classes: usize,
    },
}

impl Pair {
    /// Reads both heads. The names are for messages only.
    ///
    /// # Errors
    /// [`PairError`] when a head is bad or they differ in their records.
    pub fn open<I, L>(images: (&str, I), labels: (&str, L)) -> Result<Self, PairError>
    where
        I: BufRead + Send + 'static,
        L: BufRead + Send + 'static,
    {
        let images = IdxReader::open(images.0, Kind::Images, images.1)?;
        let labels = IdxReader::open(labels.0, Kind::Labels, labels.1)?;
        if images.records() == labels.records() {
            return Ok(Self { images, labels, read: 0 });
        }
        Err(PairError::Counts {
            images: images.file().to_owned(),
            image_count: images.records(),
            labels: labels.file().to_owned(),
            label_count: labels.records(),
        })
    }

    /// Records that the heads declare.
    pub fn records(&self) -> u64 {
        self.images.records()
    }

    /// The form of a record.
    pub fn shape(&self) -> Shape {
        let (height, width) = self.images.dimensions();
        Shape { height, width, channels: 1 }
    }

    /// Replaces `images` and `labels` by the next `most` records, or those that remain, and tells their number.
    ///
    /// # Errors
    /// [`PairError`] when a file is damaged or a label is not below `classes`.
    pub fn read(
        &mut self,
        most: usize,
        classes: usize,
        images: &mut Vec<u8>,
        labels: &mut Vec<u8>,
    ) -> Result<usize, PairError> {
        let records = self.images.read_records(most, images)?;
        self.labels.read_records(most, labels)?;
        if let Some(wrong) = labels.iter().position(|label| usize::from(*label) >= classes) {
            let (file, label) = (self.labels.file().to_owned(), labels[wrong]);
            return Err(PairError::Label { file, label, record: self.read + wrong as u64, classes });
        }
        self.read += records as u64;
        Ok(records)
    }

    /// Reads what remains, sees that nothing follows, and tells the digests of both decompressed files.
    ///
    /// # Errors
    /// [`PairError`] unless both are exactly as long as their heads say.
    pub fn finish(self) -> Result<[Digest; 2], PairError> {
        Ok([self.images.finish()?, self.labels.finish()?])
    }
}
