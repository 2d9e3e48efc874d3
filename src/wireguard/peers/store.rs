//! Peers, windows and journal as one: changes are made, then written together, and only then do they count.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::super::clock::Moment;
use super::super::state_folder::{Lock, StateError};
use super::journal::{Journal, replay};
use super::record::{Change, EndReason};
use super::table::{Peer, Table};
use super::windows::{Window, Windows};
use crate::release::{Disk, RealDisk};
use crate::serve::{RegisterRefusal, Registered};
use crate::settings::Arming;
use crate::types::{GroupLabel, NodeId, TunnelNetwork, WireguardKey};

/// What decides about peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// When a node may bring a key.
    pub arm: Arming,
    /// How long a node may go unheard of.
    pub idle: Duration,
    /// How long a tunnel may last.
    pub max_age: Duration,
}

/// A node with a key that is not the one of its live tunnel.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer<'a> {
    /// The node.
    pub node: &'a NodeId,
    /// Its groups in the release that is served.
    pub groups: &'a [GroupLabel],
    /// The key.
    pub key: WireguardKey,
}

/// What came of a group of changes.
#[derive(Debug)]
pub struct Committed {
    /// The changes that count, in order.
    pub changes: Vec<Change>,
    /// Why the others could not be written, and so were taken back.
    pub fault: Option<String>,
}

/// The peers and windows, on disk.
#[derive(Debug)]
pub struct PeerStore {
    table: Table,
    windows: Windows,
    journal: Journal,
    settings: StoreSettings,
    /// What was changed since the last commit.
    pending: Vec<Change>,
    _lock: Lock,
}

impl PeerStore {
    /// Takes the folder for this process alone, and reads its journal; one that is not there is made.
    ///
    /// # Errors
    /// When another process has the folder, or the journal is damaged or cannot be read or written.
    pub fn open(folder: &Path, settings: StoreSettings, now: Moment) -> Result<Self, StateError> {
        Self::open_on(Arc::new(RealDisk), folder, settings, now)
    }

    /// As [`PeerStore::open`], on another disk than the real one.
    ///
    /// # Errors
    /// As [`PeerStore::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        folder: &Path,
        settings: StoreSettings,
        now: Moment,
    ) -> Result<Self, StateError> {
        let lock = Lock::take(folder)?;
        let replayed = replay(folder)?;
        let mut journal = Journal::new(disk, folder);
        if replayed.torn > 0 {
            let (path, bytes) = (journal.path(), replayed.torn);
            tracing::warn!(path = %path.display(), bytes, "the end of the journal was cut, as a crash does; dropping it");
        }
        let (mut table, mut windows) = (replayed.table, replayed.windows);
        table.begin(now);
        windows.rebase(now);
        windows.forget_closed(&now);
        // What has passed until now is written down, so that it counts even when the clock is set back.
        journal.renew(&table, &windows)?;
        Ok(Self { table, windows, journal, settings, pending: Vec::new(), _lock: lock })
    }

    /// The journal's file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.journal.path()
    }

    /// The live peers, with what is not written yet.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The windows, with what is not written yet.
    #[must_use]
    pub fn windows(&self) -> &Windows {
        &self.windows
    }

    /// Notes when a node was heard of.
    pub fn touch(&mut self, key: &WireguardKey, at: Moment) {
        self.table.touch(key, at);
    }

    /// The answer to a node that brings the key of its live tunnel again.
    pub fn known(&mut self, node: &NodeId, key: &WireguardKey, now: Moment) -> Option<Registered> {
        self.end_if_due(key, &now);
        let peer = self.table.get(key).filter(|peer| peer.node == *node)?;
        let registered = peer.registered();
        self.table.touch(key, now);
        Some(registered)
    }

    /// Takes a node's key, in the place of the one it may have. Its address is the first one that is free.
    ///
    /// # Errors
    /// When the key is another node's, or the node may not bring one now; what is refused changes nothing.
    pub fn register(
        &mut self,
        newcomer: Newcomer<'_>,
        addresses: impl IntoIterator<Item = IpAddr>,
        now: Moment,
    ) -> Result<Registered, RegisterRefusal> {
        let Newcomer { node, groups, key } = newcomer;
        if let Some(registered) = self.known(node, &key, now) {
            return Ok(registered);
        }
        if self.table.get(&key).is_some() {
            return Err(RegisterRefusal::KeyOfAnother);
        }
        let used = self.windows.admit(self.settings.arm, node, groups, &key, &now)?;
        let address = self.free_address(node, addresses, &now).ok_or_else(|| {
            RegisterRefusal::NoAddress(format!(
                "no address of the tunnels' network is free for node {node}; take a larger network"
            ))
        })?;
        if let Some(before) = self.table.of_node(node).map(|peer| peer.key) {
            self.end(&before, EndReason::Replaced);
        }
        for window in used {
            self.windows.mark_used(window, node.clone(), key);
            self.pending.push(Change::Used { window, node: node.clone(), key });
        }
        let peer = Peer::new(node.clone(), key, address, self.settings.max_age, now);
        let registered = peer.registered();
        let is_first = self.windows.note_first(node, key);
        self.table.insert(peer.clone());
        self.pending.push(Change::Added { peer, is_first });
        Ok(registered)
    }

    /// Ends a peer. Says whether there was one.
    pub fn end(&mut self, key: &WireguardKey, reason: EndReason) -> bool {
        let ended = self.table.remove(key);
        let was_live = ended.is_some();
        self.pending.extend(ended.map(|peer| Change::Ended { peer, reason }));
        was_live
    }

    /// Ends the peers that are too old or were not heard of, and forgets windows that are closed.
    pub fn expire(&mut self, now: Moment) {
        let due: Vec<WireguardKey> =
            self.table.iter().filter(|peer| self.is_due(peer, &now).is_some()).map(|peer| peer.key).collect();
        for key in due {
            self.end_if_due(&key, &now);
        }
        self.windows.forget_closed(&now);
    }

    /// Ends the peers that no packet can be from: their address is not of the network, or is the server's.
    pub fn keep_to_network(&mut self, network: &TunnelNetwork, server: &WireguardKey) {
        let is_of_network =
            |peer: &&Peer| network.contains(peer.address) && peer.address != network.server() && peer.key != *server;
        let others: Vec<_> = self.table.iter().filter(|peer| !is_of_network(peer)).map(|peer| peer.key).collect();
        for key in others {
            self.end(&key, EndReason::OtherNetwork);
        }
    }

    /// Opens a window for the node or the group with the name.
    pub fn arm(&mut self, name: &str, length: Duration, now: Moment) -> Window {
        let window = self.windows.next(name, length, now);
        self.pending.push(Change::Armed(window.clone()));
        self.windows.open(window.clone());
        window
    }

    /// Writes what was changed since the last time. What cannot be written is taken back, but for tunnels that are over
    /// in any case; the next commit then makes the journal anew, and nothing counts before that has worked.
    pub fn commit(&mut self) -> Committed {
        let changes = std::mem::take(&mut self.pending);
        if self.journal.is_sound() {
            if changes.is_empty() {
                return Committed { changes, fault: None };
            }
            if let Err(error) = self.journal.append(&changes) {
                let fault = format!("cannot write {}: {error}", self.path().display());
                return self.take_back(changes, fault);
            }
            if self.journal.is_worth_renewing()
                && let Err(error) = self.journal.renew(&self.table, &self.windows)
            {
                tracing::warn!(%error, "the journal of peers cannot be made anew");
            }
            return Committed { changes, fault: None };
        }
        match self.journal.renew(&self.table, &self.windows) {
            Ok(()) => Committed { changes, fault: None },
            Err(error) => self.take_back(changes, error.to_string()),
        }
    }

    /// Writes down how long everything has lasted. Should the machine boot again with a clock that went back, what has
    /// passed since then is all that is forgotten. Waits for the next commit when that has something to write.
    ///
    /// # Errors
    /// When the journal cannot be written; what it said before still stands.
    pub fn write_ages(&mut self, now: Moment) -> Result<(), StateError> {
        if !self.pending.is_empty()
            || !self.journal.is_sound()
            || (self.table.is_empty() && self.windows.iter().next().is_none())
        {
            return Ok(());
        }
        self.table.rebase(now);
        self.windows.rebase(now);
        self.journal.renew(&self.table, &self.windows)
    }

    fn take_back(&mut self, changes: Vec<Change>, fault: String) -> Committed {
        let mut stay = Vec::new();
        for change in changes.into_iter().rev() {
            match change {
                Change::Ended { reason, .. } if reason.needs_no_writing() => stay.push(change),
                other => other.undo(&mut self.table, &mut self.windows),
            }
        }
        stay.reverse();
        Committed { changes: stay, fault: Some(fault) }
    }

    /// Peers in the way that are over are ended first.
    fn free_address(
        &mut self,
        node: &NodeId,
        addresses: impl IntoIterator<Item = IpAddr>,
        now: &Moment,
    ) -> Option<IpAddr> {
        addresses.into_iter().find(|address| {
            if let Some(key) = self.table.of_address(*address).map(|peer| peer.key) {
                self.end_if_due(&key, now);
            }
            self.table.of_address(*address).is_none_or(|peer| peer.node == *node)
        })
    }

    fn end_if_due(&mut self, key: &WireguardKey, now: &Moment) {
        if let Some(reason) = self.table.get(key).and_then(|peer| self.is_due(peer, now)) {
            self.end(key, reason);
        }
    }

    fn is_due(&self, peer: &Peer, now: &Moment) -> Option<EndReason> {
        if peer.is_old(now) {
            Some(EndReason::MaxAge)
        } else {
            peer.is_idle(now, self.settings.idle).then_some(EndReason::Idle)
        }
    }
}
