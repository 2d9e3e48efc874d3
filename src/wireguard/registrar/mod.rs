//! The registrar: takes keys, ends tunnels, tells of them. One thread owns peers and journal; requests reach it in
//! groups, a group is written and made durable at once, then the engine is told of it, then the nodes.
//!
//! | module | owns |
//! |---|---|
//! | `health` | what `/health` says when no key can be taken |
//! | `keys` | which keys no tunnel can be made with |
//! | `spare` | the addresses that a node gets when its own is taken |
//! | `worker` | the thread |
//! | `control` | the socket for `mds wireguard` and `mds arm` |

mod control;
mod health;
mod keys;
mod spare;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::clock::Clock;
use super::peers::{PeerStore, StoreSettings};
use super::roster::{LivePeer, Roster};
use super::state_folder::StateError;
use crate::serve::{PeerReport, RegisterRefusal, Registered, Registration, ServerTerms, Shared, Tunnels};
use crate::settings::{Arming, WireguardSettings};
use crate::types::{NodeId, WireguardKey};
use control::ControlSocket;
use health::KeyHealth;
use worker::{Message, Worker};

/// What decides about keys.
#[derive(Clone, Debug)]
pub struct RegistrarSettings {
    /// What every node is told of the server.
    pub terms: ServerTerms,
    /// When a node may bring a key.
    pub arm: Arming,
    /// How long a tunnel may go without a handshake.
    pub idle: Duration,
    /// How long a tunnel may last.
    pub max_age: Duration,
    /// How many times a minute a node may ask.
    pub max_asks_per_minute: u32,
}

impl RegistrarSettings {
    /// What the settings say, with what is known once the server listens.
    #[must_use]
    pub fn new(settings: &WireguardSettings, terms: ServerTerms) -> Self {
        Self {
            terms,
            arm: settings.arm,
            idle: settings.idle,
            max_age: settings.max_age,
            max_asks_per_minute: settings.max_asks_per_minute,
        }
    }
}

/// Why there is no registrar.
#[derive(Debug, thiserror::Error)]
pub enum RegistrarError {
    /// The state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The system gives no thread.
    #[error("the thread for the tunnels' keys cannot be started: {0}")]
    Thread(std::io::Error),
}

/// A live peer, and what the engine has of it.
#[derive(Debug)]
struct Live {
    peer: Arc<LivePeer>,
    since: Timestamp,
    expires_at: Timestamp,
}

/// What others see of the peers: only what is on disk.
type Shown = Arc<RwLock<BTreeMap<NodeId, Live>>>;

/// Takes keys, ends tunnels, tells of them.
pub struct Registrar {
    terms: ServerTerms,
    shown: Shown,
    sender: Sender<Message>,
    control: Option<ControlSocket>,
    worker: Option<JoinHandle<()>>,
}

impl Registrar {
    /// Takes the folder for this process, reads what is known of peers, and enters them in the roster. What keeps it from
    /// taking keys later is told to `shared`.
    ///
    /// # Errors
    /// When another process has the folder, it cannot be read or written, its journal is damaged, or there is no
    /// thread.
    pub fn open(
        folder: &Path,
        settings: RegistrarSettings,
        roster: Arc<Roster>,
        clock: Arc<dyn Clock>,
        shared: Arc<Shared>,
    ) -> Result<Arc<Self>, RegistrarError> {
        let of_store = StoreSettings { arm: settings.arm, idle: settings.idle, max_age: settings.max_age };
        let store = PeerStore::open(folder, of_store, clock.now())?;
        Self::with_store(folder, store, settings, roster, clock, shared)
    }

    fn with_store(
        folder: &Path,
        store: PeerStore,
        settings: RegistrarSettings,
        roster: Arc<Roster>,
        clock: Arc<dyn Clock>,
        shared: Arc<Shared>,
    ) -> Result<Arc<Self>, RegistrarError> {
        let shown = Shown::default();
        let (sender, receiver) = channel();
        let terms = settings.terms.clone();
        let health = KeyHealth::new(shared);
        let mut worker = Worker::new(store, settings, roster, Arc::clone(&shown), clock, health);
        worker.begin();
        // The folder's lock is held by now: a socket that is there is of a server that is no more.
        let control = ControlSocket::bind(folder, sender.clone(), Arc::clone(&shown))?;
        let thread = std::thread::Builder::new().name("mds-registrar".to_owned());
        let worker = thread.spawn(move || worker.run(&receiver)).map_err(RegistrarError::Thread)?;
        Ok(Arc::new(Self { terms, shown, sender, control: Some(control), worker: Some(worker) }))
    }

    /// Ends the tunnels of a node, of a key, or with the name of a peer. Returns those that there were once that is on
    /// disk.
    ///
    /// # Errors
    /// A sentence, when it cannot be written.
    pub async fn remove(&self, peer: &str) -> Result<Vec<PeerReport>, String> {
        let (reply, answer) = oneshot::channel();
        // A worker that is gone drops the reply.
        let _ = self.sender.send(Message::Remove { peer: peer.to_owned(), reply });
        answer.await.unwrap_or_else(|_| Err("the server is stopping".to_owned()))
    }

    /// Opens a window for a node or a group; returns once that is on disk.
    ///
    /// # Errors
    /// A sentence, when it cannot be written.
    pub async fn arm(&self, name: &str, length: Duration) -> Result<(), String> {
        let (reply, answer) = oneshot::channel();
        let _ = self.sender.send(Message::Arm { name: name.to_owned(), length, reply });
        answer.await.unwrap_or_else(|_| Err("the server is stopping".to_owned())).map(drop)
    }

    /// Looks at once for tunnels that are over, instead of within a second.
    #[cfg(test)]
    async fn sweep(&self) {
        let (reply, answer) = oneshot::channel();
        let _ = self.sender.send(Message::Sweep { reply });
        let _ = answer.await;
    }
}

impl Tunnels for Registrar {
    fn terms(&self) -> &ServerTerms {
        &self.terms
    }

    fn register(
        &self,
        request: Registration,
    ) -> Pin<Box<dyn Future<Output = Result<Registered, RegisterRefusal>> + Send + '_>> {
        Box::pin(async move {
            let usable = keys::check(&request.key, &self.terms.public_key);
            let (reply, answer) = oneshot::channel();
            // Also with a key that cannot be used, because that is counted.
            let _ = self.sender.send(Message::Register { request: Box::new(request), usable, reply });
            answer.await.unwrap_or(Err(RegisterRefusal::Unwritable))
        })
    }

    fn end_soon(&self, key: &WireguardKey) {
        let _ = self.sender.send(Message::EndSoon(*key));
    }

    fn peers(&self) -> Vec<PeerReport> {
        reports(&self.shown)
    }

    fn key_of(&self, node: &NodeId) -> Option<WireguardKey> {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).get(node).map(|live| live.peer.key)
    }
}

impl Drop for Registrar {
    fn drop(&mut self) {
        drop(self.control.take());
        let _ = self.sender.send(Message::Stop);
        if let Some(worker) = self.worker.take() {
            // A worker that panicked has said so already.
            let _ = worker.join();
        }
    }
}

impl fmt::Debug for Registrar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Registrar").field("terms", &self.terms).finish_non_exhaustive()
    }
}

fn reports(shown: &RwLock<BTreeMap<NodeId, Live>>) -> Vec<PeerReport> {
    let (now, wall) = (Instant::now(), Timestamp::now());
    let shown = shown.read().unwrap_or_else(PoisonError::into_inner);
    shown.values().map(|live| report(live, now, wall)).collect()
}

fn report(live: &Live, now: Instant, wall: Timestamp) -> PeerReport {
    let Live { peer, since, expires_at } = live;
    let (received, sent) = peer.traffic();
    let last_handshake = peer.last_handshake().map(|last| {
        let ago = now.saturating_duration_since(last);
        wall.saturating_sub(ago).unwrap_or(wall)
    });
    PeerReport {
        node: peer.node.clone(),
        key: peer.key,
        address: peer.address,
        since: *since,
        expires_at: *expires_at,
        last_handshake,
        endpoint: peer.endpoint(),
        received,
        sent,
    }
}
