//! Gangs of processes: what they commit, what they survive, what they refuse.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;

use std::fs;

use bench::{Bench, expect, read, settings, signal, wait_until};
use selvedge_data::Split;
use selvedge_plan::Settings;
use selvedge_registry::ModelIdentity;
use selvedge_store::Digest;

/// What takes long enough to be interrupted.
fn long() -> Settings {
    Settings { epochs: 40, ..settings() }
}

#[test]
fn one_two_and_three_ranks_make_the_same_bits_and_curves() {
    let results: Vec<_> = (1..=3)
        .map(|world| {
            let bench = Bench::new(&settings());
            let result = bench.train(world, &[]);
            assert_eq!((result.world, result.steps), (world, 3 * 13));
            for rank in 0..world {
                assert_eq!(read(&bench.outputs(rank).join("model")), result.model.to_string().into_bytes());
                assert_eq!(read(&bench.outputs(rank).join("steps")), b"39");
                assert_eq!(bench.progress(rank).unwrap(), "39/39\n");
            }
            let identity: ModelIdentity =
                serde_json::from_slice(&read(&bench.store().join(ModelIdentity::path(&result.model))))
                    .unwrap();
            assert_eq!(identity.digest(), result.model);
            for blob in [identity.weights, identity.golden.blob] {
                assert_eq!(Digest::of(read(&bench.blob(&blob))), blob);
            }
            result
        })
        .collect();
    let of = |world: usize| {
        let curves = results[world].curves.iter();
        let curves: Vec<_> = curves
            .map(|c| {
                [c.train_loss, c.validation_loss, c.validation_accuracy, c.learning_rate].map(f64::to_bits)
            })
            .collect();
        (results[world].model, results[world].weights, curves)
    };
    assert_eq!(of(0), of(1));
    assert_eq!(of(0), of(2));
    let last = results[0].curves.last().unwrap();
    assert!(last.validation_accuracy > 0.9, "it learns: {last:?}");
    assert!(last.train_loss < results[0].curves[0].train_loss);
    // Every batch is fetched once, by the first epoch; the calibration meets batches of other shards.
    assert!(
        results[2].curves[1..].iter().all(|c| c.store_reads == 0 && c.cache_misses == 0 && c.cache_hits > 0)
    );
}

#[test]
fn a_cache_that_is_too_small_changes_no_bit() {
    let (bench, other) = (Bench::new(&settings()), Bench::new(&settings()));
    let (large, none) = (bench.train(2, &[]), other.train(2, &[("CACHE_LIMIT", "0")]));
    assert_eq!(large.model, none.model);
    assert!(none.curves[2].store_reads > 0);
}

#[test]
fn killed_ranks_end_the_gang_and_all_go_on_from_a_checkpoint_to_the_same_bits() {
    let expected = Bench::new(&long()).train(2, &[]).model;
    let bench = Bench::new(&long());
    for (killed, epochs) in [(1, 2), (0, 5), (2, 9)] {
        let mut gang = bench.gang(3, &[]);
        wait_until("a checkpoint", || bench.checkpoints() >= epochs);
        let mut victim = gang.remove(killed);
        signal(std::slice::from_ref(&victim), "-KILL");
        victim.wait().unwrap();
        for (rank, child) in [0, 1, 2].into_iter().filter(|rank| *rank != killed).zip(gang) {
            let line = expect(child, 75);
            assert!(line.contains(&format!("rank {killed} at 127.0.0.1:")), "rank {rank}: {line}");
        }
        assert!(bench.result().is_none());
    }
    assert_eq!(bench.train(3, &[]).model, expected);
    let event = bench.events("first").pop().unwrap();
    assert!(event.what.starts_with("trained by 3 ranks in generation 4 from epoch "), "{}", event.what);
    assert_eq!(bench.result().unwrap().curves.len(), 40);
}

#[test]
fn a_damaged_checkpoint_is_passed_over() {
    let expected = Bench::new(&settings()).train(1, &[]).model;
    let bench = Bench::new(&settings());
    bench.train(1, &[]);
    let folder = bench.store().join(format!("gangs/{}/checkpoints", bench.key));
    let mut states: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    states.retain(|path| path.extension() == Some("safetensors".as_ref()));
    states.sort();
    fs::write(&states[2], "damaged").unwrap();
    fs::remove_file(&states[1]).unwrap();
    fs::remove_dir_all(bench.store().join("results")).unwrap();
    assert_eq!(bench.train(2, &[]).model, expected);
    assert!(bench.events("first").pop().unwrap().what.contains(" from epoch 2"));
}

#[test]
fn a_result_that_is_there_is_verified_and_reused() {
    let bench = Bench::new(&settings());
    let result = bench.train(2, &[]);
    fs::remove_dir_all(bench.outputs(1)).unwrap();
    expect(bench.start(1, 2, &[("RUN", "second")]), 0);
    assert_eq!(bench.events("second")[0].what, "reused: trained by run first");
    assert_eq!(bench.events("second")[0].rank, Some(1));
    assert_eq!(read(&bench.outputs(1).join("model")), result.model.to_string().into_bytes());
    // Lost or damaged, it is trained again to the same bits, and what was damaged is whole again.
    fs::write(bench.blob(&result.weights), "damaged").unwrap();
    fs::write(bench.store().join(ModelIdentity::path(&result.model)), "{").unwrap();
    assert_eq!(bench.train(1, &[("RUN", "second")]), result);
    assert_eq!(Digest::of(read(&bench.blob(&result.weights))), result.weights);
    let event = bench.events("second").pop().unwrap();
    assert!(event.what.starts_with("trained by 1 ranks") && event.what.contains("models/"), "{}", event.what);
    expect(bench.start(0, 1, &[]), 0);
}

#[test]
fn two_runs_that_train_one_key_at_once_commit_one_model() {
    let bench = Bench::new(&settings());
    let gangs = [bench.gang(2, &[]), bench.gang(2, &[("RUN", "second")])];
    gangs.into_iter().flatten().for_each(|child| drop(expect(child, 0)));
    assert_eq!(bench.result().unwrap().model, Bench::new(&settings()).train(1, &[]).model);
}

#[test]
fn a_training_that_diverges_fails_for_good_and_names_step_and_shard() {
    let bench = Bench::new(&Settings { learning_rate: 1e9, epochs: 30, ..settings() });
    for child in bench.gang(3, &[]) {
        let line = expect(child, 1);
        assert!(line.contains("training diverges: the gradient of shard "), "{line}");
        assert!(line.contains(" in step ") && line.ends_with(" is not finite"), "{line}");
    }
    assert!(bench.result().is_none() && !bench.store().join("models").exists());
}

#[test]
fn a_corrupt_batch_is_named_by_all_ranks() {
    let bench = Bench::new(&settings());
    let batch = bench.manifest.batches(Split::Train)[7].digest;
    fs::write(bench.blob(&batch), "damaged").unwrap();
    for child in bench.gang(3, &[]) {
        let line = expect(child, 1);
        assert!(line.contains(&format!("blob {batch} is corrupt")), "{line}");
    }
    assert!(bench.result().is_none());
}

#[test]
fn of_two_processes_on_one_place_one_works_and_the_other_fails() {
    let bench = Bench::new(&long());
    let rivals = [bench.start(1, 2, &[]), bench.start(1, 2, &[])];
    let members = bench.store().join(format!("gangs/{}/first/members/1", bench.key));
    wait_until("both claims", || fs::read_dir(&members).is_ok_and(|claims| claims.count() == 2));
    let zero = bench.start(0, 2, &[]);
    let mut outputs: Vec<_> = rivals.into_iter().map(|rival| rival.wait_with_output().unwrap()).collect();
    outputs.sort_by_key(|output| output.status.code());
    let line = String::from_utf8(outputs[1].stderr.clone()).unwrap();
    assert_eq!(outputs[1].status.code(), Some(1), "{line}");
    assert!(line.starts_with("rank 1 of gang ") && line.contains(" is taken: generation 1 has "), "{line}");
    assert_eq!(line.matches(" at 127.0.0.1:").count(), 2, "{line}");
    assert_eq!(outputs[0].status.code(), Some(0));
    expect(zero, 0);
}

#[test]
fn a_rank_that_is_asked_to_stop_ends_with_143_and_its_peers_with_75() {
    let bench = Bench::new(&long());
    let mut gang = bench.gang(3, &[]);
    wait_until("a checkpoint", || bench.checkpoints() >= 1);
    signal(&gang[1..2], "-TERM");
    expect(gang.remove(1), 143);
    for child in gang {
        let line = expect(child, 75);
        assert!(line.contains("rank 1 at 127.0.0.1:") && line.contains("stopped by a signal"), "{line}");
    }
    let gang = bench.gang(3, &[]);
    wait_until("more checkpoints", || bench.checkpoints() >= 3);
    signal(&gang, "-TERM");
    gang.into_iter().for_each(|child| drop(expect(child, 143)));
    assert!(bench.result().is_none());
}

#[test]
fn missing_ranks_are_not_waited_for_for_ever() {
    let bench = Bench::new(&settings());
    let line = expect(bench.start(0, 3, &[("JOIN_TIMEOUT", "300ms"), ("MIN_WORLD", "2")]), 75);
    assert!(line.ends_with("of run first: no rank 1, 2 of 3 within 300ms"), "{line}");
}

#[test]
fn a_gang_starts_without_an_absent_rank_which_finds_the_result_when_it_comes() {
    let expected = Bench::new(&long()).train(3, &[]).model;
    for absent in [0, 2] {
        let bench = Bench::new(&long());
        let window = [("JOIN_WINDOW", "300ms")];
        let present = (0..3).filter(|rank| *rank != absent);
        let gang: Vec<_> = present.map(|rank| bench.start(rank, 3, &window)).collect();
        wait_until("a checkpoint", || bench.checkpoints() >= 2);
        // Too late to take part, and not in the way.
        let late = bench.start(absent, 3, &[("JOIN_WINDOW", "300ms"), ("JOIN_TIMEOUT", "500ms")]);
        gang.into_iter().for_each(|child| drop(expect(child, 0)));
        expect(late, 0);
        let result = bench.result().unwrap();
        assert_eq!((result.model, result.world), (expected, 2));
        let events = bench.events("first");
        let of = |rank| events.iter().find(|event| event.rank == Some(rank)).unwrap();
        assert_eq!(of(absent).what.split(':').next(), Some("reused"), "{}", of(absent).what);
        assert!(of(1).what.starts_with("trained by 2 ranks in generation 1"), "{}", of(1).what);
    }
}

#[test]
fn what_the_plan_does_not_say_is_a_wrong_configuration() {
    let bench = Bench::new(&settings());
    let other = Digest::of("other").to_string();
    let refused = |rank, world, variable, message: &str| {
        let line = expect(bench.start(rank, world, &[variable]), 2);
        assert!(line.contains(message), "{line}");
    };
    let key = format!("STEP_KEY={other}: the plan's key of candidate \"small\" is {}", bench.key);
    refused(0, 2, ("KEY", &other), &key);
    refused(0, 2, ("KEY", "abc"), "abc");
    refused(0, 2, ("RUN", "third"), "run third has no plan");
    refused(0, 2, ("CANDIDATE", "large"), "the plan of run first has no candidate \"large\"");
    refused(0, 7, ("LOG", "off"), "STEP_WORLD=7: expected 1 to 6, the candidate's shards");
    refused(0, 0, ("LOG", "off"), "STEP_WORLD=0: expected 1 to 6");
    refused(2, 2, ("LOG", "off"), "STEP_RANK=2: expected below STEP_WORLD=2");
    refused(0, 2, ("MIN_WORLD", "3"), "STEP_MIN_WORLD=3: expected 1 to STEP_WORLD=2");
    refused(0, 1, ("CACHE_LIMIT", "much"), "\"much\" is no size");
}

#[test]
fn settings_that_cannot_be_trained_are_refused_by_name() {
    for (settings, message) in [
        (Settings { network: "c4.3.2 f q o".to_owned(), ..settings() }, "q"),
        (Settings { epochs: 0, ..settings() }, "epochs is 0"),
        (Settings { micro_batch: 1, ..settings() }, "fewer than two a step"),
        (Settings { instructions: "mmx".to_owned(), ..settings() }, "\"mmx\""),
    ] {
        let line = expect(Bench::new(&settings).start(0, 1, &[]), 2);
        assert!(line.contains(message), "{line}");
    }
}
