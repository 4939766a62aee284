//! The Retry matrix: every stage of the pipeline, harmed in every way at its worst moment, each from an empty store.
//!
//! * [`scenario`]: the rows. [`play`]: one row from submission to its end. [`table`]: what is printed of all.
//!
//! Every row ends Succeeded with the digests of a run that nobody disturbed.

mod play;
mod scenario;
mod table;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OnceCell, Semaphore};
use tokio::task::JoinSet;

use crate::support::faults;
use crate::support::site::{Digests, Site};
use play::{Outcome, play};
use scenario::{FAMILIES, PATIENT, Scenario};

/// Workflows at once: more of them only wait for each other's processors.
const AT_ONCE: usize = 3;
/// What any run may take, with other runs beside it.
pub(crate) const LIMIT: Duration = Duration::from_secs(480);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_harmed_ends_with_the_digests_of_an_undisturbed_run() {
    matrix("retry-subset", &scenario::subset()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make e2e-full: every row, or those of the templates in ROWS"]
#[expect(clippy::disallowed_methods, reason = "a test takes no arguments of its own")]
async fn every_stage_survives_every_harm() {
    let only = std::env::var("ROWS").unwrap_or_default();
    let wanted = |row: &Scenario| only.is_empty() || only.split(',').any(|name| name == row.stage.template());
    let rows: Vec<_> = scenario::all().into_iter().filter(wanted).collect();
    assert!(!rows.is_empty(), "ROWS={only} names no template");
    matrix(if only.is_empty() { "retry-matrix" } else { "retry-rows" }, &rows).await;
}

async fn matrix(name: &str, scenarios: &[Scenario]) {
    let start = Instant::now();
    faults::install().await;
    let rows = in_flight(scenarios).await;
    let table = table::of(&rows, start.elapsed());
    println!("{table}");
    std::fs::write(crate::support::results().join(format!("{name}.md")), &table).unwrap();
    let wrong: Vec<_> =
        rows.iter().filter_map(|(scenario, row)| Some((scenario, row.as_ref().err()?))).collect();
    assert!(wrong.is_empty(), "{} of {} rows failed: {wrong:#?}", wrong.len(), rows.len());
}

/// What every row is compared with, made once while the first rows are played. A candidate's model does not depend on
/// the others beside it, the champion does.
async fn undisturbed() -> &'static Digests {
    static DIGESTS: OnceCell<Digests> = OnceCell::const_new();
    let make = || async {
        let (families, patient) = tokio::join!(undisturbed_run(FAMILIES), undisturbed_run(PATIENT));
        let models = families.models.into_iter().chain(patient.models).collect();
        Digests { models, ..families }
    };
    DIGESTS.get_or_init(make).await
}

async fn undisturbed_run(candidates: &str) -> Digests {
    let site = Site::new("undisturbed").await;
    let run = site.submit("run", &[("candidates", candidates)]).await;
    let done = site.succeeded(&run, LIMIT).await;
    site.digests(&done).await
}

/// Plays all scenarios, a few at once; the rows are in their order.
async fn in_flight(scenarios: &[Scenario]) -> Vec<(Scenario, Result<Outcome, String>)> {
    let seats = Arc::new(Semaphore::new(AT_ONCE));
    tokio::spawn(undisturbed());
    let mut playing = JoinSet::new();
    for (number, scenario) in scenarios.iter().copied().enumerate() {
        let seats = seats.clone();
        playing.spawn(async move {
            let _seat = seats.acquire().await;
            // A row that panics must not take the others with it.
            let row = tokio::spawn(async move { play(number, &scenario).await }).await;
            (number, scenario, row.map_err(panic_text))
        });
    }
    let mut rows = playing.join_all().await;
    rows.sort_by_key(|(number, ..)| *number);
    rows.into_iter().map(|(_, scenario, row)| (scenario, row)).collect()
}

fn panic_text(error: tokio::task::JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => {
                panic.downcast::<&str>().map_or_else(|_| "panicked".to_owned(), |text| text.to_string())
            }
        },
        Err(error) => error.to_string(),
    }
}
