//! What a release says of tunnels: their network, each node's address in it, and which documents are for tunnels only.

use std::net::IpAddr;

use crate::inventory::{NetworkTooSmall, tunnel_addresses};
use crate::release::TunnelTerms;
use crate::render::NodeFacts;
use crate::settings::{FILE_NAME, Source, Sourced};
use crate::site::Site;
use crate::types::TunnelNetwork;

/// The tunnels of a site and its nodes.
#[derive(Clone, Debug, Default)]
pub struct Tunnels {
    /// The network, and who named it.
    pub network: Option<Sourced<TunnelNetwork>>,
    /// What the release says of them.
    pub terms: TunnelTerms,
    /// Why nodes have no address, if it is for want of room.
    pub too_small: Option<NetworkTooSmall>,
    /// The address of each node, in the order of the nodes.
    addresses: Vec<IpAddr>,
}

impl Tunnels {
    /// Decides them. The network that is given, by the command line or the environment, wins over that of the site.
    #[must_use]
    pub fn new(site: &Site, nodes: &[NodeFacts], given: Option<&Sourced<TunnelNetwork>>) -> Self {
        let of_site = site.settings.wireguard.server;
        let of_site = of_site.map(|network| Sourced::new(network, Source::File(FILE_NAME.to_owned())));
        let network = given.cloned().or(of_site);
        let terms = TunnelTerms { network: network.as_ref().map(|network| network.value), only: site.tunnel_only() };
        let addresses = terms.network.map(|network| tunnel_addresses(&network, nodes.iter().map(NodeFacts::id)));
        let (addresses, too_small) = match addresses.transpose() {
            Ok(addresses) => (addresses.unwrap_or_default(), None),
            Err(too_small) => (Vec::new(), Some(too_small)),
        };
        Self { network, terms, too_small, addresses }
    }

    /// The address of the node at that position.
    #[must_use]
    pub fn address(&self, index: usize) -> Option<IpAddr> {
        self.addresses.get(index).copied()
    }
}
