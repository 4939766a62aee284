//! One replica of the prediction service.

use selvedge_contract::{ExitCode, failure};
use selvedge_serve::{Config, run};
use selvedge_store::{Store, StoreOptions};

fn main() -> std::process::ExitCode {
    selvedge_contract::start(|config: Config, stop| async move {
        let listener = selvedge_web::bind(config.listen).await?;
        let metrics_listener = selvedge_web::bind(config.metrics_listen).await?;
        let store = open(&config.store).await?;
        run(listener, metrics_listener, config, store, stop).await
    })
}

/// A store that does not answer yet is no reason to end, and to be started again later and later: the follower asks it
/// again and again. One that refuses is.
async fn open(options: &StoreOptions) -> anyhow::Result<Store> {
    let error = match Store::open(options).await {
        Ok(store) => return Ok(store),
        Err(error) => anyhow::Error::from(error),
    };
    if ExitCode::of(&error) != ExitCode::Temporary {
        return Err(error);
    }
    tracing::warn!(error = failure::one_line(&error), "starting without a model");
    Ok(Store::lazily(options)?)
}
