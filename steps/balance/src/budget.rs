//! A budget for retries: they help while few fail, and would double the load when everything does.

use std::time::Instant;

/// Credit for retries: a retry costs what five requests earn, or a tenth of a second; a hundred can be saved.
#[derive(Debug)]
pub struct Budget {
    credit: f64,
    at: Instant,
}

const RETRY: f64 = 5.0;
const PER_REQUEST: f64 = 1.0;
const PER_SECOND: f64 = 50.0;
const MOST: f64 = 500.0;

impl Budget {
    /// A full budget.
    pub fn new(now: Instant) -> Self {
        Self { credit: MOST, at: now }
    }

    /// A request came.
    pub fn earn(&mut self) {
        self.credit = (self.credit + PER_REQUEST).min(MOST);
    }

    /// Whether a retry may be sent now; it is paid for.
    pub fn spend(&mut self, now: Instant) -> bool {
        let idle = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.credit = (self.credit + idle * PER_SECOND).min(MOST);
        let granted = self.credit >= RETRY;
        if granted {
            self.credit -= RETRY;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn retries_end_when_everything_fails_and_come_back_with_time_and_requests() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        assert_eq!((0..500).filter(|_| budget.spend(start)).count(), 100);
        (0..50).for_each(|_| budget.earn());
        assert_eq!((0..500).filter(|_| budget.spend(start)).count(), 10);
        let later = start + Duration::from_secs(3);
        assert_eq!((0..500).filter(|_| budget.spend(later)).count(), 30);
    }
}
