//! The peers whose packets are understood now. The registrar writes it, the engine reads it once a handshake and looks
//! at a peer's mark once a packet, so that a tunnel that is ended is dead in the same moment.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use crate::types::{NodeId, WireguardKey};

/// A peer, and what its packets tell of it.
pub struct LivePeer {
    /// The node whose key it is.
    pub node: NodeId,
    /// The key.
    pub key: WireguardKey,
    /// The address that the node has in the tunnel. Packets from any other are dropped.
    pub address: IpAddr,
    ended: AtomicBool,
    /// The part of the engine that has the peer's tunnel; `usize::MAX` for none yet.
    owner: AtomicUsize,
    /// When it last shook hands, in milliseconds since `origin`, and one more; 0 for never.
    last_handshake: AtomicU64,
    origin: Instant,
    endpoint: Mutex<Option<SocketAddr>>,
    /// The start of the last handshake that was accepted, kept after its keys were dropped: so that whoever saw it
    /// cannot send it once more.
    last_initiation: Mutex<Option<Box<[u8; LivePeer::INITIATION]>>>,
    received: AtomicU64,
    sent: AtomicU64,
}

impl LivePeer {
    /// The length of the message that starts a handshake.
    pub(super) const INITIATION: usize = 148;

    /// A peer that has not spoken yet.
    #[must_use]
    pub fn new(node: NodeId, key: WireguardKey, address: IpAddr) -> Self {
        Self {
            node,
            key,
            address,
            ended: AtomicBool::new(false),
            owner: AtomicUsize::new(usize::MAX),
            last_handshake: AtomicU64::new(0),
            origin: Instant::now(),
            endpoint: Mutex::new(None),
            last_initiation: Mutex::new(None),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        }
    }

    /// Whether the tunnel has ended: nothing of the peer is understood any more.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// The part of the engine that has the peer's tunnel.
    pub fn owner(&self) -> Option<usize> {
        Some(self.owner.load(Ordering::Acquire)).filter(|owner| *owner != usize::MAX)
    }

    /// Makes a part of the engine the owner unless there is one; says who is the owner then.
    pub fn claim(&self, owner: usize) -> usize {
        match self.owner.compare_exchange(usize::MAX, owner, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => owner,
            Err(other) => other,
        }
    }

    /// Notes that a handshake was completed.
    pub fn note_handshake(&self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.origin).as_millis();
        self.last_handshake.store(u64::try_from(elapsed).unwrap_or(u64::MAX - 1) + 1, Ordering::Release);
    }

    /// When the last handshake was completed.
    pub fn last_handshake(&self) -> Option<Instant> {
        let elapsed = self.last_handshake.load(Ordering::Acquire).checked_sub(1)?;
        self.origin.checked_add(std::time::Duration::from_millis(elapsed))
    }

    /// Notes where the peer's authenticated packets come from.
    pub fn note_endpoint(&self, endpoint: SocketAddr) {
        *self.endpoint.lock().unwrap_or_else(PoisonError::into_inner) = Some(endpoint);
    }

    /// Where the peer's authenticated packets come from.
    pub fn endpoint(&self) -> Option<SocketAddr> {
        *self.endpoint.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the start of a handshake that was accepted.
    pub(super) fn note_initiation(&self, initiation: &[u8; Self::INITIATION]) {
        let mut last = self.last_initiation.lock().unwrap_or_else(PoisonError::into_inner);
        match last.as_mut() {
            Some(last) => **last = *initiation,
            None => *last = Some(Box::new(*initiation)),
        }
    }

    /// The start of the last handshake that was accepted.
    pub(super) fn last_initiation(&self) -> Option<[u8; Self::INITIATION]> {
        self.last_initiation.lock().unwrap_or_else(PoisonError::into_inner).as_deref().copied()
    }

    /// Counts bytes of packets of the peer.
    pub fn count_received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes of packets to the peer.
    pub fn count_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes of packets of the peer, and to it.
    pub fn traffic(&self) -> (u64, u64) {
        (self.received.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for LivePeer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LivePeer({} {} {})", self.node, self.key, self.address)
    }
}

/// The peers whose packets are understood now, by key.
#[derive(Debug, Default)]
pub struct Roster {
    peers: RwLock<HashMap<WireguardKey, Arc<LivePeer>>>,
}

impl Roster {
    /// Nobody yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The peer with the key.
    pub fn get(&self, key: &WireguardKey) -> Option<Arc<LivePeer>> {
        self.peers.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Understands a peer from now on.
    pub fn insert(&self, peer: Arc<LivePeer>) {
        let before = self.peers.write().unwrap_or_else(PoisonError::into_inner).insert(peer.key, peer);
        if let Some(before) = before {
            before.ended.store(true, Ordering::Release);
        }
    }

    /// Understands nothing of the key from now on.
    pub fn remove(&self, key: &WireguardKey) -> Option<Arc<LivePeer>> {
        let peer = self.peers.write().unwrap_or_else(PoisonError::into_inner).remove(key)?;
        peer.ended.store(true, Ordering::Release);
        Some(peer)
    }

    /// How many peers there are.
    pub fn len(&self) -> usize {
        self.peers.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
