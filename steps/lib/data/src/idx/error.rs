//! What can be wrong with an IDX file.

use super::RECORD_LIMIT;

/// What is wrong with an IDX file.
#[derive(Debug, thiserror::Error)]
pub enum IdxError {
    /// Not IDX, or not of the expected kind.
    #[error("{file}: magic number {found:#010x}, expected {expected:#010x}")]
    Magic {
        /// The file.
        file: String,
        /// The first four bytes.
        found: u32,
        /// 0x00000803 for images, 0x00000801 for labels.
        expected: u32,
    },
    /// Records of no bytes, or of absurdly many.
    #[error("{file}: {rows} x {columns} bytes a record, expected 1 to {RECORD_LIMIT}")]
    Dimensions {
        /// The file.
        file: String,
        /// Declared rows.
        rows: u64,
        /// Declared columns.
        columns: u64,
    },
    /// A file of no records.
    #[error("{file}: declares 0 records")]
    Empty {
        /// The file.
        file: String,
    },
    /// The file ends too early.
    #[error("{file}: ends after {found} bytes, expected {expected}")]
    Truncated {
        /// The file.
        file: String,
        /// Decompressed bytes that are there.
        found: u64,
        /// Decompressed bytes that its head declares.
        expected: u64,
    },
    /// The file goes on after its last record.
    #[error("{file}: goes on after {expected} bytes, all that its {records} records take")]
    OverLong {
        /// The file.
        file: String,
        /// Decompressed bytes that its head declares.
        expected: u64,
        /// Declared records.
        records: u64,
    },
    /// The file cannot be read, or its gzip stream is damaged, cut off or followed by something else.
    #[error("{file}: cannot be read beyond {read} decompressed bytes")]
    Read {
        /// The file.
        file: String,
        /// Decompressed bytes read before.
        read: u64,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
