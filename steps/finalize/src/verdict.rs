//! What finalize decides about all candidates of a run, and the loop that makes it so.

use selvedge_plan::Plan;
use selvedge_promote::Trained;
use selvedge_registry::{Champion, ChampionLog, Promotion, Standing, champion, choose};
use selvedge_store::{Digest, Store};

/// A decision with its reason.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    /// `confirm`, `replace`, `keep`, `not-promoting` or `none`.
    pub(crate) decision: &'static str,
    /// Why, in one line.
    pub(crate) reason: String,
    /// The best model of the run, or the one that stays.
    pub(crate) model: Option<Digest>,
    /// The champion after the decision.
    pub(crate) champion: Option<Champion>,
}

/// What a look at the log leads to.
enum Next {
    /// This has to be the champion.
    Serve(Promotion),
    /// The log stays as it is.
    Leave(&'static str, String, Option<Digest>),
}

/// What the run is judged by.
pub(crate) struct Court<'a> {
    pub(crate) store: &'a Store,
    pub(crate) plan: &'a Plan,
    pub(crate) log: ChampionLog,
    pub(crate) candidates: &'a [Trained],
}

/// The stage's name in records.
pub(crate) const STAGE: &str = "finalize";

impl Court<'_> {
    /// Decides, and appends a generation where the champion has to change; again whenever somebody else was faster.
    pub(crate) async fn judge(&self) -> anyhow::Result<Verdict> {
        loop {
            let newest = self.log.newest().await?.map(|(_, champion)| champion);
            let promotion = match self.decide(newest.as_ref()).await? {
                Next::Serve(promotion) => promotion,
                Next::Leave(decision, reason, model) => {
                    return Ok(Verdict { decision, reason, model, champion: newest });
                }
            };
            if let Some(decision) = self.serves(newest.as_ref(), &promotion.model) {
                return Ok(Verdict::of(decision, promotion, newest));
            }
            if let Some(appended) = promotion.append(&self.log, newest.as_ref()).await? {
                return Ok(Verdict::of("replace", promotion, Some(appended)));
            }
            tracing::info!("somebody else was faster, deciding again");
        }
    }

    async fn decide(&self, newest: Option<&Champion>) -> anyhow::Result<Next> {
        let stays = newest.map(|champion| champion.model);
        let Some(first) = self.candidates.first() else {
            return Ok(Next::Leave("none", "no candidate succeeded".to_owned(), stays));
        };
        let incumbent = champion::incumbent(&self.log, newest, &self.plan.run).await?;
        let standing =
            Standing::of(self.store, incumbent.as_ref(), &first.identity, &self.plan.manifest).await?;
        let (promotion, reason) = self.choose(standing);
        if self.plan.promote == "never" {
            let best = promotion.map(|promotion| promotion.model);
            return Ok(Next::Leave("not-promoting", format!("promote=never; {reason}"), best));
        }
        let start = self.plan.champion_at_start.unwrap_or(0);
        if let Some(refusal) = champion::refusal(&self.log, newest, start).await? {
            return Ok(Next::Leave("keep", refusal, stays));
        }
        Ok(match promotion {
            Some(promotion) => Next::Serve(promotion),
            None if stays.is_some() => Next::Leave("keep", reason, stays),
            None => Next::Leave("none", reason, None),
        })
    }

    /// Applies the rule to all candidates and the champion at the run's start.
    fn choose(&self, standing: Standing) -> (Option<Promotion>, String) {
        let (champion, why) = match standing {
            Standing::Vacant => (None, String::new()),
            Standing::NotComparable(reason) => (None, format!("{reason}; ")),
            Standing::Unmeasured(reason) => return (None, format!("{reason}: the next run compares")),
            Standing::Measured(champion) => (Some(champion), String::new()),
        };
        let contenders: Vec<_> = self.candidates.iter().map(|trained| trained.contender.clone()).collect();
        let choice = choose(champion.as_ref(), &contenders, self.plan.floor);
        let reason = format!("{why}{}", choice.reason);
        let chosen =
            contenders.iter().chain(&champion).find(|contender| Some(contender.model) == choice.model);
        let promotion = chosen.map(|contender| Promotion {
            run: self.plan.run.clone(),
            stage: STAGE.to_owned(),
            candidate: contender.name.clone(),
            model: contender.model,
            dataset: self.plan.manifest,
            reason: reason.clone(),
        });
        (promotion, reason)
    }

    /// What to call it if `model` serves already: an attempt of this stage that ran again says what it said before.
    fn serves(&self, newest: Option<&Champion>, model: &Digest) -> Option<&'static str> {
        let newest = newest.filter(|champion| champion.model == *model)?;
        Some(if newest.is_of(&self.plan.run, STAGE) { "replace" } else { "confirm" })
    }
}

impl Verdict {
    fn of(decision: &'static str, promotion: Promotion, champion: Option<Champion>) -> Self {
        let Promotion { model, reason, .. } = promotion;
        Self { decision, reason, model: Some(model), champion }
    }
}
