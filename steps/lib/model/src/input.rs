//! From the bytes of records to what a network takes: `(byte / 255 − MEAN) / DEVIATION`.
//!
//! The two numbers are those of Fashion-MNIST's training images. Any images do with them, since every network has a
//! BatchNorm behind its first layer. They are stored with the weights, and a classifier uses the stored ones.

use anyhow::ensure;
use selvedge_data::Shape;
use tch::Tensor;

use crate::augment::Augmentation;
use crate::buffer;

/// Subtracted from elements scaled to 0 … 1.
pub const MEAN: f32 = 0.2860;
/// What they are divided by then.
pub const DEVIATION: f32 = 0.3530;

/// What each of the 256 bytes becomes.
#[derive(Debug, Clone)]
pub(crate) struct Preprocessing {
    shape: Shape,
    value: [f32; 256],
}

impl Preprocessing {
    pub(crate) fn new(shape: Shape, mean: f32, deviation: f32) -> Self {
        let value = std::array::from_fn(|byte| (byte as f32 / 255.0 - mean) / deviation);
        Self { shape, value }
    }

    /// The number of records in `images`.
    pub(crate) fn count(&self, images: &[u8]) -> anyhow::Result<usize> {
        let bytes = self.shape.bytes();
        ensure!(
            images.len().is_multiple_of(bytes),
            "{} bytes are not a whole number of records of {bytes}",
            images.len()
        );
        Ok(images.len() / bytes)
    }

    /// A channels-last tensor n × channels × height × width; record i is changed as `augmentation(i)` says.
    pub(crate) fn tensor(
        &self,
        images: &[u8],
        augmentation: impl Fn(usize) -> Augmentation,
    ) -> anyhow::Result<Tensor> {
        let Shape { height, width, channels } = self.shape;
        let mut stored = buffer::empty(&[self.count(images)?, height, width, channels])?;
        let bytes = self.shape.bytes();
        let records = buffer::floats_mut(&mut stored).chunks_exact_mut(bytes);
        for (number, (out, image)) in records.zip(images.chunks_exact(bytes)).enumerate() {
            augmentation(number).apply(self.shape, image, &self.value, out);
        }
        buffer::to_torch(stored)
    }
}
