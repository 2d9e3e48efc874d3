//! One part of the engine: a thread that has its own socket, and its own nodes' tunnels, and shares neither.
//!
//! The kernel gives each address's datagrams to one of the sockets. A node's tunnel belongs to the shard that heard of
//! it first; should its packets come elsewhere later, they are handed over.

mod messages;

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smoltcp::time::Instant as NetInstant;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};

use super::TunnelService;
use super::counters::{Counters, count};
use super::device::Outbox;
use super::net::{Net, stack_time, world_time};
use super::sender::Sender;
use super::stream::{Signal, TunnelStream};
use super::tunnels::{self, Tunnels};
use crate::wireguard::noise::{BoringNoise, Due, INITIATION, Kind, Noise, TunnelNoise};
use crate::wireguard::{LivePeer, Roster};

/// How many datagrams are taken before handlers have their turn.
const BATCH: usize = 64;
/// How many datagrams may wait for another shard.
pub(super) const INBOX: usize = 4096;
/// How many connections there may be in all tunnels together.
const CONNECTIONS: u64 = 65_536;
/// How often the protocol's timers are looked at. They count in seconds.
const SWEEP: Duration = Duration::from_millis(250);
/// The longest datagram that a node has reason to send: packets inside are no longer than what our side of TCP asks for,
/// which is far less. Longer ones could fill the memory while they wait for another shard.
const LONGEST: usize = 2048;
/// The greatest datagram that there is.
const DATAGRAM: usize = 65_536;

/// A datagram that came to a shard that does not have its tunnel.
pub(super) enum Forwarded {
    /// The start of a handshake that was looked at.
    Initiation(Arc<LivePeer>, SocketAddr, Box<[u8; INITIATION]>),
    /// Any other.
    Other(SocketAddr, Vec<u8>),
}

/// What all shards share.
pub(super) struct Shared {
    pub(super) noise: BoringNoise,
    pub(super) roster: Arc<Roster>,
    pub(super) counters: Arc<Counters>,
    pub(super) server: IpAddr,
    pub(super) ports: Vec<u16>,
    pub(super) service: Arc<dyn TunnelService>,
    pub(super) inboxes: Vec<mpsc::Sender<Forwarded>>,
}

/// What wakes a shard. It outlives a failure of the shard.
pub(super) struct Wakers {
    pub(super) socket: UdpSocket,
    pub(super) inbox: mpsc::Receiver<Forwarded>,
    pub(super) stop: watch::Receiver<bool>,
}

/// One part of the engine.
pub(super) struct Shard {
    number: usize,
    shared: Arc<Shared>,
    tunnels: Tunnels,
    signal: Rc<Signal>,
    /// When stacks want their turn, soonest first. Entries that a stack does not know of any more are old.
    deadlines: BinaryHeap<Reverse<(NetInstant, u32)>>,
    outbox: Outbox,
    sender: Sender,
    /// Where messages are opened and sealed.
    scratch: Box<[u8]>,
    origin: Instant,
    next_sweep: Instant,
}

impl Shard {
    pub(super) fn new(number: usize, shared: Arc<Shared>) -> Self {
        let origin = Instant::now();
        Self {
            number,
            shared,
            tunnels: Tunnels::default(),
            signal: Rc::default(),
            deadlines: BinaryHeap::new(),
            outbox: Outbox::default(),
            sender: Sender::default(),
            scratch: vec![0; DATAGRAM + INITIATION].into(),
            origin,
            next_sweep: origin + SWEEP,
        }
    }

    /// Runs until it is told to stop. To be called within a set of local tasks.
    pub(super) async fn run(mut self, wakers: &mut Wakers) {
        let mut datagram = vec![0; DATAGRAM];
        loop {
            let wake = tokio::time::Instant::from_std(self.wake_at());
            let mut forwarded = None;
            tokio::select! {
                // An error means that nobody can say stop any more.
                stop = wakers.stop.wait_for(|stop| *stop) => {
                    drop(stop);
                    return;
                }
                _ = wakers.socket.readable() => {}
                _ = wakers.socket.writable(), if self.sender.is_blocked() => {}
                message = wakers.inbox.recv() => forwarded = message,
                () = self.signal.wait() => {}
                () = tokio::time::sleep_until(wake) => {}
            }
            if let Some(message) = forwarded {
                self.on_forwarded(message, &wakers.socket);
            }
            for _ in 0..BATCH {
                let Ok(message) = wakers.inbox.try_recv() else { break };
                self.on_forwarded(message, &wakers.socket);
            }
            if let Err(error) = self.receive(&wakers.socket, &mut datagram) {
                count(&self.shared.counters.receive_errors);
                tracing::debug!("WireGuard's socket: {error}");
                // Should it be an error that does not go away, the thread must not spin.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            self.sender.flush(&wakers.socket, &self.shared.counters);
            self.turn(&wakers.socket);
            // Handlers run now, and write; then what they wrote goes out together.
            tokio::task::yield_now().await;
        }
    }

    /// Takes some of the datagrams that have come.
    fn receive(&mut self, socket: &UdpSocket, datagram: &mut [u8]) -> io::Result<()> {
        for _ in 0..BATCH {
            match socket.try_recv_from(datagram) {
                Ok((length, from)) => self.on_datagram(from, &datagram[..length], socket),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn on_forwarded(&mut self, message: Forwarded, socket: &UdpSocket) {
        match message {
            Forwarded::Initiation(peer, from, initiation) => self.on_own_initiation(peer, from, &initiation, socket),
            Forwarded::Other(from, datagram) => self.on_datagram(from, &datagram, socket),
        }
    }

    fn on_datagram(&mut self, from: SocketAddr, datagram: &[u8], socket: &UdpSocket) {
        match Kind::of(datagram).filter(|_| datagram.len() <= LONGEST) {
            None => count(&self.shared.counters.malformed),
            Some(Kind::Initiation) => {
                if let Ok(initiation) = datagram.try_into() {
                    self.on_initiation(from, initiation, socket);
                }
            }
            Some(Kind::Of { session, .. }) => match tunnels::shard_and_slot(session) {
                (shard, slot) if shard == self.number => self.on_message(slot, session, from, datagram, socket),
                (shard, _) => self.forward(shard, || Forwarded::Other(from, datagram.to_vec())),
            },
        }
    }

    /// Hands a datagram to another shard. When that has too many waiting, it is dropped: nodes send again.
    fn forward(&self, shard: usize, message: impl FnOnce() -> Forwarded) {
        let counters = &self.shared.counters;
        match self.shared.inboxes.get(shard) {
            None => count(&counters.unknown_sessions),
            Some(inbox) => match inbox.try_reserve() {
                Ok(place) => place.send(message()),
                Err(_) => count(&counters.overflows),
            },
        }
    }

    /// Lets every tunnel send that has something to send, or may have.
    fn turn(&mut self, socket: &UdpSocket) {
        let now = Instant::now();
        if !self.sender.is_blocked() {
            self.run_nets(self.net_time(now), socket);
        }
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP;
            self.sweep(now, socket);
        }
    }

    fn run_nets(&mut self, now: NetInstant, socket: &UdpSocket) {
        for slot in self.signal.take() {
            if self.sender.is_blocked() {
                self.signal.put_back(slot);
            } else {
                self.run_net(slot, now, socket);
            }
        }
        while let Some(Reverse((deadline, slot))) = self.deadlines.peek().copied() {
            if deadline > now || self.sender.is_blocked() {
                break;
            }
            self.deadlines.pop();
            let net = self.tunnels.get_mut(slot).and_then(|tunnel| tunnel.net.as_ref());
            let is_due = |net: &Rc<RefCell<Net>>| net.borrow_mut().scheduled.take_if(|at| *at == deadline).is_some();
            if net.is_some_and(is_due) {
                self.run_net(slot, now, socket);
            }
        }
    }

    /// Gives a tunnel's stack its turn: it sends, connections are opened and ended, and its next turn is noted.
    fn run_net(&mut self, slot: u32, now: NetInstant, socket: &UdpSocket) {
        let Some(tunnel) = self.tunnels.get_mut(slot) else { return };
        if tunnel.peer.has_ended() {
            return self.tunnels.remove(slot);
        }
        let Some(shared_net) = &tunnel.net else { return };
        let mut net = shared_net.borrow_mut();
        net.dirty = false;
        net.send(now, &mut self.outbox);
        let opened = net.settle(now);
        let idle = net.is_idle();
        if !idle {
            // What is due already waits for others to have their turn.
            let soonest = now + (stack_time(Duration::from_millis(1)) - NetInstant::ZERO);
            // A turn that comes too early does no harm, and with every packet the next one is due later: so there is
            // no need to note more than the soonest.
            let due = net.due(now).map(|due| due.max(soonest));
            if let Some(due) = due.filter(|due| net.scheduled.is_none_or(|noted| *due < noted)) {
                net.scheduled = Some(due);
                self.deadlines.push(Reverse((due, slot)));
            }
        }
        drop(net);
        for handle in opened {
            count(&self.shared.counters.connections);
            let stream = TunnelStream::new(shared_net, &self.signal, slot, handle);
            let (service, peer) = (Arc::clone(&self.shared.service), Arc::clone(&tunnel.peer));
            // All of it in the task, so that a failure of the service ends one connection and not the shard.
            tokio::task::spawn_local(async move { service.serve(stream, peer).await });
        }
        if idle {
            tunnel.net = None;
        }
        self.seal(slot, socket);
    }

    /// Seals and sends what is in the outbox.
    fn seal(&mut self, slot: u32, socket: &UdpSocket) {
        let Self { shared, tunnels, outbox, sender, scratch, .. } = self;
        if let Some(tunnel) = tunnels.get_mut(slot)
            && let Some(endpoint) = tunnel.endpoint
        {
            for packet in outbox.packets() {
                if let Some(message) = tunnel.noise.seal(packet, scratch) {
                    tunnel.peer.count_sent(message.len() as u64);
                    sender.send(socket, &shared.counters, endpoint, message);
                }
            }
        }
        outbox.clear();
    }

    /// Looks at the protocol's timers, and drops what has ended.
    fn sweep(&mut self, now: Instant, socket: &UdpSocket) {
        let Self { shared, tunnels, sender, scratch, .. } = self;
        shared.noise.next_second(now);
        for slot in 0..tunnels.slots() {
            let Some(tunnel) = tunnels.get_mut(slot) else { continue };
            if tunnel.peer.has_ended() {
                tunnels.remove(slot);
                continue;
            }
            match tunnel.noise.tick(now, scratch) {
                Due::Nothing => {}
                Due::Over => tunnels.remove(slot),
                Due::Send(message) => {
                    if let Some(endpoint) = tunnel.endpoint {
                        tunnel.peer.count_sent(message.len() as u64);
                        sender.send(socket, &shared.counters, endpoint, message);
                    }
                }
            }
        }
    }

    fn wake_at(&self) -> Instant {
        // As long as datagrams wait, no stack has its turn.
        let soonest = self.deadlines.peek().filter(|_| !self.sender.is_blocked());
        let deadline = soonest.map(|Reverse((deadline, _))| self.origin + world_time(*deadline));
        deadline.map_or(self.next_sweep, |deadline| deadline.min(self.next_sweep))
    }

    fn net_time(&self, now: Instant) -> NetInstant {
        stack_time(now.saturating_duration_since(self.origin))
    }
}
