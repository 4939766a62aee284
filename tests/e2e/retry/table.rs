//! The Retry matrix as a markdown table.

use std::fmt::Write;
use std::time::Duration;

use super::play::Outcome;
use super::scenario::{Hand, Harm, Scenario};

/// The table of `rows`, played within `time`.
pub(crate) fn of(rows: &[(Scenario, Result<Outcome, String>)], time: Duration) -> String {
    let mut text = String::from(
        "| template | candidate | harm | moment | retried by | it ended as | pods | steps, of them last gang | s | digests |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (scenario, row) in rows {
        let (template, moment, hand) = (scenario.stage.template(), scenario.moment().0, hand(scenario));
        let candidate = scenario.candidate.unwrap_or("all three");
        let harm = harm(scenario.harm);
        let seen = match row {
            Ok(Outcome { end, attempts, steps, seconds }) => {
                let steps = steps.map_or_else(|| "–".to_owned(), |(all, last)| format!("{all}, {last}"));
                format!("{} | {attempts} | {steps} | {seconds} | equal |", one_line(end))
            }
            Err(error) => format!("**{}** | | | | |", one_line(error)),
        };
        writeln!(text, "| {template} | {candidate} | {harm} | {moment} | {hand} | {seen}").unwrap();
    }
    let good = rows.iter().filter(|(_, row)| row.is_ok()).count();
    writeln!(
        text,
        "\n{good} of {} rows end with the digests of an undisturbed run; {} s.",
        rows.len(),
        time.as_secs()
    )
    .unwrap();
    text
}

fn harm(harm: Harm) -> &'static str {
    match harm {
        Harm::Failed => "exit 1",
        Harm::Killed => "killed (9)",
        Harm::Deleted => "pod deleted",
        Harm::Memory => "memory limit",
        Harm::Stopped => "argo stop",
        Harm::Terminated => "argo terminate",
    }
}

fn hand(scenario: &Scenario) -> &'static str {
    match (scenario.harm.needs_a_hand(), scenario.hand) {
        (false, _) => "itself",
        (true, Hand::Command) => "argo retry",
        (true, Hand::Button) => "PUT …/retry",
    }
}

fn one_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().replace('|', "/");
    line.chars().take(80).collect()
}
