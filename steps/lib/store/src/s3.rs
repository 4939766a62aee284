//! The client of an S3 store.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::{DynObjectStore, RetryConfig};
use url::Url;

use crate::{Error, Result, StoreOptions, tls};

/// How long a connection may take; the address behind a name may be about to change.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a connection may be silent while an answer is due.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);

/// A client of the bucket that `uri` names.
pub(crate) fn client(options: &StoreOptions, uri: &Url, retry: RetryConfig) -> Result<Arc<DynObjectStore>> {
    let wrong = |e: anyhow::Error| Error::options(uri.as_str(), e);
    let patience = options.store_patience;
    // The platform's own credentials (a role of the pod or the machine) come in its AWS_ variables. An object is deleted by
    // a request of its own, whose answer says what is wrong.
    let mut builder = AmazonS3Builder::from_env()
        .with_url(uri.as_str())
        .with_retry(retry)
        .with_disable_bulk_delete(true)
        .with_client_options(
            tls::client_options()
                .with_allow_http(true)
                .with_connect_timeout(CONNECT.min(options.store_connect_timeout).min(patience))
                // A whole object may take long, the next piece of it may not.
                .with_timeout_disabled()
                .with_read_timeout(SILENCE.min(patience)),
        );
    if !options.store_endpoint.is_empty() {
        let endpoint = Url::parse(&options.store_endpoint).map_err(|e| {
            wrong(anyhow::Error::new(e).context(format!("endpoint {:?}", options.store_endpoint)))
        })?;
        if !endpoint.username().is_empty() || endpoint.password().is_some() {
            return Err(wrong(anyhow::anyhow!("the endpoint holds a key: give it as access and secret key")));
        }
        builder = builder.with_endpoint(options.store_endpoint.trim_end_matches('/'));
    }
    if !options.store_access_key.is_empty() {
        builder = builder
            .with_access_key_id(&options.store_access_key)
            .with_secret_access_key(&options.store_secret_key.0);
    }
    Ok(Arc::new(builder.build().map_err(|e| wrong(e.into()))?))
}

/// For what is asked again by us.
pub(crate) fn once() -> RetryConfig {
    RetryConfig { max_retries: 0, ..Default::default() }
}

/// For bodies that are read piece by piece: the client itself goes on where one broke off.
pub(crate) fn retry(patience: Duration) -> RetryConfig {
    RetryConfig { retry_timeout: patience, max_retries: usize::MAX, ..Default::default() }
}
