//! How often a node may ask.

use std::collections::HashMap;
use std::time::Duration;

use crate::types::NodeId;

/// The time in which a bucket fills from empty.
const MINUTE: Duration = Duration::from_secs(60);

/// A bucket of tokens for every node that asked within the last minute. The others have a full one.
#[derive(Debug)]
pub(super) struct Asks {
    per_minute: u32,
    buckets: HashMap<NodeId, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Duration,
}

impl Asks {
    pub(super) fn new(per_minute: u32) -> Self {
        Self { per_minute, buckets: HashMap::new() }
    }

    /// Takes a token of the node's at a time of uptime, or says how long it is until there is one.
    pub(super) fn take(&mut self, node: &NodeId, now: Duration) -> Result<(), Duration> {
        let full = f64::from(self.per_minute);
        let per_second = full / MINUTE.as_secs_f64();
        if !self.buckets.contains_key(node) {
            self.buckets.insert(node.clone(), Bucket { tokens: full, at: now });
        }
        let Some(bucket) = self.buckets.get_mut(node) else { return Ok(()) };
        let passed = now.saturating_sub(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * per_second).min(full);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            Ok(())
        } else {
            let wait = (1.0 - bucket.tokens) / per_second;
            // Whole seconds, so that who waits for as long is let in.
            Err(Duration::from_secs_f64(wait.ceil().max(1.0)))
        }
    }

    /// Forgets the nodes whose buckets are full again.
    pub(super) fn forget(&mut self, now: Duration) {
        self.buckets.retain(|_, bucket| now.saturating_sub(bucket.at) < MINUTE);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.buckets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_a_burst_and_then_its_rate_and_others_are_not_concerned() {
        let (one, other) = (NodeId::parse("one").unwrap(), NodeId::parse("other").unwrap());
        let mut asks = Asks::new(20);
        let at = Duration::from_secs;
        assert!((0..20).all(|_| asks.take(&one, at(100)).is_ok()));
        assert_eq!(asks.take(&one, at(100)), Err(at(3)));
        assert!(asks.take(&other, at(100)).is_ok());
        assert_eq!(asks.take(&one, at(102)), Err(at(1)));
        assert!(asks.take(&one, at(103)).is_ok());
        assert!(asks.take(&one, at(103)).is_err());
        asks.forget(at(162));
        assert_eq!(asks.len(), 1, "the one asked at 103");
        asks.forget(at(163));
        assert_eq!(asks.len(), 0);
    }
}
