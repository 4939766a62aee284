//! IDX files, as MNIST and its kin come in: read as a stream, gzip or not, and refused by name when not whole.
//!
//! Layout: four bytes `0 0 8 n` (unsigned bytes, n dimensions), n big-endian u32 dimensions, the bytes. Whether a file
//! is gzip is told by its first two bytes, never by its name.

mod error;

use std::io::{BufRead, Read};

use flate2::bufread::MultiGzDecoder;
use selvedge_store::{Digest, Hasher};

pub use error::IdxError;

/// The largest record that is believed, in bytes: 4096 × 4096.
pub const RECORD_LIMIT: u64 = 1 << 24;

/// What an IDX file holds, by its number of dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Records × rows × columns.
    Images,
    /// Records.
    Labels,
}

/// An IDX file being read.
pub struct IdxReader {
    file: String,
    input: Box<dyn Read + Send>,
    hasher: Hasher,
    /// Decompressed bytes read, the head included.
    read: u64,
    /// Bytes of the head.
    head: u64,
    records: u64,
    remaining: u64,
    dimensions: (usize, usize),
}

type Result<T> = std::result::Result<T, IdxError>;

impl IdxReader {
    /// Reads the head of `file`; the name is for messages only.
    ///
    /// # Errors
    /// [`IdxError`] for anything that is not the head of such a file.
    pub fn open(file: &str, kind: Kind, input: impl BufRead + Send + 'static) -> Result<Self> {
        let mut reader = Self {
            file: file.to_owned(),
            input: Box::new(std::io::empty()),
            hasher: Hasher::default(),
            read: 0,
            head: if kind == Kind::Images { 16 } else { 8 },
            records: 0,
            remaining: 0,
            dimensions: (1, 1),
        };
        reader.input = unpack(input).map_err(|e| reader.failed(e))?;
        reader.read_head(kind)?;
        Ok(reader)
    }

    fn read_head(&mut self, kind: Kind) -> Result<()> {
        let expected = if kind == Kind::Images { 0x0803 } else { 0x0801 };
        let found = self.number()?;
        if found != expected {
            return Err(IdxError::Magic { file: self.file.clone(), found, expected });
        }
        let records = self.number()?;
        if kind == Kind::Images {
            let (rows, columns) = (self.number()?.into(), self.number()?.into());
            self.dimensions = self.sizes(rows, columns)?;
        }
        if records == 0 {
            return Err(IdxError::Empty { file: self.file.clone() });
        }
        (self.records, self.remaining) = (records.into(), records.into());
        Ok(())
    }

    /// Both factors are below 2³², so their product fits 64 bits.
    fn sizes(&self, rows: u64, columns: u64) -> Result<(usize, usize)> {
        if (1..=RECORD_LIMIT).contains(&(rows * columns)) {
            Ok((rows as usize, columns as usize))
        } else {
            Err(IdxError::Dimensions { file: self.file.clone(), rows, columns })
        }
    }

    fn number(&mut self) -> Result<u32> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Records that the head declares.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Rows and columns of an image; (1, 1) for labels.
    pub fn dimensions(&self) -> (usize, usize) {
        self.dimensions
    }

    /// Bytes of one record.
    pub fn record_bytes(&self) -> usize {
        self.dimensions.0 * self.dimensions.1
    }

    /// Replaces `into` by the next `most` records, or by those that remain, and tells their number.
    ///
    /// # Errors
    /// [`IdxError::Truncated`] and [`IdxError::Read`].
    pub fn read_records(&mut self, most: usize, into: &mut Vec<u8>) -> Result<usize> {
        let records = self.remaining.min(most as u64);
        into.resize(records as usize * self.record_bytes(), 0);
        self.fill(into)?;
        self.remaining -= records;
        Ok(records as usize)
    }

    /// Reads what remains, sees that nothing follows, and tells the digest of the whole decompressed file.
    ///
    /// # Errors
    /// [`IdxError`] unless the file is exactly as long as its head says.
    pub fn finish(mut self) -> Result<Digest> {
        let mut records = Vec::new();
        let at_once = (1 << 16) / self.record_bytes() + 1;
        while self.read_records(at_once, &mut records)? > 0 {}
        // A gzip stream's checksum is compared when its end is read.
        match self.input.read(&mut [0]) {
            Ok(0) => Ok(self.hasher.finish()),
            Ok(_) => {
                Err(IdxError::OverLong { expected: self.length(), records: self.records, file: self.file })
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Decompressed bytes that the head declares: below 2³² records of at most [`RECORD_LIMIT`] bytes fit 64 bits.
    fn length(&self) -> u64 {
        self.head + self.records * self.record_bytes() as u64
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.input.read(&mut buffer[filled..]) {
                Ok(0) => {
                    let found = self.read + filled as u64;
                    return Err(IdxError::Truncated {
                        file: self.file.clone(),
                        found,
                        expected: self.length(),
                    });
                }
                Ok(n) => filled += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.failed(e)),
            }
        }
        self.read += filled as u64;
        self.hasher.update(buffer);
        Ok(())
    }

    fn failed(&self, error: std::io::Error) -> IdxError {
        IdxError::Read { file: self.file.clone(), read: self.read, source: inner(error) }
    }
}

/// An `io::Error` leaves what it wraps out of its chain of sources, and that may hold the class of the failure.
fn inner(error: std::io::Error) -> Box<dyn std::error::Error + Send + Sync> {
    if error.get_ref().is_none() {
        return Box::new(error);
    }
    let kind = error.kind();
    error.into_inner().unwrap_or_else(|| Box::new(std::io::Error::from(kind)))
}

/// The input, decompressed if it begins as gzip does. Several gzip members in a row are one file, as `gzip` says.
fn unpack(mut input: impl BufRead + Send + 'static) -> std::io::Result<Box<dyn Read + Send>> {
    let mut first = Vec::with_capacity(2);
    input.by_ref().take(2).read_to_end(&mut first)?;
    let gzip = first == [0x1f, 0x8b];
    let whole = std::io::Cursor::new(first).chain(input);
    Ok(if gzip { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) })
}

#[cfg(test)]
mod tests;
