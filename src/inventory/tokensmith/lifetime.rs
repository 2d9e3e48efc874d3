//! How long a token is good for, whatever the clocks do.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A moment on two clocks: the steady one stands still while a machine is suspended, the wall's can be set.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The clock that never jumps.
    pub steady: Instant,
    /// The clock on the wall.
    pub wall: SystemTime,
}

impl Moment {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self { steady: Instant::now(), wall: SystemTime::now() }
    }
}

/// Tells the time. Tests bring their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Moment + Send + Sync>);

impl Clock {
    /// A clock that tells what the function does.
    pub fn new(now: impl Fn() -> Moment + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(super) fn now(&self) -> Moment {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(Moment::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Clock")
    }
}

/// A time from some moment on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    began: Moment,
    length: Duration,
}

impl Lifetime {
    pub(super) const fn new(began: Moment, length: Duration) -> Self {
        Self { began, length }
    }

    pub(super) const fn length(&self) -> Duration {
        self.length
    }

    /// What is left of it: by the clock that went further, so that neither a suspended machine nor a clock that was set
    /// makes it longer.
    pub(super) fn left(&self, now: Moment) -> Duration {
        let steady = now.steady.saturating_duration_since(self.began.steady);
        let wall = now.wall.duration_since(self.began.wall).unwrap_or_default();
        self.length.saturating_sub(steady.max(wall))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_jump_of_a_clock_makes_a_lifetime_longer() {
        let began = Moment::now();
        let lifetime = Lifetime::new(began, Duration::from_secs(100));
        let at = |steady: u64, wall: i64| {
            let offset = Duration::from_secs(wall.unsigned_abs());
            let wall = if wall < 0 { began.wall - offset } else { began.wall + offset };
            lifetime.left(Moment { steady: began.steady + Duration::from_secs(steady), wall }).as_secs()
        };
        assert_eq!(at(10, 10), 90);
        assert_eq!(at(10, -86_400), 90, "the wall's clock was set back");
        assert_eq!(at(10, 60), 40, "the machine was suspended, or the wall's clock was set forward");
        assert_eq!(at(10, 86_400), 0);
        assert_eq!(at(101, 0), 0);
    }
}
