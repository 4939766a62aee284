//! `selvedge run`: the pipeline, from parameters to the table of results.

use std::collections::BTreeMap;

use jiff::Timestamp;
use selvedge_contract::{ExitCode, Stop, Stopped};
use selvedge_plan::{Event, Run};
use selvedge_store::Store;

use crate::cli::{Place, RunOptions};
use crate::display::{Display, print};
use crate::engine::{Engine, Settings};
use crate::once;
use crate::phase::{Outcome, Phase};
use crate::place::{Home, PIPELINE};
use crate::results::{Results, STAGE};
use crate::serving::{PROGRAMS, Port, Serving};
use crate::up::stay;

/// Runs the pipeline; with `--serve`, serves what it makes until `stop`.
///
/// # Errors
/// Bad configuration, before anything starts; a store that cannot be reached. A pipeline that fails is no error: the
/// exit code tells.
pub async fn run(options: RunOptions, stop: Stop) -> anyhow::Result<ExitCode> {
    let home = Home::find(&options.place)?;
    let mut settings = settings(&home, &options)?;
    let serves = options.serve || options.once;
    home.check_programs(if serves { &PROGRAMS } else { &[] })?;
    let port = serves.then(|| Port::take(options.port)).transpose()?;
    let store = home.open().await?;

    let display = Display::new();
    let mut serving = None;
    if let Some(port) = port {
        let name = settings.parameters.get("name").cloned().unwrap_or_default();
        let started = tokio::select! {
            started = Serving::start(&home, &name, port, &options.place.log) => started?,
            () = stop.requested() => return Err(Stopped.into()),
        };
        display.say(format!("replicas and balancer are up at {}", started.url));
        settings.parameters.insert("balancer".to_owned(), started.url.clone());
        serving = Some(started);
    }
    let code = pipeline(&home, &store, &settings, &display, serving.as_mut(), &stop).await?;
    match serving {
        Some(serving) if options.once && code == ExitCode::Done => {
            once::classify(&store, &settings.run, &serving.url).await?;
            serving.stop().await;
        }
        Some(mut serving) => {
            if !options.once && !stop.is_requested() {
                print(&format!("serving   {}, Ctrl-C stops it", serving.url));
                stay(&mut serving, &stop).await;
            }
            serving.stop().await;
        }
        None => {}
    }
    Ok(code)
}

/// The pipeline and what is said about it at the end.
async fn pipeline(
    home: &Home,
    store: &Store,
    settings: &Settings,
    display: &Display,
    serving: Option<&mut Serving>,
    stop: &Stop,
) -> anyhow::Result<ExitCode> {
    let run = Run::new(store, &settings.run);
    let started = Timestamp::now();
    let engine = Engine::new(&home.templates, store, settings, display, stop);
    let outcome = tokio::select! {
        outcome = engine.run(PIPELINE) => outcome?,
        never = display.follow() => match never {},
        never = tell(serving, display) => match never {},
    };
    display.close();
    if stop.is_requested() {
        print(&format!("run       {} stopped: the same command goes on where it was", settings.run));
        return Ok(ExitCode::Stopped);
    }
    keep(store, &run, started, settings, &outcome).await?;
    summary(home, store, &run).await?;
    if outcome.phase == Phase::Succeeded {
        return Ok(ExitCode::Done);
    }
    print(&format!("failed    {}", outcome.message));
    print(&format!("logs      {}", settings.work.join(&settings.run).display()));
    Ok(ExitCode::Permanent)
}

/// What a run is made of.
fn settings(home: &Home, options: &RunOptions) -> anyhow::Result<Settings> {
    let mut parameters = home.parameters(&options.parameters)?;
    let chosen = options.parameters.parameters.iter().any(|(name, _)| name == "promote");
    if options.sequential && !chosen {
        parameters.insert("promote".to_owned(), "at-end".to_owned());
    }
    let mut settings = prepare(home, &options.place, parameters);
    settings.sequential = options.sequential;
    Ok(settings)
}

/// Settings of a run that has a name and nothing special.
pub(crate) fn prepare(home: &Home, place: &Place, parameters: BTreeMap<String, String>) -> Settings {
    Settings {
        run: name(),
        parameters,
        programs: home.programs.clone(),
        work: home.work.join("runs"),
        secrets: home.secrets.clone(),
        log: place.log.clone(),
        grace: place.grace,
        sequential: false,
        dry: false,
    }
}

/// A name for a new run: when it began, and something to tell it from others of that second.
fn name() -> String {
    format!("{}-{:04x}", Timestamp::now().strftime("%Y%m%d-%H%M%S"), rand::random::<u16>())
}

/// Keeps the run's figures in the store.
async fn keep(
    store: &Store,
    run: &Run,
    started: Timestamp,
    settings: &Settings,
    outcome: &Outcome,
) -> anyhow::Result<()> {
    let mut event = Event::begin(STAGE);
    event.started = started;
    event.measure("sequential", f64::from(u8::from(settings.sequential)));
    event.measure("total_seconds", Timestamp::now().duration_since(started).as_secs_f64());
    if let Some(served) = Results::read(store, run).await?.first_served() {
        event.measure("time_to_service_seconds", served.duration_since(started).as_secs_f64());
    }
    run.record(&event.end(outcome.phase.to_string())).await?;
    Ok(())
}

/// The table of results and the lines around it.
async fn summary(home: &Home, store: &Store, run: &Run) -> anyhow::Result<()> {
    let results = Results::read(store, run).await?;
    if let Some(warning) = &results.warning {
        print(&format!("warning   {warning}"));
    }
    print(&format!("run       {}", run.name()));
    print(&results.table().to_string());
    print(&results.champion_line());
    if let Some(times) = results.times_line() {
        print(&times);
    }
    if let Some(path) = results.save_report(store, run, &home.work).await? {
        print(&format!("report    {}", path.display()));
    }
    Ok(())
}

async fn tell(serving: Option<&mut Serving>, display: &Display) -> std::convert::Infallible {
    let Some(serving) = serving else { return std::future::pending().await };
    loop {
        display.say(format!("{}; started again", serving.news().await));
    }
}
