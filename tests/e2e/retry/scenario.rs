//! The rows of the Retry matrix.

use serde_json::{Value, json};

/// One candidate of each family.
pub(crate) const FAMILIES: &str = r#"[
    {"name": "cnn", "family": "cnn", "settings": {"epochs": 3, "micro-batch": 8}},
    {"name": "dense", "family": "dense", "settings": {"epochs": 3, "micro-batch": 8}},
    {"name": "resnet", "family": "resnet", "settings": {"epochs": 3, "micro-batch": 8}}]"#;
/// Those that train for long enough to be stopped: SIGTERM comes up to 15 seconds after `argo stop`.
pub(crate) const PATIENT: &str = r#"[
    {"name": "patient-cnn", "family": "cnn", "settings": {"epochs": 40, "micro-batch": 8}},
    {"name": "patient-dense", "family": "dense", "settings": {"epochs": 150, "micro-batch": 8}},
    {"name": "patient-resnet", "family": "resnet", "settings": {"epochs": 40, "micro-batch": 8}}]"#;

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scenario {
    pub(crate) stage: Stage,
    pub(crate) harm: Harm,
    /// The only candidate of the run, or all of [`FAMILIES`].
    pub(crate) candidate: Option<&'static str>,
    /// Where a hand is needed: whose.
    pub(crate) hand: Hand,
}

/// A leaf template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Source,
    Batches,
    Training,
    Rank,
    Evaluate,
    Promote,
    Finalize,
}

/// What is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    /// It exits with 1.
    Failed,
    /// It is killed by signal 9.
    Killed,
    /// Its pod is deleted.
    Deleted,
    /// It passes its memory limit.
    Memory,
    /// `argo stop`.
    Stopped,
    /// `argo terminate`.
    Terminated,
}

/// Who retries what does not retry itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hand {
    /// `argo retry`.
    Command,
    /// The call behind the UI's Retry button.
    Button,
}

impl Stage {
    const ALL: [Self; 7] = [
        Self::Source,
        Self::Batches,
        Self::Training,
        Self::Rank,
        Self::Evaluate,
        Self::Promote,
        Self::Finalize,
    ];

    /// The template's name.
    pub(crate) fn template(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Batches => "batches",
            Self::Training => "training",
            Self::Rank => "rank",
            Self::Evaluate => "evaluate",
            Self::Promote => "promote",
            Self::Finalize => "finalize",
        }
    }

    /// The command as the wrapper tells it.
    fn command(self) -> &'static str {
        match self {
            Self::Source => "fingerprint source",
            Self::Batches => "ingest",
            Self::Training => "fingerprint training",
            Self::Rank => "train",
            Self::Evaluate => "evaluate",
            Self::Promote => "promote",
            Self::Finalize => "finalize",
        }
    }
}

impl Harm {
    /// Whether somebody has to retry.
    pub(crate) fn needs_a_hand(self) -> bool {
        matches!(self, Self::Failed | Self::Stopped | Self::Terminated)
    }
}

impl Scenario {
    /// The run's candidates.
    pub(crate) fn candidates(&self) -> String {
        let Some(name) = self.candidate else { return FAMILIES.to_owned() };
        let all = [FAMILIES, PATIENT].map(|list| serde_json::from_str::<Vec<Value>>(list).unwrap());
        Value::from_iter(all.into_iter().flatten().filter(|one| one["name"] == name)).to_string()
    }

    /// The candidate whose stage is harmed, where stages have one.
    pub(crate) fn harmed_candidate(&self) -> &'static str {
        self.candidate.unwrap_or("dense")
    }

    /// The worst moment: a rank past its first checkpoint, everybody else when all is done and nobody knows.
    pub(crate) fn moment(&self) -> (&'static str, Value) {
        match (self.stage, self.harm) {
            (Stage::Rank, Harm::Stopped | Harm::Terminated) => ("in the middle", Value::Null),
            (Stage::Rank, _) if self.candidate.is_none() => ("at the start", json!("start")),
            (Stage::Rank, _) => ("in the middle", json!({"progress": 30})),
            (_, Harm::Memory) => ("at the start", json!("start")),
            _ => ("at the end", json!("end")),
        }
    }

    /// What the wrapper is told.
    pub(crate) fn entries(&self) -> Value {
        let fault = match self.harm {
            Harm::Failed => "fail",
            Harm::Killed => "kill",
            Harm::Stopped | Harm::Terminated if self.stage == Stage::Rank => return json!([]),
            Harm::Deleted | Harm::Stopped | Harm::Terminated => "hang",
            Harm::Memory => "memory",
        };
        let mut entry = json!({"stage": self.stage.command(), "fault": fault, "moment": self.moment().1});
        if self.stage == Stage::Rank {
            entry["rank"] = "1".into();
            entry["candidate"] = self.harmed_candidate().into();
        }
        json!([entry])
    }
}

/// Every row.
pub(crate) fn all() -> Vec<Scenario> {
    let mut rows = Vec::new();
    for stage in Stage::ALL {
        let (candidates, patient): (&[_], &[_]) = match stage {
            Stage::Rank => (&["cnn", "dense", "resnet"], &["patient-cnn", "patient-dense", "patient-resnet"]),
            _ => (&["dense"], &["dense"]),
        };
        for candidate in candidates {
            for harm in [Harm::Failed, Harm::Killed, Harm::Deleted] {
                rows.push((stage, harm, Some(*candidate)));
            }
            if matches!(stage, Stage::Rank | Stage::Evaluate) {
                rows.push((stage, Harm::Memory, Some(*candidate)));
            }
        }
        for candidate in patient {
            rows.extend([Harm::Stopped, Harm::Terminated].map(|harm| (stage, harm, Some(*candidate))));
        }
    }
    rows.push((Stage::Rank, Harm::Failed, None));
    with_hands(&rows)
}

/// One row of each kind.
pub(crate) fn subset() -> Vec<Scenario> {
    with_hands(&[
        (Stage::Rank, Harm::Stopped, Some("patient-dense")),
        (Stage::Rank, Harm::Failed, None),
        (Stage::Rank, Harm::Deleted, Some("cnn")),
        (Stage::Rank, Harm::Memory, Some("dense")),
        (Stage::Batches, Harm::Failed, Some("dense")),
        (Stage::Training, Harm::Failed, Some("dense")),
        (Stage::Promote, Harm::Killed, Some("dense")),
    ])
}

/// Command and button take turns.
fn with_hands(rows: &[(Stage, Harm, Option<&'static str>)]) -> Vec<Scenario> {
    let mut hands = [Hand::Command, Hand::Button].into_iter().cycle();
    let scenario = |&(stage, harm, candidate): &(Stage, Harm, Option<&'static str>)| {
        let hand = if harm.needs_a_hand() { hands.next() } else { None };
        Scenario { stage, harm, candidate, hand: hand.unwrap_or(Hand::Command) }
    };
    rows.iter().map(scenario).collect()
}
