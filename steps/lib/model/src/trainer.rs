//! Training: gradients of micro-batches, and the update that their sum makes.
//!
//! Everything is a function of the arguments and of the parameters: what was computed before, in which order and in
//! which process, changes no bit.

use anyhow::ensure;
use selvedge_plan::Settings;
use selvedge_store::Digest;
use tch::{Reduction, Tensor};

use crate::augment::Augmentation;
use crate::buffer::{self, Flat};
use crate::calibrate::Training;
use crate::initialise::initialise;
use crate::input::{self, Preprocessing};
use crate::network::Network;
use crate::runtime;
use crate::update::Sgd;
use crate::weights::{self, Statistics};

/// The state of a training: parameters, momentum, and the number of updates made.
#[derive(Debug)]
pub struct Trainer {
    pub(crate) network: Network,
    settings: Settings,
    pub(crate) preprocessing: Preprocessing,
    pub(crate) flat: Flat,
    /// Views of `flat`, one a tensor of the network.
    pub(crate) parameters: Vec<Tensor>,
    pub(crate) velocity: Vec<f32>,
    pub(crate) step: u64,
}

/// Records of one shard in one step.
#[derive(Debug, Clone, Copy)]
pub struct MicroBatch<'a> {
    /// n × height × width × channels bytes, as they are in the batch: augmentation happens here.
    pub images: &'a [u8],
    /// n classes.
    pub labels: &'a [u8],
    /// n numbers that tell the records of the training split apart: augmentation is a function of them.
    pub records: &'a [u64],
    /// The epoch, for augmentation.
    pub epoch: u64,
}

impl Trainer {
    /// A training that begins: parameters drawn as PyTorch does by default, from `settings.seed`.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn new(network: Network, settings: &Settings) -> anyhow::Result<Self> {
        let mut flat = Flat::zeros(network.len())?;
        initialise(&network, settings.seed, flat.as_mut_slice());
        Ok(Self {
            preprocessing: Preprocessing::new(network.input(), input::MEAN, input::DEVIATION),
            parameters: flat.parameters(&network)?,
            velocity: vec![0.0; network.len()],
            settings: settings.clone(),
            step: 0,
            flat,
            network,
        })
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The flat buffer of the parameters.
    pub fn parameters(&self) -> &[f32] {
        self.flat.as_slice()
    }

    /// Updates made.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Writes the gradient of the loss, *summed* over the records of `batch`, to `out` (a flat buffer of
    /// [`Network::len`] floats), and tells that sum of losses. BatchNorm goes by the statistics of these records alone.
    ///
    /// # Errors
    /// When the parts of `batch` do not go together, or it holds fewer than two records.
    pub fn gradient(&self, batch: &MicroBatch<'_>, out: &mut [f32]) -> anyhow::Result<f64> {
        runtime::one_thread();
        self.check(batch, out.len())?;
        let augmentation =
            |number: usize| Augmentation::of(&self.settings, batch.epoch, batch.records[number]);
        let input = self.preprocessing.tensor(batch.images, augmentation)?;
        let labels: Vec<i64> = batch.labels.iter().map(|label| i64::from(*label)).collect();
        let mut blocks = Training::new(&self.parameters);
        let logits = self.network.forward(input, &mut blocks)?;
        let loss = logits.f_cross_entropy_loss::<Tensor>(
            &Tensor::from_slice(&labels),
            None,
            Reduction::Sum,
            -100,
            self.settings.label_smoothing,
        )?;
        let gradients = Tensor::f_run_backward(&[&loss], &self.parameters, false, false)?;
        for (tensor, gradient) in self.network.tensors().iter().zip(gradients) {
            let stored = buffer::to_stored(&gradient)?;
            out[tensor.range.clone()].copy_from_slice(buffer::floats(&stored));
        }
        Ok(loss.f_double_value(&[])?)
    }

    /// One update by the gradient summed over `records` records.
    ///
    /// # Errors
    /// When the gradient is of another network.
    pub fn apply(&mut self, gradient_sum: &[f32], records: usize, learning_rate: f64) -> anyhow::Result<()> {
        ensure!(
            gradient_sum.len() == self.network.len() && records > 0,
            "a gradient of {} floats over {records} records, the network has {}",
            gradient_sum.len(),
            self.network.len()
        );
        let sgd = Sgd {
            learning_rate: learning_rate as f32,
            momentum: self.settings.momentum as f32,
            weight_decay: self.settings.weight_decay as f32,
            scale: 1.0 / records as f32,
        };
        let parameters = self.flat.as_mut_slice();
        sgd.apply(self.network.tensors(), gradient_sum, parameters, &mut self.velocity);
        self.step += 1;
        Ok(())
    }

    /// The weights file of the parameters as they are, with these statistics.
    ///
    /// # Errors
    /// When safetensors refuses.
    pub fn weights(&self, statistics: &Statistics) -> anyhow::Result<Vec<u8>> {
        weights::encode(&self.network, self.flat.as_slice(), statistics)
    }

    /// Tells parameters apart, bit for bit.
    pub fn parameter_digest(&self) -> Digest {
        Digest::of(bytemuck::cast_slice::<f32, u8>(self.flat.as_slice()))
    }

    fn check(&self, batch: &MicroBatch<'_>, out: usize) -> anyhow::Result<()> {
        let (count, classes) = (self.preprocessing.count(batch.images)?, self.network.classes());
        ensure!(
            count == batch.labels.len() && count == batch.records.len(),
            "{count} images, {} labels and {} record numbers",
            batch.labels.len(),
            batch.records.len()
        );
        ensure!(count >= 2, "a micro-batch of {count} records");
        let wrong = batch.labels.iter().find(|label| usize::from(**label) >= classes);
        ensure!(wrong.is_none(), "label {} of {classes} classes", wrong.unwrap_or(&0));
        ensure!(
            out == self.network.len(),
            "a gradient of {out} floats, the network has {}",
            self.network.len()
        );
        Ok(())
    }
}
