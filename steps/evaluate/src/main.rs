//! `evaluate`: a model, and the champion beside it, on this data set.

use selvedge_evaluate::{Config, run};
use selvedge_store::Store;

fn main() -> std::process::ExitCode {
    selvedge_contract::start(|config: Config, stop| async move {
        let store = Store::open_until(&config.store, &stop).await?;
        run(config, store, stop).await
    })
}
