//! Epochs and steps of one rank.

use std::time::Instant;

use anyhow::{Context, ensure};
use selvedge_contract::Progress;
use selvedge_data::{ShardEpoch, Split};
use selvedge_gang::{FixedPoint, Gang, Reducer, ShardGradient};
use selvedge_model::{MicroBatch, Score, Trainer, learning_rate};
use selvedge_plan::EpochCurve;
use selvedge_store::Store;

use crate::assess::{Assessment, assess};
use crate::checkpoint::Checkpoint;
use crate::feed::{Feed, Records, ShardFeed};
use crate::golden;
use crate::job::Job;

/// A training under way.
pub(crate) struct Training<'a> {
    job: &'a Job,
    feed: &'a Feed,
    store: &'a Store,
    progress: Progress,
    trainer: Trainer,
    reducer: Reducer,
    /// The gradients of this rank's shards, and their sum over all ranks.
    gradients: Vec<Vec<f32>>,
    total: Vec<f32>,
    records: Records,
    curves: Vec<EpochCurve>,
}

/// What came of a training.
pub(crate) struct Trained {
    /// The weights file.
    pub(crate) weights: Vec<u8>,
    /// The golden vectors' file.
    pub(crate) golden: Vec<u8>,
    pub(crate) steps: u64,
    pub(crate) curves: Vec<EpochCurve>,
    /// Epochs that were found done in a checkpoint.
    pub(crate) resumed: usize,
}

/// Where an epoch's clocks and counters stood when it began.
struct Start {
    at: Instant,
    exchanging: f64,
    hits: u64,
    misses: u64,
    reads: u64,
}

impl<'a> Training<'a> {
    /// Begins, or goes on where the newest checkpoint ends.
    pub(crate) fn begin(
        job: &'a Job,
        feed: &'a Feed,
        store: &'a Store,
        gang: &mut Gang,
        progress: Progress,
    ) -> anyhow::Result<Self> {
        let network = job.network.clone();
        let (length, shards) = (network.len(), job.settings().shards);
        let tensors = network.tensors().iter().map(|tensor| tensor.range.clone());
        let reducer = Reducer::new(FixedPoint::new(tensors, length, shards), shards);
        let own = (gang.rank()..shards).step_by(gang.world());
        let mut training = Self {
            job,
            feed,
            store,
            progress,
            trainer: Trainer::new(network, job.settings())?,
            reducer,
            gradients: own.map(|_| vec![0.0; length]).collect(),
            total: vec![0.0; length],
            records: Records::default(),
            curves: Vec::new(),
        };
        if let Some(checkpoint) = Checkpoint::common(store, &job.key, gang, feed.handle())? {
            training.resume(checkpoint)?;
        }
        Ok(training)
    }

    /// Trains to the end.
    pub(crate) fn run(mut self, gang: &mut Gang) -> anyhow::Result<Trained> {
        let (resumed, epochs) = (self.curves.len(), self.job.settings().epochs);
        let mut assessment = None;
        for epoch in resumed + 1..=epochs {
            assessment = Some(self.epoch(epoch, gang)?);
        }
        let Assessment { weights, classifier, .. } = match assessment {
            Some(assessment) => assessment,
            None => assess(&self.trainer, self.feed, gang)?,
        };
        Ok(Trained {
            golden: golden::vectors(self.job, self.feed, &classifier)?,
            weights,
            steps: self.trainer.step(),
            curves: self.curves,
            resumed,
        })
    }

    /// One epoch, from its first step to its checkpoint.
    fn epoch(&mut self, epoch: usize, gang: &mut Gang) -> anyhow::Result<Assessment> {
        let start = self.start(gang);
        let orders = self.feed.orders(self.job, epoch);
        let own = orders.iter().skip(gang.rank()).step_by(gang.world());
        let mut shards: Vec<_> = own.map(|order| self.feed.shard(order)).collect();
        let mut losses = vec![0.0; orders.len()];
        for step in 0..self.job.steps {
            self.step(epoch, step, &orders, &mut shards, &mut losses, gang)?;
        }
        gang.complete(&mut losses)?;
        gang.agree(
            &format!("the digest of the parameters after epoch {epoch}"),
            &self.trainer.parameter_digest(),
        )?;
        let (seconds, exchanging) = (start.at.elapsed().as_secs_f64(), gang.exchanging().as_secs_f64());
        let assessment = assess(&self.trainer, self.feed, gang)?;
        self.curves.push(EpochCurve {
            epoch,
            train_loss: losses.iter().sum::<f64>() / self.job.manifest.records(Split::Train) as f64,
            validation_loss: assessment.validation.loss(),
            validation_accuracy: assessment.validation.accuracy(),
            learning_rate: self.learning_rate(self.trainer.step() - 1),
            seconds,
            all_reduce_seconds: exchanging - start.exchanging,
            cache_hits: self.feed.counters().hits - start.hits,
            cache_misses: self.feed.counters().misses - start.misses,
            store_reads: self.store.reads().0 - start.reads,
        });
        self.save(epoch, gang)?;
        log(self.curves.last(), &assessment.validation);
        Ok(assessment)
    }

    /// One step: the gradients of this rank's shards, their sum over all ranks, the update.
    fn step(
        &mut self,
        epoch: usize,
        step: usize,
        orders: &[ShardEpoch],
        shards: &mut [ShardFeed<'_>],
        losses: &mut [f64],
        gang: &mut Gang,
    ) -> anyhow::Result<()> {
        gang.check_stop()?;
        let mut own = Vec::with_capacity(shards.len());
        for ((feed, gradient), shard) in
            shards.iter_mut().zip(&mut self.gradients).zip((gang.rank()..).step_by(gang.world()))
        {
            feed.fill(step, self.job.steps, &mut self.records)?;
            let Records { images, labels, numbers } = &self.records;
            let batch = MicroBatch { images, labels, records: numbers, epoch: epoch as u64 };
            let loss = self.trainer.gradient(&batch, gradient)?;
            losses[shard] += loss;
            own.push(ShardGradient { shard, values: gradient, loss });
        }
        let number = self.trainer.step();
        self.reducer.sum(gang, number, &own, &mut self.total)?;
        let records = orders.iter().map(|order| order.micro_batch(step, self.job.steps).len()).sum();
        self.trainer.apply(&self.total, records, self.learning_rate(number))?;
        if number % 10 == 9 || number + 1 == self.job.all_steps() {
            self.progress.report(number + 1, self.job.all_steps());
        }
        Ok(())
    }

    fn learning_rate(&self, step: u64) -> f64 {
        learning_rate(self.job.settings(), step, self.job.all_steps())
    }

    fn resume(&mut self, checkpoint: Checkpoint) -> anyhow::Result<()> {
        let Checkpoint { epoch, digest, state, curves } = checkpoint;
        self.trainer.restore(&state).with_context(|| format!("checkpoint {digest} of epoch {epoch}"))?;
        let steps = (epoch * self.job.steps) as u64;
        ensure!(
            self.trainer.step() == steps && curves.len() == epoch,
            "checkpoint {digest} of epoch {epoch} is at step {}, expected {steps}",
            self.trainer.step()
        );
        self.curves = curves;
        tracing::info!(epoch, "resumed from a checkpoint");
        Ok(())
    }

    fn save(&self, epoch: usize, gang: &Gang) -> anyhow::Result<()> {
        if gang.rank() > 0 {
            return Ok(());
        }
        let checkpoint = Checkpoint::new(epoch, self.trainer.checkpoint()?, &self.curves);
        self.feed.handle().block_on(checkpoint.save(self.store, &self.job.key))
    }

    fn start(&self, gang: &Gang) -> Start {
        let counters = self.feed.counters();
        Start {
            at: Instant::now(),
            exchanging: gang.exchanging().as_secs_f64(),
            hits: counters.hits,
            misses: counters.misses,
            reads: self.store.reads().0,
        }
    }
}

fn log(curve: Option<&EpochCurve>, score: &Score) {
    let Some(EpochCurve { epoch, train_loss, seconds, all_reduce_seconds, .. }) = curve else { return };
    let (validation_accuracy, validation_loss) = (score.accuracy(), score.loss());
    tracing::info!(
        epoch,
        train_loss,
        validation_loss,
        validation_accuracy,
        seconds,
        all_reduce_seconds,
        "epoch done"
    );
}
