//! Memory that Rust and libtorch both see. The only place, besides [`crate::runtime`], with unsafe code.

use anyhow::ensure;
use tch::{Device, Kind, Tensor};

use crate::network::{Network, ParameterTensor};

/// A flat buffer of f32, 64-byte aligned as all of libtorch's own memory.
#[derive(Debug)]
pub(crate) struct Flat(Tensor);

impl Flat {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> anyhow::Result<Self> {
        Ok(Self(Tensor::f_zeros([len as i64], (Kind::Float, Device::Cpu))?))
    }

    pub(crate) fn as_slice(&self) -> &[f32] {
        floats(&self.0)
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [f32] {
        floats_mut(&mut self.0)
    }

    /// The parameters of `network`, which share this buffer's memory; gradients are tracked for them.
    pub(crate) fn parameters(&self, network: &Network) -> anyhow::Result<Vec<Tensor>> {
        let view = |tensor: &ParameterTensor| {
            let flat = self.0.f_narrow(0, tensor.range.start as i64, tensor.range.len() as i64)?;
            let shaped = flat.f_view(dimensions(&tensor.shape).as_slice())?;
            anyhow::Ok(to_torch(shaped)?.f_detach()?.f_set_requires_grad(true)?)
        };
        network.tensors().iter().map(view).collect()
    }
}

/// A tensor stored channels-last (n × height × width × channels) as libtorch's n × channels × height × width; tensors
/// of fewer dimensions stay. Nothing is copied: the strides say channels-last, which kernels prefer.
pub(crate) fn to_torch(stored: Tensor) -> anyhow::Result<Tensor> {
    Ok(match stored.dim() {
        4 => stored.f_permute([0, 3, 1, 2])?,
        _ => stored,
    })
}

/// The opposite of [`to_torch`]; a copy only where libtorch chose another order.
pub(crate) fn to_stored(tensor: &Tensor) -> anyhow::Result<Tensor> {
    let stored = match tensor.dim() {
        4 => tensor.f_permute([0, 2, 3, 1])?,
        _ => tensor.shallow_clone(),
    };
    Ok(stored.f_contiguous()?)
}

/// An uninitialised tensor of f32.
pub(crate) fn empty(shape: &[usize]) -> anyhow::Result<Tensor> {
    Ok(Tensor::f_empty(dimensions(shape).as_slice(), (Kind::Float, Device::Cpu))?)
}

/// A tensor with these values.
pub(crate) fn tensor(values: &[f32], shape: &[usize]) -> anyhow::Result<Tensor> {
    ensure!(values.len() == shape.iter().product::<usize>(), "{} values are no {shape:?}", values.len());
    let mut tensor = empty(shape)?;
    floats_mut(&mut tensor).copy_from_slice(values);
    Ok(tensor)
}

/// The elements of a tensor in the order of its memory.
///
/// # Panics
/// When it is not contiguous or not f32: every caller has just made it so.
pub(crate) fn floats(tensor: &Tensor) -> &[f32] {
    let elements = checked(tensor);
    // SAFETY: the memory of a contiguous f32 tensor on the CPU is `elements` floats, alive as long as the tensor.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), elements) }
}

/// As [`floats`], to write to.
pub(crate) fn floats_mut(tensor: &mut Tensor) -> &mut [f32] {
    let elements = checked(tensor);
    // SAFETY: as in `floats`; other tensors that share the memory are only used through `&mut` of their common owner.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), elements) }
}

fn checked(tensor: &Tensor) -> usize {
    assert!(
        tensor.is_contiguous() && tensor.kind() == Kind::Float && tensor.device() == Device::Cpu,
        "a contiguous f32 tensor on the CPU"
    );
    tensor.numel()
}

fn dimensions(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|side| *side as i64).collect()
}

#[cfg(test)]
mod tests {
    use selvedge_data::Shape;

    use super::*;

    #[test]
    fn parameters_are_aligned_views_of_the_buffer() {
        let input = Shape { height: 8, width: 8, channels: 3 };
        let network = Network::parse("c5.3 r7.2 f b9 o", input, 3).unwrap();
        let mut flat = Flat::zeros(network.len()).unwrap();
        let parameters = flat.parameters(&network).unwrap();
        for (number, tensor) in network.tensors().iter().enumerate() {
            flat.as_mut_slice()[tensor.range.clone()].fill(number as f32 + 1.0);
        }
        for (number, view) in parameters.iter().enumerate() {
            assert_eq!(view.data_ptr() as usize % 64, 0);
            assert_eq!(view.f_min().unwrap().double_value(&[]), number as f64 + 1.0);
            assert_eq!(view.f_max().unwrap().double_value(&[]), number as f64 + 1.0);
        }
    }
}
