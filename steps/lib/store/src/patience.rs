//! How long a store that does not answer is asked again, and what ends the waiting earlier.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use selvedge_contract::{Stop, Stopped};
use tokio::time::sleep;

use crate::answer;

/// What a stopped process still waits for the store: to leave a gang, to note an event.
const AFTER_STOP: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Asks until there is an answer, the time is over, or the process has to stop.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    limit: Duration,
    stop: Stop,
    /// Whether somebody waits at the moment: an outage is said once.
    waiting: Arc<AtomicBool>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// An error that asking again does not mend, or that was there for too long.
    Error(object_store::Error),
    /// The process has to stop.
    Stopped(Stopped),
}

impl From<object_store::Error> for NoAnswer {
    fn from(error: object_store::Error) -> Self {
        Self::Error(error)
    }
}

impl Patience {
    pub(crate) fn new(limit: Duration, stop: &Stop) -> Self {
        Self { limit, stop: stop.clone(), waiting: Arc::default() }
    }

    /// The result of `operation`, which may be done more than once.
    pub(crate) async fn ask<T, F>(&self, operation: impl Fn() -> F) -> Result<T, NoAnswer>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        tokio::select! {
            answer = self.persist(operation) => answer.map_err(NoAnswer::Error),
            () = self.stopped() => Err(NoAnswer::Stopped(Stopped)),
        }
    }

    async fn persist<T, F>(&self, operation: impl Fn() -> F) -> object_store::Result<T>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let (begin, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            let answer = operation().await;
            let Err(error) = answer.as_ref() else {
                self.answered();
                return answer;
            };
            // Those who lost it together must not come again together.
            let wait = pause.mul_f64(rand::random_range(0.5..1.0));
            if !answer::is_away(error) || begin.elapsed() + wait > self.limit {
                return answer;
            }
            self.wait_for(error);
            sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn stopped(&self) {
        self.stop.requested().await;
        sleep(AFTER_STOP).await;
    }

    fn wait_for(&self, error: &object_store::Error) {
        if !self.waiting.swap(true, Ordering::Relaxed) {
            let patience = humantime::format_duration(self.limit);
            tracing::warn!(%patience, "the store does not answer and is asked again: {}", answer::cause(error));
        }
    }

    fn answered(&self) {
        if self.waiting.swap(false, Ordering::Relaxed) {
            tracing::info!("the store answers again");
        }
    }
}
