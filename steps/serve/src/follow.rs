//! Follows the champion log: the newest generation serves, or says why it does not.
//!
//! Promote, rollback, hold and release are the same to a replica: whatever the newest generation names is what serves.

use std::sync::Arc;
use std::time::Duration;

use selvedge_contract::{Stop, failure};
use selvedge_registry::{Champion, ChampionLog, champion};
use selvedge_store::Store;
use tokio::sync::watch;

use crate::answer::Refused;
use crate::batcher::Batcher;
use crate::load::{self, NotLoaded};
use crate::metrics::Metrics;
use crate::network::Serving;

/// What a replica serves, for everybody who asks.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// The model that answers; none before the first.
    pub serving: Option<Arc<Serving>>,
    /// The newest generation, where it was refused.
    pub refused: Option<Refused>,
}

/// Follows the champion log of one name.
pub struct Follower {
    log: ChampionLog,
    store: Store,
    batcher: Batcher,
    status: watch::Sender<Status>,
    metrics: Metrics,
    interval: Duration,
    /// The newest generation that was seen.
    newest: Option<Champion>,
    /// Polls since that was refused; something lost may have come back.
    polls_refused: u32,
    /// What was last said of the store, to say it once.
    trouble: Option<String>,
}

/// A refused generation is tried again after so many polls.
pub const POLLS_UNTIL_RETRY: u32 = 60;
/// How far a replica that has nothing to serve goes back from a generation that was refused.
const LOOK_BACK: u64 = 10;

impl Follower {
    /// Follows the log of `name`, looking every `interval`.
    pub fn new(
        store: &Store,
        name: &str,
        interval: Duration,
        batcher: Batcher,
        metrics: Metrics,
    ) -> (Self, watch::Receiver<Status>) {
        let (status, shown) = watch::channel(Status::default());
        let follower = Self {
            log: champion::log(store, name),
            store: store.clone(),
            batcher,
            status,
            metrics,
            interval,
            newest: None,
            polls_refused: 0,
            trouble: None,
        };
        (follower, shown)
    }

    /// Follows until `stop`.
    pub async fn run(mut self, stop: Stop) {
        loop {
            let looked = tokio::select! {
                looked = self.look() => looked,
                () = stop.requested() => return,
            };
            self.tell(looked.err());
            // Replicas that started together must not ask together for ever.
            let pause = self.interval.mul_f64(rand::random_range(0.75..1.25));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.requested() => return,
            }
        }
    }

    /// One look at the log; an error is the store's, and the next look tries again.
    async fn look(&mut self) -> Result<(), selvedge_store::Error> {
        let before = self.newest.as_ref().map(|champion| champion.generation);
        let newest = self.advance().await?;
        let is_refused = self.status.borrow().refused.is_some();
        if let Some(newest) = newest {
            let is_new = before != Some(newest.generation);
            self.polls_refused = if is_new { 0 } else { self.polls_refused + 1 };
            if is_new || (is_refused && self.polls_refused.is_multiple_of(POLLS_UNTIL_RETRY)) {
                self.take(&newest).await?;
            }
            // Only now: a look that the store cut short begins again from where it stood.
            self.newest = Some(newest);
        }
        Ok(())
    }

    /// The newest generation, from the one that was seen last.
    async fn advance(&self) -> Result<Option<Champion>, selvedge_store::Error> {
        let Some(mut newest) = self.newest.clone() else {
            return Ok(self.log.newest().await?.map(|(_, champion)| champion));
        };
        while let Some(next) = self.log.get(newest.generation + 1).await? {
            newest = next;
        }
        Ok(Some(newest))
    }

    /// Lets `newest` serve or refuses it. Without anything to serve, an earlier generation is better than none.
    async fn take(&self, newest: &Champion) -> Result<(), selvedge_store::Error> {
        let Some(reason) = self.serve(newest).await? else {
            self.status.send_modify(|status| status.refused = None);
            self.metrics.refused_generation.set(0);
            return Ok(());
        };
        self.refuse(newest, reason);
        let oldest = newest.generation.saturating_sub(LOOK_BACK).max(1);
        for generation in (oldest..newest.generation).rev() {
            if self.status.borrow().serving.is_some() {
                break;
            }
            if let Some(earlier) = self.log.get(generation).await?
                && let Some(reason) = self.serve(&earlier).await?
            {
                tracing::warn!(generation, reason, "an earlier generation is refused too");
            }
        }
        Ok(())
    }

    /// Lets `champion` serve, or tells why it must not.
    async fn serve(&self, champion: &Champion) -> Result<Option<String>, selvedge_store::Error> {
        let now = self.status.borrow().serving.clone();
        if let Some(now) = now.filter(|now| now.model == champion.model) {
            self.rename(&now, champion);
            return Ok(None);
        }
        let loaded = match load::load(&self.store, champion).await {
            Ok(loaded) => loaded,
            Err(NotLoaded::Store(error)) => return Err(error),
            Err(NotLoaded::Refused(error)) => return Ok(Some(failure::one_line(&error))),
        };
        let serving = Arc::clone(&loaded.serving);
        let batcher = self.batcher.clone();
        // Waits for the batch under way, which must not hold up a thread that answers requests.
        let swapped = tokio::task::spawn_blocking(move || batcher.swap(loaded)).await;
        if let Err(error) = swapped {
            return Ok(Some(format!("the swap failed: {error}")));
        }
        self.metrics.swaps.inc();
        self.show(serving);
        Ok(None)
    }

    /// A hold, a release or a rollback to what serves already: a new generation of the same model.
    fn rename(&self, now: &Serving, champion: &Champion) {
        let serving = Arc::new(Serving {
            generation: champion.generation,
            candidate: champion.candidate.clone(),
            since: jiff::Timestamp::now(),
            ..now.clone()
        });
        self.batcher.rename(Arc::clone(&serving));
        self.show(serving);
    }

    /// Says what serves, after it does: whoever sees a generation here gets answers of it or of a later one.
    fn show(&self, serving: Arc<Serving>) {
        tracing::info!(
            generation = serving.generation,
            model = %serving.model,
            candidate = serving.candidate,
            "a new generation serves"
        );
        self.metrics.generation.set(serving.generation as i64);
        self.status.send_modify(|status| status.serving = Some(serving));
    }

    fn refuse(&self, champion: &Champion, reason: String) {
        let generation = champion.generation;
        let refused = Refused { generation, reason };
        if self.status.borrow().refused.as_ref() != Some(&refused) {
            tracing::error!(generation, model = %champion.model, reason = refused.reason, "generation refused");
        }
        self.metrics.refused.inc();
        self.metrics.refused_generation.set(generation as i64);
        self.status.send_modify(|status| status.refused = Some(refused));
    }

    /// Says once that the store is in trouble, and once that it is well again.
    fn tell(&mut self, error: Option<selvedge_store::Error>) {
        let now = error.map(|error| failure::one_line(&error.into()));
        match (&self.trouble, &now) {
            (None, Some(trouble)) => {
                tracing::warn!(trouble, "the champion log cannot be read, what serves stays");
            }
            (Some(_), None) => tracing::info!("the champion log can be read again"),
            _ => {}
        }
        self.trouble = now;
    }
}
