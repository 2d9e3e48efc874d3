//! Tunnels: that their network has room and is used for nothing else, and that what is for tunnels only can be had.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use url::{Host, Url};

use super::finding::Finding;
use crate::inventory::NetworkTooSmall;
use crate::render::{NodeFacts, VENDOR_DATA};
use crate::settings::{Delivery, FILE_NAME, Source, Sourced};
use crate::site::Site;
use crate::types::{DocumentName, GroupLabel, NodeId, Problem, TunnelNetwork};

/// What is known of the tunnels of a site.
#[derive(Clone, Copy, Debug)]
pub struct TunnelOutline<'a> {
    /// Their network, wherever it was named.
    pub network: Option<&'a Sourced<TunnelNetwork>>,
    /// Whether all documents are served through tunnels only.
    pub all_are_inside: bool,
    /// Why nodes have no addresses, if it is for want of room.
    pub too_small: Option<&'a NetworkTooSmall>,
}

/// What is wrong with the tunnels of a site.
#[must_use]
pub fn tunnels(site: &Site, facts: &[NodeFacts], outline: &TunnelOutline<'_>) -> Vec<Finding> {
    let TunnelOutline { network, all_are_inside, too_small } = *outline;
    let Some(network) = network else { return without_network(site, facts) };
    let mut findings = Vec::new();
    findings.extend(too_small.map(|too_small| small(site, network, too_small)));
    findings.extend(used_by_nodes(network, facts));
    findings.extend(used_by_networks(site, network));
    findings.extend(included_outside(site, facts, network, all_are_inside));
    findings
}

/// What is marked needs a network.
fn without_network(site: &Site, facts: &[NodeFacts]) -> Vec<Finding> {
    let only = site.tunnel_only();
    // vendor-data may be for tunnels only because of the groups that it carries; these are reported themselves.
    let is_marked = |name: &&DocumentName| match name {
        DocumentName::Group(_) => true,
        other => site.settings.documents.contains_key(other),
    };
    let finding = |name: &DocumentName| {
        let message = format!("{name} is served through a tunnel only, and no network is named for tunnels");
        let problem = Problem::at(site.place_of_requirement(name), message).with_hint(
            "name the server's address in the tunnels with `server` in [wireguard] of mds.toml or with \
             --wireguard-server, such as 100.97.0.1/16",
        );
        let has_it = |node: &&NodeFacts| match name {
            DocumentName::Group(label) => node.groups.contains(label),
            _ => true,
        };
        let nodes = facts.iter().filter(has_it).map(|node| node.id().clone()).collect();
        Finding::error("tunnel-required-without-network", problem, nodes)
    };
    only.iter().filter(is_marked).map(finding).collect()
}

fn small(site: &Site, network: &Sourced<TunnelNetwork>, too_small: &NetworkTooSmall) -> Finding {
    let hint = match too_small.longest_prefix() {
        Some(length) => format!("name one with a prefix of /{length} or shorter"),
        None => "name a network of IPv6".to_owned(),
    };
    let problem = match &network.source {
        Source::File(_) => Problem::at(site.place_of(FILE_NAME, &["wireguard", "server"]), too_small.to_string()),
        source => Problem::new(format!("{too_small} (the network is from {source})")),
    };
    Finding::error("tunnel-network-too-small", problem.with_hint(hint), Vec::new())
}

/// The rule that the network is used for nothing else.
const OVERLAP: &str = "tunnel-network-overlap";
const OVERLAP_HINT: &str = "take a network for the tunnels that nothing else is in, such as one of 100.64.0.0/10";

fn used_by_nodes(network: &Sourced<TunnelNetwork>, facts: &[NodeFacts]) -> Option<Finding> {
    let inside =
        |node: &NodeFacts| node.node.addresses().find(|address| network.value.contains(address.to_canonical()));
    let mut nodes = facts.iter().filter_map(|node| Some((node.id(), inside(node)?))).peekable();
    let (first, address) = *nodes.peek()?;
    let message = format!(
        "an address of a node lies in the network of the tunnels, {}, such as {address} of {first}",
        network.value.network()
    );
    let nodes = nodes.map(|(id, _)| id.clone()).collect();
    Some(Finding::error(OVERLAP, Problem::new(message).with_hint(OVERLAP_HINT), nodes))
}

fn used_by_networks(site: &Site, network: &Sourced<TunnelNetwork>) -> Vec<Finding> {
    let tunnels = network.value.network();
    let overlaps = |prefix: &&IpNet| prefix.contains(&tunnels) || tunnels.contains(*prefix);
    let labelled = site.settings.networks.iter();
    let shared = labelled.filter_map(|(label, network)| Some((label, network.prefixes.iter().find(overlaps)?)));
    let finding = |(label, prefix): (&String, &IpNet)| {
        let message =
            format!("the prefix {prefix} of network `{label}` overlaps the network of the tunnels, {tunnels}");
        let place = site.place_of(FILE_NAME, &["networks", label, "prefixes"]);
        Finding::error(OVERLAP, Problem::at(place, message).with_hint(OVERLAP_HINT), Vec::new())
    };
    shared.map(finding).collect()
}

/// Finds nodes that are told to fetch past their tunnel what is refused there.
fn included_outside(
    site: &Site,
    facts: &[NodeFacts],
    network: &Sourced<TunnelNetwork>,
    all_are_inside: bool,
) -> Vec<Finding> {
    // What a vendor-data of the site's own includes is the site's to say.
    if site.settings.vendor_data.delivery != Delivery::Include || site.files.contains_key(VENDOR_DATA) {
        return Vec::new();
    }
    let marked = site.tunnel_only();
    let is_only = |label: &&GroupLabel| {
        let has_document = site.groups.get(*label).is_some_and(|group| group.template.is_some());
        has_document && (all_are_inside || marked.contains(&DocumentName::Group((*label).clone())))
    };
    let server = network.value.server();
    let mut found: BTreeMap<Option<&NodeId>, (&GroupLabel, BTreeSet<&NodeId>)> = BTreeMap::new();
    for node in facts.iter().filter(|node| !is_host(&node.base_url, server)) {
        let Some(label) = node.groups.iter().find(is_only) else { continue };
        let own = site.nodes.get(node.id()).is_some_and(|own| own.cloud_init_base_url.is_some());
        found.entry(own.then(|| node.id())).or_insert_with(|| (label, BTreeSet::new())).1.insert(node.id());
    }
    let finding = |(own, (label, nodes)): (Option<&NodeId>, (&GroupLabel, BTreeSet<&NodeId>))| {
        let (place, key) = match own {
            Some(id) => {
                let file = format!("nodes/{id}.yaml");
                (site.place_of(&file, &["cloud_init_base_url"]), "cloud_init_base_url")
            }
            None => (site.place_of(FILE_NAME, &["cluster", "base_url"]), "[cluster] base_url"),
        };
        let message = format!(
            "vendor-data includes {label}.yaml, which is served through a tunnel only, and the host of {key} is not the \
             server's address in the tunnels"
        );
        let hint = format!(
            "let it be {}, or carry the groups' documents in vendor-data with delivery = \"inline\" in [vendor_data]",
            base_url_of(server)
        );
        let nodes = nodes.into_iter().cloned().collect();
        Finding::error("include-outside-tunnel", Problem::at(place, message).with_hint(hint), nodes)
    };
    found.into_iter().map(finding).collect()
}

/// Whether the host of an URL is an address. One that is no URL is reported elsewhere.
fn is_host(url: &str, address: IpAddr) -> bool {
    match Url::parse(url).ok().as_ref().and_then(Url::host) {
        Some(Host::Ipv4(ip)) => address == ip,
        Some(Host::Ipv6(ip)) => address == IpAddr::V6(ip).to_canonical(),
        Some(Host::Domain(_)) => false,
        None => true,
    }
}

fn base_url_of(server: IpAddr) -> String {
    match server {
        IpAddr::V4(ip) => format!("http://{ip}"),
        IpAddr::V6(ip) => format!("http://[{ip}]"),
    }
}
