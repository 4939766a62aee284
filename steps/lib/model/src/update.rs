//! The update: SGD with Nesterov momentum, as in PyTorch's `SGD(nesterov=True, dampening=0)`.
//!
//! Plain Rust on purpose: its float arithmetic is the same on every CPU, whatever instructions it is compiled to.

use crate::network::ParameterTensor;

/// What one update goes by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sgd {
    pub(crate) learning_rate: f32,
    pub(crate) momentum: f32,
    /// Applied to tensors of more than one dimension.
    pub(crate) weight_decay: f32,
    /// What the gradient sum is multiplied by: one over the number of records.
    pub(crate) scale: f32,
}

impl Sgd {
    /// Updates parameters and velocity; all slices are flat buffers of the same layout.
    pub(crate) fn apply(
        self,
        tensors: &[ParameterTensor],
        gradient: &[f32],
        parameters: &mut [f32],
        velocity: &mut [f32],
    ) {
        for tensor in tensors {
            let decay = if tensor.shape.len() > 1 { self.weight_decay } else { 0.0 };
            let range = tensor.range.clone();
            self.tensor(
                decay,
                &gradient[range.clone()],
                &mut parameters[range.clone()],
                &mut velocity[range],
            );
        }
    }

    fn tensor(self, decay: f32, gradient: &[f32], parameters: &mut [f32], velocity: &mut [f32]) {
        for ((parameter, velocity), sum) in parameters.iter_mut().zip(velocity).zip(gradient) {
            let gradient = sum * self.scale + decay * *parameter;
            *velocity = self.momentum * *velocity + gradient;
            *parameter -= self.learning_rate * (gradient + self.momentum * *velocity);
        }
    }
}
