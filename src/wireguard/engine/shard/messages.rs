//! What a shard does with a message: who sent it, and what is in it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::net::UdpSocket;

use super::{CONNECTIONS, Forwarded, Shard};
use crate::wireguard::LivePeer;
use crate::wireguard::engine::counters::{Held, count};
use crate::wireguard::engine::inner::{Inner, Unfit, inspect};
use crate::wireguard::engine::net::Net;
use crate::wireguard::engine::tunnels::{self, Newest, Order, Tunnel};
use crate::wireguard::noise::{Admission, COOKIE, INITIATION, Noise, Received, TunnelNoise, counter, fingerprint};

impl Shard {
    pub(super) fn on_initiation(&mut self, from: SocketAddr, initiation: &[u8; INITIATION], socket: &UdpSocket) {
        let shared = Arc::clone(&self.shared);
        let mut cookie = [0; COOKIE];
        let key = match shared.noise.admit(from.ip(), initiation, &mut cookie, Instant::now()) {
            Admission::Key(key) => key,
            Admission::Cookie => {
                count(&shared.counters.cookies_sent);
                return self.sender.send(socket, &shared.counters, from, &cookie);
            }
            Admission::Throttled => return count(&shared.counters.throttled),
            Admission::Refused => return count(&shared.counters.malformed),
        };
        let Some(peer) = shared.roster.get(&key) else { return count(&shared.counters.unknown_keys) };
        // Another engine with the same roster may have had more shards.
        let owner = peer.claim(self.number) % shared.inboxes.len().max(1);
        if owner == self.number {
            self.on_own_initiation(peer, from, initiation, socket);
        } else {
            self.forward(owner, || Forwarded::Initiation(peer, from, Box::new(*initiation)));
        }
    }

    /// Takes the start of a handshake of a node of this shard.
    pub(super) fn on_own_initiation(
        &mut self,
        peer: Arc<LivePeer>,
        from: SocketAddr,
        initiation: &[u8; INITIATION],
        socket: &UdpSocket,
    ) {
        let counters = Arc::clone(&self.shared.counters);
        let mut known = self.tunnels.find(&peer.key);
        if let Some(slot) = known {
            let same = self.tunnels.get_mut(slot).is_some_and(|tunnel| Arc::ptr_eq(&tunnel.peer, &peer));
            if !same {
                self.tunnels.remove(slot);
                known = None;
            }
        }
        if peer.has_ended() {
            return count(&counters.unknown_keys);
        }
        let last = peer.last_initiation();
        if last.as_ref().is_some_and(|last| fingerprint(last) == fingerprint(initiation)) {
            return count(&counters.replays);
        }
        let mut fresh = None;
        let tunnel = match known.and_then(|slot| self.tunnels.get_mut(slot)) {
            Some(tunnel) => tunnel,
            None => {
                let Some(slot) = self.tunnels.vacant() else { return count(&counters.overflows) };
                let mut noise = self.shared.noise.tunnel(&peer.key, tunnels::index(self.number, slot));
                if let Some(last) = last {
                    // A tunnel whose keys were dropped has forgotten which handshakes are old. So it is shown the last
                    // one first; nobody gets the answer.
                    let _ = noise.receive(from.ip(), &last, &mut self.scratch);
                }
                let held = Held::new(&counters, |counters| &counters.live_tunnels);
                let peer = Arc::clone(&peer);
                let tunnel = Tunnel { peer, noise, endpoint: None, newest: Newest::default(), net: None, _held: held };
                &mut fresh.insert((slot, tunnel)).1
            }
        };
        match tunnel.noise.receive(from.ip(), initiation, &mut self.scratch) {
            Received::Started(answer) => {
                peer.note_initiation(initiation);
                count(&counters.handshakes);
                // To where it was asked, but no further: the node's address changes when it proves that it can answer.
                self.sender.send(socket, &counters, from, answer);
                if let Some((slot, tunnel)) = fresh {
                    self.tunnels.insert(slot, tunnel);
                }
            }
            Received::Replay => count(&counters.replays),
            _ => count(&counters.unproven),
        }
    }

    /// Takes a message for a session of this shard.
    pub(super) fn on_message(
        &mut self,
        slot: u32,
        session: u32,
        from: SocketAddr,
        datagram: &[u8],
        socket: &UdpSocket,
    ) {
        let now = Instant::now();
        let net_now = self.net_time(now);
        let Self { shared, tunnels, scratch, outbox, sender, signal, .. } = &mut *self;
        let counters = &shared.counters;
        let Some(tunnel) = tunnels.get_mut(slot) else { return count(&counters.unknown_sessions) };
        if tunnel.peer.has_ended() {
            count(&counters.unknown_sessions);
            return tunnels.remove(slot);
        }
        let received = tunnel.noise.receive(from.ip(), datagram, scratch);
        match received {
            Received::Replay => return count(&counters.replays),
            Received::Refused => return count(&counters.unproven),
            // A cookie does not prove who sent it.
            Received::Cookie | Received::Started(_) => return,
            Received::Completed(_) | Received::Packet(_) | Received::Keepalive => {}
        }
        tunnel.peer.count_received(datagram.len() as u64);
        let order = tunnel.newest.note(session, counter(datagram), now);
        if order == Order::NewSession {
            tunnel.peer.note_handshake(now);
        }
        if order != Order::Older && tunnel.endpoint != Some(from) {
            tunnel.endpoint = Some(from);
            tunnel.peer.note_endpoint(SocketAddr::new(from.ip().to_canonical(), from.port()));
        }
        let packet = match received {
            Received::Completed(message) => {
                tunnel.peer.count_sent(message.len() as u64);
                return sender.send(socket, counters, from, message);
            }
            Received::Packet(packet) => packet,
            _ => return,
        };
        let ports = match inspect(packet, tunnel.peer.address, shared.server) {
            Err(Unfit::Spoofed) => return count(&counters.spoofed_sources),
            Err(Unfit::Unwanted) => return count(&counters.unwanted),
            Ok(Inner::Echo) => None,
            Ok(Inner::Tcp { remote, local, opens }) => Some((remote, local, opens)),
        };
        let net = tunnel.net.get_or_insert_with(|| Rc::new(RefCell::new(Net::new(shared.server, net_now, counters))));
        let mut net = net.borrow_mut();
        if let Some((remote, local, true)) = ports
            && shared.ports.contains(&local)
            && !net.has(remote, local)
        {
            if net.is_full() || counters.open_connections.load(Ordering::Relaxed) >= CONNECTIONS {
                // Without an answer the node tries again in a second; a refusal would cost it the document.
                signal.mark(slot, &mut net);
                return count(&counters.refused_connections);
            }
            net.listen(remote, local, net_now);
        }
        net.receive(packet, ports.map(|(remote, local, _)| (remote, local)), net_now, outbox);
        signal.mark(slot, &mut net);
        drop(net);
        self.seal(slot, socket);
    }
}
