//! Golden vectors: records, and what the model said of them when it was committed.

use anyhow::{Context, ensure};
use safetensors::{Dtype, SafeTensors};

use crate::network::Loaded;

/// The content of a golden vectors' blob.
pub(crate) struct Golden {
    images: Vec<u8>,
    /// n × classes.
    probabilities: Vec<f32>,
    records: usize,
}

impl Golden {
    /// Reads a blob: `images` u8 n × height × width × channels, `probabilities` f32 n × classes.
    ///
    /// # Errors
    /// When it is something else.
    pub(crate) fn read(blob: &[u8]) -> anyhow::Result<Self> {
        let tensors = SafeTensors::deserialize(blob).context("no safetensors file")?;
        let (images, probabilities) = (tensors.tensor("images")?, tensors.tensor("probabilities")?);
        let records = images.shape().first().copied().unwrap_or(0);
        ensure!(
            images.dtype() == Dtype::U8 && probabilities.dtype() == Dtype::F32,
            "images are {:?} and probabilities {:?}, not U8 and F32",
            images.dtype(),
            probabilities.dtype()
        );
        ensure!(
            records > 0 && probabilities.shape().first() == Some(&records),
            "{records} images and {:?} probabilities",
            probabilities.shape()
        );
        let floats = probabilities.data().chunks_exact(4);
        Ok(Self {
            images: images.data().to_vec(),
            probabilities: floats.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            records,
        })
    }

    /// Lets `loaded` answer, and compares.
    ///
    /// # Errors
    /// Names the record whose probability is off by more than `tolerance`.
    pub(crate) fn check(&self, loaded: &mut Loaded, tolerance: f64) -> anyhow::Result<()> {
        let (bytes, classes) = (loaded.serving.shape.bytes(), loaded.serving.classes.len());
        ensure!(
            self.images.len() == self.records * bytes && self.probabilities.len() == self.records * classes,
            "{} images in {} bytes, {} probabilities: not of the model's form",
            self.records,
            self.images.len(),
            self.probabilities.len()
        );
        let said = loaded.network.probabilities(&self.images)?;
        ensure!(said.len() == self.probabilities.len(), "the model told {} probabilities", said.len());
        for (index, (said, golden)) in said.iter().zip(&self.probabilities).enumerate() {
            let off = f64::from((said - golden).abs());
            // Written so that NaN fails too.
            let is_near = off <= tolerance;
            ensure!(
                is_near,
                "record {} is {said} for class {}, should be {golden} (tolerance {tolerance})",
                index / classes,
                index % classes
            );
        }
        Ok(())
    }
}
