//! The classifier against the network that it was made of.

use selvedge_model::{Classifier, Score, Trainer};
use selvedge_plan::Settings;

use crate::support::{CLASSES, Records, SPECS, gradient, network, settings};

/// A training of a few steps without augmentation, so that it sees the records as they are.
fn trained(spec: &str, records: &Records) -> Trainer {
    let settings = Settings { flip: false, shift: 0, ..settings(spec) };
    let mut trainer = Trainer::new(network(spec), &settings).unwrap();
    for _ in 0..3 {
        let (sum, _) = gradient(&trainer, records, 0);
        trainer.apply(&sum, records.labels.len(), 0.02).unwrap();
    }
    trainer
}

fn classifier(trainer: &Trainer, calibration: &[u8]) -> Classifier {
    let weights = trainer.weights(&trainer.calibrate(calibration).unwrap()).unwrap();
    Classifier::load(trainer.network(), &weights).unwrap()
}

#[test]
fn folded_and_unfolded_agree() {
    let records = Records::new(240, 1);
    for spec in SPECS {
        let trainer = trained(spec, &records);
        // With the statistics of these very records, inference is the forward pass of training.
        let classifier = classifier(&trainer, &records.images);
        let mut score = Score::default();
        let probabilities = classifier.probabilities(&records.images).unwrap();
        score.add(&probabilities, &records.labels, CLASSES).unwrap();
        let (_, loss) = gradient(&trainer, &records, 0);
        let off = (score.loss() / (loss / 240.0) - 1.0).abs();
        assert!(off < 0.005, "{spec}: {} and {}", score.loss(), loss / 240.0);
        assert!(score.accuracy() > 0.4, "{spec}: {score:?}");
    }
}

#[test]
fn every_row_is_a_distribution_whatever_is_asked_about_at_once() {
    let records = Records::new(70, 2);
    for spec in SPECS {
        let classifier = classifier(&trained(spec, &records), &records.images);
        let all = classifier.probabilities(&records.images).unwrap();
        assert_eq!(all.len(), 70 * CLASSES);
        for row in all.chunks(CLASSES) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{spec}: {row:?}");
        }
        let singly = records.images.chunks(64).flat_map(|one| classifier.probabilities(one).unwrap());
        assert!(singly.zip(&all).all(|(one, of_all)| (one - of_all).abs() < 1e-5), "{spec}");
        assert_eq!(classifier.probabilities(&records.images).unwrap(), all, "{spec}");
    }
}

#[test]
fn calibration_in_chunks_is_that_of_all_records() {
    // 501 records are a chunk of 250 and one of 251; their statistics are close to those of 250 alone.
    let records = Records::new(501, 3);
    let trainer = trained("f b8 o", &records);
    let of = |images| classifier(&trainer, images).probabilities(&records.images).unwrap();
    let (all, part) = (of(&records.images), of(&records.images[..250 * 64]));
    assert!(all.iter().zip(&part).all(|(all, part)| (all - part).abs() < 0.1));
    assert_ne!(all, part);
}

#[test]
fn too_little_and_ragged_input_is_refused() {
    let records = Records::new(8, 1);
    let trainer = trained("f b8 o", &records);
    assert!(trainer.calibrate(&records.images[..64]).unwrap_err().to_string().contains("too few"));
    assert!(trainer.calibrate(&records.images[..130]).is_err());
    let classifier = classifier(&trainer, &records.images);
    let error = classifier.probabilities(&records.images[..65]).unwrap_err();
    assert_eq!(error.to_string(), "65 bytes are not a whole number of records of 64");
    assert!(classifier.probabilities(&[]).unwrap().is_empty());
}
