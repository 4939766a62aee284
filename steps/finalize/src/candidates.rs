//! Which candidates of a run came through, and why the others did not.

use selvedge_contract::ExitCode;
use selvedge_contract::failure::one_line;
use selvedge_plan::{Plan, Run};
use selvedge_promote::Trained;
use selvedge_store::Store;

use crate::config::Status;

/// The candidates of a run, in the plan's order.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    pub(crate) succeeded: Vec<Trained>,
    /// One line a candidate that failed, with its name.
    pub(crate) failed: Vec<String>,
}

impl Candidates {
    /// Follows plan → results → models → cards. A candidate without a sound card is a failed one, and so is, where
    /// a stage failed, one about which promote decided nothing.
    pub(crate) async fn read(store: &Store, run: &Run, plan: &Plan, status: Status) -> anyhow::Result<Self> {
        let mut candidates = Self::default();
        for planned in &plan.candidates {
            match Trained::read(store, plan, planned).await {
                Ok(trained) => candidates.succeeded.push(trained),
                Err(error) if ExitCode::of(&error) != ExitCode::Permanent => return Err(error),
                Err(error) => candidates.fail(one_line(&error)),
            }
        }
        if status == Status::Failed {
            candidates.find_undecided(run).await?;
        }
        Ok(candidates)
    }

    /// What the run failed of, in one line, if it did.
    pub(crate) fn failure(&self, plan: &Plan, status: Status) -> Option<String> {
        let (failed, all) = (self.failed.len(), plan.candidates.len());
        if failed > 0 {
            return Some(format!("{failed} of {all} candidates failed: {}", self.failed.join("; ")));
        }
        (status == Status::Failed).then(|| {
            format!(
                "a stage failed, though all {all} candidates have model, card and decision: see the workflow"
            )
        })
    }

    async fn find_undecided(&mut self, run: &Run) -> anyhow::Result<()> {
        let decisions = run.decisions().all().await?;
        let names: Vec<_> = self.succeeded.iter().map(|trained| trained.contender.name.clone()).collect();
        for name in names {
            if !decisions.iter().any(|decision| decision.candidate.as_ref() == Some(&name)) {
                self.fail(format!("candidate {name}: promote decided nothing"));
            }
        }
        Ok(())
    }

    fn fail(&mut self, reason: String) {
        tracing::warn!(reason, "a candidate failed");
        self.failed.push(reason);
    }
}
