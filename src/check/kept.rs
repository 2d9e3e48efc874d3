//! What the threads of a check find out once for many nodes, and may find out again.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// Values by what they were made of, at most so many. Beyond that all are forgotten: what many nodes share comes up again
/// soon, and what one node has for itself is not worth the memory.
#[derive(Debug)]
pub(super) struct Kept<K, V, const MOST: usize = 4096>(Mutex<HashMap<K, V>>);

impl<K, V, const MOST: usize> Default for Kept<K, V, MOST> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone, const MOST: usize> Kept<K, V, MOST> {
    /// The value of a key, which is made if it is not there. Two threads may make the same at once, as neither waits for
    /// the other; both get the one that was there first.
    pub(super) fn get(&self, key: K, make: impl FnOnce() -> V) -> V {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        known.unwrap_or_else(|| {
            let made = make();
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= MOST && !kept.contains_key(&key) {
                kept.clear();
            }
            kept.entry(key).or_insert(made).clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn values_are_made_once_until_there_are_too_many() {
        let (kept, made) = (Kept::<u32, u32, 2>::default(), Cell::new(0));
        let get = |key: u32| {
            kept.get(key, || {
                made.set(made.get() + 1);
                key * 10
            })
        };
        assert_eq!([get(1), get(1), get(2), get(1)], [10, 10, 20, 10]);
        assert_eq!(made.get(), 2);
        // The third takes the place of both.
        assert_eq!([get(3), get(3), get(1)], [30, 30, 10]);
        assert_eq!(made.get(), 4);
    }
}
