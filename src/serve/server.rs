//! Accepting connections, surviving the lack of files, and ending without cutting anyone off.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::boot_record::BootRecord;
use super::connection::{self, Caller, Context, Phase};
use super::identity::TrustedProxies;
use super::listener::{self, BindError};
use super::route::Prefixes;
use super::state::Shared;
use super::tunnels::{TunnelCaller, Tunnels};

/// How long accepting pauses after an error that would come back at once, such as "too many open files".
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);

/// The least time between two lines of the log about errors of accepting.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// How long a draining listener waits for one more connection that the kernel may already hold.
const LAST_ARRIVAL: Duration = Duration::from_millis(5);

/// How long the end of a server waits for the disk to take which nodes have booted.
const RECORD_PATIENCE: Duration = Duration::from_secs(2);

/// What a server does, apart from where it listens.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The proxies whose `X-Forwarded-For` is believed. Default: loopback.
    pub trusted_proxies: TrustedProxies,
    /// Below which paths everything is served besides `/`. Default: `/cloud-init` and `/metadata-service`.
    pub prefixes: Prefixes,
    /// How long a client may take to send a request, or to begin the next one. Default: 10 s.
    pub header_timeout: Duration,
    /// How long requests may still run after the server was told to end. Default: 10 s.
    pub drain_timeout: Duration,
    /// Told when SMD says that something has changed.
    pub inventory_hint: Arc<Notify>,
    /// Who runs tunnels; nobody by default.
    pub tunnels: Option<Arc<dyn Tunnels>>,
    /// Who writes down which nodes have booted; nobody by default.
    pub boot_record: Option<Arc<BootRecord>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            trusted_proxies: TrustedProxies::default(),
            prefixes: Prefixes::default(),
            header_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(10),
            inventory_hint: Arc::default(),
            tunnels: None,
            boot_record: None,
        }
    }
}

/// What answers requests, wherever they come from.
#[derive(Debug)]
pub struct Front {
    context: Arc<Context>,
    phase: watch::Sender<Phase>,
    drain_timeout: Duration,
}

impl Front {
    /// Answers from what `shared` holds.
    #[must_use]
    pub fn new(shared: Arc<Shared>, settings: Settings) -> Self {
        let drain_timeout = settings.drain_timeout;
        let (phase, _) = watch::channel(Phase::Serving);
        Self { context: Arc::new(Context::new(shared, settings)), phase, drain_timeout }
    }

    /// Serves a connection inside a tunnel to its end. The caller is known by the key of the tunnel: no header counts.
    /// Needs a tokio runtime with time; the stream need not be `Send`.
    pub async fn serve_tunnel<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S, caller: TunnelCaller) {
        let phase = self.phase.subscribe();
        connection::serve(stream, Caller::Tunnel(caller), Arc::clone(&self.context), phase).await;
    }
}

/// A server whose addresses are open: the kernel already queues connections for it.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<std::net::TcpListener>,
}

impl Server {
    /// Opens the addresses. Port 0 stands for a free one.
    ///
    /// # Errors
    /// When one of them cannot be listened on; the error names it and says what to do.
    pub fn bind(addresses: &[SocketAddr]) -> Result<Self, BindError> {
        listener::bind(addresses).map(|listeners| Self { listeners })
    }

    /// The addresses that are listened on, in the order in which they were given, with the ports they got.
    ///
    /// # Errors
    /// When the system does not tell, which it always does for an open socket.
    pub fn local_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(std::net::TcpListener::local_addr).collect()
    }

    /// Serves what `shared` holds until `shutdown` is done, then stops accepting, finishes what has begun, and returns
    /// after `drain_timeout` at the latest, or two seconds later when the disk is slow to take which nodes have booted.
    /// Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// When the runtime does not take the sockets. Nothing that happens later is an error: a server that ended because
    /// one connection failed would fail all.
    pub async fn run(
        self,
        shared: Arc<Shared>,
        settings: Settings,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        self.run_front(&Front::new(shared, settings), shutdown).await
    }

    /// As [`Server::run`], with a front that other connections than those of this server may have too. They are drained
    /// with the server's own.
    ///
    /// # Errors
    /// As [`Server::run`].
    pub async fn run_front(self, front: &Front, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let Front { context, phase, drain_timeout } = front;
        let mut accepting = JoinSet::new();
        for listener in self.listeners {
            let listener = TcpListener::from_std(listener)?;
            accepting.spawn(accept_until_draining(listener, Arc::clone(context), phase.subscribe()));
        }
        shutdown.await;
        context.begin_draining();
        phase.send_replace(Phase::Draining);
        while accepting.join_next().await.is_some() {}
        // Every connection holds a receiver, so the channel closes with the last of them.
        if tokio::time::timeout(*drain_timeout, phase.closed()).await.is_err() {
            tracing::warn!(connections = phase.receiver_count(), "cutting connections that did not end in time");
            phase.send_replace(Phase::Cut);
            phase.closed().await;
        }
        if let Some(record) = context.boot_record() {
            // It has been tried. A disk that does not take it has been complained of.
            let _ = tokio::task::spawn_blocking(move || record.flush(RECORD_PATIENCE)).await;
        }
        Ok(())
    }
}

async fn accept_until_draining(listener: TcpListener, context: Arc<Context>, phase: watch::Receiver<Phase>) {
    let mut complaints = Complaints::default();
    let start = |stream: TcpStream, peer: SocketAddr, phase: &watch::Receiver<Phase>| {
        let caller = Caller::Socket { peer, local: context.local_address(&stream) };
        tokio::spawn(connection::serve(stream, caller, Arc::clone(&context), phase.clone()));
    };
    let mut draining = std::pin::pin!({
        let mut phase = phase.clone();
        async move { phase.wait_for(|phase| *phase >= Phase::Draining).await.map(|_| ()) }
    });
    loop {
        let accepted = tokio::select! {
            biased;
            _ = draining.as_mut() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => start(stream, peer, &phase),
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                complaints.complain(&error, Instant::now());
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
    // Those who were queued before the end are served too; closing the socket would reset them. Bounded, because new
    // ones may come for as long as the socket is open.
    for _ in 0..listener::BACKLOG {
        let Ok(Ok((stream, peer))) = tokio::time::timeout(LAST_ARRIVAL, listener.accept()).await else { break };
        start(stream, peer, &phase);
    }
}

/// Whether the error says only that the connection at the head of the queue is gone.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Keeps the log readable while accepting fails many times a second.
#[derive(Default)]
struct Complaints {
    last: Option<Instant>,
    unsaid: u64,
}

impl Complaints {
    /// Logs the error, unless one was logged a moment ago. Returns whether it did.
    fn complain(&mut self, error: &io::Error, now: Instant) -> bool {
        if self.last.is_some_and(|last| now.duration_since(last) < COMPLAINT_INTERVAL) {
            self.unsaid += 1;
            return false;
        }
        tracing::error!(
            %error,
            unsaid = self.unsaid,
            "cannot accept connections; going on (for too many open files, raise LimitNOFILE or `ulimit -n`)"
        );
        *self = Self { last: Some(now), unsaid: 0 };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_accepting_are_logged_every_ten_seconds_at_most() {
        let error = io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
        let mut complaints = Complaints::default();
        let start = Instant::now();
        let said = (0..600)
            .filter(|step| complaints.complain(&error, start + Duration::from_millis(50 * step)))
            .collect::<Vec<_>>();
        assert_eq!(said, [0, 200, 400]);
        assert!(!concerns_one_connection(&error));
        assert!(concerns_one_connection(&io::ErrorKind::ConnectionAborted.into()));
    }
}
