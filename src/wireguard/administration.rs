//! Looking at tunnels, ending them and opening windows, from another process than the server: through its socket while
//! it runs, else in its journal.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::clock::{Clock, Moment};
use super::peers::{EndReason, Peer, PeerStore, StoreSettings, Window, read_journal};
use super::state_folder::StateError;
use crate::serve::PeerReport;
use crate::settings::Arming;
use crate::types::{NodeId, WireguardKey};

/// The name of the socket in the folder.
pub(super) const SOCKET: &str = "control.sock";
/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest window: a week.
pub const LONGEST_WINDOW: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// The live tunnels.
    Peers,
    /// To end the tunnel of a node, of a key, or of a peer's name.
    Remove {
        /// The node's id, the key or the peer's name.
        peer: String,
    },
    /// To open a window.
    Arm {
        /// The node's id or the group's label.
        name: String,
        /// How long it is open.
        seconds: u64,
    },
    /// The open windows.
    Windows,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The live tunnels.
    Peers {
        /// Sorted by node.
        peers: Vec<PeerLine>,
        /// Keys that were refused because the node had brought another, since the server was started.
        second_keys: Vec<SecondKey>,
    },
    /// Tunnels that were ended.
    Removed {
        /// None when there was no such tunnel.
        peers: Vec<PeerLine>,
    },
    /// A window was opened.
    Armed {
        /// The window.
        window: WindowLine,
    },
    /// The open windows.
    Windows {
        /// The oldest first.
        windows: Vec<WindowLine>,
        /// As in [`Answer::Peers`].
        second_keys: Vec<SecondKey>,
    },
    /// It could not be done.
    Failed {
        /// Why, in a sentence.
        message: String,
    },
}

/// A live tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerLine {
    /// The node.
    pub node: NodeId,
    /// Its public key.
    pub key: WireguardKey,
    /// The name of the peer.
    pub uid: String,
    /// Its address in the tunnel.
    pub address: IpAddr,
    /// Since when the key is known.
    pub since: Timestamp,
    /// When the tunnel ends at the latest.
    pub expires_at: Timestamp,
    /// When the node last shook hands, since the server was started, as RFC 3339 text.
    pub last_handshake: Option<String>,
    /// Where the node's packets come from.
    pub endpoint: Option<SocketAddr>,
    /// Bytes of the node's packets.
    pub received: u64,
    /// Bytes of packets to the node.
    pub sent: u64,
}

impl From<&PeerReport> for PeerLine {
    fn from(report: &PeerReport) -> Self {
        Self {
            node: report.node.clone(),
            key: report.key,
            uid: report.key.peer_uid(),
            address: report.address,
            since: report.since,
            expires_at: report.expires_at,
            last_handshake: report.last_handshake.map(|time| time.to_string()),
            endpoint: report.endpoint,
            received: report.received,
            sent: report.sent,
        }
    }
}

impl From<&Peer> for PeerLine {
    fn from(peer: &Peer) -> Self {
        Self {
            node: peer.node.clone(),
            key: peer.key,
            uid: peer.key.peer_uid(),
            address: peer.address,
            since: peer.since,
            expires_at: peer.expires_at,
            last_handshake: None,
            endpoint: None,
            received: 0,
            sent: 0,
        }
    }
}

/// An open window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowLine {
    /// The node or the group.
    pub name: String,
    /// When it was opened.
    pub opened: Timestamp,
    /// How much longer it is open.
    pub seconds_left: u64,
    /// The nodes that have brought their key, with the key.
    pub used: std::collections::BTreeMap<NodeId, WireguardKey>,
}

impl WindowLine {
    pub(super) fn new(window: &Window, now: &Moment) -> Self {
        Self {
            name: window.name.to_string(),
            opened: window.opened,
            seconds_left: window.length.saturating_sub(window.age.elapsed(now)).as_secs(),
            used: window.used.clone(),
        }
    }
}

/// A key that was refused because the node had brought another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondKey {
    /// The node.
    pub node: NodeId,
    /// The key.
    pub key: WireguardKey,
    /// When it was brought first.
    pub at: Timestamp,
}

/// Whether the text is the node, the key or the name of the peer.
pub(super) fn names(text: &str, node: &NodeId, key: &WireguardKey) -> bool {
    text == node.as_str() || text == key.to_string() || text == key.peer_uid()
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AdministrationError {
    /// The state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The socket, or the folder that it is in, is another user's.
    #[error(
        "{} may be used by its owner only ({source}); run this as the user that runs `mds serve`, or as root",
        path.display()
    )]
    NotPermitted {
        /// The socket.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The server does not answer as it should.
    #[error("the server does not answer at {}: {source}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It was not done.
    #[error("{0}")]
    Failed(String),
}

/// An answer, and who gave it.
#[derive(Debug)]
pub struct Administered {
    /// The answer; never a failure.
    pub answer: Answer,
    /// Whether a server runs. Without one, it is the journal that answered or was written.
    pub by_server: bool,
}

/// Asks the server that has the folder, or the journal when there is none.
///
/// # Errors
/// When neither can be asked, or it could not be done.
pub fn administer(folder: &Path, request: &Request, clock: &dyn Clock) -> Result<Administered, AdministrationError> {
    let path = folder.join(SOCKET);
    let (answer, by_server) = match ask_server(folder, request) {
        Ok(answer) => (answer, true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            (ask_journal(folder, request, clock.now())?, false)
        }
        Err(source) => return Err(not_reached(path, source)),
    };
    match answer {
        Answer::Failed { message } => Err(AdministrationError::Failed(message)),
        answer => Ok(Administered { answer, by_server }),
    }
}

fn not_reached(path: PathBuf, source: io::Error) -> AdministrationError {
    match source.kind() {
        io::ErrorKind::PermissionDenied => AdministrationError::NotPermitted { path, source },
        _ => AdministrationError::Socket { path, source },
    }
}

/// The address of the socket in the folder, however long the folder's path is: a socket's may have 107 bytes only, so it
/// goes through the open folder, which must live as long as the address is used.
pub(super) fn socket_address(folder: &Path) -> io::Result<(PathBuf, File)> {
    let open = File::open(folder)?;
    let address = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", open.as_raw_fd()));
    Ok((address, open))
}

fn ask_server(folder: &Path, request: &Request) -> io::Result<Answer> {
    let (address, _open) = socket_address(folder)?;
    let mut stream = UnixStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    stream.write_all(&text)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

fn ask_journal(folder: &Path, request: &Request, now: Moment) -> Result<Answer, AdministrationError> {
    match request {
        Request::Peers => {
            let (table, _) = read_journal(folder)?;
            let mut peers: Vec<PeerLine> = table.iter().filter(|peer| !peer.is_old(&now)).map(PeerLine::from).collect();
            peers.sort_by(|left, right| left.node.cmp(&right.node));
            Ok(Answer::Peers { peers, second_keys: Vec::new() })
        }
        Request::Windows => {
            let (_, windows) = read_journal(folder)?;
            let open = windows.iter().filter(|window| window.is_open(&now));
            let windows = open.map(|window| WindowLine::new(window, &now)).collect();
            Ok(Answer::Windows { windows, second_keys: Vec::new() })
        }
        Request::Remove { peer: which } => {
            // Nothing is made, or made anew, for a tunnel that is not there.
            let (table, _) = read_journal(folder)?;
            if !table.iter().any(|peer| names(which, &peer.node, &peer.key)) {
                return Ok(Answer::Removed { peers: Vec::new() });
            }
            let mut store = open_store(folder, now)?;
            let named = store.table().iter().filter(|peer| names(which, &peer.node, &peer.key));
            let removed: Vec<Peer> = named.cloned().collect();
            for peer in &removed {
                store.end(&peer.key, EndReason::Removed);
            }
            write(&mut store)?;
            Ok(Answer::Removed { peers: removed.iter().map(PeerLine::from).collect() })
        }
        Request::Arm { name, seconds } => {
            let mut store = open_store(folder, now)?;
            let window = store.arm(name, Duration::from_secs(*seconds).min(LONGEST_WINDOW), now);
            write(&mut store)?;
            Ok(Answer::Armed { window: WindowLine::new(&window, &now) })
        }
    }
}

/// The journal, for changes that need no settings: nothing is taken, and nothing ends by itself.
fn open_store(folder: &Path, now: Moment) -> Result<PeerStore, StateError> {
    let settings = StoreSettings { arm: Arming::Window, idle: Duration::MAX, max_age: Duration::MAX };
    PeerStore::open(folder, settings, now)
}

fn write(store: &mut PeerStore) -> Result<(), AdministrationError> {
    store.commit().fault.map_or(Ok(()), |fault| Err(AdministrationError::Failed(fault)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_ask_the_server_is_told_who_may() {
        let error = |kind: io::ErrorKind| not_reached(PathBuf::from("state/control.sock"), kind.into()).to_string();
        let denied = error(io::ErrorKind::PermissionDenied);
        assert!(
            denied.contains("state/control.sock") && denied.contains("as the user that runs `mds serve`"),
            "{denied}"
        );
        let silent = error(io::ErrorKind::TimedOut);
        assert!(silent.contains("does not answer") && !silent.contains("as the user"), "{silent}");
    }
}
