//! `selvedge list`: the runs that the store knows.

use std::collections::BTreeSet;

use selvedge_contract::ExitCode;
use selvedge_plan::Run;
use selvedge_store::Store;

use crate::cli::ListOptions;
use crate::display::print;
use crate::place::Home;
use crate::results::{Results, table};

/// Prints a line for each run, the newest last.
///
/// # Errors
/// Bad configuration; a store that cannot be read.
pub async fn list(options: ListOptions) -> anyhow::Result<ExitCode> {
    let home = Home::find(&options.place)?;
    let store = home.open().await?;
    let mut rows = table(&["run", "began", "name", "candidates", "outcome", "seconds"]);
    for (run, results) in all(&store).await? {
        let plan = results.plan.as_ref();
        let began = results.began().map_or_else(String::new, |began| began.strftime("%F %T").to_string());
        rows.add_row([
            run.name().to_owned(),
            began,
            plan.map_or_else(String::new, |plan| plan.name.clone()),
            plan.map_or_else(String::new, |plan| plan.candidates.len().to_string()),
            results.outcome(),
            results.figure("total_seconds").map_or_else(String::new, |seconds| format!("{seconds:.1}")),
        ]);
    }
    print(&rows.to_string());
    Ok(ExitCode::Done)
}

/// All runs, the newest last.
pub(crate) async fn all(store: &Store) -> anyhow::Result<Vec<(Run, Results)>> {
    let paths = store.list("runs").await?;
    let names: BTreeSet<_> = paths.iter().filter_map(|path| path.split('/').nth(1)).collect();
    let mut runs = Vec::new();
    for name in names {
        let run = Run::new(store, name);
        let results = Results::read(store, &run).await?;
        runs.push((run, results));
    }
    runs.sort_by_key(|(_, results)| results.began());
    Ok(runs)
}
