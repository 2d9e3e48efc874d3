//! The engine of the tunnels: packets in, streams out.
//!
//! | module | owns |
//! |---|---|
//! | `counters` | what happened to packets |
//! | `device` | the border between the TCP/IP stack and the engine |
//! | `inner` | what a packet inside a tunnel must be |
//! | `net` | TCP inside one tunnel |
//! | `sender` | datagrams on their way out |
//! | `shard` | a thread: its socket, its nodes, its timers |
//! | `socket` | the UDP sockets |
//! | `stream` | a connection inside a tunnel |
//! | `tunnels` | a shard's tunnels by number and by key |
//!
//! A node is its key: the roster says whose a key is and which address it has in the tunnel. Whoever is not in the
//! roster gets no answer and no memory. All state of a node is made when it first speaks, and goes when its keys are
//! too old: a node that is silent costs an entry of the roster.

mod counters;
mod device;
mod inner;
mod net;
mod sender;
mod shard;
mod socket;
mod stream;
mod tunnels;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

pub use counters::{CounterSnapshot, Counters};
pub use stream::TunnelStream;

use super::noise::BoringNoise;
use super::{LivePeer, PrivateKey, Roster};
use crate::types::TunnelNetwork;
use counters::count;
use shard::{INBOX, Shard, Shared, Wakers};

/// What an engine is told at its start.
#[derive(Debug)]
pub struct EngineSettings {
    /// Where to listen for nodes' datagrams. Port 0 lets the system choose; `[::]` takes IPv4 too.
    pub listen: SocketAddr,
    /// The server's key.
    pub private_key: PrivateKey,
    /// The server's address inside the tunnels.
    pub network: TunnelNetwork,
    /// The TCP ports that are open inside the tunnels. At others, connections are refused.
    pub ports: Vec<u16>,
    /// How many threads there are; between 1 and 8, whatever is asked for.
    pub shards: usize,
    /// How many handshakes a second are answered at once, over all threads. Above it, nodes must prove their address
    /// first, which takes them five seconds, and each address gets 50 a second: about 3,000 for each thread is what a
    /// core can do.
    pub max_handshakes_per_second: u32,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The address cannot be listened on.
    #[error("cannot listen for WireGuard on {address} (UDP): {source}{hint}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
        /// What to do about it; empty, or in brackets after a blank.
        hint: &'static str,
    },
    /// A thread of it cannot be started.
    #[error("cannot start a thread for WireGuard: {0} (see the limits of the service for threads and open files)")]
    Start(io::Error),
}

/// Answers what nodes ask through their tunnels.
pub trait TunnelService: Send + Sync + 'static {
    /// Serves a connection of a node until it is done with it. The future stays in the thread of the tunnel.
    fn serve(&self, stream: TunnelStream, peer: Arc<LivePeer>) -> Pin<Box<dyn Future<Output = ()>>>;
}

/// An engine that listens, but answers nobody yet: datagrams wait in the kernel.
#[derive(Debug)]
pub struct Engine {
    settings: EngineSettings,
    roster: Arc<Roster>,
    counters: Arc<Counters>,
    sockets: Vec<UdpSocket>,
    local: SocketAddr,
}

impl Engine {
    /// Listens for the datagrams of the roster's nodes.
    ///
    /// # Errors
    /// When the address cannot be listened on; the message says what to do.
    pub fn bind(settings: EngineSettings, roster: Arc<Roster>) -> Result<Self, EngineError> {
        let address = settings.listen;
        let sockets = socket::bind(address, settings.shards.clamp(1, tunnels::MAX_SHARDS))?;
        let local = sockets.first().map_or(Ok(address), UdpSocket::local_addr);
        let local = local.map_err(|source| EngineError::Bind { address, source, hint: "" })?;
        Ok(Self { settings, roster, counters: Arc::default(), sockets, local })
    }

    /// Where it listens, with the port that the system chose.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// What happens to packets.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Starts to answer.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn start(self, service: Arc<dyn TunnelService>) -> Result<RunningEngine, EngineError> {
        let Self { settings, roster, counters, sockets, .. } = self;
        let (inboxes, receivers): (Vec<_>, Vec<_>) = sockets.iter().map(|_| mpsc::channel(INBOX)).unzip();
        let noise = BoringNoise::new(&settings.private_key, settings.max_handshakes_per_second);
        let server = settings.network.server();
        let shared = Shared { noise, roster, counters, server, ports: settings.ports, service, inboxes };
        let shared = Arc::new(shared);
        let (stop, stopped) = watch::channel(false);
        let counters = Arc::clone(&shared.counters);
        let mut running = RunningEngine { stop, threads: Vec::with_capacity(sockets.len()), counters };
        for (number, (socket, inbox)) in sockets.into_iter().zip(receivers).enumerate() {
            let runtime = Builder::new_current_thread().enable_all().build().map_err(EngineError::Start)?;
            let socket = {
                let _context = runtime.enter();
                tokio::net::UdpSocket::from_std(socket).map_err(EngineError::Start)?
            };
            let wakers = Wakers { socket, inbox, stop: stopped.clone() };
            let shared = Arc::clone(&shared);
            // Should a thread not start, those before it stop when `running` is dropped.
            let thread = std::thread::Builder::new().name(format!("tunnels-{number}"));
            let thread = thread.spawn(move || run(number, &shared, &runtime, wakers)).map_err(EngineError::Start)?;
            running.threads.push(thread);
        }
        Ok(running)
    }
}

/// Runs a shard. Nothing that a datagram holds should make it fail; if something does, its nodes shake hands again,
/// which is better than to be deaf.
fn run(number: usize, shared: &Arc<Shared>, runtime: &Runtime, mut wakers: Wakers) {
    loop {
        let shard = Shard::new(number, Arc::clone(shared));
        let attempt = || runtime.block_on(LocalSet::new().run_until(shard.run(&mut wakers)));
        match catch_unwind(AssertUnwindSafe(attempt)) {
            Ok(()) => return,
            Err(_) => {
                count(&shared.counters.restarts);
                tracing::error!(
                    "thread {number} of WireGuard failed, which is a fault of this program; it was started again, and \
                     its nodes' tunnels come back when they shake hands"
                );
            }
        }
    }
}

/// An engine that answers. It stops when it is dropped.
#[derive(Debug)]
pub struct RunningEngine {
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    counters: Arc<Counters>,
}

/// How often [`RunningEngine::drain`] looks.
const LOOK: Duration = Duration::from_millis(5);

impl RunningEngine {
    /// Waits until all connections inside the tunnels have ended, and so have delivered what was written, but for no
    /// longer than `patience`. Says whether they have. Whoever was done with a stream does not know that the node has
    /// everything. Needs a tokio runtime with time.
    pub async fn drain(&self, patience: Duration) -> bool {
        let ended = async {
            while self.counters.open_connections.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(patience, ended).await.is_ok()
    }

    /// Stops at once and waits for the threads to end; connections inside the tunnels are cut without a word.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for RunningEngine {
    fn drop(&mut self) {
        // Nobody listens when all threads have ended.
        let _ = self.stop.send(true);
        for thread in self.threads.drain(..) {
            // A thread catches its own failures.
            let _ = thread.join();
        }
    }
}
