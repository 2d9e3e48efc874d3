//! The thread that owns peers and journal.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::super::administration::{SecondKey, WindowLine, names};
use super::super::clock::{Clock, Moment};
use super::super::memory::{self, Ebb};
use super::super::peers::{Change, EndReason, Newcomer, PeerStore};
use super::super::roster::{LivePeer, Roster};
use super::health::KeyHealth;
use super::spare;
use super::{Live, RegistrarSettings, Shown, report};
use crate::serve::{NodeRate, PeerReport, RegisterRefusal, Registered, Registration};
use crate::types::{NodeId, WireguardKey};

/// How often the ages of tunnels are written down.
const AGES: Duration = Duration::from_secs(60);
/// How often the worker looks for tunnels that are over.
const SWEEP: Duration = Duration::from_secs(1);
/// How long a tunnel stays after its node has phoned home, so that the answer gets there.
const END_SOON: Duration = Duration::from_secs(3);
/// How many requests are written together at most.
const LARGEST_GROUP: usize = 1024;
/// How many second keys are remembered.
const MOST_SECOND_KEYS: usize = 64;

/// What the worker is asked.
pub(super) enum Message {
    Register {
        request: Box<Registration>,
        /// Whether a tunnel can be made with the key.
        usable: Result<(), RegisterRefusal>,
        reply: oneshot::Sender<Result<Registered, RegisterRefusal>>,
    },
    EndSoon(WireguardKey),
    Remove {
        peer: String,
        reply: oneshot::Sender<Result<Vec<PeerReport>, String>>,
    },
    Arm {
        name: String,
        length: Duration,
        reply: oneshot::Sender<Result<WindowLine, String>>,
    },
    Windows {
        reply: oneshot::Sender<(Vec<WindowLine>, Vec<SecondKey>)>,
    },
    #[cfg(test)]
    Sweep {
        reply: oneshot::Sender<()>,
    },
    Stop,
}

/// An answer that waits for the disk.
enum Waiting {
    Registered(NodeId, Registered, oneshot::Sender<Result<Registered, RegisterRefusal>>),
    Removed(Vec<PeerReport>, oneshot::Sender<Result<Vec<PeerReport>, String>>),
    Armed(WindowLine, oneshot::Sender<Result<WindowLine, String>>),
}

pub(super) struct Worker {
    store: PeerStore,
    settings: RegistrarSettings,
    roster: Arc<Roster>,
    shown: Shown,
    clock: Arc<dyn Clock>,
    asks: NodeRate,
    /// Tunnels that are to end, and at which uptime.
    ending: HashMap<WireguardKey, Duration>,
    second_keys: VecDeque<SecondKey>,
    ebb: Ebb,
    health: KeyHealth,
}

impl Worker {
    pub(super) fn new(
        store: PeerStore,
        settings: RegistrarSettings,
        roster: Arc<Roster>,
        shown: Shown,
        clock: Arc<dyn Clock>,
        health: KeyHealth,
    ) -> Self {
        let asks = NodeRate::new(settings.max_asks_per_minute);
        let (ending, second_keys) = (HashMap::new(), VecDeque::new());
        Self { store, settings, roster, shown, clock, asks, ending, second_keys, ebb: Ebb::default(), health }
    }

    /// Enters the peers that are known in the roster, but for those that are over.
    pub(super) fn begin(&mut self) {
        let now = self.clock.now();
        self.store.keep_to_network(&self.settings.terms.network, &self.settings.terms.public_key);
        self.store.expire(now);
        self.commit(Vec::new());
        let peers: Vec<_> = self.store.table().iter().cloned().collect();
        tracing::info!(peers = peers.len(), journal = %self.store.path().display(), "the peers of the journal are known");
        for peer in peers {
            self.enter(peer.node, peer.key, peer.address, peer.since, peer.expires_at);
        }
    }

    pub(super) fn run(mut self, receiver: &Receiver<Message>) {
        let mut next_sweep = Instant::now() + SWEEP;
        let mut next_ages = Instant::now() + AGES;
        loop {
            let first = match receiver.recv_timeout(next_sweep.saturating_duration_since(Instant::now())) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut waiting = Vec::new();
            let mut stops = false;
            // Those that came while the group before was written make the next one.
            for message in first.into_iter().chain(receiver.try_iter().take(LARGEST_GROUP)) {
                stops |= matches!(message, Message::Stop);
                self.apply(message, &mut waiting);
            }
            if Instant::now() >= next_sweep {
                self.sweep();
                if self.ebb.is_due(self.roster.len(), Instant::now()) {
                    memory::give_back();
                }
                next_sweep = Instant::now() + SWEEP;
            }
            self.commit(waiting);
            if Instant::now() >= next_ages {
                self.write_ages();
                next_ages = Instant::now() + AGES;
            }
            if stops {
                return;
            }
        }
    }

    fn write_ages(&mut self) {
        if let Err(error) = self.store.write_ages(self.clock.now()) {
            tracing::warn!(%error, "the ages of tunnels cannot be written down");
        }
    }

    fn apply(&mut self, message: Message, waiting: &mut Vec<Waiting>) {
        match message {
            Message::Register { request, usable, reply } => {
                let node = request.node.clone();
                match self.register(*request, usable) {
                    Ok(registered) => waiting.push(Waiting::Registered(node, registered, reply)),
                    // Nobody may listen any more, here and below: a node that has gone.
                    Err(refusal) => drop(reply.send(Err(refusal))),
                }
            }
            Message::EndSoon(key) => {
                let due = self.clock.now().uptime.saturating_add(END_SOON);
                self.ending.entry(key).or_insert(due);
            }
            Message::Remove { peer, reply } => {
                let removed = self.remove(&peer);
                waiting.push(Waiting::Removed(removed, reply));
            }
            Message::Arm { name, length, reply } => {
                let now = self.clock.now();
                let window = self.store.arm(&name, length, now);
                waiting.push(Waiting::Armed(WindowLine::new(&window, &now), reply));
            }
            Message::Windows { reply } => {
                let now = self.clock.now();
                let open = self.store.windows().iter().filter(|window| window.is_open(&now));
                let windows = open.map(|window| WindowLine::new(window, &now)).collect();
                let _ = reply.send((windows, self.second_keys.iter().cloned().collect()));
            }
            #[cfg(test)]
            Message::Sweep { reply } => {
                self.sweep();
                self.commit(Vec::new());
                let _ = reply.send(());
            }
            Message::Stop => {}
        }
    }

    fn register(
        &mut self,
        request: Registration,
        usable: Result<(), RegisterRefusal>,
    ) -> Result<Registered, RegisterRefusal> {
        let Registration { node, release, key, through } = request;
        let now = self.clock.now();
        self.asks.take(&node, now.uptime).map_err(RegisterRefusal::TooOften)?;
        usable?;
        if through.is_some_and(|through| through != key) {
            return Err(RegisterRefusal::ThroughTunnel);
        }
        if let Some(registered) = self.store.known(&node, &key, now) {
            // Who asks for the tunnel still wants it.
            self.ending.remove(&key);
            return Ok(registered);
        }
        if through.is_some() {
            return Err(RegisterRefusal::ThroughTunnel);
        }
        let network = self.settings.terms.network;
        let own = spare::own(&release, &node, &network)?;
        let addresses = std::iter::once(own).chain(spare::others(&release, &node, &network));
        let groups = release.node(&node).map_or(&[][..], |node| &node.groups);
        let result = self.store.register(Newcomer { node: &node, groups, key }, addresses, now);
        match &result {
            Ok(registered) => {
                self.ending.remove(&key);
                tracing::info!(%node, %key, address = %registered.address, "the node has brought a key");
            }
            Err(RegisterRefusal::SecondKey(_)) => self.note_second_key(&node, key, now.wall),
            Err(_) => {}
        }
        result
    }

    fn note_second_key(&mut self, node: &NodeId, key: WireguardKey, at: Timestamp) {
        if self.second_keys.iter().any(|known| known.node == *node && known.key == key) {
            return;
        }
        if self.second_keys.len() == MOST_SECOND_KEYS {
            self.second_keys.pop_front();
        }
        self.second_keys.push_back(SecondKey { node: node.clone(), key, at });
    }

    fn remove(&mut self, which: &str) -> Vec<PeerReport> {
        let named = self.store.table().iter().filter(|peer| names(which, &peer.node, &peer.key));
        let keys: Vec<WireguardKey> = named.map(|peer| peer.key).collect();
        let (now, wall) = (Instant::now(), Timestamp::now());
        let reports = {
            let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
            let removed = shown.values().filter(|live| keys.contains(&live.peer.key));
            removed.map(|live| report(live, now, wall)).collect()
        };
        for key in keys {
            self.store.end(&key, EndReason::Removed);
        }
        reports
    }

    /// Ends what is over, and forgets what no longer matters.
    fn sweep(&mut self) {
        let now = self.clock.now();
        let instant = Instant::now();
        {
            let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
            for live in shown.values() {
                if let Some(last) = live.peer.last_handshake() {
                    let ago = instant.saturating_duration_since(last);
                    let at = Moment { uptime: now.uptime.saturating_sub(ago), ..now };
                    self.store.touch(&live.peer.key, at);
                }
            }
        }
        let due: Vec<WireguardKey> =
            self.ending.iter().filter(|(_, due)| **due <= now.uptime).map(|(key, _)| *key).collect();
        for key in due {
            self.ending.remove(&key);
            self.store.end(&key, EndReason::PhonedHome);
        }
        self.store.expire(now);
        self.asks.forget(now.uptime);
    }

    /// Writes what was changed, tells the engine, then those who wait.
    fn commit(&mut self, waiting: Vec<Waiting>) {
        let committed = self.store.commit();
        for change in committed.changes {
            match change {
                Change::Added { peer, .. } => {
                    self.enter(peer.node, peer.key, peer.address, peer.since, peer.expires_at);
                }
                Change::Ended { peer, reason } => {
                    self.roster.remove(&peer.key);
                    let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
                    if shown.get(&peer.node).is_some_and(|live| live.peer.key == peer.key) {
                        shown.remove(&peer.node);
                    }
                    drop(shown);
                    tracing::info!(node = %peer.node, key = %peer.key, "a tunnel has ended: {reason}");
                }
                Change::Armed(_) | Change::Used { .. } => {}
            }
        }
        for answer in waiting {
            match answer {
                Waiting::Registered(node, registered, reply) => {
                    // What was on disk before is true although nothing can be written now.
                    let peer = self.store.table().get(&registered.key);
                    let holds = committed.fault.is_none() || peer.is_some_and(|peer| peer.node == node);
                    let _ = reply.send(if holds { Ok(registered) } else { Err(RegisterRefusal::Unwritable) });
                }
                Waiting::Removed(peers, reply) => {
                    let _ = reply.send(committed.fault.clone().map_or(Ok(peers), Err));
                }
                Waiting::Armed(window, reply) => {
                    let _ = reply.send(committed.fault.clone().map_or(Ok(window), Err));
                }
            }
        }
        self.health.say(committed.fault);
    }

    fn enter(
        &self,
        node: NodeId,
        key: WireguardKey,
        address: std::net::IpAddr,
        since: Timestamp,
        expires_at: Timestamp,
    ) {
        let peer = Arc::new(LivePeer::new(node.clone(), key, address));
        self.roster.insert(Arc::clone(&peer));
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        shown.insert(node, Live { peer, since, expires_at });
    }
}
