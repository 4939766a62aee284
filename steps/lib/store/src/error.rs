//! What can go wrong with a store, by what its callers decide on.

use selvedge_contract::Misconfigured;

use crate::patience::NoAnswer;
use crate::{Digest, answer};

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing is known of the object, because the store did not answer (exit code 75), refused (2), or was not waited
    /// for (143).
    #[error("{what}")]
    Unavailable {
        /// The object, with its whole path.
        what: String,
        /// Why, of the class that the exit code follows.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store's URI or options cannot be right: exit code 2.
    #[error("store {uri}")]
    Options {
        /// The URI as configured.
        uri: String,
        /// What is wrong with it.
        #[source]
        source: Misconfigured,
    },
    /// A blob is gone.
    #[error("blob {0} is gone")]
    Missing(Digest),
    /// A blob's bytes are not those that its name says.
    #[error("blob {expected} is corrupt: its bytes have digest {found}")]
    Corrupt {
        /// The blob's name.
        expected: Digest,
        /// The digest of the bytes that are there.
        found: Digest,
    },
    /// A record is not what it should be.
    #[error("record {path} cannot be read")]
    Record {
        /// Its path in the store.
        path: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A record that has to exist does not.
    #[error("record {0} is missing")]
    NoRecord(String),
}

impl Error {
    pub(crate) fn unavailable(server: &str, what: String, source: impl Into<NoAnswer>) -> Self {
        let source = match source.into() {
            NoAnswer::Error(error) => answer::classify(server, error),
            NoAnswer::Stopped(stopped) => stopped.into(),
        };
        Self::Unavailable { what, source }
    }

    pub(crate) fn options(uri: &str, source: impl Into<anyhow::Error>) -> Self {
        Self::Options { uri: uri.to_owned(), source: Misconfigured::new(source) }
    }

    /// Whether a blob is missing or damaged: the result that names it must be made again.
    pub fn is_lost_data(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Corrupt { .. })
    }
}
