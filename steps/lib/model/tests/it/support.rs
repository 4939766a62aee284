//! Small networks, and records that they can learn.

use selvedge_data::{Random, Shape};
use selvedge_model::{MicroBatch, Network, Trainer};
use selvedge_plan::{Family, Settings};

pub(crate) const SHAPE: Shape = Shape { height: 8, width: 8, channels: 1 };
pub(crate) const CLASSES: usize = 4;
/// One network of every kind of layer, and one of each family.
pub(crate) const SPECS: [&str; 4] =
    ["c5.2.1 m c7.3 r7.1 r9.2 f b11 o", "c8.3 m c16.3 f o", "f b32 b16 o4", "c8.3 r8.1 r16.2 f o"];

/// Records as a data set holds them.
pub(crate) struct Records {
    pub(crate) images: Vec<u8>,
    pub(crate) labels: Vec<u8>,
    pub(crate) numbers: Vec<u64>,
}

impl Records {
    /// `count` records: noise, and a bright pair of rows that tells the class.
    pub(crate) fn new(count: usize, seed: u64) -> Self {
        let mut random = Random::new(&[seed]);
        let labels: Vec<u8> = (0..count).map(|_| random.below(CLASSES as u64) as u8).collect();
        let pixel = |label: u8, at: usize, noise: u64| {
            let bright = at / SHAPE.width / 2 == usize::from(label);
            noise as u8 + if bright { 60 } else { 0 }
        };
        let images = labels
            .iter()
            .flat_map(|label| (0..SHAPE.bytes()).map(|at| (*label, at)).collect::<Vec<_>>())
            .map(|(label, at)| pixel(label, at, random.below(190)))
            .collect();
        Self { images, labels, numbers: (0..count as u64).collect() }
    }

    pub(crate) fn batch(&self, epoch: u64) -> MicroBatch<'_> {
        MicroBatch { images: &self.images, labels: &self.labels, records: &self.numbers, epoch }
    }
}

pub(crate) fn network(spec: &str) -> Network {
    Network::parse(spec, SHAPE, CLASSES).unwrap()
}

pub(crate) fn settings(spec: &str) -> Settings {
    Settings {
        network: spec.to_owned(),
        label_smoothing: 0.0,
        flip: true,
        shift: 1,
        ..Settings::of(Family::Cnn)
    }
}

pub(crate) fn trainer(spec: &str) -> Trainer {
    Trainer::new(network(spec), &settings(spec)).unwrap()
}

/// The gradient of `records` and their summed loss.
pub(crate) fn gradient(trainer: &Trainer, records: &Records, epoch: u64) -> (Vec<f32>, f64) {
    let mut out = vec![0.0; trainer.network().len()];
    let loss = trainer.gradient(&records.batch(epoch), &mut out).unwrap();
    (out, loss)
}

pub(crate) fn bits(floats: &[f32]) -> Vec<u32> {
    floats.iter().map(|float| float.to_bits()).collect()
}
