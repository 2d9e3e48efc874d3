//! What a release says of tunnels: their network, each node's address in it, and which documents are for tunnels only.

use std::net::IpAddr;

use crate::check::TunnelOutline;
use crate::inventory::{NetworkTooSmall, tunnel_addresses};
use crate::release::TunnelTerms;
use crate::render::NodeFacts;
use crate::settings::{FILE_NAME, Source, Sourced, WireguardFlags};
use crate::site::Site;
use crate::types::TunnelNetwork;

/// The tunnels of a site and its nodes.
#[derive(Clone, Debug, Default)]
pub struct Tunnels {
    /// The network, and who named it.
    pub network: Option<Sourced<TunnelNetwork>>,
    /// Whether the server serves all documents through tunnels only, as far as is known here.
    pub all_are_inside: bool,
    /// What the release says of them.
    pub terms: TunnelTerms,
    /// Why nodes have no address, if it is for want of room.
    pub too_small: Option<NetworkTooSmall>,
    /// The address of each node, in the order of the nodes.
    addresses: Vec<IpAddr>,
}

impl Tunnels {
    /// Decides them. What is given, by the command line or the environment, wins over what the site says.
    #[must_use]
    pub fn new(site: &Site, nodes: &[NodeFacts], given: Option<&WireguardFlags>) -> Self {
        let of_site = site.settings.wireguard.server;
        let of_site = of_site.map(|network| Sourced::new(network, Source::File(FILE_NAME.to_owned())));
        let network = given.and_then(|given| given.server.clone()).or(of_site);
        let of_site = site.settings.wireguard.only;
        let all_are_inside =
            given.and_then(|given| given.only.as_ref()).map(|only| only.value).or(of_site).unwrap_or_default();
        let terms = TunnelTerms { network: network.as_ref().map(|network| network.value), only: site.tunnel_only() };
        let addresses = terms.network.map(|network| tunnel_addresses(&network, nodes.iter().map(NodeFacts::id)));
        let (addresses, too_small) = match addresses.transpose() {
            Ok(addresses) => (addresses.unwrap_or_default(), None),
            Err(too_small) => (Vec::new(), Some(too_small)),
        };
        Self { network, all_are_inside, terms, too_small, addresses }
    }

    /// What checks look at.
    #[must_use]
    pub(super) fn outline(&self) -> TunnelOutline<'_> {
        let Self { network, all_are_inside, too_small, .. } = self;
        TunnelOutline { network: network.as_ref(), all_are_inside: *all_are_inside, too_small: too_small.as_ref() }
    }

    /// The address of the node at that position.
    #[must_use]
    pub fn address(&self, index: usize) -> Option<IpAddr> {
        self.addresses.get(index).copied()
    }
}
