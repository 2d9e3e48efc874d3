//! The inventory that was pulled last, handed from whoever pulls to whoever builds.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::inventory::{Pull, pull_text};
use crate::types::Digest;

/// The inventory that was pulled last, if any was.
#[derive(Debug, Default)]
pub struct LatestInventory {
    slot: Mutex<Slot>,
    tried: Condvar,
}

#[derive(Debug, Default)]
struct Slot {
    taken: Option<Arc<Taken>>,
    has_been_tried: bool,
}

/// An inventory that was pulled.
#[derive(Debug)]
pub struct Taken {
    /// The inventory with the remarks of its source.
    pub pull: Pull,
    /// Both as the text that another process reads.
    pub text: String,
    /// The digest of the text: another one means that something has changed.
    pub digest: Digest,
}

impl LatestInventory {
    /// What was pulled last.
    #[must_use]
    pub fn get(&self) -> Option<Arc<Taken>> {
        self.lock().taken.clone()
    }

    /// Takes what was pulled, and returns it when it is another than before.
    ///
    /// # Errors
    /// Never for what a source gave: everything in it has a text form.
    pub fn take(&self, pull: Pull) -> Result<Option<Arc<Taken>>, serde_json::Error> {
        let text = pull_text(&pull)?;
        let digest = Digest::of(text.as_bytes());
        let mut slot = self.lock();
        if slot.taken.as_ref().is_some_and(|taken| taken.digest == digest) {
            return Ok(None);
        }
        let taken = Arc::new(Taken { pull, text, digest });
        slot.taken = Some(Arc::clone(&taken));
        Ok(Some(taken))
    }

    /// Says that a pull has ended, whatever came of it.
    pub fn mark_tried(&self) {
        self.lock().has_been_tried = true;
        self.tried.notify_all();
    }

    /// Waits until a pull has ended, or for as long as that.
    pub fn wait_until_tried(&self, limit: Duration) {
        // Nothing is done with the guard, whether the time was up or not.
        let _ = self.tried.wait_timeout_while(self.lock(), limit, |slot| !slot.has_been_tried);
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::mock_inventory;

    #[test]
    fn what_has_not_changed_is_not_new() {
        let latest = LatestInventory::default();
        assert!(latest.get().is_none());
        let first = latest.take(mock_inventory().into()).unwrap().unwrap();
        assert!(latest.take(mock_inventory().into()).unwrap().is_none());
        assert!(Arc::ptr_eq(&first, &latest.get().unwrap()));
        assert!(latest.take(Pull::default()).unwrap().is_some());
    }

    #[test]
    fn waiting_ends_with_a_pull_or_with_its_time() {
        let latest = LatestInventory::default();
        latest.wait_until_tried(Duration::from_millis(5));
        latest.mark_tried();
        latest.wait_until_tried(Duration::from_secs(3600));
    }
}
