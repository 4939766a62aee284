//! `fingerprint source`, `fingerprint training`: what a run must do, and why.

use selvedge_fingerprint::{Config, run};
use selvedge_store::Store;

fn main() -> std::process::ExitCode {
    selvedge_contract::start(|config: Config, stop| async move {
        let store = Store::open_until(config.store(), &stop).await?;
        run(config, store, stop).await
    })
}
