//! JSON records at fixed paths.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Created, Error, Result, Store};

impl Store {
    /// The record at `path`, or `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Unavailable`], and [`Error::Record`] for one that is no such record.
    pub async fn record<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        let Some(bytes) = self.get(path).await? else {
            return Ok(None);
        };
        let record = serde_json::from_slice(&bytes);
        record.map(Some).map_err(|source| Error::Record { path: path.to_owned(), source })
    }

    /// The record at `path`, which has to be there.
    ///
    /// # Errors
    /// As [`Store::record`], and [`Error::NoRecord`].
    pub async fn expect_record<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.record(path).await?.ok_or_else(|| Error::NoRecord(path.to_owned()))
    }

    /// Creates the record at `path` unless there is one.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub async fn create_record(&self, path: &str, record: &impl Serialize) -> Result<Created> {
        let text = serde_json::to_vec_pretty(record)
            .map_err(|source| Error::Record { path: path.to_owned(), source })?;
        self.create(path, text).await
    }
}
