//! Places that are read and are not the store: where a data set's source files lie.

use std::sync::Arc;

use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{DynObjectStore, GetResult, ObjectMeta, ObjectStoreExt, ObjectStoreScheme, RetryConfig};
use selvedge_contract::Stop;
use url::Url;

use crate::open::CHECK;
use crate::patience::{NoAnswer, Patience};
use crate::{Error, Result, StoreOptions, answer, s3, tls};

/// A folder, a bucket's prefix or a web server's folder, to be read.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    /// Answers at once or not at all.
    asking: Arc<DynObjectStore>,
    /// Goes on where a body broke off.
    reading: Arc<DynObjectStore>,
    prefix: Path,
    uri: Url,
    server: String,
    patience: Patience,
    /// Whether reading costs as little as asking: a folder of this machine.
    pub near: bool,
}

impl Elsewhere {
    /// The place that `uri` names: `file://`, `s3://` with the store's endpoint and credentials, `http://`, `https://`.
    ///
    /// # Errors
    /// [`Error::Options`] for any other URI.
    pub fn open(uri: &Url, options: &StoreOptions) -> Result<Self> {
        let wrong = |e: anyhow::Error| Error::options(uri.as_str(), e);
        let (scheme, prefix) = ObjectStoreScheme::parse(uri).map_err(|e| wrong(e.into()))?;
        let client = |retry| -> Result<Arc<DynObjectStore>> {
            match scheme {
                ObjectStoreScheme::Local => Ok(Arc::new(LocalFileSystem::new())),
                ObjectStoreScheme::AmazonS3 => s3::client(options, uri, retry),
                ObjectStoreScheme::Http => web(uri, options, retry),
                _ => {
                    let text =
                        format!("scheme {:?} is not supported, use file, s3, http or https", uri.scheme());
                    Err(wrong(anyhow::Error::msg(text)))
                }
            }
        };
        let (asking, reading) = (client(s3::once())?, client(s3::retry(options.store_patience))?);
        // A bucket is mostly beside that of the store, which has answered; a web server may be a wrong name.
        let is_web = matches!(scheme, ObjectStoreScheme::Http);
        let patience = if is_web { options.store_connect_timeout } else { options.store_patience };
        let server =
            if uri.scheme() == "s3" { options.server() } else { uri[..url::Position::BeforePath].to_owned() };
        let patience = Patience::new(patience, &Stop::new());
        Ok(Self { asking, reading, prefix, uri: uri.clone(), server, patience, near: uri.scheme() == "file" })
    }

    /// What there is to know of the file `name`, or `None`; a folder that does not exist reads as an empty one.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn head(&self, name: &str) -> Result<Option<ObjectMeta>> {
        let at = &self.path(name);
        match self.patience.ask(|| async move { self.asking.head(at).await }).await {
            Ok(meta) => Ok(Some(meta)),
            Err(NoAnswer::Error(error)) if answer::is_missing(&error) => Ok(None),
            Err(error) => Err(self.unavailable(name, error)),
        }
    }

    /// Tells a bucket that does not exist from an empty one.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn check(&self) -> Result<()> {
        let at = &self.path(CHECK);
        match self.patience.ask(|| async move { self.asking.get(at).await }).await {
            Err(NoAnswer::Error(error)) if answer::is_missing(&error) => Ok(()),
            got => got.map(drop).map_err(|error| self.unavailable(CHECK, error)),
        }
    }

    /// Opens the file `name` for reading.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn get(&self, name: &str) -> Result<GetResult> {
        let at = self.path(name);
        self.reading.get(&at).await.map_err(|error| self.unavailable(name, error.into()))
    }

    fn path(&self, name: &str) -> Path {
        self.prefix.parts().chain(Path::from(name).parts()).collect()
    }

    fn unavailable(&self, name: &str, error: NoAnswer) -> Error {
        Error::unavailable(
            &self.server,
            format!("source {}/{name}", self.uri.as_str().trim_end_matches('/')),
            error,
        )
    }
}

fn web(uri: &Url, options: &StoreOptions, retry: RetryConfig) -> Result<Arc<DynObjectStore>> {
    let client =
        HttpBuilder::new().with_url(&uri[..url::Position::BeforePath]).with_retry(retry).with_client_options(
            tls::client_options()
                .with_allow_http(true)
                .with_connect_timeout(options.store_connect_timeout)
                .with_timeout_disabled()
                .with_read_timeout(s3::SILENCE.min(options.store_patience)),
        );
    Ok(Arc::new(client.build().map_err(|e| Error::options(uri.as_str(), e))?))
}
