//! What differs between a source and the record of its last ingest.

use std::collections::BTreeMap;

use selvedge_plan::SourceRecord;
use selvedge_store::Digest;

/// A source as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// Training and test records, from the heads of the files.
    pub records: u64,
    /// Digest of each part's decompressed content, where the source is near enough to be read.
    pub parts: Option<BTreeMap<String, Digest>>,
    /// File name, size and modification time or ETag of each part.
    pub stamps: BTreeMap<String, String>,
}

/// A source that is not what was ingested.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Share by which the record count moved, 0 or more.
    pub moved: f64,
    /// What differs, in a few words.
    pub what: String,
}

/// What differs; `None` where contents are the same.
pub fn difference(record: &SourceRecord, now: &Observed) -> Option<Difference> {
    let changed = changed_parts(record, now);
    let (before, after) = (record.record_count, now.records);
    if changed.is_empty() && before == after {
        return None;
    }
    let moved = after.abs_diff(before) as f64 / before.max(1) as f64;
    let what = if before != after {
        let sign = if after > before { '+' } else { '-' };
        format!("records {before} → {after} ({sign}{:.1} %)", 100.0 * moved)
    } else if changed.iter().all(|part| part.ends_with("-labels")) {
        "relabelled".to_owned()
    } else {
        format!("other {}", changed.join(", "))
    };
    Some(Difference { moved, what })
}

/// By content where it was read, else by stamps.
fn changed_parts(record: &SourceRecord, now: &Observed) -> Vec<String> {
    match &now.parts {
        Some(parts) => unequal(&record.parts, parts),
        None => unequal(&record.stamps, &now.stamps),
    }
}

fn unequal<T: PartialEq>(before: &BTreeMap<String, T>, after: &BTreeMap<String, T>) -> Vec<String> {
    after
        .iter()
        .filter(|(part, value)| before.get(*part) != Some(value))
        .map(|(part, _)| part.clone())
        .collect()
}
