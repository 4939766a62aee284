//! Requests become batches: one thread owns the model, and takes at once what is waiting.
//!
//! A forward pass of 32 records costs a third of 32 passes of one, so under load it pays to run them together. It
//! never pays to wait for requests that may not come: the thread takes what is in the queue, and waits (at most the
//! batch deadline) only while other requests are being read and so are known to come.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use selvedge_data::Shape;
use tokio::sync::oneshot;

use crate::metrics::Metrics;
use crate::network::{Loaded, Prediction, Serving};

/// How requests are put together.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Records of one forward pass.
    pub max_batch: usize,
    /// The longest wait for requests that are known to come.
    pub deadline: Duration,
    /// Requests that may wait.
    pub queue: usize,
}

/// The way to the inference thread, which ends with the last clone.
#[derive(Clone)]
pub struct Batcher {
    jobs: SyncSender<Job>,
    shared: Arc<Shared>,
}

/// What the inference thread said of one request.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Who said it.
    pub serving: Arc<Serving>,
    /// One a record, in order.
    pub predictions: Vec<Prediction>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The queue is full.
    #[error("{0} requests are waiting already")]
    Overloaded(usize),
    /// There is no model yet.
    #[error("no model serves yet")]
    NoModel,
    /// The model that serves now takes records of another form than the one at the time of the request.
    #[error("a model of another form, {}×{}×{}, began to serve meanwhile", .0.height, .0.width, .0.channels)]
    OtherForm(Shape),
    /// The model failed.
    #[error("the model failed: {0}")]
    Inference(String),
}

/// A request that is known to come: the thread waits for it. Held from when its body is there until it is queued.
pub struct Coming(Arc<Shared>);

struct Shared {
    model: Mutex<Option<Loaded>>,
    coming: AtomicUsize,
    limits: Limits,
    metrics: Metrics,
}

/// Whole records, and where the answer goes.
struct Job {
    records: Bytes,
    shape: Shape,
    answer: oneshot::Sender<Result<Answer, Failure>>,
}

impl Batcher {
    /// Starts the inference thread.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(limits: Limits, metrics: Metrics) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(limits.queue.max(1));
        let shared =
            Arc::new(Shared { model: Mutex::new(None), coming: AtomicUsize::new(0), limits, metrics });
        let own = Arc::clone(&shared);
        std::thread::Builder::new().name("inference".into()).spawn(move || own.work(&queue))?;
        Ok(Self { jobs, shared })
    }

    /// Announces a request, so that a batch waits for it.
    pub fn coming(&self) -> Coming {
        self.shared.coming.fetch_add(1, Ordering::Relaxed);
        Coming(Arc::clone(&self.shared))
    }

    /// The predictions of `records`, whole records of the form `shape` one after the other. What was announced by
    /// `coming` is there then.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn predict(
        &self,
        coming: Option<Coming>,
        records: Bytes,
        shape: Shape,
    ) -> Result<Answer, Failure> {
        let (answer, answered) = oneshot::channel();
        self.shared.metrics.queue.inc();
        let sent = self.jobs.try_send(Job { records, shape, answer });
        drop(coming);
        if let Err(refused) = sent {
            self.shared.metrics.queue.dec();
            return Err(match refused {
                TrySendError::Full(_) => Failure::Overloaded(self.shared.limits.queue),
                TrySendError::Disconnected(_) => Failure::Inference("the inference thread ended".into()),
            });
        }
        let gone = |_| Err(Failure::Inference("the inference thread ended".into()));
        answered.await.unwrap_or_else(gone)
    }

    /// Puts `loaded` in the place of the model, between two batches. Blocks for as long as a batch takes.
    pub fn swap(&self, loaded: Loaded) {
        let old = self.shared.model().replace(loaded);
        drop(old);
    }

    /// The model stays and serves as a new generation.
    pub fn rename(&self, serving: Arc<Serving>) {
        if let Some(loaded) = self.shared.model().as_mut() {
            loaded.serving = serving;
        }
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.0.coming.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// A panic while the lock is held is caught before it can poison it: see [`Shared::run`].
    fn model(&self) -> MutexGuard<'_, Option<Loaded>> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, queue: &Receiver<Job>) {
        while let Ok(first) = queue.recv() {
            let mut batch = vec![first];
            self.fill(&mut batch, queue);
            self.metrics.queue.dec_by(batch.len() as i64);
            // Nobody waits for the answer to a request whose client went away.
            batch.retain(|job| !job.answer.is_closed());
            if !batch.is_empty() {
                self.answer(batch);
            }
        }
    }

    /// Takes more jobs until the batch is full, or none is waiting and none known to come.
    fn fill(&self, batch: &mut Vec<Job>, queue: &Receiver<Job>) {
        let deadline = Instant::now() + self.limits.deadline;
        let mut records = batch[0].count();
        while records < self.limits.max_batch {
            let patience = if self.coming.load(Ordering::Relaxed) > 0 {
                deadline.saturating_duration_since(Instant::now()).min(GLANCE)
            } else {
                Duration::ZERO
            };
            match queue.recv_timeout(patience) {
                Ok(job) => {
                    records += job.count();
                    batch.push(job);
                }
                Err(RecvTimeoutError::Timeout) if patience > Duration::ZERO => {}
                Err(_) => return,
            }
        }
    }

    fn answer(&self, batch: Vec<Job>) {
        let mut model = self.model();
        let Some(loaded) = model.as_mut() else {
            return refuse(batch, &Failure::NoModel);
        };
        let shape = loaded.serving.shape;
        let (batch, stale): (Vec<_>, Vec<_>) = batch.into_iter().partition(|job| job.shape == shape);
        refuse(stale, &Failure::OtherForm(shape));
        if batch.is_empty() {
            return;
        }
        let result = self.run(loaded, &batch);
        let serving = Arc::clone(&loaded.serving);
        drop(model);
        match result {
            Ok(predictions) => hand_out(batch, &serving, &predictions),
            Err(error) => {
                tracing::error!(model = %serving.model, error = format!("{error:#}"), "inference failed");
                refuse(batch, &Failure::Inference(format!("{error:#}")));
            }
        }
    }

    fn run(&self, loaded: &mut Loaded, batch: &[Job]) -> anyhow::Result<Vec<Prediction>> {
        let records = match batch {
            [job] => job.records.clone(),
            _ => batch.iter().map(|job| job.records.as_ref()).collect::<Vec<_>>().concat().into(),
        };
        let most = self.limits.max_batch.max(1);
        self.metrics.batch_records.observe((records.len() / batch[0].shape.bytes()) as f64);
        // A model that panics costs its batch an error, not the replica its only inference thread.
        catch_unwind(AssertUnwindSafe(|| loaded.predict(&records, most)))
            .unwrap_or_else(|_| Err(anyhow::anyhow!("the model panicked")))
    }
}

/// How long the queue is waited on before the thread looks again whether anybody is still to come.
const GLANCE: Duration = Duration::from_micros(200);

impl Job {
    fn count(&self) -> usize {
        self.records.len() / self.shape.bytes().max(1)
    }
}

fn hand_out(batch: Vec<Job>, serving: &Arc<Serving>, mut predictions: &[Prediction]) {
    for job in batch {
        let (own, rest) = predictions.split_at(job.count());
        predictions = rest;
        let answer = Answer { serving: Arc::clone(serving), predictions: own.to_vec() };
        // The client may have gone away meanwhile.
        let _ = job.answer.send(Ok(answer));
    }
}

fn refuse(batch: Vec<Job>, failure: &Failure) {
    for job in batch {
        let _ = job.answer.send(Err(failure.clone()));
    }
}
