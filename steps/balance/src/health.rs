//! What is known about one replica: what it says of itself, and whether it can be reached.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// What a replica is fit for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not asked yet.
    Unknown,
    /// It answers.
    Ready,
    /// It lives, and waits for the first model.
    NoModel,
    /// It finishes what it has and goes.
    Draining,
    /// It listens, but its probe fails.
    Failing,
    /// Nobody answers there.
    Unreachable,
}

/// What the last probes said, and since when nothing is sent because of failed requests.
#[derive(Debug, Clone)]
pub struct Health {
    /// What counts.
    status: Status,
    /// What was seen last, and how often in a row.
    seen: (Status, u32),
    /// Failed requests in a row, and until when they keep new ones away.
    failures: u32,
    ejected_until: Option<Instant>,
}

/// Failures are seen this often in a row before they count, and readiness after a failure likewise.
const IN_A_ROW: u32 = 2;
const FIRST_EJECTION: Duration = Duration::from_millis(200);
const LONGEST_EJECTION: Duration = Duration::from_secs(10);

impl Status {
    /// Whether somebody is there.
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Ready | Self::NoModel | Self::Draining)
    }

    /// What a replica says of itself counts at once; what only looks like a failure, or like its end, could be chance.
    fn needs(self, next: Self) -> u32 {
        match next {
            Self::NoModel | Self::Draining => 1,
            Self::Ready if self == Self::Unknown || self.is_alive() => 1,
            _ => IN_A_ROW,
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self { status: Status::Unknown, seen: (Status::Unknown, 0), failures: 0, ejected_until: None }
    }
}

impl Health {
    /// What counts at the moment.
    pub fn status(&self) -> Status {
        self.status
    }

    /// One more observation of `seen`; whether that changed what counts.
    pub fn observe(&mut self, seen: Status) -> bool {
        let times = if self.seen.0 == seen { self.seen.1.saturating_add(1) } else { 1 };
        self.seen = (seen, times);
        if seen == self.status || times < self.status.needs(seen) {
            return false;
        }
        if seen == Status::Ready {
            // It came back, perhaps as another process: old failures are not its own.
            self.succeeded();
        }
        self.status = seen;
        true
    }

    /// Whether failed requests keep new ones away at `now`.
    pub fn is_ejected(&self, now: Instant) -> bool {
        self.ejected_until.is_some_and(|until| now < until)
    }

    /// A request failed to reach it, or broke off: nothing is sent for a while, twice as long each time. Failures of
    /// one moment count once. Whether it was ejected now.
    pub fn failed(&mut self, now: Instant) -> bool {
        if self.is_ejected(now) {
            return false;
        }
        let pause = FIRST_EJECTION * 2_u32.saturating_pow(self.failures.min(16));
        self.failures += 1;
        self.ejected_until = Some(now + pause.min(LONGEST_EJECTION));
        true
    }

    /// A request was answered.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.ejected_until = None;
    }
}

#[cfg(test)]
mod tests {
    use Status::{Draining, Failing, NoModel, Ready, Unreachable};

    use super::*;

    type Case<'a> = (&'a [Status], &'a [(usize, Status)]);

    /// The observations after which the status changed, and to what.
    fn flips(seen: &[Status]) -> Vec<(usize, Status)> {
        let mut health = Health::default();
        let mut flip = |(n, seen): (usize, &Status)| health.observe(*seen).then_some((n, *seen));
        seen.iter().enumerate().filter_map(&mut flip).collect()
    }

    #[test]
    fn words_count_at_once_and_failures_only_in_a_row() {
        let cases: [Case<'_>; 6] = [
            (&[Ready, Ready], &[(0, Ready)]),
            (&[NoModel, Ready, Draining, Ready], &[(0, NoModel), (1, Ready), (2, Draining), (3, Ready)]),
            (&[Ready, Unreachable, Ready, Unreachable, Ready], &[(0, Ready)]),
            (&[Ready, Unreachable, Unreachable, Unreachable], &[(0, Ready), (2, Unreachable)]),
            (&[Unreachable, Unreachable, Ready, Ready], &[(1, Unreachable), (3, Ready)]),
            (&[Ready, Failing, Unreachable, Failing, Failing], &[(0, Ready), (4, Failing)]),
        ];
        for (seen, expected) in cases {
            assert_eq!(flips(seen), expected, "{seen:?}");
        }
    }

    #[test]
    fn ejections_double_up_to_a_limit_and_end_with_a_success() {
        let mut now = Instant::now();
        let mut health = Health::default();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            assert!(health.failed(now) && !health.failed(now), "failures of one moment count once");
            let until = health.ejected_until.unwrap();
            pauses.push((until - now).as_millis());
            now = until;
            assert!(!health.is_ejected(now));
        }
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        health.succeeded();
        health.failed(now);
        assert_eq!((health.ejected_until.unwrap() - now).as_millis(), 200);
    }
}
