//! `selvedge show`: what came of one run.

use anyhow::Context;
use selvedge_contract::{ExitCode, Misconfigured};

use crate::cli::ShowOptions;
use crate::display::print;
use crate::list::all;
use crate::place::Home;
use crate::results::Results;

/// Prints what was planned and why, the results, the decisions, and where the report is.
///
/// # Errors
/// Bad configuration, a run that the store does not know; a store that cannot be read.
pub async fn show(options: ShowOptions) -> anyhow::Result<ExitCode> {
    let home = Home::find(&options.place)?;
    let store = home.open().await?;
    let runs = all(&store).await?;
    let meant = |name: &str| options.run == "latest" || name.starts_with(&options.run);
    let found = runs.iter().rev().find(|(run, _)| meant(run.name()));
    let unknown = || Misconfigured::message(format!("the store knows no run {:?}", options.run));
    let (run, results) = found.with_context(unknown).map_err(Misconfigured::new)?;

    print(&format!("run       {}, {}", run.name(), results.outcome()));
    for line in results.reasons() {
        print(&line);
    }
    print(&results.table().to_string());
    for decision in &results.decisions {
        let of = decision.candidate.as_deref().unwrap_or("all");
        print(&format!("{:9} {of}: {}: {}", decision.stage, decision.decision, decision.reason));
    }
    print(&results.champion_line());
    if let Some(times) = results.times_line() {
        print(&times);
    }
    let others: Vec<_> = runs.iter().map(|(_, other)| other).collect();
    if let Some(comparison) = comparison(results, &others) {
        print(&comparison);
    }
    if let Some(path) = results.save_report(&store, run, &home.work).await? {
        print(&format!("report    {}", path.display()));
    }
    Ok(ExitCode::Done)
}

/// This run's time to service as a share of that of the newest run of the sequential plan.
fn comparison(this: &Results, others: &[&Results]) -> Option<String> {
    const SERVICE: &str = "time_to_service_seconds";
    let service = this.figure(SERVICE).filter(|_| this.figure("sequential") == Some(0.0))?;
    let name = |results: &Results| results.plan.as_ref().map(|plan| plan.name.clone());
    let mut plans = others.iter().rev().filter(|other| name(other) == name(this));
    let sequential =
        plans.find_map(|other| other.figure(SERVICE).filter(|_| other.figure("sequential") == Some(1.0)))?;
    let share = service / sequential * 100.0;
    Some(format!(
        "compared  {share:.0} % of the {sequential:.1} s that the sequential plan took to its first served model"
    ))
}
