//! Every answer that is not the document asked for: its status and its sentence. No other module chooses a status for
//! a refusal, and no sentence says anything of a node other than the one that asks.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use hyper::StatusCode;

use super::identity::IdentityError;
use super::tunnels::RegisterRefusal;
use crate::types::{DocumentName, GroupLabel, NodeId};

/// The methods of documents, as they stand in `Allow`.
pub(super) const ALLOWED_METHODS: &str = "GET, HEAD";
/// The method of whatever is told something.
pub(super) const POST_ONLY: &str = "POST";

/// Why a request does not get the document it asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal<'a> {
    /// Not one of the methods that the path has.
    Method(&'static str),
    /// Nobody listens to notifications of SMD.
    NoNotifications,
    /// No such path.
    UnknownPath,
    /// Nothing has been published, or nothing that can be loaded.
    NoRelease(Option<IpAddr>),
    /// The proxy did not say who asks.
    Identity(IdentityError),
    /// No node has the address.
    UnknownAddress(IpAddr),
    /// Several nodes have the address.
    AmbiguousAddress(IpAddr),
    /// The node is not in the group.
    NotAMember(&'a NodeId, &'a GroupLabel),
    /// The node lacks a document that every node has.
    Missing(&'a NodeId, &'a DocumentName),
    /// The node whose tunnel it is has left the release.
    GoneNode(&'a NodeId),
    /// All documents are for tunnels only.
    TunnelsOnly,
    /// The document is for tunnels only.
    TunnelOnly {
        /// The document.
        document: &'a DocumentName,
        /// Whether there are any here.
        has_tunnels: bool,
    },
    /// There are no tunnels here.
    TunnelsOff,
    /// The body is longer than this many bytes.
    LongBody(usize),
    /// The body did not arrive whole, or not in time.
    BrokenBody,
    /// The body does not say a key.
    KeyRequest(&'a str),
    /// The body names another node than the one that asks.
    OtherNode(&'a NodeId),
    /// The key is not taken from whoever has the address.
    Register(&'a RegisterRefusal, IpAddr),
    /// The path names another node than the one that calls.
    OtherCaller(&'a NodeId),
    /// Peers are shown to administrators only.
    NotAnAdministrator,
    /// There is no such peer.
    UnknownPeer,
}

impl Refusal<'_> {
    /// The status. cloud-init before 25.1 treats any status outside 2xx alike; 503 makes later ones wait and ask again.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoRelease(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Identity(_) | Self::BrokenBody | Self::KeyRequest(_) => StatusCode::BAD_REQUEST,
            Self::LongBody(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TunnelsOnly
            | Self::TunnelOnly { .. }
            | Self::OtherNode(_)
            | Self::OtherCaller(_)
            | Self::NotAnAdministrator => StatusCode::FORBIDDEN,
            Self::Register(refusal, _) => register_status(refusal),
            Self::UnknownPath
            | Self::NoNotifications
            | Self::UnknownAddress(_)
            | Self::AmbiguousAddress(_)
            | Self::NotAMember(..)
            | Self::Missing(..)
            | Self::GoneNode(_)
            | Self::TunnelsOff
            | Self::UnknownPeer => StatusCode::NOT_FOUND,
        }
    }

    /// `Retry-After`, for the status that has one.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NoRelease(address) => Some(retry_after(*address)),
            Self::Register(RegisterRefusal::TooOften(wait), _) => Some(whole_seconds(*wait)),
            Self::Register(refusal, address) if register_status(refusal) == StatusCode::SERVICE_UNAVAILABLE => {
                Some(retry_key_after(*address))
            }
            _ => None,
        }
    }

    /// `Allow`, for the status that must have it.
    pub(super) fn allow(&self) -> Option<&'static str> {
        match self {
            Self::Method(allowed) => Some(allowed),
            _ => None,
        }
    }
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method(allowed) => write!(formatter, "this server answers {allowed} only"),
            Self::NoNotifications => formatter.write_str(
                "this server takes no notifications of SMD; start it with --smd-url and --smd-notifications",
            ),
            Self::UnknownPath => formatter.write_str(
                "there is no such path here; there are /meta-data, /user-data, /vendor-data, /network-config, \
                 /GROUP.yaml, /health, /wg-init and /phone-home/INSTANCE-ID",
            ),
            Self::NoRelease(_) => formatter.write_str("there is no release to serve yet; ask again in a moment"),
            Self::Identity(error) => error.fmt(formatter),
            Self::UnknownAddress(address) => write!(
                formatter,
                "no node of the release has the address {address}; check that the inventory lists it, and that a \
                 release was published since"
            ),
            Self::AmbiguousAddress(address) => write!(
                formatter,
                "several nodes of the release have the address {address}, so it identifies none of them; give each \
                 node an address of its own in the inventory"
            ),
            Self::NotAMember(node, group) => write!(formatter, "node {node} is not in the group {group}"),
            Self::Missing(node, document) => write!(formatter, "the release has no {document} for node {node}"),
            Self::GoneNode(node) => {
                write!(formatter, "node {node}, whose tunnel this is, is not in the release any more")
            }
            Self::TunnelsOnly => formatter.write_str(
                "documents are served through WireGuard tunnels only; ask for a tunnel with POST /wg-init, and ask again \
                 through it",
            ),
            Self::TunnelOnly { document, has_tunnels: false } => write!(
                formatter,
                "{document} is served through WireGuard tunnels only, and this server has none; start it with \
                 --wireguard-server ADDRESS/LENGTH"
            ),
            Self::TunnelOnly { document, has_tunnels: true } => write!(
                formatter,
                "{document} is served through WireGuard tunnels only; ask for a tunnel with POST /wg-init, and ask again \
                 through it"
            ),
            Self::TunnelsOff => formatter.write_str(
                "this server has no WireGuard tunnels; start it with --wireguard-server ADDRESS/LENGTH, or set `server` in \
                 [wireguard] of mds.toml",
            ),
            Self::LongBody(limit) => write!(formatter, "the body of this request may have {limit} bytes at most"),
            Self::BrokenBody => formatter.write_str("the body of the request did not arrive whole and in time"),
            Self::KeyRequest(fault) => formatter.write_str(fault),
            Self::OtherNode(node) => write!(
                formatter,
                "the request names another node than {node}, which is who its address proves; leave `node` out, or send \
                 it from the node's own address"
            ),
            Self::Register(refusal, _) => refusal.fmt(formatter),
            Self::OtherCaller(node) => write!(
                formatter,
                "only a node itself can phone home for it, and this request comes from {node}; use /phone-home/{node}"
            ),
            Self::NotAnAdministrator => formatter.write_str(
                "tunnels are shown to administrators only; list your address in `admins` in [wireguard], and do not ask \
                 through a tunnel",
            ),
            Self::UnknownPeer => formatter.write_str("there is no live tunnel of that name"),
        }
    }
}

fn register_status(refusal: &RegisterRefusal) -> StatusCode {
    match refusal {
        RegisterRefusal::UnusableKey(_) => StatusCode::BAD_REQUEST,
        RegisterRefusal::KeyOfAnother
        | RegisterRefusal::NotArmed(_)
        | RegisterRefusal::SecondKey(_)
        | RegisterRefusal::ThroughTunnel => StatusCode::FORBIDDEN,
        RegisterRefusal::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
        RegisterRefusal::NoAddress(_) | RegisterRefusal::Unwritable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// How long a client shall wait before it asks again: 1 to 3 seconds, by its address, so that thousands of nodes that were
/// refused in the same moment do not come back in the same moment. Never zero or negative: cloud-init counts zero as an
/// ordinary failure, and a negative number makes it crash.
pub(super) fn retry_after(address: Option<IpAddr>) -> Duration {
    const SHORTEST_MS: u64 = 1000;
    const SPREAD_MS: u64 = 2000;
    Duration::from_millis(SHORTEST_MS + address.map_or(0, hash) % SPREAD_MS)
}

/// As [`retry_after`] for a key that cannot be taken now: 1 to 10 seconds, and whole ones, because scripts of nodes read
/// them.
fn retry_key_after(address: IpAddr) -> Duration {
    const SPREAD_S: u64 = 10;
    Duration::from_secs(1 + hash(address) % SPREAD_S)
}

/// A wait in whole seconds, as HTTP has it, and at least one.
fn whole_seconds(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(Duration::from_secs(1))
}

fn hash(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => fnv1a(&v4.octets()),
        IpAddr::V6(v6) => fnv1a(&v6.octets()),
    }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_positive_short_and_spread() {
        let waits: std::collections::BTreeSet<Duration> =
            (0..=255).map(|last| retry_after(Some(IpAddr::from([10, 0, 0, last])))).collect();
        assert!(waits.len() > 100, "{} different waits", waits.len());
        assert!(waits.iter().all(|wait| (1.0..3.0).contains(&wait.as_secs_f64())));
        assert_eq!(retry_after(None), Duration::from_secs(1));
    }

    #[test]
    fn nodes_whose_keys_cannot_be_taken_do_not_come_back_together() {
        for refusal in [RegisterRefusal::Unwritable, RegisterRefusal::NoAddress(String::new())] {
            let mut waits = std::collections::BTreeMap::<u64, usize>::new();
            for last in 0..=255 {
                let wait = Refusal::Register(&refusal, IpAddr::from([10, 0, 0, last])).retry_after().unwrap();
                assert_eq!(wait.subsec_nanos(), 0);
                *waits.entry(wait.as_secs()).or_default() += 1;
            }
            assert_eq!((waits.keys().min(), waits.keys().max(), waits.len()), (Some(&1), Some(&10), 10));
            assert!(waits.values().all(|nodes| *nodes < 256 / 5), "{waits:?}");
        }
    }
}
