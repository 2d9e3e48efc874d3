//! How many phone calls of a node are recorded: so many that a node which boots again and again is seen, and so few that
//! none fills the log and the disk.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::node_rate::NodeRate;
use crate::types::NodeId;

/// How many calls of a node are recorded at once, and how many within a minute then.
const MOST_PER_MINUTE: u32 = 5;
/// How often the nodes that have not called for a while are forgotten.
const FORGETTING: Duration = Duration::from_secs(60);

/// Says which calls are recorded.
#[derive(Debug)]
pub(super) struct CallLimit {
    start: Instant,
    calls: Mutex<Calls>,
}

#[derive(Debug)]
struct Calls {
    rate: NodeRate,
    forgets_at: Duration,
}

impl CallLimit {
    pub(super) fn new() -> Self {
        let calls = Calls { rate: NodeRate::new(MOST_PER_MINUTE), forgets_at: FORGETTING };
        Self { start: Instant::now(), calls: Mutex::new(calls) }
    }

    /// Counts a call of the node; says whether it is recorded.
    pub(super) fn admits(&self, node: &NodeId) -> bool {
        self.admits_at(node, self.start.elapsed())
    }

    fn admits_at(&self, node: &NodeId, now: Duration) -> bool {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= calls.forgets_at {
            calls.rate.forget(now);
            calls.forgets_at = now.saturating_add(FORGETTING);
        }
        calls.rate.take(node, now).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_calls_without_end_is_recorded_a_few_times_a_minute_and_others_as_ever() {
        let (loud, quiet) = (NodeId::parse("loud").unwrap(), NodeId::parse("quiet").unwrap());
        let limit = CallLimit::new();
        let (mut recorded, mut of_quiet) = (0, 0);
        for second in 0..600 {
            let now = Duration::from_secs(second);
            recorded += (0..100).filter(|_| limit.admits_at(&loud, now)).count();
            of_quiet += usize::from(second % 60 == 0 && limit.admits_at(&quiet, now));
        }
        assert_eq!((recorded, of_quiet), (5 + 49, 10));
    }

    #[test]
    fn nodes_that_no_longer_call_are_forgotten() {
        let limit = CallLimit::new();
        for number in 0..100 {
            assert!(limit.admits_at(&NodeId::parse(&format!("n{number}")).unwrap(), Duration::ZERO));
        }
        assert!(limit.admits_at(&NodeId::parse("late").unwrap(), Duration::from_secs(60)));
        assert_eq!(limit.calls.lock().unwrap().rate.len(), 1);
    }
}
