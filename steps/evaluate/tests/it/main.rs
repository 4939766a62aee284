//! The binary as a process: what it measures, what it finds measured, what it refuses.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;

use bench::Bench;
use selvedge_data::{Shape, Split};
use selvedge_model::{Classifier, Network};
use selvedge_plan::TrainResult;
use selvedge_plan::key::{EVALUATE_REVISION, result_path};
use selvedge_registry::{Card, ModelIdentity, Predictions};
use selvedge_store::{Digest, blob};

#[test]
fn every_record_is_scored_and_the_figures_agree_with_the_predictions() {
    let bench = Bench::new();
    bench.evaluate();
    let card = bench.card(&bench.model);
    assert_eq!((card.model, card.dataset), (bench.model.digest(), bench.manifest.digest()));
    assert_eq!(card.revision, EVALUATE_REVISION);
    assert_eq!((card.parameters, card.multiply_adds), (1_252, 1_152));
    assert_eq!(card.weights_bytes, bench.read(&blob::path(&bench.model.weights)).len() as u64);
    assert_eq!(card.splits.keys().copied().collect::<Vec<_>>(), [Split::Validation, Split::Test]);
    for (split, score) in &card.splits {
        let predictions = bench.predictions(&score.predictions);
        assert_eq!(score.records as usize, bench.manifest.records(*split));
        assert_eq!(predictions.labels, bench.labels(*split));
        let right = predictions.right().iter().filter(|right| **right).count();
        assert_eq!(score.accuracy, right as f64 / score.records as f64);
        assert!(score.accuracy > 0.9, "{split:?}: {score:?}");
        assert_eq!(predictions.probabilities, bench.answers(&bench.model, *split));
    }
    assert_eq!(bench.output("model"), bench.model.digest().to_string());
    let accuracy = |split| format!("{:.4}", card.splits[&split].accuracy);
    assert_eq!(bench.output("accuracy"), accuracy(Split::Validation));
    assert_eq!(bench.output("test-accuracy"), accuracy(Split::Test));
    let event = bench.event();
    assert_eq!((event.stage.as_str(), event.candidate.as_deref()), ("evaluate", Some("small")));
    assert_eq!(event.measurements["validation_accuracy"], card.splits[&Split::Validation].accuracy);
    assert!(event.measurements["peak_memory_bytes"] > 1e6 && event.what.ends_with("; no champion"));
}

#[test]
fn a_card_is_made_once_and_used_again_while_it_is_whole() {
    let bench = Bench::new();
    bench.evaluate();
    let (card, path) = (bench.card(&bench.model), bench.card_path(&bench.model));
    bench.evaluate();
    assert!(bench.event().what.starts_with("reused: validation "), "{}", bench.event().what);
    let predictions = blob::path(&card.splits[&Split::Test].predictions);
    for damaged in [&predictions, &path] {
        for content in [None, Some("nonsense")] {
            bench.damage(damaged, content);
            bench.evaluate();
            assert!(bench.event().what.starts_with("validation "), "{}", bench.event().what);
            assert_eq!(bench.card(&bench.model), card);
            assert_eq!(bench.predictions(&card.splits[&Split::Test].predictions).labels.len(), 40);
        }
    }
}

#[test]
fn the_champion_is_scored_beside_the_candidate() {
    let bench = Bench::new();
    let champion = bench.train("f b9 o", bench.manifest.classes.clone());
    bench.crown(&champion);
    bench.evaluate();
    assert!(bench.event().what.contains("; champion old of generation 1: validation "));
    let card = bench.card(&champion);
    assert_eq!(card.splits[&Split::Validation].records as usize, bench.manifest.records(Split::Validation));
    assert_ne!(card.model, bench.model.digest());
    bench.evaluate();
    assert!(bench.event().what.contains("; champion old of generation 1: reused: validation "));
}

#[test]
fn a_champion_that_is_the_candidate_is_scored_once() {
    let bench = Bench::new();
    bench.crown(&bench.model);
    bench.evaluate();
    assert!(bench.event().what.ends_with("; it is the champion of generation 1"));
}

#[test]
fn a_champion_of_other_classes_counts_as_none_with_the_reason() {
    let bench = Bench::new();
    let other = bench.train("f b9 o", ["a", "b", "c", "z"].map(str::to_owned).to_vec());
    bench.crown(&other);
    bench.evaluate();
    let what = bench.event().what;
    assert!(what.contains("champion of generation 1 is not comparable: its classes are "), "{what}");
    assert!(!bench.exists(&bench.card_path(&other)));
}

#[test]
fn a_champion_whose_weights_are_gone_does_not_fail_the_candidate() {
    let bench = Bench::new();
    let champion = bench.train("f b9 o", bench.manifest.classes.clone());
    bench.crown(&champion);
    bench.damage(&blob::path(&champion.weights), None);
    bench.evaluate();
    let what = bench.event().what;
    let gone = format!("cannot be scored: weights: blob {} is gone", champion.weights);
    assert!(what.contains(&gone), "{what}");
}

#[test]
fn what_is_missing_or_damaged_is_named_and_to_be_submitted_again() {
    let bench = Bench::new();
    let (model, batch) = (bench.model.digest(), bench.manifest.batches(Split::Test)[1].digest);
    let result = result_path("train", &bench.key());
    let weights = bench.model.weights;
    let cases = [
        (
            blob::path(&weights),
            None,
            format!("candidate small: model {model}: weights: blob {weights} is gone"),
        ),
        (blob::path(&weights), Some("x"), format!("blob {weights} is corrupt: its bytes have digest ")),
        (blob::path(&batch), None, format!("a test batch of set: blob {batch} is gone")),
        (blob::path(&batch), Some("x"), format!("a test batch of set: blob {batch} is corrupt")),
        (ModelIdentity::path(&model), None, format!("record models/{model}.json is missing")),
        (ModelIdentity::path(&model), Some("{}"), format!("record models/{model}.json cannot be read")),
        (result.clone(), None, format!("candidate small: record {result} is missing")),
        (blob::path(&bench.manifest.digest()), None, "data set: blob ".to_owned()),
    ];
    for (path, content, said) in cases {
        let good = bench.damage(&path, content);
        let line = bench.refused(&[], 1, &said);
        assert!(line.trim_end().ends_with(": submit again"), "{line}");
        assert!(!bench.exists("cards"));
        bench.write(&path, &good);
    }
    bench.evaluate();
}

#[test]
fn weights_that_are_no_weights_are_refused_by_name() {
    let bench = Bench::new();
    let weights = bench.put(b"nonsense");
    let model = ModelIdentity { weights, ..bench.model.clone() };
    bench.identify(&model);
    let path = result_path("train", &bench.key());
    let text = String::from_utf8(bench.read(&path)).unwrap();
    let mut result: TrainResult = serde_json::from_str(&text).unwrap();
    result.model = model.digest();
    bench.write(&path, &serde_json::to_vec(&result).unwrap());
    bench.refused(&[], 1, &format!("weights {weights}: the weights are no safetensors file"));
}

#[test]
fn a_candidate_that_the_run_did_not_plan_is_refused() {
    let bench = Bench::new();
    bench.refused(&[("STEP_CANDIDATE", "large")], 1, r#"run "run-1" plans no candidate "large""#);
    bench.refused(&[("STEP_RUN", "run-2")], 1, r#"run "run-2" has no plan"#);
    let other = Digest::of("other").to_string();
    bench.refused(&[("STEP_KEY", &other)], 1, &format!("with key {}, not {other}", bench.key()));
    bench.refused(&[("STEP_KEY", "abc")], 2, "abc");
}

#[test]
fn a_store_that_does_not_answer_is_worth_another_attempt() {
    let nowhere = [
        ("STEP_STORE", "s3://bucket"),
        ("STEP_STORE_ENDPOINT", "http://127.0.0.1:1"),
        // Without keys a machine is asked for its own, and may answer that it has none to give.
        ("STEP_STORE_ACCESS_KEY", "key"),
        ("STEP_STORE_SECRET_KEY", "secret"),
        ("STEP_STORE_CONNECT_TIMEOUT", "100ms"),
    ];
    Bench::new().refused(&nowhere, 75, "s3://bucket");
}

#[test]
fn instructions_that_this_machine_lacks_are_refused_with_both_named() {
    let bench = Bench::of_instructions("avx1024");
    bench.refused(&[], 2, r#"instructions "avx1024" are wanted, this CPU has "#);
}

#[test]
fn killed_at_any_point_and_run_again_it_makes_the_same_card() {
    let whole = Bench::new();
    whole.evaluate();
    let bench = Bench::new();
    for blobs in 1..=3 {
        bench.kill_at(blobs);
    }
    bench.evaluate();
    assert_eq!(bench.card(&bench.model), whole.card(&whole.model));
}

/// The classifier that the test itself makes of a model.
fn classifier(identity: &ModelIdentity, weights: &[u8]) -> Classifier {
    let [height, width, channels] = identity.input;
    let shape = Shape { height, width, channels };
    let network = Network::parse(&identity.settings.network, shape, identity.classes.len()).unwrap();
    Classifier::load(&network, weights).unwrap()
}

fn card_path(identity: &ModelIdentity, dataset: &Digest) -> String {
    Card::path(&identity.digest(), dataset, EVALUATE_REVISION)
}

fn predictions(bytes: &[u8]) -> Predictions {
    Predictions::parse(bytes).unwrap()
}
