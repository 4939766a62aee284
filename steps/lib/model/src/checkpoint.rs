//! Checkpoints: parameters, momentum and the number of updates, as a safetensors file.

use anyhow::{Context, ensure};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::trainer::Trainer;
use crate::weights;

impl Trainer {
    /// Parameters, momentum and step, to go on from.
    ///
    /// # Errors
    /// When safetensors refuses.
    pub fn checkpoint(&self) -> anyhow::Result<Vec<u8>> {
        let shape = [self.network.len()];
        let step = self.step.to_le_bytes();
        let tensors = [
            ("parameters", weights::view(&shape, self.flat.as_slice())?),
            ("momentum", weights::view(&shape, &self.velocity)?),
            ("step", TensorView::new(Dtype::U64, vec![1], &step)?),
        ];
        Ok(safetensors::serialize(tensors, None)?)
    }

    /// Goes on from a checkpoint; on an error everything stays as it was.
    ///
    /// # Errors
    /// When the checkpoint is damaged or that of another network.
    pub fn restore(&mut self, checkpoint: &[u8]) -> anyhow::Result<()> {
        let file = SafeTensors::deserialize(checkpoint).context("the checkpoint is no safetensors file")?;
        let shape = [self.network.len()];
        let parameters = weights::read(&file, "parameters", &shape)?;
        let velocity = weights::read(&file, "momentum", &shape)?;
        let step = file.tensor("step")?;
        ensure!(step.dtype() == Dtype::U64, "tensor step is {:?}, expected U64", step.dtype());
        let step = step.data().try_into().context("tensor step is not one number")?;
        self.flat.as_mut_slice().copy_from_slice(&parameters);
        self.velocity = velocity;
        self.step = u64::from_le_bytes(step);
        Ok(())
    }
}
