//! Waiting between attempts.

use std::time::Duration;

/// How often something is attempted, and how long it rests in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// How many attempts there are in all; at least one.
    pub attempts: u32,
    /// The rest after the first attempt. Each further one is twice as long.
    pub first: Duration,
    /// The longest rest.
    pub longest: Duration,
}

impl Backoff {
    /// The rest after an attempt, counted from 0: doubled each time, and shortened by up to a half at random, so that
    /// those who failed together do not come back together.
    #[must_use]
    pub fn rest(&self, attempt: u32) -> Duration {
        let whole = self.first.saturating_mul(2_u32.saturating_pow(attempt)).min(self.longest);
        whole.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// Whether an attempt, counted from 0, is the last.
    #[must_use]
    pub const fn is_last(&self, attempt: u32) -> bool {
        attempt.saturating_add(1) >= self.attempts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_up_to_the_longest_and_differ() {
        let backoff = Backoff { attempts: 5, first: Duration::from_secs(1), longest: Duration::from_secs(15) };
        for (attempt, whole) in [(0, 1.0), (1, 2.0), (3, 8.0), (4, 15.0), (40, 15.0)] {
            let rests: Vec<f64> = (0..50).map(|_| backoff.rest(attempt).as_secs_f64()).collect();
            assert!(rests.iter().all(|rest| (whole / 2.0..=whole).contains(rest)), "{attempt}: {rests:?}");
            assert!(rests.iter().any(|rest| (rest - rests[0]).abs() > whole / 1000.0));
        }
        assert!(!backoff.is_last(3) && backoff.is_last(4));
    }
}
