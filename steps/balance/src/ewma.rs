//! A moving average of latencies that follows bad news at once and good news slowly.

use std::time::{Duration, Instant};

/// How long it takes until an observation weighs only 1/e.
const MEMORY: Duration = Duration::from_secs(10);

/// Peak EWMA: a slower answer becomes the average, quicker ones pull it down over [`MEMORY`]; without answers it
/// sinks too, so that a replica which was slow once is tried again.
#[derive(Debug, Clone, Copy)]
pub struct PeakEwma {
    seconds: f64,
    at: Instant,
}

impl PeakEwma {
    /// Nothing observed yet.
    pub fn new(now: Instant) -> Self {
        Self { seconds: 0.0, at: now }
    }

    /// One more answer, which took `took`.
    pub fn observe(&mut self, now: Instant, took: Duration) {
        let (old, new) = (self.seconds, took.as_secs_f64());
        let weight = self.weight(now);
        self.seconds = if new > old { new } else { old * weight + new * (1.0 - weight) };
        self.at = now;
    }

    /// The average at `now`, in seconds.
    pub fn at(&self, now: Instant) -> f64 {
        self.seconds * self.weight(now)
    }

    /// What is left of the weight of the past.
    fn weight(&self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.at);
        (-age.as_secs_f64() / MEMORY.as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_jumps_up_and_sinks_slowly() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut average = PeakEwma::new(start);
        average.observe(start, Duration::from_millis(10));
        average.observe(after(1), Duration::from_millis(500));
        assert_eq!(average.at(after(1)), 0.5);
        average.observe(after(2), Duration::from_millis(10));
        let sunk = average.at(after(2));
        assert!((0.4..0.5).contains(&sunk), "{sunk}");
        assert!(average.at(after(60)) < 0.002);
    }
}
