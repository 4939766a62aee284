//! What promote decides about one candidate, and the loop that makes it so.

use anyhow::bail;
use selvedge_plan::Plan;
use selvedge_registry::{Champion, ChampionLog, Contender, Promotion, Standing, champion, choose};
use selvedge_store::Store;

use crate::Trained;

/// A decision with its reason.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// `promote`, `keep`, `deferred` or `not-promoting`.
    pub decision: &'static str,
    /// Why, in one line.
    pub reason: String,
    /// The generation that came of it, or the champion that stays.
    pub champion: Option<Champion>,
}

/// What a candidate is judged by.
pub(crate) struct Court<'a> {
    pub(crate) store: &'a Store,
    pub(crate) plan: &'a Plan,
    /// The generation at which the run began; what it promoted before is searched from there.
    pub(crate) began: u64,
    pub(crate) log: ChampionLog,
    pub(crate) candidate: &'a Trained,
}

impl Court<'_> {
    /// Decides, and appends a generation where the decision is to promote; again whenever somebody else was faster.
    pub(crate) async fn judge(&self) -> anyhow::Result<Verdict> {
        loop {
            let newest = self.log.newest().await?.map(|(_, champion)| champion);
            if let Some(before) = self.promotion("").find(&self.log, newest.as_ref(), self.began).await? {
                return Ok(Verdict {
                    decision: "promote",
                    reason: before.reason.clone(),
                    champion: Some(before),
                });
            }
            let (decision, reason) = self.decide(newest.as_ref()).await?;
            if decision != "promote" {
                return Ok(Verdict { decision, reason, champion: newest });
            }
            if let Some(appended) = self.promotion(&reason).append(&self.log, newest.as_ref()).await? {
                return Ok(Verdict { decision, reason, champion: Some(appended) });
            }
            tracing::info!("somebody else was faster, deciding again");
        }
    }

    async fn decide(&self, newest: Option<&Champion>) -> anyhow::Result<(&'static str, String)> {
        match self.plan.promote.as_str() {
            "auto" => {}
            "at-end" => return Ok(("deferred", "promote=at-end: finalize promotes the best".to_owned())),
            "never" => return Ok(("not-promoting", "promote=never".to_owned())),
            other => bail!("run {} plans promote={other:?}, expected auto, at-end or never", self.plan.run),
        }
        let start = self.plan.champion_at_start.unwrap_or(0);
        if let Some(refusal) = champion::refusal(&self.log, newest, start).await? {
            return Ok(("keep", refusal));
        }
        let Trained { identity, contender } = self.candidate;
        if let Some(champion) = newest.filter(|champion| champion.model == contender.model) {
            return Ok(("keep", format!("its model is the champion of generation {}", champion.generation)));
        }
        Ok(match Standing::of(self.store, newest, identity, &self.plan.manifest).await? {
            Standing::Unmeasured(reason) => ("deferred", reason),
            Standing::Vacant => self.apply(None, ""),
            Standing::NotComparable(reason) => self.apply(None, &format!("{reason}; ")),
            Standing::Measured(champion) => self.apply(Some(&champion), ""),
        })
    }

    fn apply(&self, champion: Option<&Contender>, why: &str) -> (&'static str, String) {
        let contender = &self.candidate.contender;
        let choice = choose(champion, std::slice::from_ref(contender), self.plan.floor);
        let promote = choice.model == Some(contender.model) && !choice.stays;
        (if promote { "promote" } else { "keep" }, format!("{why}{}", choice.reason))
    }

    fn promotion(&self, reason: &str) -> Promotion {
        let contender = &self.candidate.contender;
        Promotion {
            run: self.plan.run.clone(),
            stage: "promote".to_owned(),
            candidate: contender.name.clone(),
            model: contender.model,
            dataset: self.plan.manifest,
            reason: reason.to_owned(),
        }
    }
}
