//! Weights as a safetensors file: every tensor under the name of its layer, in PyTorch's order of dimensions
//! (convolutions: outputs × inputs × height × width), with the statistics of every BatchNorm (`<layer>.norm.mean`,
//! `<layer>.norm.variance`) and how bytes become input (`input.mean`, `input.deviation`).
//!
//! The linear layer behind a flatten counts its inputs by height, width, channel.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::input;
use crate::network::{Network, ParameterTensor};

/// Mean and variance of what every BatchNorm of a network sees, over a list of records.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics(pub(crate) Vec<ChannelStatistics>);

/// Those of one BatchNorm, one entry a channel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChannelStatistics {
    pub(crate) mean: Vec<f32>,
    pub(crate) variance: Vec<f32>,
}

/// A weights file, checked against a network.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Weights {
    /// As they lie in the flat buffer: convolutions outputs × height × width × inputs.
    pub(crate) tensors: Vec<Vec<f32>>,
    pub(crate) statistics: Statistics,
    pub(crate) mean: f32,
    pub(crate) deviation: f32,
}

/// A named tensor of a file: shape and elements.
type Entry = (Vec<usize>, Vec<f32>);

/// The file's bytes: the same parameters and statistics give the same bytes.
pub(crate) fn encode(
    network: &Network,
    parameters: &[f32],
    statistics: &Statistics,
) -> anyhow::Result<Vec<u8>> {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    entries.insert("input.mean".into(), (vec![1], vec![input::MEAN]));
    entries.insert("input.deviation".into(), (vec![1], vec![input::DEVIATION]));
    for tensor in network.tensors() {
        let stored = &parameters[tensor.range.clone()];
        entries.insert(tensor.name.clone(), (file_shape(tensor), to_file(tensor, stored)));
    }
    for (norm, of) in network.norms.iter().zip(&statistics.0) {
        let shape = vec![norm.channels];
        entries.insert(format!("{}.mean", norm.name), (shape.clone(), of.mean.clone()));
        entries.insert(format!("{}.variance", norm.name), (shape, of.variance.clone()));
    }
    let views = entries
        .iter()
        .map(|(name, (shape, values))| Ok((name, view(shape, values)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    Ok(safetensors::serialize(views, None)?)
}

/// Reads a file of [`encode`] for this very network.
pub(crate) fn decode(network: &Network, bytes: &[u8]) -> anyhow::Result<Weights> {
    let file = SafeTensors::deserialize(bytes).context("the weights are no safetensors file")?;
    let expected = network.tensors.len() + 2 * network.norms.len() + 2;
    ensure!(
        file.len() == expected,
        "the weights hold {} tensors, network {:?} has {expected}",
        file.len(),
        network.spec
    );
    let tensors = network
        .tensors()
        .iter()
        .map(|tensor| Ok(from_file(tensor, &read(&file, &tensor.name, &file_shape(tensor))?)))
        .collect::<anyhow::Result<_>>()?;
    let mut statistics = Vec::new();
    for norm in &network.norms {
        let mean = read(&file, &format!("{}.mean", norm.name), &[norm.channels])?;
        let variance = read(&file, &format!("{}.variance", norm.name), &[norm.channels])?;
        ensure!(variance.iter().all(|variance| *variance >= 0.0), "{}.variance is negative", norm.name);
        statistics.push(ChannelStatistics { mean, variance });
    }
    let deviation = read(&file, "input.deviation", &[1])?[0];
    ensure!(deviation > 0.0, "input.deviation is {deviation}");
    Ok(Weights {
        tensors,
        statistics: Statistics(statistics),
        mean: read(&file, "input.mean", &[1])?[0],
        deviation,
    })
}

/// A tensor of a file, with this very shape, all finite.
pub(crate) fn read(file: &SafeTensors<'_>, name: &str, shape: &[usize]) -> anyhow::Result<Vec<f32>> {
    let tensor = file.tensor(name)?;
    ensure!(
        tensor.dtype() == Dtype::F32 && tensor.shape() == shape,
        "tensor {name} is {:?} {:?}, expected F32 {shape:?}",
        tensor.dtype(),
        tensor.shape()
    );
    let values: Vec<f32> = bytemuck::pod_collect_to_vec(tensor.data());
    ensure!(values.iter().all(|value| value.is_finite()), "tensor {name} holds numbers that are not finite");
    Ok(values)
}

/// A tensor of f32 for a file.
pub(crate) fn view<'a>(shape: &[usize], values: &'a [f32]) -> anyhow::Result<TensorView<'a>> {
    Ok(TensorView::new(Dtype::F32, shape.to_vec(), bytemuck::cast_slice(values))?)
}

fn file_shape(tensor: &ParameterTensor) -> Vec<usize> {
    match tensor.shape[..] {
        [outputs, height, width, inputs] => vec![outputs, inputs, height, width],
        _ => tensor.shape.clone(),
    }
}

fn to_file(tensor: &ParameterTensor, stored: &[f32]) -> Vec<f32> {
    match tensor.shape[..] {
        [_, height, width, inputs] => transpose(stored, height * width, inputs),
        _ => stored.to_vec(),
    }
}

fn from_file(tensor: &ParameterTensor, values: &[f32]) -> Vec<f32> {
    match tensor.shape[..] {
        [_, height, width, inputs] => transpose(values, inputs, height * width),
        _ => values.to_vec(),
    }
}

/// A row of matrices, each `rows` × `columns`, transposed one by one.
fn transpose(matrices: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let matrix = |matrix: &[f32]| -> Vec<f32> {
        (0..columns)
            .flat_map(|column| (0..rows).map(move |row| row * columns + column))
            .map(|index| matrix[index])
            .collect()
    };
    matrices.chunks_exact(rows * columns).flat_map(matrix).collect()
}
