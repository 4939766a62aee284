//! The report of plausible and of unlucky runs.

mod sample;
mod wellformed;

use selvedge_finalize::report::{Inputs, PastRun, render};
use selvedge_plan::{Family, Run};
use selvedge_store::{Digest, Store, StoreOptions};

use sample::{RUN, Sketch, at, champion, cold, decision, event};
use wellformed::check;

/// Renders, checks what holds for every report, and leaves the page where one can look at it.
fn page(name: &str, inputs: &Inputs) -> String {
    let page = render(inputs);
    let folder = concat!(env!("CARGO_TARGET_TMPDIR"), "/reports");
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(format!("{folder}/{name}.html"), &page).expect("a page");
    check(&page);
    for forbidden in
        ["<script", "http://", "https://", "data:", "url(", "@import", "<img", " onload", "NaN", "inf "]
    {
        assert!(!page.contains(forbidden), "{name}.html contains {forbidden}");
    }
    // Figures and their units are joined by a narrow space, which is awkward to write in every assertion.
    page.replace('\u{202f}', " ")
}

/// The cold run's results, found again by a later run.
fn memoized() -> Inputs {
    let mut inputs = cold();
    let run = "9d0e7b52-0000-4000-8000-000000000002";
    inputs.plan.run = run.to_owned();
    inputs.plan.ingest.reuse = true;
    inputs.plan.ingest.reason = "reuse: 2 days old, limit 30".to_owned();
    for (planned, input) in inputs.plan.candidates.iter_mut().zip(&mut inputs.candidates) {
        (planned.reuse, planned.reason) = (true, format!("reuse: trained by run {RUN}, verified"));
        input.planned = planned.clone();
    }
    inputs.plan.champion_at_start = Some(3);
    inputs.champion_before = Some(champion("cnn", 3, RUN));
    let day = 86_400.0 * 2.0;
    inputs.events = vec![
        event("fingerprint-source", None, day, day + 0.4, &[]),
        event("fingerprint-training", None, day + 0.6, day + 1.0, &[]),
        event("evaluate", Some(("cnn", None)), day + 1.3, day + 1.6, &[]),
        event("evaluate", Some(("dense", None)), day + 1.3, day + 1.6, &[]),
        event("evaluate", Some(("resnet", None)), day + 1.3, day + 1.6, &[]),
        event("finalize", None, day + 2.3, day + 2.6, &[]),
    ];
    inputs.decisions = vec![
        decision("promote", Some("cnn"), day + 1.9, "keep", "cnn already serves"),
        decision("promote", Some("dense"), day + 2.0, "keep", "cnn is significantly better"),
    ];
    inputs
}

#[test]
fn a_cold_run_tells_everything() {
    let page = page("cold", &cold());
    assert!(page.contains("cnn is the new champion, generation 3."));
    for text in
        ["92.68 %", "92.16 %", "first model served: dense, 20 s", "0 of 4", "19 / 0", "0 / 19", "rank 2"]
    {
        assert!(page.contains(text), "{text} is missing");
    }
    for reason in cold().decisions.iter().map(|d| d.reason.replace('<', "&lt;")) {
        assert!(page.contains(&reason), "{reason} is missing");
    }
    for digest in [cold().manifest.source, cold().plan.manifest, Digest::of("cnn")] {
        assert!(page.contains(&digest.to_string()), "{digest} is missing");
    }
}

#[test]
fn the_sequential_plan_is_estimated_from_cpu_seconds() {
    // ingest 2.7, cnn (20.4 + 20.5 + 20.6) / 2, dense 4.05, resnet 17.7, three evaluations of 1.2, roll-out 0.8.
    let page = page("cold", &cold());
    assert!(page.contains("estimated from CPU seconds on 2 cores"));
    assert!(page.contains("34 % of the sequential plan"), "20.4 of 59.6 seconds");
}

#[test]
fn a_really_sequential_run_is_measured_instead() {
    let mut inputs = cold();
    let mut past = PastRun {
        plan: inputs.plan.clone(),
        batch_size: 500,
        events: vec![event("ingest", None, 1.0, 4.0, &[("peak_memory_bytes", 20e6)])],
        decisions: vec![decision("finalize", Some("cnn"), 91.0, "promote", "best of three")],
    };
    past.plan.run = "sequential".to_owned();
    for (name, from) in [("cnn", 5.0), ("dense", 45.0), ("resnet", 52.0)] {
        past.events.push(event("train", Some((name, Some(0))), from, from + 6.0, &[]));
    }
    inputs.history.push(past.clone());
    let measured = page("measured", &inputs);
    assert!(measured.contains("measured in run sequential"));
    assert!(measured.contains("23 % of the sequential plan"), "20.4 of 90 seconds");
    assert!(measured.contains("19.1 MiB"), "ingest's peak at a batch size of 500");

    past.events.push(event("train", Some(("resnet", Some(1))), 10.0, 58.0, &[]));
    inputs.history = vec![past];
    assert!(page("overlapping", &inputs).contains("estimated from CPU seconds"));
}

#[test]
fn a_memoized_run_shows_the_curves_of_the_run_that_trained() {
    let page = page("memoized", &memoized());
    assert!(page.contains("cnn of an earlier run stays the champion"));
    assert!(page.contains("4 of 4") && page.contains("nothing new was promoted"));
    assert!(page.contains(&format!("reused from run {RUN}")));
    assert!(page.contains("cnn, epoch 5: 92.68 %"));
    assert!(page.contains("reuse: 2 days old, limit 30"));
}

#[test]
fn a_failed_candidate_is_shown_as_failed() {
    let mut inputs = cold();
    let resnet = &mut inputs.candidates[2];
    (resnet.result, resnet.identity, resnet.card) = (None, None, None);
    resnet.events.clear();
    inputs.events.retain(|event| event.candidate.as_deref() != Some("resnet"));
    inputs.failure = Some("1 of 3 candidates failed: resnet: no result <here>".to_owned());
    inputs.candidates[1].card = None;
    let page = page("failed", &inputs);
    assert!(
        page.contains("The run failed: </strong>1 of 3 candidates failed: resnet: no result &lt;here&gt;")
    );
    assert!(page.contains("failed: no result was committed") && page.contains("not evaluated"));
    assert!(page.contains("It is without resnet, which has no result."));
    assert!(!page.contains("resnet, epoch 1") && page.contains("dense, epoch 1"));
}

#[test]
fn nothing_but_failures_is_a_report_too() {
    let mut inputs = cold();
    for candidate in &mut inputs.candidates {
        (candidate.result, candidate.identity, candidate.card) = (None, None, None);
        candidate.events.clear();
    }
    inputs.events.clear();
    inputs.ingest_events.clear();
    inputs.decisions.clear();
    (inputs.source, inputs.champion_after, inputs.champion_card) = (None, None, None);
    let page = page("nothing", &inputs);
    assert!(
        page.contains("No model was good enough to serve.") && page.contains("No candidate was evaluated.")
    );
}

#[test]
fn a_champion_that_finalize_chose_has_its_name() {
    let mut inputs = cold();
    let mut replaced = decision("finalize", None, 84.9, "replace", "cnn is best");
    replaced.model = inputs.candidates[0].result.as_ref().map(|result| result.model);
    inputs.decisions = vec![replaced];
    assert!(page("at-end", &inputs).contains("first model promoted: cnn, 85 s"));
}

#[test]
fn an_experiment_promotes_nothing() {
    let mut inputs = cold();
    inputs.plan.promote = "never".to_owned();
    inputs.decisions = vec![decision("finalize", None, 84.9, "not-promoting", "promote is never")];
    (inputs.champion_after, inputs.champion_card, inputs.champion_identity) = (None, None, None);
    let page = page("never", &inputs);
    assert!(
        page.contains("Nothing was to be promoted, and nothing serves.") && page.contains("promote is never")
    );
}

#[test]
fn texts_of_others_are_escaped() {
    let mut inputs = cold();
    let evil = "<script>alert('\"&')</script>";
    inputs.manifest.classes[6] = evil.to_owned();
    inputs.plan.name = evil.to_owned();
    inputs.decisions[0].reason = evil.to_owned();
    inputs.events[1].what = evil.to_owned();
    (inputs.plan.ingest.warning, inputs.plan.ingest.reuse) = (true, true);
    inputs.plan.ingest.reason = evil.to_owned();
    inputs.candidates[0].planned.reason = evil.to_owned();
    let page = page("escaped", &inputs);
    assert!(page.matches("&lt;script&gt;").count() > 8);
    assert!(page.contains("reuse, contents differ"));
}

#[test]
fn one_candidate_or_eight_with_any_number_of_classes() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "a-name-of-forty-characters-which-is-allowed"];
    let sketch = |(n, name): (usize, &'static str)| {
        let accuracy = 0.90 + 0.002 * n as f64;
        Sketch {
            name,
            family: Family::ALL[n % 3],
            accuracy: (accuracy, accuracy),
            ends: 20.0 + 6.0 * n as f64,
            cpu: 9.0,
        }
    };
    let eight: Vec<_> = names.into_iter().enumerate().map(sketch).collect();
    let mut inputs = sample::of(&eight);
    sample::with_classes(&mut inputs, 40);
    assert!(page("eight", &inputs).contains("a-name-of-forty-characters-which-is-allowed"));
    inputs = sample::of(&eight[..1]);
    sample::with_classes(&mut inputs, 2);
    page("one", &inputs);
}

#[tokio::test]
async fn a_report_is_loaded_from_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&StoreOptions::folder(folder.path()).unwrap()).await.unwrap();
    let sample = cold();
    let run = Run::new(&store, RUN);
    store.put_blob(sample.manifest.to_bytes()).await.unwrap();
    store.create_record("sources/fashion-mnist/0000000001.json", &sample.source).await.unwrap();
    for candidate in &sample.candidates {
        let (result, card) = (candidate.result.as_ref().unwrap(), candidate.card.as_ref().unwrap());
        store.create_record(&format!("results/train/{}.json", result.key), result).await.unwrap();
        store.create_record(&format!("models/{}.json", result.model), &candidate.identity).await.unwrap();
        store.create_record(&format!("cards/{}/{}/1.json", result.model, card.dataset), card).await.unwrap();
    }
    for event in &sample.events {
        run.record(event).await.unwrap();
    }
    for decision in &sample.decisions {
        run.decide(decision).await.unwrap();
    }
    let champions = selvedge_registry::champion::log(&store, "fashion-mnist");
    champions.append(1, sample.champion_after.as_ref().unwrap()).await.unwrap();
    run.plans().append(1, &sample.plan).await.unwrap();

    let mut loaded = selvedge_finalize::report::load(&store, &run, &sample.plan, None).await.unwrap();
    (loaded.written, loaded.cores) = (at(85.0), 2);
    assert_eq!(page("loaded", &loaded), page("cold", &sample));

    // A later run under another name finds the same key and the events of the run that trained.
    let mut later = sample.plan.clone();
    later.run = "later".to_owned();
    later.candidates[0].name = "renamed".to_owned();
    let loaded =
        selvedge_finalize::report::load(&store, &Run::new(&store, "later"), &later, None).await.unwrap();
    assert!(loaded.events.is_empty() && loaded.history.len() == 1);
    assert_eq!(loaded.candidates[0].events.len(), 5);
    page("later", &loaded);
}
