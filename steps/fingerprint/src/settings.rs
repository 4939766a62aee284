//! From a candidate to all of its settings.

use selvedge_contract::Misconfigured;
use selvedge_data::{Manifest, order};
use selvedge_plan::{Candidate, Settings, instructions};
use serde_json::Value;

/// The most shards that make sense; all-reduce leaves headroom for their sum.
const MAX_SHARDS: usize = 64;

/// The family's settings with the run's seed and instruction set, overridden by the candidate's own.
/// `auto` is settled here, once, for all ranks.
///
/// # Errors
/// In one line: for an unknown setting or a value that cannot be.
pub fn resolve(candidate: &Candidate, seed: u64, instructions: &str) -> Result<Settings, Misconfigured> {
    settings(candidate, seed, instructions).map_err(|why| refused(candidate, &why))
}

fn settings(candidate: &Candidate, seed: u64, instructions: &str) -> Result<Settings, String> {
    let family = Settings { seed, instructions: instructions.to_owned(), ..Settings::of(candidate.family) };
    let mut merged = serde_json::to_value(family).map_err(|e| e.to_string())?;
    if let Value::Object(merged) = &mut merged {
        merged.extend(candidate.settings.clone());
    }
    let mut settings: Settings = serde_json::from_value(merged).map_err(|e| e.to_string())?;
    if settings.instructions == "auto" {
        settings.instructions = instructions::detect().to_owned();
    }
    check(&settings)?;
    Ok(settings)
}

fn check(settings: &Settings) -> Result<(), String> {
    let Settings { epochs, shards, micro_batch, window, .. } = *settings;
    let least = [
        ("epochs", epochs, 1),
        ("shards", shards, 1),
        ("micro-batch", micro_batch, 2),
        ("window", window, 1),
    ];
    for (name, value, least) in least {
        within(name, value as f64, value >= least, &format!("at least {least}"))?;
    }
    within("shards", shards as f64, shards <= MAX_SHARDS, &format!("at most {MAX_SHARDS}"))?;
    let Settings { learning_rate, weight_decay, momentum, warm_up, label_smoothing, .. } = *settings;
    let positive = learning_rate.is_finite() && learning_rate > 0.0;
    within("learning-rate", learning_rate, positive, "a number above 0")?;
    let decays = weight_decay.is_finite() && weight_decay >= 0.0;
    within("weight-decay", weight_decay, decays, "at least 0")?;
    within("momentum", momentum, (0.0..1.0).contains(&momentum), "from 0 to below 1")?;
    within("warm-up", warm_up, (0.0..=1.0).contains(&warm_up), "from 0 to 1")?;
    let smooth = (0.0..1.0).contains(&label_smoothing);
    within("label-smoothing", label_smoothing, smooth, "from 0 to below 1")?;
    if settings.network.trim().is_empty() {
        return Err("network is empty".to_owned());
    }
    if instructions::NAMES.contains(&settings.instructions.as_str()) {
        return Ok(());
    }
    Err(format!(
        "instructions is {:?}, expected auto, {}",
        settings.instructions,
        instructions::NAMES.join(", ")
    ))
}

fn within(name: &str, value: f64, is: bool, expected: &str) -> Result<(), String> {
    if is { Ok(()) } else { Err(format!("{name} is {value}, expected {expected}")) }
}

/// Holds settings against the data set.
///
/// # Errors
/// When its training records do not suffice for the shards, or its images for the shift.
pub fn check_data(
    candidate: &Candidate,
    settings: &Settings,
    manifest: &Manifest,
) -> Result<(), Misconfigured> {
    order::steps_per_epoch(manifest, settings.shards, settings.micro_batch)
        .map_err(|e| refused(candidate, &e.to_string()))?;
    let smallest = manifest.shape.height.min(manifest.shape.width);
    if settings.shift < smallest {
        return Ok(());
    }
    Err(refused(candidate, &format!("shift is {}, but records have {smallest} pixels", settings.shift)))
}

fn refused(candidate: &Candidate, why: &str) -> Misconfigured {
    Misconfigured::message(format!("STEP_CANDIDATES: candidate {:?}: {why}", candidate.name))
}
