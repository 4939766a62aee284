//! The forward pass. What a convolution or a linear map with its BatchNorm does is left to [`Blocks`]: it differs
//! between training, calibration and inference.

use tch::Tensor;

use crate::network::{Convolution, Layer, Linear, Network};

/// Added to a variance before its root is taken, as in PyTorch.
pub(crate) const EPSILON: f64 = 1e-5;

/// The parts of a forward pass that have parameters.
pub(crate) trait Blocks {
    /// Convolution and BatchNorm.
    fn convolution(&mut self, layer: &Convolution, input: &Tensor) -> anyhow::Result<Tensor>;
    /// Linear map and BatchNorm, or linear map and bias.
    fn linear(&mut self, layer: &Linear, input: &Tensor) -> anyhow::Result<Tensor>;
}

impl Network {
    /// Logits, n × classes, of an input n × channels × height × width.
    pub(crate) fn forward(&self, input: Tensor, blocks: &mut impl Blocks) -> anyhow::Result<Tensor> {
        let mut x = input;
        for layer in &self.layers {
            x = match layer {
                Layer::Convolution(layer) => blocks.convolution(layer, &x)?.f_relu_()?,
                Layer::Residual { first, second, shortcut } => {
                    residual(blocks, &x, first, second, shortcut.as_ref())?
                }
                Layer::Pool => x.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?,
                Layer::Flatten => x.f_permute([0, 2, 3, 1])?.f_flatten(1, 3)?,
                Layer::Hidden(layer) => blocks.linear(layer, &x)?.f_relu_()?,
                Layer::Output(layer) => blocks.linear(layer, &x)?,
            };
        }
        Ok(x)
    }
}

fn residual(
    blocks: &mut impl Blocks,
    x: &Tensor,
    first: &Convolution,
    second: &Convolution,
    shortcut: Option<&Convolution>,
) -> anyhow::Result<Tensor> {
    let middle = blocks.convolution(first, x)?.f_relu_()?;
    let mut after = blocks.convolution(second, &middle)?;
    let mut sum = match shortcut {
        Some(shortcut) => after.f_add_(&blocks.convolution(shortcut, x)?)?,
        None => after.f_add_(x)?,
    };
    Ok(sum.f_relu_()?)
}
