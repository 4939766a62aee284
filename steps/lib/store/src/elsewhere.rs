//! Places that are read and are not the store: where a data set's source files lie.

use std::sync::Arc;

use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, DynObjectStore, ObjectStoreScheme};
use url::Url;

use crate::open::{remote, retry};
use crate::{Error, Result, StoreOptions};

/// A folder, a bucket's prefix or a web server's folder, to be read.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    /// The client. A folder that does not exist reads as an empty one.
    pub client: Arc<DynObjectStore>,
    /// What every path begins with.
    pub prefix: Path,
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
        let client: Arc<DynObjectStore> = match scheme {
            ObjectStoreScheme::Local => Arc::new(LocalFileSystem::new()),
            ObjectStoreScheme::AmazonS3 => {
                let options = StoreOptions { store: uri.clone(), ..options.clone() };
                remote(&options, options.store_connect_timeout)?
            }
            ObjectStoreScheme::Http => web(uri, options)?,
            _ => {
                let text = format!("scheme {:?} is not supported, use file, s3, http or https", uri.scheme());
                return Err(wrong(anyhow::Error::msg(text)));
            }
        };
        Ok(Self { client, prefix, near: uri.scheme() == "file" })
    }
}

fn web(uri: &Url, options: &StoreOptions) -> Result<Arc<DynObjectStore>> {
    let patience = options.store_connect_timeout;
    let client = HttpBuilder::new()
        .with_url(&uri[..url::Position::BeforePath])
        .with_retry(retry(patience))
        .with_client_options(ClientOptions::new().with_allow_http(true).with_connect_timeout(patience));
    Ok(Arc::new(client.build().map_err(|e| Error::options(uri.as_str(), e))?))
}
