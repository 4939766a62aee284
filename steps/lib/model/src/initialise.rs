//! How the parameters of a network begin: as PyTorch's do by default.

use selvedge_data::Random;

use crate::network::{Network, Start};

/// Tells these random numbers from those of other uses of the same seed.
const STREAM: u64 = 0x696e_6974;

/// Fills a flat buffer of zeros; every tensor has random numbers of its own.
pub(crate) fn initialise(network: &Network, seed: u64, flat: &mut [f32]) {
    for (number, tensor) in network.tensors().iter().enumerate() {
        let values = &mut flat[tensor.range.clone()];
        match tensor.start {
            Start::One => values.fill(1.0),
            Start::Zero => values.fill(0.0),
            Start::Uniform { fan_in } => {
                let bound = 1.0 / (fan_in as f32).sqrt();
                let mut random = Random::new(&[STREAM, seed, number as u64]);
                values.fill_with(|| bound * symmetric(&mut random));
            }
        }
    }
}

/// Uniform in −1 (inclusive) to 1 (exclusive), in steps of 2⁻²³.
fn symmetric(random: &mut Random) -> f32 {
    (random.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
}
