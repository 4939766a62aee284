//! Other runs of the same data set in this store, to compare with.

use std::collections::BTreeMap;

use selvedge_plan::{Plan, Run};
use selvedge_store::Store;

use super::inputs::PastRun;
use super::load::manifest;

/// Older runs than these are not looked at, so that a report costs the same in a store of thousands.
const RUNS: usize = 10;

/// The newest other runs that trained something of the data set that `plan` names, newest first.
pub(super) async fn load(store: &Store, plan: &Plan) -> anyhow::Result<Vec<PastRun>> {
    let mut runs = Vec::new();
    for name in newest(&store.list("runs").await?, &plan.run) {
        runs.extend(past(store, &name, plan).await?);
    }
    Ok(runs)
}

/// Runs by the time of their last training, which the names of the events tell without reading any.
fn newest(paths: &[String], this: &str) -> Vec<String> {
    let mut trained: BTreeMap<&str, u64> = BTreeMap::new();
    for path in paths {
        let parts: Vec<&str> = path.split('/').collect();
        let ["runs", run, "events", event] = parts[..] else { continue };
        let Some((ended, stage)) = event.split_once('-') else { continue };
        if run != this && stage.starts_with("train") {
            let ended = ended.parse().unwrap_or(0);
            trained.entry(run).and_modify(|known| *known = ended.max(*known)).or_insert(ended);
        }
    }
    let mut runs: Vec<_> = trained.into_iter().collect();
    runs.sort_by_key(|(_, ended)| std::cmp::Reverse(*ended));
    runs.into_iter().take(RUNS).map(|(run, _)| run.to_owned()).collect()
}

async fn past(store: &Store, name: &str, this: &Plan) -> anyhow::Result<Option<PastRun>> {
    let run = Run::new(store, name);
    let Some((_, plan)) = run.plans().newest().await? else {
        return Ok(None);
    };
    if plan.name != this.name {
        return Ok(None);
    }
    // A manifest that was collected leaves nothing to compare with; that is no error of this run.
    let Ok(manifest) = manifest(store, &plan.manifest).await else {
        return Ok(None);
    };
    Ok(Some(PastRun {
        batch_size: manifest.batch_size,
        events: run.events().await?,
        decisions: run.decisions().all().await?,
        plan,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_other_runs_that_trained_come_first() {
        let paths = [
            "runs/a/events/100-train-cnn-0.json",
            "runs/a/events/300-train-cnn-1.json",
            "runs/b/events/200-train-cnn-0.json",
            "runs/c/events/900-ingest.json",
            "runs/d/plans/0000000001.json",
            "runs/this/events/999-train-cnn-0.json",
        ];
        assert_eq!(newest(&paths.map(str::to_owned), "this"), ["a", "b"]);
    }
}
