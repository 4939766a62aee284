//! The list of candidates, as an operator writes it.

use selvedge_contract::Misconfigured;
use selvedge_plan::{Candidate, name};

/// Parses the JSON list of candidates.
///
/// # Errors
/// In one line: for what is no list, an empty one, an unknown field, a bad or doubled name.
pub fn parse(list: &str) -> Result<Vec<Candidate>, Misconfigured> {
    candidates(list).map_err(|why| Misconfigured::message(format!("STEP_CANDIDATES: {why}")))
}

fn candidates(list: &str) -> Result<Vec<Candidate>, String> {
    let values: Vec<serde_json::Value> =
        serde_json::from_str(list).map_err(|e| format!("not a JSON list of candidates: {e}"))?;
    let mut candidates: Vec<Candidate> = Vec::new();
    for value in values {
        let shown = value.to_string();
        let candidate: Candidate = serde_json::from_value(value).map_err(|e| format!("{shown}: {e}"))?;
        name::parse(&candidate.name)?;
        if candidates.iter().any(|other| other.name == candidate.name) {
            return Err(format!("two candidates are named {:?}", candidate.name));
        }
        candidates.push(candidate);
    }
    if candidates.is_empty() { Err("the list is empty".to_owned()) } else { Ok(candidates) }
}
