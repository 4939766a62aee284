//! Records a second of processor time in training, and milliseconds of a classification, of the default networks.
//! `cargo bench -p selvedge-model --profile dev`.

#![allow(clippy::unwrap_used, reason = "a bench may fail loudly")]

use std::time::Instant;

use selvedge_contract::cpu_seconds;
use selvedge_data::{Random, Shape};
use selvedge_model::{Classifier, MicroBatch, Network, Trainer, set_instructions};
use selvedge_plan::{Family, Settings, instructions};

const SHAPE: Shape = Shape { height: 28, width: 28, channels: 1 };
const CLASSES: usize = 10;
/// Processor time of one measurement, in seconds.
const ENOUGH: f64 = 3.0;

fn main() {
    set_instructions(instructions::detect()).unwrap();
    for family in Family::ALL {
        let settings = Settings::of(family);
        let network = Network::parse(&settings.network, SHAPE, CLASSES).unwrap();
        let mut trainer = Trainer::new(network, &settings).unwrap();
        let images = images(settings.micro_batch * settings.shards);
        let rate = train(&mut trainer, &settings, &images);
        let weights = trainer.weights(&trainer.calibrate(&images).unwrap()).unwrap();
        let classifier = Classifier::load(trainer.network(), &weights).unwrap();
        let times = [1, 8, 32, 128].map(|records| classify(&classifier, records));
        let [one, eight, many, most] = times;
        println!(
            "{:6} trains {rate:6.0} records/s, classifies 1 in {one:.3} ms, 8 in {eight:.3}, 32 in {many:.3}, 128 in {most:.3}",
            family.name()
        );
    }
}

fn images(records: usize) -> Vec<u8> {
    let mut random = Random::new(&[1]);
    (0..records * SHAPE.bytes()).map(|_| random.below(256) as u8).collect()
}

/// Whole steps as one process makes them, sums and update included; records a second.
fn train(trainer: &mut Trainer, settings: &Settings, images: &[u8]) -> f64 {
    let labels: Vec<u8> = (0..settings.micro_batch).map(|record| (record % CLASSES) as u8).collect();
    let numbers: Vec<u64> = (0..settings.micro_batch as u64).collect();
    let mut gradient = vec![0.0; trainer.network().len()];
    let mut sum = gradient.clone();
    let mut step = |trainer: &mut Trainer| {
        sum.fill(0.0);
        for images in images.chunks(settings.micro_batch * SHAPE.bytes()) {
            let batch = MicroBatch { images, labels: &labels, records: &numbers, epoch: 0 };
            trainer.gradient(&batch, &mut gradient).unwrap();
            sum.iter_mut().zip(&gradient).for_each(|(sum, element)| *sum += element);
        }
        trainer.apply(&sum, labels.len() * settings.shards, 1e-3).unwrap();
    };
    // The first step makes kernels.
    step(trainer);
    let (before, mut steps) = (cpu_seconds(), 0);
    while cpu_seconds() - before < ENOUGH {
        step(trainer);
        steps += 1;
    }
    (steps * labels.len() * settings.shards) as f64 / (cpu_seconds() - before)
}

/// The median time of a classification of `records`, in milliseconds.
fn classify(classifier: &Classifier, records: usize) -> f64 {
    let images = images(records);
    let mut times: Vec<_> = (0..41)
        .map(|_| {
            let start = Instant::now();
            classifier.probabilities(&images).unwrap();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
