//! Logs: text where stderr is a terminal, JSON elsewhere.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::failure::Misconfigured;

/// Installs the subscriber for this process.
///
/// # Errors
/// [`Misconfigured`] when `filter` is no tracing filter.
pub fn install(filter: &str) -> Result<(), Misconfigured> {
    let parsed = EnvFilter::try_new(filter).map_err(|error| {
        Misconfigured::message(format!("STEP_LOG={filter:?} is not a log filter: {error}"))
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(parsed).with_writer(std::io::stderr);
    let installed = if std::io::stderr().is_terminal() {
        builder.with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
    installed.map_err(|error| Misconfigured::message(format!("logs: {error}")))
}
