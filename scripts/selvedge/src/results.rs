//! What came of a run: read from the store, shown as a table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, LineStyle, Table};
use jiff::Timestamp;
use selvedge_data::Split;
use selvedge_plan::key::{EVALUATE_REVISION, result_path};
use selvedge_plan::{Decision, Event, Plan, PlannedCandidate, Run, TrainResult};
use selvedge_registry::{Card, Champion, champion};
use selvedge_store::{Digest, Store};

/// The stage under which `selvedge run` keeps a run's figures.
pub(crate) const STAGE: &str = "run";

/// What came of a run.
#[derive(Debug)]
pub struct Results {
    /// What was intended, where the run came that far.
    pub plan: Option<Plan>,
    /// All that happened.
    pub events: Vec<Event>,
    /// What was decided.
    pub decisions: Vec<Decision>,
    /// What serves now under the run's name.
    pub champion: Option<Champion>,
    /// The newest report, an HTML blob.
    pub report: Option<Digest>,
    /// A reuse of contents that have changed, and why.
    pub warning: Option<String>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    candidate: String,
    made: &'static str,
    accuracies: BTreeMap<Split, f64>,
    decision: Option<Decision>,
    seconds: Option<f64>,
}

impl Results {
    /// Reads what the store knows of `run`.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub async fn read(store: &Store, run: &Run) -> anyhow::Result<Self> {
        let plan = run.plans().newest().await?.map(|(_, plan)| plan);
        let warned = run.ingest_plans().newest().await?.map(|(_, plan)| plan).filter(|plan| plan.warning);
        let mut results = Self {
            events: run.events().await?,
            decisions: run.decisions().all().await?,
            champion: None,
            report: run.reports().newest().await?.map(|(_, report)| report),
            warning: warned.map(|plan| plan.reason),
            rows: Vec::new(),
            plan: None,
        };
        let Some(plan) = plan else { return Ok(results) };
        results.champion = champion::log(store, &plan.name).newest().await?.map(|(_, champion)| champion);
        for candidate in &plan.candidates {
            results.rows.push(results.row(store, &plan, candidate).await?);
        }
        results.plan = Some(plan);
        Ok(results)
    }

    async fn row(&self, store: &Store, plan: &Plan, candidate: &PlannedCandidate) -> anyhow::Result<Row> {
        let result: Option<TrainResult> = store.record(&result_path("train", &candidate.key)).await?;
        let mut accuracies = BTreeMap::new();
        if let Some(result) = &result {
            let card = Card::path(&result.model, &plan.manifest, EVALUATE_REVISION);
            let card: Option<Card> = store.record(&card).await?;
            let scores = card.into_iter().flat_map(|card| card.splits);
            accuracies.extend(scores.map(|(split, score)| (split, score.accuracy)));
        }
        let mine = |name: &Option<String>| name.as_ref() == Some(&candidate.name);
        let ranks = self.events.iter().filter(|event| event.stage == "train" && mine(&event.candidate));
        let (began, ended) = (ranks.clone().map(|e| e.started).min(), ranks.map(|e| e.ended).max());
        Ok(Row {
            candidate: candidate.name.clone(),
            made: match result {
                None => "not trained",
                Some(result) if result.run == plan.run => "trained",
                Some(_) => "reused",
            },
            accuracies,
            decision: self.decisions.iter().rev().find(|decision| mine(&decision.candidate)).cloned(),
            seconds: began.zip(ended).map(|(began, ended)| ended.duration_since(began).as_secs_f64()),
        })
    }

    /// When a model of this run was first known to serve: by the first decision whose roll-out was watched, or that found
    /// its model to be the champion already.
    pub fn first_served(&self) -> Option<Timestamp> {
        let champion = self.champion.as_ref().map(|champion| &champion.model);
        let already =
            |decision: &Decision| decision.decision == "keep" && decision.model.as_ref() == champion;
        let moment = |d: &Decision| d.served_at.or_else(|| already(d).then_some(d.at));
        self.decisions.iter().filter_map(moment).min()
    }

    /// When the first thing happened.
    pub fn began(&self) -> Option<Timestamp> {
        let planned = self.plan.as_ref().map(|plan| plan.created);
        self.events.iter().map(|event| event.started).chain(planned).min()
    }

    /// How it ended, as far as the store knows.
    pub fn outcome(&self) -> String {
        let last = self.events.iter().rev().find(|event| event.stage == STAGE);
        let finalized = self.decisions.iter().rev().find(|decision| decision.stage == "finalize");
        match (last, finalized) {
            (Some(event), _) => event.what.clone(),
            (None, Some(_)) => "finalized".to_owned(),
            (None, None) => "not finished".to_owned(),
        }
    }

    /// What was planned, and why: a line for the data and for each candidate.
    pub fn reasons(&self) -> Vec<String> {
        let Some(plan) = &self.plan else { return Vec::new() };
        let mark = if plan.ingest.warning { "warning" } else { "data" };
        let data = format!("{mark:9} {}: {}", plan.name, plan.ingest.reason);
        let candidates = plan.candidates.iter().map(|c| format!("candidate {}: {}", c.name, c.reason));
        std::iter::once(data).chain(candidates).collect()
    }

    /// Writes the report into `work`, and tells where.
    ///
    /// # Errors
    /// When the report cannot be read or written.
    pub async fn save_report(
        &self,
        store: &Store,
        run: &Run,
        work: &Path,
    ) -> anyhow::Result<Option<PathBuf>> {
        let Some(report) = &self.report else { return Ok(None) };
        let bytes = store.blob(report).await?;
        let path = work.join("reports").join(format!("{}.html", run.name()));
        let write = || {
            std::fs::create_dir_all(work.join("reports"))?;
            std::fs::write(&path, &bytes)
        };
        write().with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Some(path))
    }

    /// A figure of the run, as `selvedge run` measured it.
    pub fn figure(&self, name: &str) -> Option<f64> {
        let event = self.events.iter().rev().find(|event| event.stage == STAGE)?;
        event.measurements.get(name).copied()
    }

    /// One row a candidate.
    pub fn table(&self) -> Table {
        let header = ["candidate", "", "validation", "test", "decision", "generation", "seconds"];
        let mut table = table(&header);
        for row in &self.rows {
            let accuracy = |split| {
                row.accuracies.get(&split).map_or("–".to_owned(), |share| format!("{:.2} %", share * 100.0))
            };
            let decision = row.decision.as_ref();
            table.add_row([
                row.candidate.clone(),
                row.made.to_owned(),
                accuracy(Split::Validation),
                accuracy(Split::Test),
                decision.map_or("–".to_owned(), |decision| decision.decision.clone()),
                decision.and_then(|decision| decision.generation).map_or("–".to_owned(), |g| g.to_string()),
                row.seconds.map_or("–".to_owned(), |seconds| format!("{seconds:.1}")),
            ]);
        }
        for column in [2, 3, 5, 6] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }

    /// The champion in one line.
    pub fn champion_line(&self) -> String {
        match &self.champion {
            Some(champion) => format!(
                "champion  generation {}, {}, model {}: {}",
                champion.generation,
                champion.candidate,
                short(&champion.model),
                champion.reason
            ),
            None => "champion  none".to_owned(),
        }
    }

    /// The times in one line, where they were measured.
    pub fn times_line(&self) -> Option<String> {
        let total = self.figure("total_seconds")?;
        let kind =
            if self.figure("sequential") == Some(1.0) { "sequential plan" } else { "candidates at once" };
        let service = self.figure("time_to_service_seconds");
        let service = service
            .map_or("no model was seen to serve".to_owned(), |s| format!("a model served after {s:.1} s"));
        Some(format!("times     {total:.1} s in all, {service} ({kind})"))
    }
}

/// An empty table in the one style.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    let lines = LineStyle::new('─', '─', '─', '─');
    table.load_style(NOTHING.header_separator(lines).bottom_border(lines)).set_header(header.to_vec());
    table
}

/// The beginning of a digest, as people quote it.
pub(crate) fn short(digest: &Digest) -> String {
    digest.to_string().chars().take(12).collect()
}
