//! What came of requests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What came of the requests of some time; parts of it add up.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// All that ended.
    pub requests: usize,
    /// By kind: a status other than 200, an error of the connection, an entry of a batch that failed.
    pub failed: BTreeMap<String, usize>,
    /// Of the answered ones, in milliseconds, in no order.
    pub latencies: Vec<f64>,
    /// Requests answered, by replica.
    pub replicas: BTreeMap<String, usize>,
    /// Requests answered, by the digest of the model.
    pub models: BTreeMap<String, usize>,
}

impl Seen {
    /// Notes a request that was answered after `milliseconds`.
    pub fn answered(&mut self, milliseconds: f64, replica: String, model: String) {
        self.requests += 1;
        self.latencies.push(milliseconds);
        *self.replicas.entry(replica).or_default() += 1;
        *self.models.entry(model).or_default() += 1;
    }

    /// Notes a request that was lost.
    pub fn lost(&mut self, why: String) {
        self.requests += 1;
        *self.failed.entry(why).or_default() += 1;
    }

    /// Takes over what was seen at another time.
    pub fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.latencies.extend(other.latencies);
        for (mine, others) in [
            (&mut self.failed, other.failed),
            (&mut self.replicas, other.replicas),
            (&mut self.models, other.models),
        ] {
            others.into_iter().for_each(|(name, times)| *mine.entry(name).or_default() += times);
        }
    }

    /// How many were lost.
    pub fn failures(&self) -> usize {
        self.failed.values().sum()
    }

    /// The latency below which the share `of` of the answers stayed, in milliseconds; 0 without answers.
    pub fn latency(&self, of: f64) -> f64 {
        let mut latencies = self.latencies.clone();
        latencies.sort_by(f64::total_cmp);
        let last = latencies.len().saturating_sub(1);
        latencies.get((last as f64 * of).round() as usize).copied().unwrap_or_default()
    }
}
