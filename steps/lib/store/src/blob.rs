//! Blobs: immutable bytes under `blobs/sha256/<digest>`, verified whenever they are read.

use bytes::Bytes;

use crate::{Created, Digest, Error, Result, Store};

impl Store {
    /// Keeps `bytes` and tells their name. A blob whose stored bytes are damaged is replaced.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn put_blob(&self, bytes: impl Into<Bytes>) -> Result<Digest> {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        if self.create(&path(&digest), bytes.clone()).await? == Created::Existed
            && self.blob(&digest).await.is_err_and(|error| error.is_lost_data())
        {
            tracing::warn!(%digest, "a damaged blob is replaced");
            self.delete(&path(&digest)).await?;
            self.create(&path(&digest), bytes).await?;
        }
        Ok(digest)
    }

    /// The bytes of a blob.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Corrupt`], [`Error::Unavailable`].
    pub async fn blob(&self, digest: &Digest) -> Result<Bytes> {
        let bytes = self.get(&path(digest)).await?.ok_or(Error::Missing(*digest))?;
        let found = Digest::of(&bytes);
        if found == *digest { Ok(bytes) } else { Err(Error::Corrupt { expected: *digest, found }) }
    }

    /// Reads a blob only to see whether it is whole.
    ///
    /// # Errors
    /// As [`Store::blob`].
    pub async fn verify_blob(&self, digest: &Digest) -> Result<()> {
        self.blob(digest).await.map(drop)
    }
}

/// Where a blob lies.
pub fn path(digest: &Digest) -> String {
    format!("blobs/sha256/{digest}")
}
