//! The gradient of one step, from every rank's shards: exponents, fixed point, all-reduce, floating point.

use anyhow::bail;

use crate::fixed::FixedPoint;
use crate::gang::Gang;

/// The gradient of one shard's micro-batch, summed over its records.
#[derive(Debug, Clone, Copy)]
pub struct ShardGradient<'a> {
    /// The shard.
    pub shard: usize,
    /// One value a parameter.
    pub values: &'a [f32],
    /// Its loss, summed over its records: it must be finite too.
    pub loss: f64,
}

/// Reduces the gradients of one network, step after step.
#[derive(Debug)]
pub struct Reducer {
    fixed: FixedPoint,
    shards: usize,
    sums: Vec<i32>,
}

impl Reducer {
    /// For the tensors of `fixed` and gradients of `shards` shards, spread over the ranks.
    pub fn new(fixed: FixedPoint, shards: usize) -> Self {
        Self { sums: vec![0; fixed.elements()], fixed, shards }
    }

    /// Writes the sum of all shards' gradients to `total`, the same bits on every rank.
    ///
    /// # Errors
    /// Permanent, naming step and shard, where a gradient or loss is not finite; else as [`Gang::gather`].
    pub fn sum(
        &mut self,
        gang: &mut Gang,
        step: u64,
        gradients: &[ShardGradient<'_>],
        total: &mut [f32],
    ) -> anyhow::Result<()> {
        let exponents = self.exponents(gang, step, gradients)?;
        self.sums.fill(0);
        for gradient in gradients {
            self.fixed.add(gradient.values, &exponents, &mut self.sums);
        }
        gang.sum(&mut self.sums)?;
        self.fixed.total(&self.sums, &exponents, total);
        Ok(())
    }

    /// The exponents of all chunks over all shards; one exchange, in which every rank also learns of bad shards.
    fn exponents(
        &self,
        gang: &mut Gang,
        step: u64,
        gradients: &[ShardGradient<'_>],
    ) -> anyhow::Result<Vec<i32>> {
        // No value means −∞ here, and the flags behind the exponents are positive when raised.
        let mut words = vec![i32::MIN; self.fixed.chunks() + self.shards];
        let (exponents, flags) = words.split_at_mut(self.fixed.chunks());
        for gradient in gradients {
            match self.fixed.exponents(gradient.values) {
                Ok(own) if gradient.loss.is_finite() => {
                    exponents.iter_mut().zip(own).for_each(|(e, own)| *e = (*e).max(own));
                }
                _ => flags[gradient.shard] = 1,
            }
        }
        gang.max(&mut words)?;
        let flags = words.split_off(self.fixed.chunks());
        if let Some(shard) = flags.iter().position(|flag| *flag > 0) {
            bail!("training diverges: the gradient of shard {shard} in step {step} is not finite");
        }
        Ok(words)
    }
}
