//! Giving memory back to the system when many tunnels have ended.
//!
//! The C library keeps what was freed for whoever asks next, and a cluster that has booted asks for nothing more for weeks.
#![allow(unsafe_code)]

use std::time::{Duration, Instant};

/// So many tunnels are worth the trouble.
const MANY: usize = 64;
/// How long after the last tunnels ended: by then the engine has dropped them too, and a storm is over.
const REST: Duration = Duration::from_secs(3);

/// Says when memory should be given back: once, after at least half of the tunnels that there were have ended.
#[derive(Debug, Default)]
pub(super) struct Ebb {
    /// The most live tunnels since memory was given back.
    most: usize,
    /// The fewest since then, and since when there are so few.
    low: Option<(usize, Instant)>,
}

impl Ebb {
    /// Notes how many tunnels are live now, and says whether it is time.
    pub(super) fn is_due(&mut self, live: usize, now: Instant) -> bool {
        self.most = self.most.max(live);
        if self.most < MANY || live > self.most / 2 {
            self.low = None;
            return false;
        }
        match self.low {
            Some((fewest, since)) if live >= fewest => {
                let is_due = now.saturating_duration_since(since) >= REST;
                if is_due {
                    *self = Self { most: live, low: None };
                }
                is_due
            }
            _ => {
                self.low = Some((live, now));
                false
            }
        }
    }
}

/// Gives memory that is free back to the system, in a thread of its own: with much of it that takes a while.
pub(super) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    let _ = std::thread::Builder::new().name("memory".to_owned()).spawn(|| {
        // SAFETY: the function takes a number, touches only memory that nobody has, and may be called by any thread at
        // any time (malloc_trim(3): MT-Safe).
        unsafe { libc::malloc_trim(0) };
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_once_when_most_tunnels_have_ended() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut ebb = Ebb::default();
        assert!(!ebb.is_due(1000, at(0)) && !ebb.is_due(600, at(1)));
        assert!(!ebb.is_due(500, at(2)) && !ebb.is_due(400, at(4)), "tunnels are still ending");
        assert!(!ebb.is_due(400, at(6)) && ebb.is_due(400, at(7)));
        assert!(!ebb.is_due(400, at(20)), "it was done");
        assert!(!ebb.is_due(0, at(21)) && ebb.is_due(0, at(24)));
        assert!(!ebb.is_due(10, at(25)) && !ebb.is_due(0, at(26)) && !ebb.is_due(0, at(40)), "too few to matter");
    }
}
