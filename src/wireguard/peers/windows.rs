//! When a node may bring a key that is not the one of its live tunnel.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use super::super::clock::{Moment, Stopwatch};
use crate::serve::RegisterRefusal;
use crate::settings::Arming;
use crate::types::{GroupLabel, NodeId, WireguardKey};

/// A time in which a node, or every node of a group, may bring one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Which window it is; a later one has a greater number.
    pub number: u64,
    /// The id of the node, or the label of the group: whatever has that name in the release that is served when a node
    /// asks.
    pub name: Box<str>,
    /// When it was opened.
    pub opened: Timestamp,
    /// How long it has been open.
    pub age: Stopwatch,
    /// How long it is open.
    pub length: Duration,
    /// The nodes that have brought a key, and the keys.
    pub used: BTreeMap<NodeId, WireguardKey>,
}

impl Window {
    /// Whether it is still open.
    #[must_use]
    pub fn is_open(&self, now: &Moment) -> bool {
        self.age.elapsed(now) < self.length
    }

    fn holds_for(&self, node: &NodeId, groups: &[GroupLabel]) -> bool {
        *self.name == *node.as_str() || groups.iter().any(|group| group.as_str() == &*self.name)
    }
}

/// The windows, by number, and the first key that each node has brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    windows: BTreeMap<u64, Window>,
    first_keys: HashMap<NodeId, WireguardKey>,
}

impl Windows {
    /// The windows, the oldest first; closed ones may be among them.
    pub fn iter(&self) -> impl Iterator<Item = &Window> {
        self.windows.values()
    }

    /// The first key of each node that has ever brought one, in no order.
    pub fn first_keys(&self) -> impl Iterator<Item = (&NodeId, &WireguardKey)> {
        self.first_keys.iter()
    }

    /// Whether a node may bring a key, and which windows that uses.
    ///
    /// A key uses every open window that holds for its node, so that two of them do not let two keys in. The newest
    /// decides: an administrator who opens another has looked at what happened in the one before.
    pub(super) fn admit(
        &self,
        arm: Arming,
        node: &NodeId,
        groups: &[GroupLabel],
        key: &WireguardKey,
        now: &Moment,
    ) -> Result<Vec<u64>, RegisterRefusal> {
        let first = self.first_keys.get(node);
        if arm == Arming::Always || (arm == Arming::Once && first.is_none_or(|first| first == key)) {
            return Ok(Vec::new());
        }
        let is_of_node = |window: &&Window| window.is_open(now) && window.holds_for(node, groups);
        let open: Vec<&Window> = self.windows.values().filter(is_of_node).collect();
        match open.last().map(|newest| newest.used.get(node)) {
            None if arm == Arming::Once => Err(RegisterRefusal::SecondKey(node.clone())),
            None => Err(RegisterRefusal::NotArmed(node.clone())),
            Some(Some(used)) if used != key => Err(RegisterRefusal::SecondKey(node.clone())),
            Some(_) => {
                let unused = open.iter().filter(|window| !window.used.contains_key(node));
                Ok(unused.map(|window| window.number).collect())
            }
        }
    }

    /// A window from now on, not entered yet.
    pub(super) fn next(&self, name: &str, length: Duration, now: Moment) -> Window {
        let number = self.windows.last_key_value().map_or(1, |(last, _)| last + 1);
        let age = Stopwatch::start(now);
        Window { number, name: name.into(), opened: now.wall, age, length, used: BTreeMap::new() }
    }

    pub(super) fn open(&mut self, window: Window) {
        self.windows.insert(window.number, window);
    }

    pub(super) fn close(&mut self, number: u64) {
        self.windows.remove(&number);
    }

    pub(super) fn mark_used(&mut self, number: u64, node: NodeId, key: WireguardKey) {
        if let Some(window) = self.windows.get_mut(&number) {
            window.used.insert(node, key);
        }
    }

    pub(super) fn unmark_used(&mut self, number: u64, node: &NodeId) {
        if let Some(window) = self.windows.get_mut(&number) {
            window.used.remove(node);
        }
    }

    /// Remembers the first key of a node; says whether it is the first.
    pub(super) fn note_first(&mut self, node: &NodeId, key: WireguardKey) -> bool {
        let is_first = !self.first_keys.contains_key(node);
        if is_first {
            self.first_keys.insert(node.clone(), key);
        }
        is_first
    }

    pub(super) fn forget_first(&mut self, node: &NodeId) {
        self.first_keys.remove(node);
    }

    /// Forgets the windows that are closed by now, all but the last: its number must not be given again.
    pub(super) fn forget_closed(&mut self, now: &Moment) {
        let last = self.windows.last_key_value().map(|(number, _)| *number);
        self.windows.retain(|number, window| Some(*number) == last || window.is_open(now));
    }

    pub(super) fn rebase(&mut self, now: Moment) {
        for window in self.windows.values_mut() {
            window.age.rebase(now);
        }
    }
}
