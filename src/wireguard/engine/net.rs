//! TCP inside one tunnel: a small TCP/IP stack of its own, made when a packet needs one and dropped with the last
//! connection.
//!
//! The stack has no queue of waiting connections: a socket must listen before the packet that opens a connection is
//! seen. So every such packet makes its socket first, and the socket goes when its connection has ended.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, IpListenEndpoint};

use super::counters::{Counters, Held};
use super::device::{Device, Outbox};

/// How many connections a node may have at a time.
pub(super) const CONNECTIONS_PER_PEER: usize = 16;
/// What a node may send before it is read: requests are small.
const RECEIVE_BUFFER: usize = 4 * 1024;
/// What may be on its way to a node. More overruns the node's socket, and then everything is sent twice: with 256 KiB
/// a transfer of 64 MB was three orders of magnitude slower than with this.
const SEND_BUFFER: usize = 32 * 1024;
/// How much faster than the world the stack's clock runs.
///
/// The stack repeats what was lost after a second at the earliest, which is fixed in it, and often needs to, because it
/// finds only the first loss of a window sooner. Linux waits for a fifth of a second. In a cluster an answer takes
/// milliseconds; whatever else the stack measures is a ratio, or better for being shorter.
const HASTE: i64 = 5;
/// How long a node may take to finish opening a connection.
const OPENING: Duration = Duration::from_secs(15);
/// How long a node may be silent while something is on its way to it.
const SILENCE: Duration = Duration::from_secs(60);
/// How long a connection that nobody serves any more may take to deliver the rest.
const LINGER: Duration = Duration::from_secs(600);
/// How many packets of each connection are sent before other tunnels have their turn.
const ROUNDS: usize = 64;

/// The stack's time, when so long has passed in the world.
pub(super) fn stack_time(passed: Duration) -> Instant {
    Instant::from_micros(i64::try_from(passed.as_micros()).unwrap_or(i64::MAX).saturating_mul(HASTE))
}

/// How long has passed in the world at a time of the stack.
pub(super) fn world_time(time: Instant) -> Duration {
    Duration::from_micros(u64::try_from(time.total_micros() / HASTE).unwrap_or_default())
}

/// The stack of one tunnel, and its connections.
pub(super) struct Net {
    interface: Interface,
    sockets: SocketSet<'static>,
    connections: Vec<Connection>,
    server: IpAddr,
    /// Whether the shard knows that there may be something to send.
    pub(super) dirty: bool,
    /// For when the shard has noted that there will be something to do.
    pub(super) scheduled: Option<Instant>,
    /// Whether the tunnel is gone: every use of a stream is an error from then on.
    cut: bool,
    /// When it last had its turn.
    now: Instant,
    counters: Arc<Counters>,
    _held: Held,
}

struct Connection {
    handle: SocketHandle,
    remote: u16,
    local: u16,
    stage: Stage,
    /// When the node last sent something.
    heard: Instant,
    /// Since when something is on its way to the node.
    waiting: Option<Instant>,
    _held: Held,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The node and we shake hands.
    Opening,
    /// Somebody has the stream.
    Served,
    /// The stream was dropped then.
    Left(Instant),
}

impl Net {
    pub(super) fn new(server: IpAddr, now: Instant, counters: &Arc<Counters>) -> Self {
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = fastrand::u64(..);
        let mut device = Device { inbound: None, outbox: &mut Outbox::default() };
        let mut interface = Interface::new(config, &mut device, now);
        // Whatever the stack sends goes through this tunnel. It has no other network, and so no route to look for.
        interface.update_ip_addrs(|addresses| {
            let full = addresses.push(IpCidr::new(IpAddress::from(server), 0)).is_err();
            debug_assert!(!full, "a fresh interface has room for an address");
        });
        let held = Held::new(counters, |counters| &counters.live_interfaces);
        Self {
            interface,
            sockets: SocketSet::new(Vec::new()),
            connections: Vec::new(),
            server,
            dirty: false,
            scheduled: None,
            cut: false,
            now,
            counters: Arc::clone(counters),
            _held: held,
        }
    }

    /// Whether there is a connection between these ports.
    pub(super) fn has(&self, remote: u16, local: u16) -> bool {
        self.connections.iter().any(|connection| (connection.remote, connection.local) == (remote, local))
    }

    /// Whether the node has as many connections as it may.
    pub(super) fn is_full(&self) -> bool {
        self.connections.len() >= CONNECTIONS_PER_PEER
    }

    /// Whether nothing would be lost with it.
    pub(super) fn is_idle(&self) -> bool {
        self.connections.is_empty()
    }

    /// Makes a socket for the packet that comes next.
    pub(super) fn listen(&mut self, remote: u16, local: u16, now: Instant) {
        let buffer = |length| SocketBuffer::new(vec![0; length]);
        let mut socket = Socket::new(buffer(RECEIVE_BUFFER), buffer(SEND_BUFFER));
        socket.set_congestion_control(CongestionControl::Cubic);
        socket.set_nagle_enabled(false);
        let endpoint = IpListenEndpoint { addr: Some(IpAddress::from(self.server)), port: local };
        if socket.listen(endpoint).is_err() {
            return;
        }
        let handle = self.sockets.add(socket);
        let held = Held::new(&self.counters, |counters| &counters.open_connections);
        let stage = Stage::Opening;
        self.connections.push(Connection { handle, remote, local, stage, heard: now, waiting: None, _held: held });
    }

    /// Takes a packet of the node. Answers that cannot wait are put into the outbox.
    pub(super) fn receive(&mut self, packet: &[u8], ports: Option<(u16, u16)>, now: Instant, outbox: &mut Outbox) {
        if let Some(ports) = ports {
            let heard = |connection: &&mut Connection| (connection.remote, connection.local) == ports;
            if let Some(connection) = self.connections.iter_mut().find(heard) {
                connection.heard = now;
            }
        }
        let mut device = Device { inbound: Some(packet), outbox };
        self.interface.poll_ingress_single(now, &mut device, &mut self.sockets);
    }

    /// Puts what is due into the outbox.
    pub(super) fn send(&mut self, now: Instant, outbox: &mut Outbox) {
        let mut device = Device { inbound: None, outbox };
        for _ in 0..ROUNDS {
            if self.interface.poll_egress(now, &mut device, &mut self.sockets) == PollResult::None {
                break;
            }
        }
    }

    /// Drops what has ended, and says which connections are open now for the first time.
    pub(super) fn settle(&mut self, now: Instant) -> Vec<SocketHandle> {
        self.now = now;
        let Self { sockets, connections, .. } = self;
        let mut opened = Vec::new();
        connections.retain_mut(|connection| {
            let socket = sockets.get_mut::<Socket>(connection.handle);
            let keep = connection.settle(socket, now);
            if !keep {
                sockets.remove(connection.handle);
            } else if connection.stage == Stage::Opening
                && !matches!(socket.state(), State::SynReceived | State::Closed)
            {
                connection.stage = Stage::Served;
                opened.push(connection.handle);
            }
            keep
        });
        opened
    }

    /// When there will be something to do, if nothing comes before.
    pub(super) fn due(&mut self, now: Instant) -> Option<Instant> {
        let stack = self.interface.poll_at(now, &self.sockets);
        let connections = self.connections.iter().filter_map(Connection::deadline).min();
        stack.into_iter().chain(connections).min()
    }

    /// The socket of a connection; none when the tunnel is gone.
    pub(super) fn socket(&mut self, handle: SocketHandle) -> Option<&mut Socket<'static>> {
        (!self.cut).then(|| self.sockets.get_mut::<Socket>(handle))
    }

    /// Nobody serves the connection any more: what was written is delivered still, then it ends.
    pub(super) fn leave(&mut self, handle: SocketHandle) {
        let now = self.now;
        if let Some(connection) = self.connections.iter_mut().find(|connection| connection.handle == handle) {
            connection.stage = Stage::Left(now);
        }
        self.close(handle);
    }

    /// Sends no more than what was written.
    pub(super) fn close(&mut self, handle: SocketHandle) {
        if let Some(socket) = self.socket(handle) {
            socket.close();
            // The node's FIN is acknowledged at once, so that the socket can go with it.
            socket.set_ack_delay(None);
        }
    }

    /// The tunnel is gone: whoever waits for a stream is woken, and is told so.
    pub(super) fn cut(&mut self) {
        self.cut = true;
        for connection in self.connections.drain(..) {
            self.sockets.get_mut::<Socket>(connection.handle).abort();
            self.sockets.remove(connection.handle);
        }
    }
}

impl Connection {
    /// Whether the connection goes on. After an abort, one reset is still to be sent.
    fn settle(&mut self, socket: &mut Socket<'_>, now: Instant) -> bool {
        if matches!(self.stage, Stage::Left(_)) {
            // Nobody will read it: the node must not wait for room.
            while socket.recv(|bytes| (bytes.len(), bytes.len())).is_ok_and(|read| read > 0) {}
        }
        match (socket.state(), self.stage) {
            // The packet that was to open it was damaged, or the node thought better of it.
            (State::Listen, _) => return false,
            (State::Closed, Stage::Opening | Stage::Left(_)) => return socket.remote_endpoint().is_some(),
            // The acknowledgement of the node's FIN has left. Should it be lost, the node is told that there is no
            // such connection, which it takes as well: it has read everything.
            (State::TimeWait, Stage::Left(_)) => return false,
            _ => {}
        }
        let waits = match (socket.state(), self.stage) {
            (State::SynReceived, _) | (_, Stage::Left(_)) => true,
            (State::Closed, _) => false,
            _ => socket.send_queue() > 0,
        };
        self.waiting = waits.then(|| self.waiting.unwrap_or(now));
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            socket.abort();
            self.waiting = None;
        }
        true
    }

    fn deadline(&self) -> Option<Instant> {
        let silence = if self.stage == Stage::Opening { OPENING } else { SILENCE };
        let after = |since: Instant, time| since + (stack_time(time) - Instant::ZERO);
        let silent = self.waiting.map(|since| after(since.max(self.heard), silence));
        let late = match (self.stage, self.waiting) {
            (Stage::Left(since), Some(_)) => Some(after(since, LINGER)),
            _ => None,
        };
        silent.into_iter().chain(late).min()
    }
}

#[cfg(test)]
mod tests;
