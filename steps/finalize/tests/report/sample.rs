//! A plausible run of three candidates, and variations of it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use selvedge_data::{BatchEntry, Manifest, Shape, Split, SplitEntry};
use selvedge_finalize::report::{CandidateInput, Inputs};
use selvedge_plan::{
    Decision, EpochCurve, Event, Family, IngestPlan, Plan, PlannedCandidate, Settings, SourceRecord,
    TrainResult,
};
use selvedge_registry::{Act, Card, Champion, ClassScore, GoldenVectors, ModelIdentity, SplitScore};
use selvedge_store::Digest;

pub(crate) const RUN: &str = "4c1f9f0e-5a0e-4f7a-8a51-0f7d6f3ce2b1";

const CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];
/// How hard a class is: share of its records that go wrong, relative to the others.
const HARD: [f64; 10] = [1.8, 0.2, 1.6, 1.0, 1.5, 0.3, 3.2, 0.5, 0.2, 0.4];
/// What a class is mostly taken for.
const TAKEN_FOR: [usize; 10] = [6, 3, 4, 0, 2, 7, 0, 9, 6, 7];

/// What tells the sample's candidates apart.
pub(crate) struct Sketch {
    pub(crate) name: &'static str,
    pub(crate) family: Family,
    /// Accuracy on validation and test.
    pub(crate) accuracy: (f64, f64),
    /// When its gang ends, in seconds from the start, and the CPU seconds of one rank.
    pub(crate) ends: f64,
    pub(crate) cpu: f64,
}

pub(crate) fn sketches() -> Vec<Sketch> {
    let sketch = |name, family, accuracy, ends, cpu| Sketch { name, family, accuracy, ends, cpu };
    vec![
        sketch("cnn", Family::Cnn, (0.9268, 0.9216), 81.3, 20.4),
        sketch("dense", Family::Dense, (0.8990, 0.8947), 17.9, 2.6),
        sketch("resnet", Family::Resnet, (0.9187, 0.9132), 58.8, 11.7),
    ]
}

pub(crate) fn at(seconds: f64) -> Timestamp {
    let start: Timestamp = "2026-11-23T08:12:53Z".parse().expect("a time");
    start + SignedDuration::from_secs_f64(seconds)
}

pub(crate) fn event(
    stage: &str,
    of: Option<(&str, Option<usize>)>,
    from: f64,
    to: f64,
    figures: &[(&str, f64)],
) -> Event {
    Event {
        stage: stage.to_owned(),
        candidate: of.map(|(name, _)| name.to_owned()),
        rank: of.and_then(|(_, rank)| rank),
        started: at(from),
        ended: at(to),
        what: "done".to_owned(),
        measurements: figures.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
    }
}

pub(crate) fn decision(
    stage: &str,
    candidate: Option<&str>,
    after: f64,
    what: &str,
    reason: &str,
) -> Decision {
    Decision {
        stage: stage.to_owned(),
        at: at(after),
        candidate: candidate.map(str::to_owned),
        model: candidate.map(Digest::of),
        decision: what.to_owned(),
        reason: reason.to_owned(),
        generation: Some(1),
        served_at: None,
    }
}

pub(crate) fn champion(candidate: &str, generation: u64, run: &str) -> Champion {
    Champion {
        generation,
        act: Act::Promote,
        model: Digest::of(candidate),
        dataset: manifest().digest(),
        candidate: candidate.to_owned(),
        run: run.to_owned(),
        promotion: "p".to_owned(),
        reason: "validation accuracy 0.9268 against 0.8990, McNemar p < 0.001".to_owned(),
        at: at(84.0),
    }
}

/// The first run on Fashion-MNIST: nothing is reused, the dense model serves first, the CNN in the end.
pub(crate) fn cold() -> Inputs {
    of(&sketches())
}

pub(crate) fn of(sketches: &[Sketch]) -> Inputs {
    let figures = [("peak_memory_bytes", 31e6), ("records", 70e3), ("cpu_seconds", 2.7)];
    let mut events = vec![
        event("fingerprint-source", None, 0.0, 0.5, &[]),
        event("ingest", None, 0.8, 4.1, &figures),
        event("fingerprint-training", None, 4.3, 4.6, &[]),
    ];
    let candidates: Vec<_> = sketches.iter().map(candidate).collect();
    events.extend(candidates.iter().flat_map(|c| c.events.clone()));
    events.push(event("finalize", None, 84.2, 85.0, &[]));
    let champion = champion("cnn", 3, RUN);
    Inputs {
        written: at(85.0),
        plan: plan(&candidates),
        source: Some(source()),
        manifest: manifest(),
        ingest_events: events.clone(),
        events,
        decisions: decisions(),
        failure: None,
        champion_before: None,
        champion_identity: candidates.first().and_then(|c| c.identity.clone()),
        champion_card: candidates.first().and_then(|c| c.card.clone()),
        champion_after: Some(champion),
        candidates,
        history: Vec::new(),
        cores: 2,
    }
}

/// The cards of `inputs`, of a data set of `count` classes.
pub(crate) fn with_classes(inputs: &mut Inputs, count: usize) {
    inputs.manifest.classes = (0..count).map(|n| format!("class {n}")).collect();
    for card in inputs.candidates.iter_mut().filter_map(|c| c.card.as_mut()) {
        for split in card.splits.values_mut() {
            *split = score(split.accuracy, split.records / count as u64, count);
        }
    }
}

fn decisions() -> Vec<Decision> {
    let mut first = decision(
        "promote",
        Some("dense"),
        19.6,
        "promote",
        "no champion, validation accuracy 0.8990 is above 0.80",
    );
    first.served_at = Some(at(20.4));
    let mut second =
        decision("promote", Some("resnet"), 60.9, "promote", "0.9187 against 0.8990, McNemar p < 0.001");
    (second.generation, second.served_at) = (Some(2), Some(at(61.5)));
    let mut third =
        decision("promote", Some("cnn"), 83.4, "promote", "0.9268 against 0.9187, McNemar p = 0.009");
    (third.generation, third.served_at) = (Some(3), Some(at(84.0)));
    let mut last = decision("finalize", Some("cnn"), 84.9, "confirm", "cnn is alone in the band of the best");
    last.generation = Some(3);
    vec![first, second, third, last]
}

pub(crate) fn plan(candidates: &[CandidateInput]) -> Plan {
    Plan {
        run: RUN.to_owned(),
        created: at(4.5),
        name: "fashion-mnist".to_owned(),
        promote: "auto".to_owned(),
        floor: 0.8,
        champion_at_start: None,
        ingest: IngestPlan {
            source_record: 1,
            key: Digest::of("ingest key"),
            memo_key: Digest::of("memo"),
            reuse: false,
            warning: false,
            reason: "run: nothing was ingested before".to_owned(),
        },
        manifest: manifest().digest(),
        candidates: candidates.iter().map(|c| c.planned.clone()).collect(),
    }
}

fn source() -> SourceRecord {
    SourceRecord {
        number: 1,
        location: "file:///usr/share/datasets/fashion-mnist".to_owned(),
        last_updated: at(4.1),
        record_count: 70_000,
        content: Digest::of("source"),
        parts: ["train-images", "train-labels", "test-images", "test-labels"]
            .map(|part| (part.to_owned(), Digest::of(part)))
            .into(),
        stamps: BTreeMap::new(),
        manifest: manifest().digest(),
        key: Digest::of("ingest key"),
        run: RUN.to_owned(),
    }
}

pub(crate) fn manifest() -> Manifest {
    let split = |records: usize| {
        let batch = |n: usize| BatchEntry {
            digest: Digest::of(n.to_string()),
            records: (records - n * 1000).min(1000),
        };
        SplitEntry { records, batches: (0..records.div_ceil(1000)).map(batch).collect() }
    };
    Manifest {
        name: "fashion-mnist".to_owned(),
        shape: Shape { height: 28, width: 28, channels: 1 },
        classes: CLASSES.map(str::to_owned).into(),
        batch_size: 1000,
        source: Digest::of("source"),
        splits: [
            (Split::Train, split(55_018)),
            (Split::Validation, split(4_982)),
            (Split::Test, split(10_000)),
        ]
        .into(),
    }
}

fn candidate(sketch: &Sketch) -> CandidateInput {
    let settings = Settings { instructions: "avx2".to_owned(), ..Settings::of(sketch.family) };
    let planned = PlannedCandidate {
        name: sketch.name.to_owned(),
        family: sketch.family,
        settings: settings.clone(),
        key: Digest::of(format!("key {}", sketch.name)),
        memo_key: Digest::of("memo"),
        reuse: false,
        reason: "run: no result under this key".to_owned(),
    };
    let result = TrainResult {
        key: planned.key,
        model: Digest::of(sketch.name),
        weights: Digest::of(format!("weights {}", sketch.name)),
        run: RUN.to_owned(),
        world: 3,
        steps: settings.epochs as u64 * 287,
        curves: curves(sketch, settings.epochs),
    };
    CandidateInput {
        events: events(sketch),
        identity: Some(identity(sketch, settings)),
        card: Some(card(sketch)),
        result: Some(result),
        planned,
    }
}

fn events(sketch: &Sketch) -> Vec<Event> {
    let mut events = Vec::new();
    for rank in 0..3 {
        let figures = [
            ("peak_memory_bytes", 238e6 + 9e6 * sketch.cpu.sqrt() + 1e6 * rank as f64),
            ("cpu_seconds", sketch.cpu + 0.1 * rank as f64),
            ("cache_bytes", 14.4e6),
            ("steps", 861.0),
        ];
        events.push(event(
            "train",
            Some((sketch.name, Some(rank))),
            4.8 + 0.1 * rank as f64,
            sketch.ends,
            &figures,
        ));
    }
    let figures = [("peak_memory_bytes", 301e6), ("cpu_seconds", 1.2)];
    events.push(event("evaluate", Some((sketch.name, None)), sketch.ends + 0.2, sketch.ends + 1.6, &figures));
    events.push(event("promote", Some((sketch.name, None)), sketch.ends + 1.7, sketch.ends + 2.6, &[]));
    events
}

fn curves(sketch: &Sketch, epochs: usize) -> Vec<EpochCurve> {
    let curve = |epoch: usize| {
        let left = (epochs - epoch) as f64 / epochs as f64;
        let cold = epoch == 1;
        EpochCurve {
            epoch,
            train_loss: (1.0 - sketch.accuracy.0) * 2.2 + 0.55 * left,
            validation_loss: (1.0 - sketch.accuracy.0) * 2.8 + 0.4 * left,
            validation_accuracy: sketch.accuracy.0 - 0.11 * left * left,
            learning_rate: 0.2 * left,
            seconds: (sketch.ends - 6.0) / epochs as f64 * if cold { 1.15 } else { 0.96 },
            all_reduce_seconds: 0.31,
            cache_hits: if cold { 0 } else { 19 },
            cache_misses: if cold { 19 } else { 0 },
            store_reads: if cold { 19 } else { 0 },
        }
    };
    (1..=epochs).map(curve).collect()
}

fn identity(sketch: &Sketch, settings: Settings) -> ModelIdentity {
    ModelIdentity {
        weights: Digest::of(format!("weights {}", sketch.name)),
        family: sketch.family,
        settings,
        dataset: manifest().digest(),
        dataset_name: "fashion-mnist".to_owned(),
        input: [28, 28, 1],
        classes: CLASSES.map(str::to_owned).into(),
        parameters: 96_394,
        multiply_adds: 4_570_000,
        libtorch: "2.13.0".to_owned(),
        instructions: "avx2".to_owned(),
        golden: GoldenVectors { blob: Digest::of("golden"), tolerance: 1e-3 },
    }
}

fn card(sketch: &Sketch) -> Card {
    Card {
        model: Digest::of(sketch.name),
        dataset: manifest().digest(),
        revision: 1,
        weights_bytes: 385_576,
        parameters: 96_394,
        multiply_adds: 4_570_000,
        splits: [
            (Split::Validation, score(sketch.accuracy.0, 498, 10)),
            (Split::Test, score(sketch.accuracy.1, 1000, 10)),
        ]
        .into(),
    }
}

fn score(accuracy: f64, of_class: u64, count: usize) -> SplitScore {
    let mean: f64 = HARD.iter().sum::<f64>() / 10.0;
    let mut confusion = vec![vec![0; count]; count];
    for (truth, row) in confusion.iter_mut().enumerate() {
        let wrong = (of_class as f64 * (1.0 - accuracy) * HARD[truth % 10] / mean) as u64;
        let (most, some) = (wrong * 6 / 10, wrong * 3 / 10);
        row[TAKEN_FOR[truth % 10] % count] += most;
        row[(truth + 2) % count] += some;
        row[(truth + 5) % count] += wrong - most - some;
        row[truth] += of_class - wrong;
    }
    let class = |n: usize| ClassScore {
        name: CLASSES[n % 10].to_owned(),
        records: of_class,
        precision: confusion[n][n] as f64 / confusion.iter().map(|row| row[n]).sum::<u64>() as f64,
        recall: confusion[n][n] as f64 / of_class as f64,
    };
    SplitScore {
        records: of_class * count as u64,
        accuracy,
        loss: (1.0 - accuracy) * 2.8,
        calibration_error: 0.021,
        classes: (0..count).map(class).collect(),
        confusion,
        predictions: Digest::of("predictions"),
    }
}
