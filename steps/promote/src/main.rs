//! The binary: see the library.

use std::process::ExitCode;

use selvedge_promote::{Config, run};
use selvedge_store::Store;

fn main() -> ExitCode {
    selvedge_contract::start(|config: Config, stop| async move {
        let store = Store::open_until(&config.store, &stop).await?;
        run(config, store, stop).await
    })
}
