//! What happened to packets, for whoever watches the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$documentation:meta])* $name:ident,)*) => {
        /// What happened to packets since the engine was started, and what it holds now.
        #[derive(Debug, Default)]
        pub struct Counters {
            $(pub(super) $name: AtomicU64,)*
        }

        /// The counters at a moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct CounterSnapshot {
            $($(#[$documentation])* pub $name: u64,)*
        }

        impl Counters {
            /// The counters now. Each is right by itself; together they may be of moments that differ a little.
            #[must_use]
            pub fn snapshot(&self) -> CounterSnapshot {
                CounterSnapshot { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Handshakes that nodes started, and that were answered.
    handshakes,
    /// Handshakes that were told to prove their address first, because there was too much to do.
    cookies_sent,
    /// Handshakes that were dropped though their address was proven, because it had had its share and there was too much
    /// to do.
    throttled,
    /// Handshakes of keys that nobody knows. They get no answer.
    unknown_keys,
    /// Messages for sessions that there are not: of nodes that have not noticed yet that the server was restarted, or
    /// that their tunnel has ended.
    unknown_sessions,
    /// Datagrams that are not WireGuard's, that were made for another server, or that are longer than any node's.
    malformed,
    /// Messages whose maker is not who it claims to be, or that no tunnel can make anything of.
    unproven,
    /// Messages that were received before, or are too old to tell.
    replays,
    /// Packets that claim another node's address.
    spoofed_sources,
    /// Packets that are for somebody else than the server, or neither TCP nor a ping, or a part of a packet.
    unwanted,
    /// Connections that were opened.
    connections,
    /// Connections that were not let in, because the node, or all of them, have too many.
    refused_connections,
    /// Datagrams that were dropped because a part of the engine had too many waiting.
    overflows,
    /// Datagrams that the system would not send.
    unsent,
    /// Errors of the socket when receiving.
    receive_errors,
    /// Times that a part of the engine failed and was started again. Any is a fault of the program.
    restarts,
    /// Tunnels that have keys now.
    live_tunnels,
    /// Tunnels that have a TCP/IP stack now, because there are connections in them.
    live_interfaces,
    /// Connections that are open now.
    open_connections,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Something that exists now: counted while it lives.
pub(super) struct Held {
    counters: Arc<Counters>,
    which: fn(&Counters) -> &AtomicU64,
}

impl Held {
    pub(super) fn new(counters: &Arc<Counters>, which: fn(&Counters) -> &AtomicU64) -> Self {
        count(which(counters));
        Self { counters: Arc::clone(counters), which }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        (self.which)(&self.counters).fetch_sub(1, Ordering::Relaxed);
    }
}
