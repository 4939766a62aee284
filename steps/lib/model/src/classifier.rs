//! A trained model that answers.

use anyhow::{Context, ensure};
use tch::{Kind, Tensor};

use crate::augment::Augmentation;
use crate::buffer;
use crate::forward::{Blocks, EPSILON};
use crate::input::Preprocessing;
use crate::network::{Convolution, Linear, Network, ParameterTensor};
use crate::runtime;
use crate::weights::{self, Weights};

/// Records of one forward pass: bounds memory, and what is measured does not get faster beyond.
const CHUNK: usize = 64;

/// A model for inference: BatchNorm is folded into what is before it, memory is channels-last, one thread.
#[derive(Debug)]
pub struct Classifier {
    network: Network,
    preprocessing: Preprocessing,
    folded: Folded,
}

/// Weight and bias by the index of the weight's tensor.
#[derive(Debug)]
struct Folded(Vec<Option<(Tensor, Tensor)>>);

impl Classifier {
    /// The model that `network` and the bytes of a weights file make.
    ///
    /// # Errors
    /// When the weights are damaged or those of another network.
    pub fn load(network: &Network, weights: &[u8]) -> anyhow::Result<Self> {
        let weights = weights::decode(network, weights)?;
        let _no_grad = tch::no_grad_guard();
        Ok(Self {
            network: network.clone(),
            preprocessing: Preprocessing::new(network.input(), weights.mean, weights.deviation),
            folded: fold(network, &weights)?,
        })
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// How probable every class is for each of the records in `images` (n × height × width × channels bytes):
    /// n × classes. The last bits for a record may depend on how many are asked about at once.
    ///
    /// # Errors
    /// When `images` is no whole number of records.
    pub fn probabilities(&self, images: &[u8]) -> anyhow::Result<Vec<f32>> {
        runtime::one_thread();
        let _no_grad = tch::no_grad_guard();
        let count = self.preprocessing.count(images)?;
        let mut all = Vec::with_capacity(count * self.network.classes());
        for chunk in images.chunks(CHUNK * self.network.input().bytes()) {
            let input = self.preprocessing.tensor(chunk, |_| Augmentation::default())?;
            let logits = self.network.forward(input, &mut &self.folded)?;
            let probabilities = logits.f_softmax(1, Kind::Float)?.f_contiguous()?;
            all.extend_from_slice(buffer::floats(&probabilities));
        }
        ensure!(all.iter().all(|probability| probability.is_finite()), "the model's answers are not finite");
        Ok(all)
    }
}

impl Blocks for &Folded {
    fn convolution(&mut self, layer: &Convolution, input: &Tensor) -> anyhow::Result<Tensor> {
        let (weight, bias) = self.of(layer.weight)?;
        let (stride, padding) = ([layer.stride as i64; 2], [layer.padding as i64; 2]);
        Ok(input.f_conv2d(weight, Some(bias), stride, padding, [1, 1], 1)?)
    }

    fn linear(&mut self, layer: &Linear, input: &Tensor) -> anyhow::Result<Tensor> {
        let (weight, bias) = self.of(layer.weight)?;
        Ok(input.f_linear(weight, Some(bias))?)
    }
}

impl Folded {
    fn of(&self, weight: usize) -> anyhow::Result<&(Tensor, Tensor)> {
        let pair = self.0.get(weight).and_then(Option::as_ref);
        pair.with_context(|| format!("tensor {weight} is no weight"))
    }
}

fn fold(network: &Network, weights: &Weights) -> anyhow::Result<Folded> {
    let mut folded: Vec<_> = network.tensors().iter().map(|_| None).collect();
    for (norm, of) in network.norms.iter().zip(&weights.statistics.0) {
        let (scale, offset) = (&weights.tensors[norm.scale], &weights.tensors[norm.scale + 1]);
        let mut bias = Vec::with_capacity(norm.channels);
        let mut factors = Vec::with_capacity(norm.channels);
        for channel in 0..norm.channels {
            let deviation = (f64::from(of.variance[channel]) + EPSILON).sqrt();
            let factor = f64::from(scale[channel]) / deviation;
            factors.push(factor);
            bias.push((f64::from(offset[channel]) - f64::from(of.mean[channel]) * factor) as f32);
        }
        // A BatchNorm's scale follows the weight that it belongs to.
        let weight = norm.scale - 1;
        let scaled = scaled(&weights.tensors[weight], &factors);
        folded[weight] = Some(pair(&network.tensors()[weight], &scaled, &bias)?);
    }
    let bias = network.tensors().len() - 1;
    let head = &network.tensors()[bias - 1];
    folded[bias - 1] = Some(pair(head, &weights.tensors[bias - 1], &weights.tensors[bias])?);
    Ok(Folded(folded))
}

/// `weight` with everything that makes output i multiplied by `factors[i]`.
fn scaled(weight: &[f32], factors: &[f64]) -> Vec<f32> {
    let inputs = weight.len() / factors.len();
    let of_output = |(weights, factor): (&[f32], &f64)| -> Vec<f32> {
        weights.iter().map(|weight| (f64::from(*weight) * factor) as f32).collect()
    };
    weight.chunks_exact(inputs).zip(factors).flat_map(of_output).collect()
}

fn pair(tensor: &ParameterTensor, weight: &[f32], bias: &[f32]) -> anyhow::Result<(Tensor, Tensor)> {
    let weight = buffer::to_torch(buffer::tensor(weight, &tensor.shape)?)?;
    Ok((weight, buffer::tensor(bias, &[bias.len()])?))
}
