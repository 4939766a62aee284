//! The files that Argo reads, executed with stub programs.

use crate::place::Place;

#[test]
fn a_run_does_everything_in_order_and_a_second_one_only_what_is_not_remembered() {
    let place = Place::of_the_repository();
    let first = place.selvedge(&["run"]).with(0);
    let notes = place.notes();
    let order =
        |text: &str| notes.iter().position(|note| note.starts_with(text)).unwrap_or_else(|| panic!("{text}"));
    assert!(order("fingerprint source") < order("ingest aa file://"));
    assert!(order("ingest aa") < order("fingerprint training"));
    assert!(order("fingerprint training") < order("train "));
    for candidate in ["cnn", "dense", "resnet"] {
        for rank in 0..3 {
            assert!(
                order(&format!("train {candidate} {rank}/3 127.0.0.1"))
                    < order(&format!("evaluate {candidate}"))
            );
        }
        assert!(order(&format!("evaluate {candidate}")) < order(&format!("promote {candidate}")));
    }
    assert_eq!(notes.last().unwrap(), "finalize Succeeded");
    assert_eq!(notes.len(), 4 + 9 + 6 + 1);
    assert!(first.stdout.contains("succeeded fingerprint-source"), "{}", first.stdout);
    assert!(first.stdout.contains("refresh: records 60000 → 70000 (+16.7 %)"), "{}", first.stdout);

    let second = place.selvedge(&["run"]).with(0);
    assert_eq!((place.count("ingest"), place.count("train")), (1, 9), "memoized");
    assert_eq!((place.count("fingerprint"), place.count("promote"), place.count("finalize")), (4, 6, 2));
    for node in ["reused    ingest", "reused    candidates/cnn/gang"] {
        assert!(second.stdout.contains(node), "{}", second.stdout);
    }

    place.selvedge(&["run", "-p", "salt=b", "-p", "world=2"]).with(0);
    assert_eq!(
        (place.count("ingest"), place.count("train")),
        (2, 9),
        "another ingest key, the same training keys"
    );
}

#[test]
fn a_branch_that_fails_stops_no_other_and_running_again_does_only_what_is_missing() {
    let place = Place::of_the_repository();
    let train = std::fs::read_to_string(place.at("bin/train")).unwrap();
    place.stub(
        "train",
        r#"note "train $STEP_CANDIDATE $STEP_RANK"
if [ "$STEP_CANDIDATE$STEP_RANK" = dense1 ]; then echo '{"level":"INFO"}' >&2; echo "batch 1f is corrupt" >&2; exit 1; fi"#,
    );
    let failed = place.selvedge(&["run"]).with(1);
    assert_eq!(place.count("train"), 9, "exit code 1 is not tried again");
    assert_eq!(
        (place.count("promote cnn"), place.count("promote resnet"), place.count("promote dense")),
        (1, 1, 0)
    );
    assert_eq!(place.count("finalize Failed"), 1);
    let message = "failed    candidates/dense/gang/rank-1 exit code 1: batch 1f is corrupt";
    assert!(failed.stdout.contains(message), "{}", failed.stdout);

    std::fs::write(place.at("bin/train"), train).unwrap();
    place.selvedge(&["run"]).with(0);
    assert_eq!(place.count("train"), 12, "the gangs that went well are remembered");
}

#[test]
fn an_empty_list_of_candidates_is_skipped_and_finalized() {
    let place = Place::of_the_repository();
    place.candidates(&[]);
    let ended = place.selvedge(&["run"]).with(0);
    assert_eq!((place.count("train"), place.count("finalize Skipped")), (0, 1));
    assert!(ended.stdout.contains("skipped   candidates"), "{}", ended.stdout);
}

#[test]
fn a_fingerprint_that_refuses_ends_the_run_before_anything_is_made() {
    let place = Place::of_the_repository();
    place.stub("fingerprint", "echo 'source file:///nowhere: not found' >&2; exit 2");
    let ended = place.selvedge(&["run"]).with(1);
    assert_eq!(place.notes(), Vec::<String>::new());
    assert!(ended.stdout.contains("exit code 2: source file:///nowhere: not found"), "{}", ended.stdout);
    assert!(ended.stdout.contains("omitted   finalize"), "{}", ended.stdout);
}

#[test]
fn the_sequential_plan_trains_one_after_the_other_and_promotes_at_the_end() {
    let place = Place::of_the_repository();
    place.stub("train", r#"note "begin $STEP_CANDIDATE"; sleep 0.1; note "end $STEP_CANDIDATE""#);
    place.selvedge(&["run", "--sequential"]).with(0);
    assert_eq!(place.count("plan promote=at-end"), 1);
    let trained: Vec<_> = place
        .notes()
        .into_iter()
        .filter(|note| note.starts_with("begin") || note.starts_with("end"))
        .collect();
    for (candidate, notes) in ["cnn", "dense", "resnet"].iter().zip(trained.chunks(6)) {
        assert!(notes.iter().all(|note| note.ends_with(candidate)), "{trained:?}");
    }
    place.selvedge(&["run", "--sequential", "-p", "promote=never"]).with(0);
    assert_eq!(place.count("plan promote=never"), 1, "a choice is kept");
}

#[test]
fn plan_runs_fingerprints_dry_and_nothing_else() {
    let place = Place::of_the_repository();
    let ended = place.selvedge(&["plan"]).with(0);
    assert_eq!(
        place.notes(),
        ["fingerprint source --dry-run", "fingerprint training --dry-run", "plan promote=auto"]
    );
    assert!(ended.stdout.contains("refresh: records 60000 → 70000 (+16.7 %)"), "{}", ended.stdout);
    place.selvedge(&["run"]).with(0);
    let ended = place.selvedge(&["plan"]).with(0);
    let reused = ended.stdout.lines().filter(|line| line.contains("be reused")).count();
    assert_eq!(reused, 4, "ingest and three gangs: {}", ended.stdout);
    assert_eq!(place.count("train"), 9);
}
