//! Access tokens that a State Manager accepts. TokenSmith adds what it issues.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Is part of every secret that a fake hands out, so that a test can look for it where no secret belongs.
pub const MARK: &str = "s3cr3t";

/// Tokens with their ends. A clone is the same set.
#[derive(Clone, Debug, Default)]
pub struct TokenSet {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    ends: HashMap<String, Option<Instant>>,
    /// How far the set's clock is ahead.
    ahead: Duration,
}

impl TokenSet {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a token that does not expire.
    pub fn accept(&self, token: &str) {
        self.inner().ends.insert(token.to_owned(), None);
    }

    /// Adds a token that expires.
    pub fn accept_for(&self, token: &str, lifetime: Duration) {
        let end = self.now() + lifetime;
        self.inner().ends.insert(token.to_owned(), Some(end));
    }

    /// Removes one token.
    pub fn refuse(&self, token: &str) {
        self.inner().ends.remove(token);
    }

    /// Removes every token, as a TokenSmith does that starts again with another key.
    pub fn clear(&self) {
        self.inner().ends.clear();
    }

    /// Whether a token is accepted now.
    pub fn accepts(&self, token: &str) -> bool {
        let now = self.now();
        self.inner().ends.get(token).is_some_and(|end| end.is_none_or(|end| now < end))
    }

    /// The tokens, in no order, expired ones included.
    pub fn all(&self) -> Vec<String> {
        self.inner().ends.keys().cloned().collect()
    }

    /// The time on the set's clock.
    pub(super) fn now(&self) -> Instant {
        Instant::now() + self.inner().ahead
    }

    /// Puts the set's clock forward, so that no test has to wait for an end.
    pub fn let_time_pass(&self, time: Duration) {
        self.inner().ahead += time;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}
