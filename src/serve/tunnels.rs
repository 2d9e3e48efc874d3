//! What the server asks of the part of the program that runs tunnels. It is a trait here, because that part stands on
//! top of the server: requests that come through a tunnel are answered as all others are.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::release::MappedRelease;
use crate::types::{NodeId, TunnelNetwork, WireguardKey};

/// Runs tunnels: takes keys, ends tunnels, tells of them.
pub trait Tunnels: Send + Sync + fmt::Debug {
    /// What every node is told of the server.
    fn terms(&self) -> &ServerTerms;

    /// Takes a node's key. When the future is done without a refusal, the tunnel works: the key is on disk, and the
    /// next packet of the node will be understood.
    fn register(
        &self,
        request: Registration,
    ) -> Pin<Box<dyn Future<Output = Result<Registered, RegisterRefusal>> + Send + '_>>;

    /// Ends the tunnel of a key, because its node has booted: some seconds from now, so that the answer still gets there.
    /// A tunnel that the node has or makes with another key stays.
    fn end_soon(&self, key: &WireguardKey);

    /// The live tunnels, sorted by node.
    fn peers(&self) -> Vec<PeerReport>;

    /// The key of a node's live tunnel.
    fn key_of(&self, node: &NodeId) -> Option<WireguardKey> {
        self.peers().into_iter().find(|peer| peer.node == *node).map(|peer| peer.key)
    }
}

/// What every node is told of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTerms {
    /// The server's public key.
    pub public_key: WireguardKey,
    /// The server's address in the tunnels, and their network.
    pub network: TunnelNetwork,
    /// The UDP port that is listened on.
    pub port: u16,
    /// Where nodes send their packets, as `HOST:PORT`; without it, to the address that they asked at, and `port`.
    pub endpoint: Option<String>,
    /// Whether documents are served through tunnels only.
    pub only: bool,
    /// Who may see the peers.
    pub admins: Vec<ipnet::IpNet>,
}

/// A node brings a key.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The node that the caller's address proves.
    pub node: NodeId,
    /// The release that says so. The node is in it.
    pub release: Arc<MappedRelease>,
    /// The key.
    pub key: WireguardKey,
    /// Set when the request came through the live tunnel of this key.
    pub through: Option<WireguardKey>,
}

/// A key that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The key.
    pub key: WireguardKey,
    /// The node's address in the tunnel.
    pub address: IpAddr,
    /// When the tunnel ends at the latest.
    pub expires_at: Timestamp,
}

/// Why a key is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterRefusal {
    /// No tunnel can be made with the key: all zero, of low order, or the server's own. A sentence says which.
    #[error("{0}")]
    UnusableKey(&'static str),
    /// The key is that of another node's live tunnel.
    #[error("this public key belongs to another node's tunnel; make a fresh one with `wg genkey`")]
    KeyOfAnother,
    /// The node asked too often.
    #[error("this node has asked for a tunnel too often; ask again in {} s", .0.as_secs().max(1))]
    TooOften(Duration),
    /// Nobody has opened a window for the node.
    #[error("this node may not bring a key now; let an administrator run `mds arm {0}`")]
    NotArmed(NodeId),
    /// The window was used with another key.
    #[error("this node has brought another key already; let an administrator look at it, and run `mds arm {0}`")]
    SecondKey(NodeId),
    /// Through a tunnel, only its own key may be brought again.
    #[error("a fresh key cannot be brought through the tunnel that it would end; ask outside the tunnel")]
    ThroughTunnel,
    /// The release has no address for the node, or was built for another network.
    #[error("{0}")]
    NoAddress(String),
    /// It cannot be written to disk, so it might be forgotten.
    #[error("the server cannot keep the key at the moment; ask again in a moment")]
    Unwritable,
}

/// A live tunnel, for people to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerReport {
    /// The node.
    pub node: NodeId,
    /// Its public key.
    pub key: WireguardKey,
    /// Its address in the tunnel.
    pub address: IpAddr,
    /// Since when the key is known.
    pub since: Timestamp,
    /// When the tunnel ends at the latest.
    pub expires_at: Timestamp,
    /// When the node last shook hands, since the server was started.
    pub last_handshake: Option<Timestamp>,
    /// Where the node's packets come from.
    pub endpoint: Option<std::net::SocketAddr>,
    /// Bytes of the node's packets.
    pub received: u64,
    /// Bytes of packets to the node.
    pub sent: u64,
}

/// Who asks through a tunnel. It is known by its key: no address that a packet claims counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelCaller {
    /// The node whose key it is.
    pub node: NodeId,
    /// The key.
    pub key: WireguardKey,
    /// The address that the node was given.
    pub address: IpAddr,
}
