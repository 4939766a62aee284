//! Networks: layers, the tensors of their parameters, and what a forward pass costs.

use std::ops::Range;

use selvedge_data::Shape;

use crate::parse;

/// A network for records of one shape and a number of classes.
///
/// Its parameters lie in one flat buffer of [`Network::len`] floats; every tensor begins at a multiple of 64 bytes,
/// and what lies between two tensors is zero and stays zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub(crate) spec: String,
    pub(crate) input: Shape,
    pub(crate) classes: usize,
    pub(crate) layers: Vec<Layer>,
    pub(crate) tensors: Vec<ParameterTensor>,
    /// Channels of every BatchNorm, in the order of the forward pass, and the tensors that it owns.
    pub(crate) norms: Vec<Norm>,
    pub(crate) multiply_adds: u64,
}

/// One tensor of parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterTensor {
    /// Unique in the network: `<layer>.weight`, `<layer>.norm.bias`, `<layer>.first.weight` …
    pub name: String,
    /// As it lies in the buffer: outputs × height × width × inputs (convolution), outputs × inputs (linear), or one
    /// dimension.
    pub shape: Vec<usize>,
    /// Where it lies in the flat buffer, in floats.
    pub range: Range<usize>,
    pub(crate) start: Start,
}

/// How a tensor begins: PyTorch's defaults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Start {
    /// Uniform in ±1/√fan-in.
    Uniform {
        /// Inputs of one output.
        fan_in: usize,
    },
    /// Every element 1.
    One,
    /// Every element 0.
    Zero,
}

/// A layer, in the order of the notation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Layer {
    /// Convolution, BatchNorm, ReLU.
    Convolution(Convolution),
    /// Convolution, BatchNorm, ReLU, convolution, BatchNorm; added to the input or its 1×1 convolution; ReLU.
    Residual { first: Convolution, second: Convolution, shortcut: Option<Convolution> },
    /// The largest of every 2 × 2.
    Pool,
    /// To one dimension, in the order of a record's bytes: height, width, channels.
    Flatten,
    /// Linear, BatchNorm, ReLU.
    Hidden(Linear),
    /// Linear with bias.
    Output(Linear),
}

/// A convolution without bias, and the BatchNorm behind it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Convolution {
    /// Index of its tensor.
    pub(crate) weight: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
    /// Index of its BatchNorm.
    pub(crate) norm: usize,
}

/// A linear map with BatchNorm, or with bias.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Linear {
    /// Index of its tensor.
    pub(crate) weight: usize,
    /// Index of its BatchNorm; without one the bias follows the weight.
    pub(crate) norm: Option<usize>,
}

/// A BatchNorm over `channels`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Norm {
    pub(crate) name: String,
    pub(crate) channels: usize,
    /// Index of its scale; its offset follows.
    pub(crate) scale: usize,
}

impl Network {
    /// Reads the notation: `cO.k.s.p` convolution of O outputs, kernel k, stride s (1), padding p (k/2) with BatchNorm
    /// and ReLU · `rO.s` residual block · `m` max-pool 2 · `f` flatten · `bN` linear with BatchNorm and ReLU · `o` output.
    ///
    /// # Errors
    /// Names the layer that cannot be.
    pub fn parse(spec: &str, input: Shape, classes: usize) -> anyhow::Result<Self> {
        parse::network(spec, input, classes)
    }

    /// The notation that it was made of.
    pub fn spec(&self) -> &str {
        &self.spec
    }

    /// The form of its input.
    pub fn input(&self) -> Shape {
        self.input
    }

    /// The number of its outputs.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Trainable parameters.
    pub fn parameters(&self) -> usize {
        self.tensors.iter().map(|tensor| tensor.range.len()).sum()
    }

    /// Multiply-adds of one forward pass of one record, convolutions and linear maps.
    pub fn multiply_adds(&self) -> u64 {
        self.multiply_adds
    }

    /// The parameter tensors, in the order of the flat buffer.
    pub fn tensors(&self) -> &[ParameterTensor] {
        &self.tensors
    }

    /// Floats of the flat buffer, those between tensors included.
    #[expect(clippy::len_without_is_empty, reason = "a network has an output layer")]
    pub fn len(&self) -> usize {
        self.tensors.last().map_or(0, |last| aligned(last.range.end))
    }
}

/// The next multiple of 16 floats, which are 64 bytes.
pub(crate) fn aligned(floats: usize) -> usize {
    floats.next_multiple_of(16)
}

#[cfg(test)]
mod tests {
    use selvedge_plan::{Family, Settings};

    use super::*;

    fn fashion(spec: &str) -> Network {
        let input = Shape { height: 28, width: 28, channels: 1 };
        Network::parse(spec, input, 10).unwrap()
    }

    #[test]
    fn the_default_networks_have_their_published_sizes() {
        let sizes = |spec: &str| (fashion(spec).parameters(), fashion(spec).multiply_adds());
        let default = |family| sizes(&Settings::of(family).network);
        assert_eq!(default(Family::Cnn), (96_554, 4_603_648));
        assert_eq!(default(Family::Dense), (235_530, 234_752));
        assert_eq!(default(Family::Resnet), (87_354, 2_561_600));
        assert_eq!(sizes("c32.2.2.0 c32.3.1 m c64.3.1 c64.3.1 f o10"), (96_394, 4_572_288));
        assert_eq!(fashion("c32.3.1 m c64.3.1 m c96.3.1 c96.3.1 f o").parameters(), 204_586);
        assert_eq!(fashion("c16.3.1 m r32.1 r64.2 r128.2 f o").parameters(), 323_066);
    }

    #[test]
    fn tensors_are_aligned_apart_and_in_order() {
        let network = fashion("c5.3.1 r7.2 f b9 o");
        let mut end = 0;
        for tensor in network.tensors() {
            assert!(tensor.range.start % 16 == 0 && tensor.range.start >= end, "{tensor:?}");
            assert_eq!(tensor.range.len(), tensor.shape.iter().product::<usize>());
            end = tensor.range.end;
        }
        assert!(network.len() >= end);
    }
}
