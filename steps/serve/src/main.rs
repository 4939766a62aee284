//! One replica of the prediction service.

use selvedge_serve::{Config, run};
use selvedge_store::Store;

fn main() -> std::process::ExitCode {
    selvedge_contract::start(|config: Config, stop| async move {
        let listener = selvedge_web::bind(config.listen).await?;
        let metrics_listener = selvedge_web::bind(config.metrics_listen).await?;
        let store = Store::open(&config.store).await?;
        run(listener, metrics_listener, config, store, stop).await
    })
}
