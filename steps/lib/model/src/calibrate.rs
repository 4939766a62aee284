//! BatchNorm while training goes by the records at hand; what it goes by ever after is measured here.

use anyhow::ensure;
use tch::{Device, Kind, Tensor};

use crate::augment::Augmentation;
use crate::buffer;
use crate::forward::{Blocks, EPSILON};
use crate::network::{Convolution, Linear, Network};
use crate::runtime;
use crate::trainer::Trainer;
use crate::weights::{ChannelStatistics, Statistics};

/// Records of one forward pass.
const CHUNK: usize = 250;

impl Trainer {
    /// What every BatchNorm sees over these records (n × height × width × channels bytes), not augmented.
    ///
    /// # Errors
    /// When `images` is no whole number of records, or fewer than two.
    pub fn calibrate(&self, images: &[u8]) -> anyhow::Result<Statistics> {
        runtime::one_thread();
        let _no_grad = tch::no_grad_guard();
        let count = self.preprocessing.count(images)?;
        ensure!(count >= 2, "{count} records are too few to calibrate on");
        let mut sums = Sums::new(&self.network);
        let mut rest = images;
        while !rest.is_empty() {
            let left = self.preprocessing.count(rest)?;
            // No chunk of one record, which has no variance.
            let take = if left <= CHUNK + 1 { left } else { CHUNK };
            let (chunk, more) = rest.split_at(take * self.network.input().bytes());
            let input = self.preprocessing.tensor(chunk, |_| Augmentation::default())?;
            let mut blocks = Training::keeping(&self.parameters);
            let _logits = self.network.forward(input, &mut blocks)?;
            sums.add(&blocks.kept.unwrap_or_default(), take);
            rest = more;
        }
        Ok(sums.statistics(count))
    }
}

/// Blocks that normalise by the statistics of the records at hand.
pub(crate) struct Training<'a> {
    parameters: &'a [Tensor],
    /// Statistics by the index of their BatchNorm, where somebody wants them.
    kept: Option<Vec<(usize, ChannelStatistics)>>,
}

impl<'a> Training<'a> {
    pub(crate) fn new(parameters: &'a [Tensor]) -> Self {
        Self { parameters, kept: None }
    }

    fn keeping(parameters: &'a [Tensor]) -> Self {
        Self { parameters, kept: Some(Vec::new()) }
    }

    fn norm(&mut self, norm: usize, weight: usize, x: &Tensor) -> anyhow::Result<Tensor> {
        let (scale, offset) = (Some(&self.parameters[weight + 1]), Some(&self.parameters[weight + 2]));
        let Some(kept) = &mut self.kept else {
            return Ok(x.f_batch_norm(scale, offset, None, None, true, 0.0, EPSILON, false)?);
        };
        let zeros = || Tensor::f_zeros([x.size()[1]], (Kind::Float, Device::Cpu));
        let (mean, variance) = (zeros()?, zeros()?);
        // Momentum 1 makes the running statistics those of these records.
        let y = x.f_batch_norm(scale, offset, Some(&mean), Some(&variance), true, 1.0, EPSILON, false)?;
        let (mean, variance) = (buffer::floats(&mean).to_vec(), buffer::floats(&variance).to_vec());
        kept.push((norm, ChannelStatistics { mean, variance }));
        Ok(y)
    }
}

impl Blocks for Training<'_> {
    fn convolution(&mut self, layer: &Convolution, input: &Tensor) -> anyhow::Result<Tensor> {
        let (stride, padding) = ([layer.stride as i64; 2], [layer.padding as i64; 2]);
        let weight = &self.parameters[layer.weight];
        let x = input.f_conv2d::<Tensor>(weight, None, stride, padding, [1, 1], 1)?;
        self.norm(layer.norm, layer.weight, &x)
    }

    fn linear(&mut self, layer: &Linear, input: &Tensor) -> anyhow::Result<Tensor> {
        let weight = &self.parameters[layer.weight];
        match layer.norm {
            Some(norm) => {
                let x = input.f_linear::<Tensor>(weight, None)?;
                self.norm(norm, layer.weight, &x)
            }
            None => Ok(input.f_linear(weight, Some(&self.parameters[layer.weight + 1]))?),
        }
    }
}

/// Sums over chunks of records, for means and variances over all of them.
struct Sums(Vec<(Vec<f64>, Vec<f64>)>);

impl Sums {
    fn new(network: &Network) -> Self {
        let zeros = |channels| (vec![0.0; channels], vec![0.0; channels]);
        Self(network.norms.iter().map(|norm| zeros(norm.channels)).collect())
    }

    /// Adds the statistics of `records` records.
    fn add(&mut self, chunk: &[(usize, ChannelStatistics)], records: usize) {
        for (norm, of) in chunk {
            let (means, squares) = &mut self.0[*norm];
            for (channel, (mean, variance)) in of.mean.iter().zip(&of.variance).enumerate() {
                let (mean, variance) = (f64::from(*mean), f64::from(*variance));
                means[channel] += records as f64 * mean;
                squares[channel] += records as f64 * (variance + mean * mean);
            }
        }
    }

    /// Over all `records`: the variance is that within chunks and that between them.
    fn statistics(self, records: usize) -> Statistics {
        let of = |(means, squares): (Vec<f64>, Vec<f64>)| {
            let mean = |sum: &f64| sum / records as f64;
            let variance = |(sum, square): (&f64, &f64)| (mean(square) - mean(sum).powi(2)).max(0.0) as f32;
            ChannelStatistics {
                variance: means.iter().zip(&squares).map(variance).collect(),
                mean: means.iter().map(|sum| mean(sum) as f32).collect(),
            }
        };
        Statistics(self.0.into_iter().map(of).collect())
    }
}
