//! Gradients and updates.

use selvedge_model::{MicroBatch, Trainer};
use selvedge_plan::Settings;

use crate::support::{CLASSES, Records, SPECS, bits, gradient, network, settings, trainer};

/// Trains on one micro-batch and tells the mean loss before every update.
fn losses(settings: &Settings, rate: f64, steps: usize) -> Vec<f64> {
    let records = Records::new(64, 5);
    let mut trainer = Trainer::new(network(&settings.network), settings).unwrap();
    let step = |_| {
        let (sum, loss) = gradient(&trainer, &records, 0);
        trainer.apply(&sum, 64, rate).unwrap();
        loss / 64.0
    };
    (0..steps).map(step).collect()
}

#[test]
fn the_loss_falls_and_does_not_where_the_learning_rate_is_nothing() {
    for spec in SPECS {
        let settings = Settings { flip: false, shift: 0, ..settings(spec) };
        let learned = losses(&settings, 0.1, 25);
        assert!(learned[24] < 0.1 * learned[0], "{spec}: {learned:?}");
        let stayed = losses(&settings, 1e-10, 10);
        assert!((stayed[9] - stayed[0]).abs() < 1e-4, "{spec}: {stayed:?}");
    }
}

#[test]
fn what_was_computed_before_changes_no_bit() {
    let (one, other, ragged) = (Records::new(32, 1), Records::new(32, 2), Records::new(7, 3));
    for spec in SPECS {
        let trainer = trainer(spec);
        let first = bits(&gradient(&trainer, &one, 0).0);
        for before in [&other, &ragged, &one] {
            gradient(&trainer, before, 3);
            let _allocation = vec![1u8; 12_345];
            assert_eq!(bits(&gradient(&trainer, &one, 0).0), first, "{spec}");
        }
        assert_eq!(bits(&gradient(&self::trainer(spec), &one, 0).0), first, "{spec}: another trainer");
        let elsewhere = std::thread::spawn(move || bits(&gradient(&trainer, &Records::new(32, 1), 0).0));
        assert_eq!(elsewhere.join().unwrap(), first, "{spec}: another thread");
    }
}

#[test]
fn a_small_step_along_the_gradient_lowers_the_loss_by_its_length() {
    let records = Records::new(64, 4);
    for spec in SPECS {
        let settings = Settings { momentum: 0.0, weight_decay: 0.0, flip: false, shift: 0, ..settings(spec) };
        let mut trainer = Trainer::new(network(spec), &settings).unwrap();
        let (sum, before) = gradient(&trainer, &records, 0);
        let squares: f64 = sum.iter().map(|element| f64::from(*element).powi(2)).sum();
        let rate = 1e-3 * before / squares;
        trainer.apply(&sum, 1, rate).unwrap();
        let (_, after) = gradient(&trainer, &records, 0);
        let (fell, expected) = (before - after, rate * squares);
        assert!((fell / expected - 1.0).abs() < 0.1, "{spec}: fell by {fell}, expected {expected}");
    }
}

#[test]
fn between_tensors_there_is_nothing() {
    let network = network(SPECS[0]);
    let (sum, _) = gradient(&trainer(SPECS[0]), &Records::new(8, 1), 0);
    let inside = |index: &usize| network.tensors().iter().any(|tensor| tensor.range.contains(index));
    let outside: Vec<_> = (0..network.len()).filter(|index| !inside(index)).collect();
    assert!(!outside.is_empty() && outside.iter().all(|index| sum[*index] == 0.0));
}

#[test]
fn weight_decay_leaves_what_has_one_dimension_alone() {
    let network = network(SPECS[0]);
    let mut trainer = trainer(SPECS[0]);
    let before = trainer.parameters().to_vec();
    trainer.apply(&vec![0.0; network.len()], 1, 0.5).unwrap();
    for tensor in network.tensors() {
        let moved = trainer.parameters()[tensor.range.clone()] != before[tensor.range.clone()];
        assert_eq!(moved, tensor.shape.len() > 1, "{}", tensor.name);
    }
}

#[test]
fn augmentation_is_of_the_epoch_and_the_record() {
    let records = Records::new(16, 1);
    let trainer = trainer(SPECS[1]);
    assert_ne!(gradient(&trainer, &records, 0), gradient(&trainer, &records, 1));
    let other = Records { numbers: (100..116).collect(), ..Records::new(16, 1) };
    assert_ne!(gradient(&trainer, &records, 0), gradient(&trainer, &other, 0));
}

#[test]
fn another_seed_begins_elsewhere_and_the_same_one_there_for_ever() {
    let settings = settings(SPECS[0]);
    let other = Settings { seed: 2, ..settings.clone() };
    let digest = |settings| Trainer::new(network(SPECS[0]), settings).unwrap().parameter_digest();
    assert_ne!(digest(&settings), digest(&other));
    assert_eq!(digest(&settings).short(), "d390678a6b75");
}

#[test]
fn parts_that_do_not_go_together_are_refused() {
    let trainer = trainer(SPECS[2]);
    let records = Records::new(8, 1);
    let good = records.batch(0);
    let refused = |batch: MicroBatch<'_>, floats: usize| {
        let mut out = vec![0.0; floats];
        format!("{:#}", trainer.gradient(&batch, &mut out).unwrap_err())
    };
    let len = trainer.network().len();
    assert_eq!(
        refused(MicroBatch { labels: &good.labels[1..], ..good }, len),
        "8 images, 7 labels and 8 record numbers"
    );
    assert!(refused(MicroBatch { images: &good.images[1..], ..good }, len).contains("whole number"));
    assert_eq!(refused(MicroBatch { labels: &[CLASSES as u8; 8], ..good }, len), "label 4 of 4 classes");
    assert!(refused(good, len - 1).starts_with("a gradient of"));
    let one = MicroBatch { images: &good.images[..64], labels: &[0], records: &[0], epoch: 0 };
    assert_eq!(refused(one, len), "a micro-batch of 1 records");
}
