//! The tunnels of one part of the engine: by number, as data names them, and by key, as handshakes do.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::counters::Held;
use super::net::Net;
use crate::types::WireguardKey;
use crate::wireguard::LivePeer;
use crate::wireguard::noise::{BoringTunnel, REJECT_AFTER_TIME};

/// How many bits of a tunnel's 24-bit index say which tunnel of its shard it is; the others say which shard.
const SLOT_BITS: u32 = 21;
/// How many tunnels a shard can have: two million.
const SLOTS: u32 = 1 << SLOT_BITS;
/// How many parts an engine can have.
pub(super) const MAX_SHARDS: usize = 8;

/// The index of a slot of a shard. Sessions have it in their upper 24 bits.
pub(super) fn index(shard: usize, slot: u32) -> u32 {
    // There are at most eight shards.
    (shard as u32) << SLOT_BITS | slot
}

/// The shard and the slot that a session's number names.
pub(super) fn shard_and_slot(session: u32) -> (usize, u32) {
    let index = session >> 8;
    ((index >> SLOT_BITS) as usize, index % SLOTS)
}

/// A node's tunnel.
pub(super) struct Tunnel {
    pub(super) peer: Arc<LivePeer>,
    pub(super) noise: BoringTunnel,
    /// Where the last message came from that was proven to be the node's.
    pub(super) endpoint: Option<SocketAddr>,
    /// How new the newest message is that was proven to be the node's.
    pub(super) newest: Newest,
    /// TCP inside; none when there are no connections.
    pub(super) net: Option<Rc<RefCell<Net>>>,
    pub(super) _held: Held,
}

/// The newest proven message of a node: only such a one moves it, and the first of a session completes a handshake.
///
/// Messages overtake one another, all the more as they come by different shards. One that was sent before the node
/// moved must not move it back: a node that only listens would not be heard of again for long.
///
/// A session may be used for 180 seconds. So a message that is proven longer than that after the newest one is not of
/// its session, nor of an earlier one, whatever the numbers say: a node that hears no answers starts session after
/// session, and their numbers come around.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Newest(Option<Noted>);

/// What is known of the newest message.
#[derive(Clone, Copy, Debug)]
struct Noted {
    session: u32,
    counter: u64,
    at: Instant,
}

/// How a message stands to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// It is the first of a session that is newer than all others.
    NewSession,
    /// It is the newest of the newest session.
    Newer,
    /// It was overtaken.
    Older,
}

impl Newest {
    /// Notes a message by its session, its number in it, and when it was proven.
    pub(super) fn note(&mut self, session: u32, counter: u64, now: Instant) -> Order {
        let order = match self.0 {
            None => Order::NewSession,
            Some(newest) if now.saturating_duration_since(newest.at) > REJECT_AFTER_TIME => Order::NewSession,
            Some(newest) if newest.session == session && counter <= newest.counter => Order::Older,
            Some(newest) if newest.session == session => Order::Newer,
            // The last byte counts sessions, and begins again after 256.
            Some(newest) if session.wrapping_sub(newest.session) as u8 >= 128 => Order::Older,
            Some(_) => Order::NewSession,
        };
        if order != Order::Older {
            self.0 = Some(Noted { session, counter, at: now });
        }
        order
    }
}

/// The tunnels of one shard.
#[derive(Default)]
pub(super) struct Tunnels {
    slots: Vec<Option<Box<Tunnel>>>,
    free: Vec<u32>,
    by_key: HashMap<WireguardKey, u32>,
}

impl Tunnels {
    /// How many slots were ever used at a time.
    pub(super) fn slots(&self) -> u32 {
        // No more than `SLOTS`.
        self.slots.len() as u32
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Tunnel> {
        self.slots.get_mut(slot as usize)?.as_deref_mut()
    }

    /// The slot of a key.
    pub(super) fn find(&self, key: &WireguardKey) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    /// A slot that nobody has; none when there are too many.
    pub(super) fn vacant(&mut self) -> Option<u32> {
        if self.free.is_empty() && self.slots() < SLOTS {
            self.free.push(self.slots());
            self.slots.push(None);
        }
        self.free.last().copied()
    }

    /// Puts a tunnel into the slot that `vacant` gave last.
    pub(super) fn insert(&mut self, slot: u32, tunnel: Tunnel) {
        if self.free.last() == Some(&slot) {
            self.free.pop();
        }
        self.by_key.insert(tunnel.peer.key, slot);
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Some(Box::new(tunnel));
        }
    }

    /// Drops a tunnel, and cuts its connections.
    pub(super) fn remove(&mut self, slot: u32) {
        let Some(tunnel) = self.slots.get_mut(slot as usize).and_then(Option::take) else { return };
        self.by_key.remove(&tunnel.peer.key);
        self.free.push(slot);
        if let Some(net) = tunnel.net {
            net.borrow_mut().cut();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_session_names_the_shard_and_the_slot() {
        for (shard, slot) in [(0, 0), (0, SLOTS - 1), (MAX_SHARDS - 1, 0), (MAX_SHARDS - 1, SLOTS - 1), (3, 77)] {
            for session in [0, 255] {
                assert_eq!(shard_and_slot(index(shard, slot) << 8 | session), (shard, slot));
            }
        }
    }

    #[test]
    fn what_was_overtaken_is_older_in_a_session_and_across_sessions() {
        let now = Instant::now();
        let mut newest = Newest::default();
        let notes = [(0x701, 0), (0x701, 5), (0x701, 3), (0x702, 0), (0x701, 9), (0x7ff, 0), (0x7ff, 1)];
        let orders = notes.map(|(session, counter)| newest.note(session, counter, now));
        use Order::{NewSession, Newer, Older};
        assert_eq!(orders, [NewSession, Newer, Older, NewSession, Older, Older, Older]);
        let mut newest = Newest::default();
        let orders = [(0x7ff, 7), (0x700, 0), (0x7ff, 8)].map(|(session, counter)| newest.note(session, counter, now));
        assert_eq!(orders, [NewSession, NewSession, Older], "the number of sessions begins again");
    }

    #[test]
    fn a_session_after_a_long_outage_is_new_however_many_there_were_in_between() {
        let start = Instant::now();
        for sessions in 1..=256_u32 {
            let mut newest = Newest::default();
            assert_eq!(newest.note(0x740, 9, start), Order::NewSession);
            let (session, later) = (0x700 | ((0x40 + sessions) % 256), start + Duration::from_secs(181));
            assert_eq!(newest.note(session, 0, later), Order::NewSession, "{sessions} sessions later");
            assert_eq!(newest.note(session, 1, later), Order::Newer, "{sessions} sessions later");
        }
        let mut newest = Newest::default();
        let orders = [(0x740, 9, 0), (0x741, 0, 170), (0x740, 10, 181), (0x740, 11, 350)]
            .map(|(session, counter, seconds)| newest.note(session, counter, start + Duration::from_secs(seconds)));
        use Order::{NewSession, Older};
        assert_eq!(orders, [NewSession, NewSession, Older, Older], "the time counts from the newest message");
    }

    #[test]
    fn vacant_slots_are_used_again() {
        let mut tunnels = Tunnels::default();
        assert_eq!(tunnels.vacant(), Some(0));
        assert_eq!(tunnels.vacant(), Some(0), "nothing was put there");
        tunnels.remove(7);
        assert_eq!((tunnels.slots(), tunnels.vacant()), (1, Some(0)));
    }
}
