//! The load balancer as a process.

use selvedge_balance::{Config, run};
use selvedge_web::bind;

fn main() -> std::process::ExitCode {
    selvedge_contract::start(|config: Config, stop| async move {
        let listener = bind(config.listen).await?;
        let admin = bind(config.metrics_listen).await?;
        run(config, listener, admin, stop).await
    })
}
