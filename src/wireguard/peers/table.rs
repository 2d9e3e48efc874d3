//! The live peers: one for a node, one for a key, one for an address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use super::super::clock::{Moment, Stopwatch};
use crate::serve::Registered;
use crate::types::{NodeId, WireguardKey};

/// A live peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The node whose key it is.
    pub node: NodeId,
    /// The key.
    pub key: WireguardKey,
    /// The node's address in the tunnel. It stays until the peer ends.
    pub address: IpAddr,
    /// Since when the key is known.
    pub since: Timestamp,
    /// What the node was told about when the tunnel ends at the latest.
    pub expires_at: Timestamp,
    /// How long the tunnel may last.
    pub max_age: Duration,
    /// How long it has lasted.
    pub age: Stopwatch,
    /// When the node was last heard of: the later of its asking, its last handshake, and the start of the server. It is
    /// not kept over a restart.
    pub active: Moment,
}

impl Peer {
    /// A peer from now on.
    #[must_use]
    pub fn new(node: NodeId, key: WireguardKey, address: IpAddr, max_age: Duration, now: Moment) -> Self {
        let end = now.wall.saturating_add(max_age).unwrap_or(Timestamp::MAX);
        // Whole seconds, and never more than there are.
        let expires_at = Timestamp::from_second(end.as_second()).unwrap_or(end);
        let age = Stopwatch::start(now);
        Self { node, key, address, since: now.wall, expires_at, max_age, age, active: now }
    }

    /// Whether the tunnel has lasted as long as it may.
    #[must_use]
    pub fn is_old(&self, now: &Moment) -> bool {
        self.age.elapsed(now) >= self.max_age
    }

    /// Whether the node has not been heard of for so long.
    #[must_use]
    pub fn is_idle(&self, now: &Moment, idle: Duration) -> bool {
        now.since(&self.active) >= idle
    }

    /// What the node is told.
    #[must_use]
    pub fn registered(&self) -> Registered {
        Registered { key: self.key, address: self.address, expires_at: self.expires_at }
    }
}

/// The live peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    by_key: HashMap<WireguardKey, Peer>,
    by_node: HashMap<NodeId, WireguardKey>,
    by_address: HashMap<IpAddr, WireguardKey>,
}

impl Table {
    /// The peer with the key.
    #[must_use]
    pub fn get(&self, key: &WireguardKey) -> Option<&Peer> {
        self.by_key.get(key)
    }

    /// The node's peer.
    #[must_use]
    pub fn of_node(&self, node: &NodeId) -> Option<&Peer> {
        self.by_node.get(node).and_then(|key| self.by_key.get(key))
    }

    /// The peer with the address.
    #[must_use]
    pub fn of_address(&self, address: IpAddr) -> Option<&Peer> {
        self.by_address.get(&address).and_then(|key| self.by_key.get(key))
    }

    /// The peers, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.by_key.values()
    }

    /// How many peers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Notes that the node was heard of. Moments only go forward.
    pub fn touch(&mut self, key: &WireguardKey, at: Moment) {
        if let Some(peer) = self.by_key.get_mut(key)
            && at.uptime > peer.active.uptime
        {
            peer.active = at;
        }
    }

    /// Adds a peer, and takes away those that have its node, its key or its address.
    pub(super) fn insert(&mut self, peer: Peer) {
        let in_its_way = [
            self.by_key.get(&peer.key).map(|other| other.key),
            self.by_node.get(&peer.node).copied(),
            self.by_address.get(&peer.address).copied(),
        ];
        for key in in_its_way.into_iter().flatten() {
            self.remove(&key);
        }
        self.by_node.insert(peer.node.clone(), peer.key);
        self.by_address.insert(peer.address, peer.key);
        self.by_key.insert(peer.key, peer);
    }

    /// Takes a peer away.
    pub(super) fn remove(&mut self, key: &WireguardKey) -> Option<Peer> {
        let peer = self.by_key.remove(key)?;
        self.by_node.remove(&peer.node);
        self.by_address.remove(&peer.address);
        Some(peer)
    }

    /// Counts on in this boot. Nobody has been heard of in it yet.
    pub(super) fn begin(&mut self, now: Moment) {
        self.rebase(now);
        self.by_key.values_mut().for_each(|peer| peer.active = now);
    }

    /// Counts ages on from now.
    pub(super) fn rebase(&mut self, now: Moment) {
        self.by_key.values_mut().for_each(|peer| peer.age.rebase(now));
    }
}
