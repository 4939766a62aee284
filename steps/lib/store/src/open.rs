//! Opening a store by its URI.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{DynObjectStore, ObjectStoreScheme};
use selvedge_contract::Stop;
use url::Url;

use crate::patience::Patience;
use crate::{Error, Result, Store, s3};

/// An object that never exists: asking for it tells whether the store answers, and answers us.
pub(crate) const CHECK: &str = "store-check";

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
pub struct Secret(pub(crate) String);

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

    /// Who answers, for messages.
    pub(crate) fn server(&self) -> String {
        let endpoint = match self.store_endpoint.as_str() {
            "" => "the store",
            endpoint => endpoint,
        };
        if self.store.scheme() == "s3" && self.store_access_key.is_empty() {
            format!("{endpoint} (no access key is set)")
        } else {
            endpoint.to_owned()
        }
    }
}

impl Store {
    /// Opens the store and asks it for one object, to see that it answers, and answers us.
    ///
    /// # Errors
    /// [`Error::Options`] for a URI that names no store, [`Error::Unavailable`] for one that does not answer within
    /// the connect timeout, or refuses.
    pub async fn open(options: &StoreOptions) -> Result<Self> {
        Self::open_until(options, &Stop::new()).await
    }

    /// As [`Store::open`]; once `stop` is requested, a store that does not answer is waited for no longer.
    ///
    /// # Errors
    /// As [`Store::open`], and of class [`selvedge_contract::Stopped`].
    pub async fn open_until(options: &StoreOptions, stop: &Stop) -> Result<Self> {
        let store = Self::build(options, stop)?;
        let short = Patience::new(options.store_connect_timeout, stop);
        Self { patience: short, ..store.clone() }.get(CHECK).await?;
        Ok(Self { counters: Arc::default(), ..store })
    }

    /// As [`Store::open`], without asking whether the store answers: for who can do without it for a while.
    ///
    /// # Errors
    /// [`Error::Options`] for a URI that names no store; [`Error::Unavailable`] for a folder that cannot be used.
    pub fn lazily(options: &StoreOptions) -> Result<Self> {
        Self::build(options, &Stop::new())
    }

    fn build(options: &StoreOptions, stop: &Stop) -> Result<Self> {
        let uri = options.store.as_str();
        let (scheme, prefix) =
            ObjectStoreScheme::parse(&options.store).map_err(|e| Error::options(uri, e))?;
        let (inner, prefix): (Arc<DynObjectStore>, Path) = match scheme {
            ObjectStoreScheme::Local => (Arc::new(local(options)?), Path::default()),
            ObjectStoreScheme::AmazonS3 => (s3::client(options, &options.store, s3::once())?, prefix),
            _ => {
                let text = format!("scheme {:?} is not supported, use file or s3", options.store.scheme());
                return Err(Error::options(uri, anyhow::Error::msg(text)));
            }
        };
        let patience = Patience::new(options.store_patience, stop);
        let server = options.server().into();
        Ok(Self { inner, prefix, uri: uri.into(), server, patience, counters: Arc::default() })
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
    open().map_err(|e| Error::unavailable(uri, format!("store {uri}"), generic(e)))?;
    LocalFileSystem::new_with_prefix(&folder).map_err(|e| Error::unavailable(uri, format!("store {uri}"), e))
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
