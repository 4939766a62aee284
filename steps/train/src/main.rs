//! The binary `train`.

use std::process::ExitCode;

use selvedge_store::Store;
use selvedge_train::{Config, run};

fn main() -> ExitCode {
    selvedge_contract::start(|config: Config, stop| async move {
        let store = Store::open_until(&config.store, &stop).await?;
        run(config, store, stop).await
    })
}
