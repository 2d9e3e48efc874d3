//! How often a node may do something.

use std::collections::HashMap;
use std::time::Duration;

use crate::types::NodeId;

/// The time in which a bucket fills from empty.
const MINUTE: Duration = Duration::from_secs(60);

/// How much each node that did it within the last minute may still do, as time: each time costs its part of a minute.
/// The others have the whole minute.
#[derive(Debug)]
pub(crate) struct NodeRate {
    cost: Duration,
    buckets: HashMap<NodeId, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    credit: Duration,
    at: Duration,
}

impl NodeRate {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { cost: MINUTE / per_minute.max(1), buckets: HashMap::new() }
    }

    /// Counts a time that the node does it, at a time of uptime, or says how long it is until there may be one.
    pub(crate) fn take(&mut self, node: &NodeId, now: Duration) -> Result<(), Duration> {
        if !self.buckets.contains_key(node) {
            self.buckets.insert(node.clone(), Bucket { credit: MINUTE, at: now });
        }
        let Some(bucket) = self.buckets.get_mut(node) else { return Ok(()) };
        let passed = now.saturating_sub(bucket.at);
        bucket.credit = bucket.credit.saturating_add(passed).min(MINUTE);
        bucket.at = now;
        match bucket.credit.checked_sub(self.cost) {
            Some(left) => {
                bucket.credit = left;
                Ok(())
            }
            None => {
                let wait = self.cost.saturating_sub(bucket.credit);
                // Whole seconds, so that who waits for as long is let in.
                Err(Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)))
            }
        }
    }

    /// Forgets the nodes whose buckets are full again.
    pub(crate) fn forget(&mut self, now: Duration) {
        self.buckets.retain(|_, bucket| now.saturating_sub(bucket.at) < MINUTE);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.buckets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_a_burst_and_then_its_rate_and_others_are_not_concerned() {
        let (one, other) = (NodeId::parse("one").unwrap(), NodeId::parse("other").unwrap());
        let mut rate = NodeRate::new(20);
        let at = Duration::from_secs;
        assert!((0..20).all(|_| rate.take(&one, at(100)).is_ok()));
        assert_eq!(rate.take(&one, at(100)), Err(at(3)));
        assert!(rate.take(&other, at(100)).is_ok());
        assert_eq!(rate.take(&one, at(102)), Err(at(1)));
        assert!(rate.take(&one, at(103)).is_ok());
        assert!(rate.take(&one, at(103)).is_err());
        rate.forget(at(162));
        assert_eq!(rate.len(), 1, "the one of 103");
        rate.forget(at(163));
        assert_eq!(rate.len(), 0);
    }
}
