//! SIGTERM (Argo, Kubernetes, the runner) and SIGINT (a person) as one value.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::Stopped;

/// Says whether this process was asked to stop. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Stop(CancellationToken);

impl Stop {
    /// Never requested unless somebody calls [`Stop::request`]: what tests use.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requested by the first SIGTERM or SIGINT. A second signal ends the process at once with code 143.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn on_signals() -> std::io::Result<Self> {
        let stop = Self::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let requested = stop.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
                if requested.is_requested() {
                    std::process::exit(crate::ExitCode::Stopped as i32);
                }
                requested.request();
            }
        });
        Ok(stop)
    }

    /// Asks everybody who holds a clone to stop.
    pub fn request(&self) {
        self.0.cancel();
    }

    /// Whether a stop was requested.
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Completes when a stop is requested.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }

    /// For loops: an error of class [`Stopped`] once a stop was requested.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn check(&self) -> Result<(), Stopped> {
        if self.is_requested() { Err(Stopped) } else { Ok(()) }
    }
}
