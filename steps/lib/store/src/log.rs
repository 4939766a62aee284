//! Logs: numbered records, each created once, none ever changed.
//!
//! Record n of a log lies at `<folder>/<n>.json`, n from 1, zero-padded to ten digits. The newest is found by
//! doubling and bisection over GETs, and followed by GET of n + 1, never by LIST.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Created, Result, Store};

/// An append-only log of records of type `T`.
#[derive(Debug, Clone)]
pub struct Log<T> {
    store: Store,
    folder: String,
    record: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Log<T> {
    /// The log in `folder`; an empty one needs no making.
    pub fn new(store: &Store, folder: impl Into<String>) -> Self {
        Self { store: store.clone(), folder: folder.into(), record: PhantomData }
    }

    /// Record `number`, if it exists.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub async fn get(&self, number: u64) -> Result<Option<T>> {
        self.store.record(&self.path(number)).await
    }

    /// The newest record and its number.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub async fn newest(&self) -> Result<Option<(u64, T)>> {
        let Some(first) = self.get(1).await? else {
            return Ok(None);
        };
        let (mut there, mut record, mut beyond) = (1, first, 2);
        while let Some(next) = self.get(beyond).await? {
            (there, record, beyond) = (beyond, next, beyond * 2);
        }
        while beyond - there > 1 {
            let middle = there + (beyond - there) / 2;
            match self.get(middle).await? {
                Some(next) => (there, record) = (middle, next),
                None => beyond = middle,
            }
        }
        Ok(Some((there, record)))
    }

    /// Creates record `number`, which must follow the newest. `Existed`: somebody else was first; read and decide again.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub async fn append(&self, number: u64, record: &T) -> Result<Created> {
        self.store.create_record(&self.path(number), record).await
    }

    /// Appends after whatever is newest, for records that do not depend on those before them, and tells the number.
    ///
    /// # Errors
    /// As [`Store::create`] and [`Store::record`].
    pub async fn push(&self, record: &T) -> Result<u64> {
        let mut number = self.newest().await?.map_or(1, |(newest, _)| newest + 1);
        while self.append(number, record).await? == Created::Existed {
            number += 1;
        }
        Ok(number)
    }

    /// All records from the first on.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub async fn all(&self) -> Result<Vec<T>> {
        let mut records = Vec::new();
        while let Some(record) = self.get(records.len() as u64 + 1).await? {
            records.push(record);
        }
        Ok(records)
    }

    fn path(&self, number: u64) -> String {
        format!("{}/{number:010}.json", self.folder)
    }
}
