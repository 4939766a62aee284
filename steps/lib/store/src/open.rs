//! Opening a store by its URI.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, DynObjectStore, ObjectStoreScheme, RetryConfig};
use url::Url;

use crate::{Error, Result, Store};

/// Which store, and how patient to be with it.
#[derive(Debug, Clone, Args)]
pub struct StoreOptions {
    /// The store: file:///path, s3://bucket/prefix
    #[arg(long, env = "STEP_STORE")]
    pub store: Url,
    /// Endpoint of an S3 store that is not Amazon's, for example http://minio:9000
    #[arg(long, env = "STEP_STORE_ENDPOINT", default_value = "")]
    pub store_endpoint: String,
    /// Access key of an S3 store
    #[arg(long, env = "STEP_STORE_ACCESS_KEY", default_value = "", hide_env_values = true)]
    pub store_access_key: String,
    /// Secret key of an S3 store
    #[arg(long, env = "STEP_STORE_SECRET_KEY", default_value = "", hide_env_values = true)]
    pub store_secret_key: Secret,
    /// How long an unreachable store is waited for at the start
    #[arg(long, env = "STEP_STORE_CONNECT_TIMEOUT", default_value = "10s", value_parser = humantime::parse_duration)]
    pub store_connect_timeout: Duration,
    /// How long a store that stops answering is waited for once work is under way
    #[arg(long, env = "STEP_STORE_PATIENCE", default_value = "3m", value_parser = humantime::parse_duration)]
    pub store_patience: Duration,
}

/// A text that is never printed.
#[derive(Clone, Default)]
pub struct Secret(String);

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl StoreOptions {
    /// A store in a folder, with the default patience.
    ///
    /// # Errors
    /// When `folder` cannot be written as a URL: it has to be absolute.
    pub fn folder(folder: &std::path::Path) -> Result<Self> {
        let store = Url::from_directory_path(folder).map_err(|()| {
            Error::options(&folder.display().to_string(), anyhow::anyhow!("not an absolute path"))
        })?;
        Ok(Self {
            store,
            store_endpoint: String::new(),
            store_access_key: String::new(),
            store_secret_key: Secret::default(),
            store_connect_timeout: Duration::from_secs(10),
            store_patience: Duration::from_secs(180),
        })
    }
}

impl Store {
    /// Opens the store and asks it for one object, to see that it answers.
    ///
    /// # Errors
    /// [`Error::Options`] for a URI that names no store, [`Error::Unavailable`] for one that does not answer within
    /// the connect timeout.
    pub async fn open(options: &StoreOptions) -> Result<Self> {
        Self::build(options, options.store_connect_timeout)?.check().await?;
        Self::build(options, options.store_patience)
    }

    fn build(options: &StoreOptions, patience: Duration) -> Result<Self> {
        let uri = options.store.as_str();
        let (scheme, prefix) =
            ObjectStoreScheme::parse(&options.store).map_err(|e| Error::options(uri, e))?;
        let (inner, prefix): (Arc<DynObjectStore>, Path) = match scheme {
            ObjectStoreScheme::Local => (Arc::new(local(options)?), Path::default()),
            ObjectStoreScheme::AmazonS3 => (remote(options, patience)?, prefix),
            _ => {
                let text = format!("scheme {:?} is not supported, use file or s3", options.store.scheme());
                return Err(Error::options(uri, anyhow::Error::msg(text)));
            }
        };
        Ok(Self { inner, prefix, uri: uri.into(), counters: Arc::default() })
    }

    async fn check(&self) -> Result<()> {
        self.size("store-check").await.map(drop)
    }
}

fn local(options: &StoreOptions) -> Result<LocalFileSystem> {
    let uri = options.store.as_str();
    let folder = options
        .store
        .to_file_path()
        .map_err(|()| Error::options(uri, anyhow::anyhow!("not a path on this machine")))?;
    let open = || {
        std::fs::create_dir_all(&folder)?;
        hard_links(&folder)?;
        Ok::<_, std::io::Error>(())
    };
    open().map_err(|e| Error::unavailable(uri.to_owned(), generic(e)))?;
    LocalFileSystem::new_with_prefix(&folder).map_err(|e| Error::unavailable(uri.to_owned(), e))
}

/// A conditional write into a folder is a hard link of a finished file; a file system without them cannot do it.
fn hard_links(folder: &std::path::Path) -> std::io::Result<()> {
    let nonce = format!("{}-{:?}", std::process::id(), std::thread::current().id());
    let (one, other) = (folder.join(format!(".link-{nonce}-1")), folder.join(format!(".link-{nonce}-2")));
    let result = std::fs::write(&one, []).and_then(|()| std::fs::hard_link(&one, &other));
    let _ = std::fs::remove_file(&one);
    let _ = std::fs::remove_file(&other);
    result
}

fn generic(source: std::io::Error) -> object_store::Error {
    object_store::Error::Generic { store: "folder", source: Box::new(source) }
}

pub(crate) fn remote(options: &StoreOptions, patience: Duration) -> Result<Arc<DynObjectStore>> {
    let uri = options.store.as_str();
    // The platform's own credentials (a role of the pod or the machine) come in its AWS_ variables.
    let mut builder = object_store::aws::AmazonS3Builder::from_env()
        .with_url(uri)
        .with_retry(retry(patience))
        .with_client_options(
            ClientOptions::new()
                .with_allow_http(true)
                .with_connect_timeout(options.store_connect_timeout.min(patience)),
        );
    if !options.store_endpoint.is_empty() {
        builder = builder.with_endpoint(&options.store_endpoint);
    }
    if !options.store_access_key.is_empty() {
        builder = builder
            .with_access_key_id(&options.store_access_key)
            .with_secret_access_key(&options.store_secret_key.0);
    }
    Ok(Arc::new(builder.build().map_err(|e| Error::options(uri, e))?))
}

pub(crate) fn retry(patience: Duration) -> RetryConfig {
    RetryConfig { retry_timeout: patience, max_retries: usize::MAX, ..Default::default() }
}
