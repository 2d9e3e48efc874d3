//! The lines of the journal: JSON with a short checksum in front, one line for a change.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::clock::{Moment, Stopwatch, milliseconds};
use super::table::{Peer, Table};
use super::windows::{Window, Windows};
use crate::types::{NodeId, WireguardKey};

/// The version of the format.
pub(super) const FORMAT: u32 = 1;

/// Why a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The node has booted.
    PhonedHome,
    /// The node was not heard of for too long.
    Idle,
    /// The tunnel has lasted as long as it may.
    MaxAge,
    /// The node has brought another key.
    Replaced,
    /// An administrator has removed it.
    Removed,
    /// The server has another network, or another key, than when the tunnel was made.
    OtherNetwork,
}

impl EndReason {
    /// Whether the tunnel is over even when that cannot be written: after a restart the same would be found again, or
    /// soon enough.
    pub(super) const fn needs_no_writing(self) -> bool {
        matches!(self, Self::PhonedHome | Self::Idle | Self::MaxAge | Self::OtherNetwork)
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::PhonedHome => "the node has booted",
            Self::Idle => "the node was not heard of",
            Self::MaxAge => "it was as old as a tunnel may be",
            Self::Replaced => "the node has brought another key",
            Self::Removed => "it was removed",
            Self::OtherNetwork => "the server has another network or key now",
        })
    }
}

/// A change of what counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A peer is live from now on.
    Added {
        /// The peer.
        peer: Peer,
        /// Whether the node had never brought a key before.
        is_first: bool,
    },
    /// A peer is live no longer.
    Ended {
        /// The peer.
        peer: Peer,
        /// Why.
        reason: EndReason,
    },
    /// A window was opened.
    Armed(Window),
    /// A node has brought its key in a window.
    Used {
        /// The window's number.
        window: u64,
        /// The node.
        node: NodeId,
        /// The key.
        key: WireguardKey,
    },
}

impl Change {
    /// Takes the change back. Changes must be taken back in the opposite order.
    pub(super) fn undo(self, table: &mut Table, windows: &mut Windows) {
        match self {
            Self::Added { peer, is_first } => {
                table.remove(&peer.key);
                if is_first {
                    windows.forget_first(&peer.node);
                }
            }
            Self::Ended { peer, .. } => table.insert(peer),
            Self::Armed(window) => windows.close(window.number),
            Self::Used { window, node, .. } => windows.unmark_used(window, &node),
        }
    }
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Record {
    /// The first line.
    Journal {
        format: u32,
    },
    Added {
        node: NodeId,
        key: WireguardKey,
        address: IpAddr,
        since: Timestamp,
        expires_at: Timestamp,
        #[serde(rename = "max_age_ms", with = "milliseconds")]
        max_age: Duration,
        age: Stopwatch,
        active: Moment,
    },
    Ended {
        key: WireguardKey,
        reason: EndReason,
    },
    /// A node's first key, when the line that added it is gone.
    First {
        node: NodeId,
        key: WireguardKey,
    },
    Armed {
        window: u64,
        name: Box<str>,
        opened: Timestamp,
        age: Stopwatch,
        #[serde(rename = "length_ms", with = "milliseconds")]
        length: Duration,
    },
    Used {
        window: u64,
        node: NodeId,
        key: WireguardKey,
    },
}

impl Record {
    pub(super) fn of_peer(peer: &Peer) -> Self {
        let Peer { node, key, address, since, expires_at, max_age, age, active } = peer.clone();
        Self::Added { node, key, address, since, expires_at, max_age, age, active: active.rounded() }
    }

    pub(super) fn of_window(window: &Window) -> Self {
        let Window { number, name, opened, age, length, .. } = window.clone();
        Self::Armed { window: number, name, opened, age, length }
    }

    pub(super) fn of_change(change: &Change) -> Self {
        match change {
            Change::Added { peer, .. } => Self::of_peer(peer),
            Change::Ended { peer, reason } => Self::Ended { key: peer.key, reason: *reason },
            Change::Armed(window) => Self::of_window(window),
            Change::Used { window, node, key } => Self::Used { window: *window, node: node.clone(), key: *key },
        }
    }

    /// Does again what the line says. None when it is of a newer format.
    pub(super) fn replay(self, table: &mut Table, windows: &mut Windows) -> Option<()> {
        match self {
            Self::Journal { format } => return (format <= FORMAT).then_some(()),
            Self::Added { node, key, address, since, expires_at, max_age, age, active } => {
                windows.note_first(&node, key);
                table.insert(Peer { node, key, address, since, expires_at, max_age, age, active });
            }
            Self::Ended { key, .. } => {
                table.remove(&key);
            }
            Self::First { node, key } => {
                windows.note_first(&node, key);
            }
            Self::Armed { window: number, name, opened, age, length } => {
                windows.open(Window { number, name, opened, age, length, used: Default::default() });
            }
            Self::Used { window, node, key } => windows.mark_used(window, node, key),
        }
        Some(())
    }

    /// Adds the line for the record to the text.
    pub(super) fn write(&self, text: &mut Vec<u8>) -> serde_json::Result<()> {
        let json = serde_json::to_vec(self)?;
        // Every record is a JSON object, so the checksum can stand as its first member.
        let rest = json.strip_prefix(b"{").unwrap_or(&json);
        text.extend_from_slice(PREFIX);
        text.extend_from_slice(checksum(rest).as_bytes());
        text.extend_from_slice(INFIX);
        text.extend_from_slice(rest);
        text.push(b'\n');
        Ok(())
    }
}

const PREFIX: &[u8] = b"{\"sum\":\"";
const INFIX: &[u8] = b"\",";
/// Digits of the checksum.
const DIGITS: usize = 8;

/// The first half of the blake3 digest's first word: enough to tell a line that was cut or changed by chance.
fn checksum(rest: &[u8]) -> String {
    let digest = blake3::hash(rest).to_hex();
    digest[..DIGITS].to_owned()
}

/// A line that says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadLine {
    /// It is not what was written.
    Broken,
    /// It is what was written, by a newer mds.
    Unknown,
}

/// Reads a line without its end.
pub(super) fn parse(line: &[u8]) -> Result<Record, BadLine> {
    let after = line.strip_prefix(PREFIX).ok_or(BadLine::Broken)?;
    let (sum, after) = after.split_at_checked(DIGITS).ok_or(BadLine::Broken)?;
    let rest = after.strip_prefix(INFIX).ok_or(BadLine::Broken)?;
    if checksum(rest).as_bytes() != sum {
        return Err(BadLine::Broken);
    }
    serde_json::from_slice(&[b"{", rest].concat()).map_err(|_| BadLine::Unknown)
}
