//! Candidates: the models that a run trains, and every setting that can change their bits.

use serde::{Deserialize, Serialize};

/// What the pipeline's parameter `candidates` lists: a name, a family, and settings that differ from the family's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// Lower-case letters, digits and dashes, beginning with a letter; at most 40.
    pub name: String,
    /// The kind of network.
    pub family: Family,
    /// Overrides of the family's settings, by the names of [`Settings`].
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub settings: serde_json::Map<String, serde_json::Value>,
}

/// The kinds of network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Convolutions and pooling.
    Cnn,
    /// Fully connected layers.
    Dense,
    /// Residual blocks.
    Resnet,
}

/// Everything that can change a trained model besides the data, the libtorch and the instruction set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// The layers, in the notation of `selvedge-model`: `c32.3.1 m r16.2 f b128 o10`.
    pub network: String,
    /// Passes over the training split.
    pub epochs: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Weight decay, on tensors of more than one dimension.
    pub weight_decay: f64,
    /// Nesterov momentum.
    pub momentum: f64,
    /// Share of the steps over which the learning rate rises, 0 to 1; it falls to 0 linearly after.
    pub warm_up: f64,
    /// Share of the target spread over the other classes, 0 to 1.
    pub label_smoothing: f64,
    /// Whether records are mirrored at random.
    pub flip: bool,
    /// Records are shifted by at most this many pixels at random.
    pub shift: usize,
    /// Seed of initialisation, order and augmentation.
    pub seed: u64,
    /// Shards of the training split (V); the world size is at most this.
    pub shards: usize,
    /// Records of one shard in one step.
    pub micro_batch: usize,
    /// Batches within which records are permuted.
    pub window: usize,
    /// CPU instruction set of the kernels: `avx2` or `avx512`; settled by fingerprint.
    pub instructions: String,
}

impl Family {
    /// All families.
    pub const ALL: [Self; 3] = [Self::Cnn, Self::Dense, Self::Resnet];

    /// The name in YAML, records and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cnn => "cnn",
            Self::Dense => "dense",
            Self::Resnet => "resnet",
        }
    }
}

impl Settings {
    /// The measured quick recipe of a family, chosen on validation: all three in 3 CPU-minutes of nine ranks on
    /// Fashion-MNIST. Mean validation and test accuracy of seeds 1 to 3, three ranks each: CNN 93.4 and 92.4 %,
    /// Dense 90.3 and 89.7 %, ResNet 92.3 and 91.6 %.
    pub fn of(family: Family) -> Self {
        // Dense takes larger steps: its gang spends as long in exchanges as in sums, and is the first to be served.
        let (network, epochs, learning_rate, label_smoothing, micro_batch) = match family {
            Family::Cnn => ("c32.3.2 c32.3.1 m c64.3.1 c64.3.1 f o", 5, 0.2, 0.05, 32),
            Family::Dense => ("f b256 b128 o", 6, 0.15, 0.0, 64),
            Family::Resnet => ("c16.3.2 r16.1 r32.2 r64.2 f o", 3, 0.2, 0.05, 32),
        };
        Self {
            network: network.to_owned(),
            epochs,
            learning_rate,
            weight_decay: 5e-4,
            momentum: 0.9,
            warm_up: 0.2,
            label_smoothing,
            flip: false,
            shift: 0,
            seed: 1,
            shards: 6,
            micro_batch,
            window: 10,
            instructions: "auto".to_owned(),
        }
    }
}
