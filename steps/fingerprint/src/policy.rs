//! When a data set is ingested again: a pure decision by a named policy.

use std::time::Duration;

use clap::ValueEnum;

use crate::compare::Difference;

/// The policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// Changed contents are ingested again once they are too old or have moved too far
    Tolerant,
    /// Contents are ingested again once they are too old and have moved too far
    Textbook,
    /// Changed contents are ingested again
    Content,
}

/// A policy and its limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// The policy.
    pub policy: Policy,
    /// Younger than this is young.
    pub max_age: Duration,
    /// A record count that moved by less than this share has hardly moved.
    pub max_change: f64,
    /// From this age on anything is ingested again.
    pub max_stale: Option<Duration>,
}

/// What a policy says of an ingested data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Whether it is used as it is.
    pub reuse: bool,
    /// Why, in one line; always says whether contents differ.
    pub reason: String,
}

impl Rule {
    /// Decides on a data set that was ingested `age` ago and now shows `difference`.
    pub fn decide(&self, age: Duration, difference: Option<&Difference>) -> Verdict {
        let differs = difference.map(|difference| format!(" (contents differ: {})", difference.what));
        let differs = differs.unwrap_or_default();
        if let Some(limit) = self.max_stale.filter(|limit| age >= *limit) {
            return refresh(format!("refresh{differs}: {}, stale from {} on", old(age), span(limit)));
        }
        match difference {
            None if self.policy == Policy::Textbook => self.textbook(age, 0.0, &differs),
            None => reuse(format!("reuse: same content, {}", old(age))),
            Some(difference) => match self.policy {
                Policy::Tolerant => self.tolerant(age, difference, &differs),
                Policy::Textbook => self.textbook(age, difference.moved, &differs),
                Policy::Content => refresh(refreshed(difference)),
            },
        }
    }

    fn tolerant(&self, age: Duration, difference: &Difference, differs: &str) -> Verdict {
        if difference.moved >= self.max_change {
            refresh(refreshed(difference))
        } else if age < self.max_age {
            reuse(format!("reuse{differs}: {}", aged(age, self.max_age)))
        } else {
            refresh(format!("refresh{differs}: {}", aged(age, self.max_age)))
        }
    }

    fn textbook(&self, age: Duration, moved: f64, differs: &str) -> Verdict {
        // One decimal at most, and none where it is 0.
        let limit = (1000.0 * self.max_change).round() / 10.0;
        let change = format!("records moved by {:.1} %, limit {limit} %", 100.0 * moved);
        if age < self.max_age {
            reuse(format!("reuse{differs}: {}", aged(age, self.max_age)))
        } else if moved < self.max_change {
            reuse(format!("reuse{differs}: {change}"))
        } else {
            refresh(format!("refresh{differs}: {}, {change}", aged(age, self.max_age)))
        }
    }
}

fn reuse(reason: String) -> Verdict {
    Verdict { reuse: true, reason }
}

fn refresh(reason: String) -> Verdict {
    Verdict { reuse: false, reason }
}

fn refreshed(difference: &Difference) -> String {
    if difference.moved > 0.0 {
        format!("refresh: {}", difference.what)
    } else {
        format!("refresh: contents differ: {}", difference.what)
    }
}

/// `15 days old, limit 30`: the limit in the unit of the age where that is days, else with its own.
fn aged(age: Duration, limit: Duration) -> String {
    let days =
        |duration: Duration| duration.as_secs().is_multiple_of(DAY).then_some(duration.as_secs() / DAY);
    match days(limit).filter(|_| age.as_secs() >= DAY) {
        Some(days) => format!("{}, limit {days}", old(age)),
        None => format!("{}, limit {}", old(age), span(limit)),
    }
}

fn old(age: Duration) -> String {
    format!("{} old", span(age))
}

const DAY: u64 = 86_400;

/// A duration in its largest whole unit, the rest cut off: `15 days`, `1 hour`.
fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [("day", DAY), ("hour", 3600), ("minute", 60)];
    let (unit, size) = units.into_iter().find(|(_, size)| seconds >= *size).unwrap_or(("second", 1));
    let number = seconds / size;
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
