//! Checkpoints and weights: what is written can be read, and nothing else can.

use proptest::prelude::*;
use safetensors::SafeTensors;
use selvedge_model::{Classifier, Trainer};

use crate::support::{Records, SPECS, bits, gradient, network, settings, trainer};

fn weights(trainer: &Trainer) -> Vec<u8> {
    let statistics = trainer.calibrate(&Records::new(50, 9).images).unwrap();
    trainer.weights(&statistics).unwrap()
}

fn train(trainer: &mut Trainer, epochs: std::ops::Range<u64>) {
    let records = Records::new(32, 1);
    for epoch in epochs {
        let (sum, _) = gradient(trainer, &records, epoch);
        trainer.apply(&sum, 32, 0.05).unwrap();
    }
}

#[test]
fn a_training_goes_on_from_a_checkpoint_as_if_nothing_had_been() {
    for spec in SPECS {
        let (mut whole, mut before, mut after) = (trainer(spec), trainer(spec), trainer(spec));
        train(&mut whole, 0..6);
        train(&mut before, 0..3);
        after.restore(&before.checkpoint().unwrap()).unwrap();
        assert_eq!(after.step(), 3);
        train(&mut after, 3..6);
        assert_eq!(bits(after.parameters()), bits(whole.parameters()), "{spec}");
        assert_eq!(after.checkpoint().unwrap(), whole.checkpoint().unwrap(), "{spec}");
        assert_eq!(after.parameter_digest(), whole.parameter_digest(), "{spec}");
        assert_eq!(weights(&after), weights(&whole), "{spec}");
    }
}

#[test]
fn a_damaged_checkpoint_is_refused_and_changes_nothing() {
    let mut trainer = trainer(SPECS[1]);
    let before = trainer.checkpoint().unwrap();
    let of_other = self::trainer(SPECS[2]).checkpoint().unwrap();
    for bad in [&before[..before.len() - 1], &before[8..], b"", &of_other] {
        assert!(trainer.restore(bad).is_err());
    }
    let mut not_a_number = before.clone();
    let last = not_a_number.len();
    not_a_number[last - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(trainer.restore(&not_a_number).unwrap_err().to_string().contains("not finite"));
    assert_eq!(trainer.checkpoint().unwrap(), before);
}

#[test]
fn weights_lie_under_their_layers_names_in_pytorchs_order() {
    let trainer = trainer("c5.2.1 m r7.2 f b9 o");
    let bytes = weights(&trainer);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut listed: Vec<_> =
        file.tensors().iter().map(|(name, of)| format!("{name} {:?}", of.shape())).collect();
    listed.sort();
    assert_eq!(
        listed,
        [
            "0.norm.bias [5]",
            "0.norm.mean [5]",
            "0.norm.variance [5]",
            "0.norm.weight [5]",
            "0.weight [5, 1, 2, 2]",
            "2.first.norm.bias [7]",
            "2.first.norm.mean [7]",
            "2.first.norm.variance [7]",
            "2.first.norm.weight [7]",
            "2.first.weight [7, 5, 3, 3]",
            "2.second.norm.bias [7]",
            "2.second.norm.mean [7]",
            "2.second.norm.variance [7]",
            "2.second.norm.weight [7]",
            "2.second.weight [7, 7, 3, 3]",
            "2.shortcut.norm.bias [7]",
            "2.shortcut.norm.mean [7]",
            "2.shortcut.norm.variance [7]",
            "2.shortcut.norm.weight [7]",
            "2.shortcut.weight [7, 5, 1, 1]",
            "4.norm.bias [9]",
            "4.norm.mean [9]",
            "4.norm.variance [9]",
            "4.norm.weight [9]",
            "4.weight [9, 28]",
            "5.bias [4]",
            "5.weight [4, 9]",
            "input.deviation [1]",
            "input.mean [1]",
        ]
    );
    let first = trainer.network().tensors().iter().find(|of| of.name == "2.first.weight").unwrap();
    let stored = &trainer.parameters()[first.range.clone()];
    let written: Vec<f32> = bytemuck::pod_collect_to_vec(file.tensor(&first.name).unwrap().data());
    let (o, i, h, w) = (6, 4, 2, 1);
    assert_eq!(written[((o * 5 + i) * 3 + h) * 3 + w], stored[((o * 3 + h) * 3 + w) * 5 + i]);
}

#[test]
fn weights_of_another_network_are_refused() {
    let bytes = weights(&trainer("c8.3 m c16.3 f o"));
    let refused = |spec| format!("{:#}", Classifier::load(&network(spec), &bytes).unwrap_err());
    assert_eq!(
        refused("c8.3 m c17.3 f o"),
        "tensor 2.weight is F32 [16, 8, 3, 3], expected F32 [17, 8, 3, 3]"
    );
    assert!(refused("f o").contains("tensors, network \"f o\" has 4"));
}

#[test]
fn weights_that_are_not_finite_are_refused() {
    let trainer = trainer(SPECS[1]);
    let mut damaged = weights(&trainer);
    let last = damaged.len();
    damaged[last - 4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let error = Classifier::load(trainer.network(), &damaged).unwrap_err();
    assert!(error.to_string().contains("not finite"), "{error:#}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damaged_weights_never_panic(cut in 0usize..1500, at in 0usize..1500, to: u8) {
        let trainer = Trainer::new(network("f b2 o"), &settings("f b2 o")).unwrap();
        let mut bytes = weights(&trainer);
        let whole = bytes.clone();
        if let Some(byte) = bytes.get_mut(at) {
            *byte = to;
        }
        bytes.truncate(whole.len() - cut.min(whole.len()));
        let loaded = Classifier::load(trainer.network(), &bytes);
        prop_assert!(loaded.is_err() || bytes.len() == whole.len());
        if let Ok(classifier) = loaded {
            let _ = classifier.probabilities(&Records::new(2, 1).images);
        }
    }
}
