//! The addresses that a node gets when its own is still another's.

use std::collections::HashSet;
use std::net::IpAddr;

use crate::inventory::tunnel_candidates;
use crate::release::MappedRelease;
use crate::serve::RegisterRefusal;
use crate::types::{NodeId, TunnelNetwork};

/// How many addresses are tried. There are as many live tunnels in the way of one node only when the network is full.
const MOST_CANDIDATES: usize = 1 << 16;

/// The node's address in the release.
pub(super) fn own(release: &MappedRelease, node: &NodeId, network: &TunnelNetwork) -> Result<IpAddr, RegisterRefusal> {
    let refused = |what: String| {
        Err(RegisterRefusal::NoAddress(format!(
            "{what}; build it with the same `server` in [wireguard] of mds.toml as the server has, {network}"
        )))
    };
    let short = release.id().short();
    match release.tunnels().network {
        None => return refused(format!("release {short} was built without tunnels")),
        Some(other) if other != *network => {
            return refused(format!("release {short} was built for tunnels in {other}"));
        }
        Some(_) => {}
    }
    match release.node(node).and_then(|node| node.tunnel_address) {
        Some(address) if network.contains(address) && address != network.server() => Ok(address),
        _ => refused(format!("release {short} has no tunnel address for node {node}")),
    }
}

/// Further addresses for the node: those of its preference that are no node's in the release. Found only when somebody
/// looks at the first.
pub(super) fn others<'a>(
    release: &'a MappedRelease,
    node: &'a NodeId,
    network: &'a TunnelNetwork,
) -> impl Iterator<Item = IpAddr> + 'a {
    std::iter::once(()).flat_map(move |()| {
        let taken: HashSet<IpAddr> = release.nodes().iter().filter_map(|node| node.tunnel_address).collect();
        tunnel_candidates(network, node).filter(move |address| !taken.contains(address)).take(MOST_CANDIDATES)
    })
}
