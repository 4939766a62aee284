//! The one decision rule: which model is the champion, given everybody's answers on the same validation records.
//!
//! *Band*: the contender with the best validation accuracy and all that are not significantly worse than another one.
//! A champion in the band stays; else the band's member with the fewest multiply-adds is chosen, then the one with
//! the smallest digest. Where there is no champion, nobody below the floor is chosen. `promote` asks the rule about
//! one candidate, `finalize` about all candidates of a run.
//!
//! "Than another one", not only "than the best": significance is not transitive. A champion that ties with the best
//! but loses to the second would be replaced by promote and brought back by finalize, every day anew. This way
//! promote replaces a champion only if finalize would not keep it, and the same candidates leave the log as it is.

use selvedge_store::Digest;

use crate::Contender;
use crate::mcnemar::Discordant;

/// How unlikely luck has to be before a difference counts. The customary 5 %: on 5,000 validation records it lets a
/// lead of about 0.6 points count between models that disagree on 4 % of them, and what is missed costs little,
/// because such models are nearly as good as each other.
pub const SIGNIFICANCE: f64 = 0.05;

/// What the rule says.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The model that should serve; `None` where nobody may.
    pub model: Option<Digest>,
    /// Whether that is the champion that was there.
    pub stays: bool,
    /// The models that are not significantly worse than another, the champion included, best first.
    pub band: Vec<Digest>,
    /// Why, in one line.
    pub reason: String,
}

/// Applies the rule. All contenders have answered the same records. The order of `candidates` does not matter, and
/// one that is the champion's own model, or another's, counts once.
pub fn choose(champion: Option<&Contender>, candidates: &[Contender], floor: f64) -> Choice {
    let running = rank(champion, candidates);
    let Some(best) = running.first() else {
        return Choice::nobody("there is no candidate to choose from".to_owned());
    };
    if champion.is_none() && best.accuracy() < floor {
        return Choice::nobody(format!(
            "there is no champion, and the best candidate, {}, is below the floor of {}",
            describe(best),
            percent(floor)
        ));
    }
    let eligible: Vec<_> =
        running.into_iter().filter(|c| champion.is_some() || c.accuracy() >= floor).collect();
    let band: Vec<_> = eligible.iter().copied().filter(|c| better_than(c, &eligible).is_none()).collect();
    let digests = band.iter().map(|c| c.model).collect();
    match champion {
        Some(champion) if band.iter().any(|c| c.model == champion.model) => Choice {
            model: Some(champion.model),
            stays: true,
            band: digests,
            reason: why_it_stays(champion, &eligible),
        },
        _ => {
            let chosen = smallest(&band);
            let reason = format!("{}{}", why_open(champion, &eligible, floor), why_this(chosen, &band));
            Choice { model: Some(chosen.model), stays: false, band: digests, reason }
        }
    }
}

impl Choice {
    fn nobody(reason: String) -> Self {
        Self { model: None, stays: false, band: Vec::new(), reason }
    }
}

/// Everybody once, the best first; ties in an order that depends on the models alone.
fn rank<'a>(champion: Option<&'a Contender>, candidates: &'a [Contender]) -> Vec<&'a Contender> {
    let mut running: Vec<_> = champion.into_iter().chain(candidates).collect();
    running.sort_by_key(|c| (std::cmp::Reverse(c.score()), c.multiply_adds, c.model, &c.name));
    running.dedup_by_key(|c| c.model);
    running
}

/// The best of `all` that is significantly better than `contender`, and how unlikely luck is.
fn better_than<'a>(contender: &Contender, all: &[&'a Contender]) -> Option<(&'a Contender, f64)> {
    let beaten_by = |other: &&'a Contender| {
        let p = Discordant::count(&other.right, &contender.right).p_value();
        (other.score() > contender.score() && p < SIGNIFICANCE).then_some((*other, p))
    };
    all.iter().find_map(beaten_by)
}

fn smallest<'a>(band: &[&'a Contender]) -> &'a Contender {
    band.iter()
        .min_by_key(|c| (c.multiply_adds, c.model))
        .expect("the contender with the best accuracy is worse than nobody")
}

fn why_it_stays(champion: &Contender, running: &[&Contender]) -> String {
    let Some(rival) = running.iter().find(|c| c.model != champion.model) else {
        return format!("champion {} has no rival", describe(champion));
    };
    let discordant = Discordant::count(&rival.right, &champion.right);
    format!(
        "champion {} is not significantly worse than {}: {}",
        describe(champion),
        describe(rival),
        test(discordant)
    )
}

fn why_open(champion: Option<&Contender>, running: &[&Contender], floor: f64) -> String {
    let Some(champion) = champion else {
        return format!("no champion, floor {}: ", percent(floor));
    };
    better_than(champion, running).map_or_else(String::new, |(rival, _)| {
        let discordant = Discordant::count(&rival.right, &champion.right);
        format!(
            "champion {} is significantly worse than {}: {}; ",
            describe(champion),
            describe(rival),
            test(discordant)
        )
    })
}

fn why_this(chosen: &Contender, band: &[&Contender]) -> String {
    match band {
        [_] => format!("{} is chosen, nobody else is in the band", describe(chosen)),
        _ => format!(
            "{} is chosen for its {} multiply-adds among {} in the band: {}",
            describe(chosen),
            chosen.multiply_adds,
            band.len(),
            band.iter().map(|c| describe(c)).collect::<Vec<_>>().join(", ")
        ),
    }
}

fn describe(contender: &Contender) -> String {
    format!("{} ({})", contender.name, percent(contender.accuracy()))
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn test(Discordant { first, second }: Discordant) -> String {
    let p = Discordant { first, second }.p_value();
    let sign = if p < 0.0001 { "p < 0.0001".to_owned() } else { format!("p = {p:.4}") };
    format!("{first} records only the latter has right, {second} only the former, McNemar {sign}")
}
