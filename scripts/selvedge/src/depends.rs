//! `depends`: when a task of a DAG starts.
//!
//! `a && (b.Failed || !c.Skipped)`: a bare name stands for Succeeded, Skipped or Daemoned. A condition is judged once
//! all tasks that it names are over; one that does not hold makes its task Omitted.

use std::collections::BTreeSet;

use crate::phase::Phase;

/// A parsed `depends`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Nothing to wait for.
    Always,
    /// A task ended in one of these ways.
    Ended(String, Vec<Phase>),
    /// Not.
    Not(Box<Condition>),
    /// Both.
    And(Box<Condition>, Box<Condition>),
    /// At least one.
    Or(Box<Condition>, Box<Condition>),
}

impl Condition {
    /// Parses the text of `depends`.
    ///
    /// # Errors
    /// Naming what is not understood.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        if text.trim().is_empty() {
            return Ok(Self::Always);
        }
        let mut parser = Parser { rest: text };
        let condition = parser.either()?;
        match parser.rest.trim_start() {
            "" => Ok(condition),
            rest => anyhow::bail!("{rest:?} in {text:?} is not understood"),
        }
    }

    /// The tasks that it names.
    pub fn tasks(&self) -> BTreeSet<String> {
        match self {
            Self::Always => BTreeSet::new(),
            Self::Ended(task, _) => [task.clone()].into(),
            Self::Not(of) => of.tasks(),
            Self::And(one, other) | Self::Or(one, other) => {
                one.tasks().union(&other.tasks()).cloned().collect()
            }
        }
    }

    /// Whether it holds, given how tasks ended.
    pub fn holds(&self, ended: &impl Fn(&str) -> Option<Phase>) -> bool {
        match self {
            Self::Always => true,
            Self::Ended(task, phases) => ended(task).is_some_and(|phase| phases.contains(&phase)),
            Self::Not(of) => !of.holds(ended),
            Self::And(one, other) => one.holds(ended) && other.holds(ended),
            Self::Or(one, other) => one.holds(ended) || other.holds(ended),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn either(&mut self) -> anyhow::Result<Condition> {
        let mut left = self.both()?;
        while self.take("||") {
            left = Condition::Or(left.into(), self.both()?.into());
        }
        Ok(left)
    }

    fn both(&mut self) -> anyhow::Result<Condition> {
        let mut left = self.one()?;
        while self.take("&&") {
            left = Condition::And(left.into(), self.one()?.into());
        }
        Ok(left)
    }

    fn one(&mut self) -> anyhow::Result<Condition> {
        if self.take("!") {
            return Ok(Condition::Not(self.one()?.into()));
        }
        if self.take("(") {
            let inner = self.either()?;
            if !self.take(")") {
                anyhow::bail!("a closing parenthesis is missing before {:?}", self.rest);
            }
            return Ok(inner);
        }
        let task = self.word()?;
        let phases =
            if self.rest.starts_with('.') { self.result()? } else { vec![Phase::Succeeded, Phase::Skipped] };
        Ok(Condition::Ended(task, phases))
    }

    fn result(&mut self) -> anyhow::Result<Vec<Phase>> {
        self.rest = &self.rest[1..];
        Ok(match self.word()?.as_str() {
            "Succeeded" => vec![Phase::Succeeded],
            "Failed" => vec![Phase::Failed],
            "Errored" => vec![Phase::Errored],
            "Skipped" => vec![Phase::Skipped],
            "Omitted" => vec![Phase::Omitted],
            // There are no daemons here.
            "Daemoned" => Vec::new(),
            other => anyhow::bail!("result {other:?} is not known"),
        })
    }

    fn word(&mut self) -> anyhow::Result<String> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        if word.is_empty() {
            anyhow::bail!("a task's name is missing before {rest:?}");
        }
        self.rest = rest;
        Ok(word.to_owned())
    }

    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start();
        let taken = rest.strip_prefix(token);
        self.rest = taken.unwrap_or(rest);
        taken.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bare name, and each result, against each way to end.
    #[test]
    fn the_table_of_results() {
        let all = [Phase::Succeeded, Phase::Failed, Phase::Errored, Phase::Skipped, Phase::Omitted];
        let table = [
            ("a", [true, false, false, true, false]),
            ("a.Succeeded", [true, false, false, false, false]),
            ("a.Failed", [false, true, false, false, false]),
            ("a.Errored", [false, false, true, false, false]),
            ("a.Skipped", [false, false, false, true, false]),
            ("a.Omitted", [false, false, false, false, true]),
            ("a.Daemoned", [false; 5]),
            ("!a.Failed", [true, false, true, true, true]),
        ];
        for (text, expected) in table {
            let condition = Condition::parse(text).unwrap();
            assert_eq!(all.map(|phase| condition.holds(&|_| Some(phase))), expected, "{text}");
        }
    }

    #[test]
    fn and_binds_closer_than_or_and_parentheses_closest() {
        let ended = |task: &str| Some(if task == "yes" { Phase::Succeeded } else { Phase::Failed });
        for (text, expected) in [
            ("yes || no && no", true),
            ("(yes || no) && no", false),
            ("!(no || no) && yes", true),
            ("no || !no", true),
            ("a-b.Failed&&yes", true),
        ] {
            assert_eq!(Condition::parse(text).unwrap().holds(&ended), expected, "{text}");
        }
    }

    #[test]
    fn names_are_collected_and_nonsense_is_refused_by_name() {
        let tasks = Condition::parse("b.Failed || (a && !b)").unwrap().tasks();
        assert_eq!(tasks.into_iter().collect::<Vec<_>>(), ["a", "b"]);
        for (text, part) in
            [("a &", "&"), ("a.Done", "Done"), ("(a", "parenthesis"), ("a ||", "name"), ("a b", "b")]
        {
            let error = Condition::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
