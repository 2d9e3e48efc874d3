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
        other => site.is_document_marked(other),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::mock_inventory;
    use crate::render::GroupOrder;
    use crate::render::fixture::site;

    const MARKED: (&str, &str) = ("groups/compute/group.yaml", "require: wireguard\n");
    const DOCUMENT: (&str, &str) = ("groups/compute/cloud-config.yaml", "#cloud-config\n");

    /// What is found with these settings, a group that is marked, and more files.
    fn found(settings: &str, network: Option<&str>, more: &[(&str, &str)]) -> Vec<Finding> {
        let site = site(&[&[("mds.toml", settings), MARKED, DOCUMENT], more].concat());
        let order = GroupOrder::default();
        let facts: Vec<NodeFacts> =
            mock_inventory().nodes().iter().map(|node| NodeFacts::new(&site, &order, node)).collect();
        let network = network.map(|text| Sourced::new(text.parse().unwrap(), Source::Flag("--wireguard-server")));
        let all_are_inside = site.settings.wireguard.only == Some(true);
        tunnels(&site, &facts, &TunnelOutline { network: network.as_ref(), all_are_inside, too_small: None })
    }

    fn rules(settings: &str, network: Option<&str>, more: &[(&str, &str)]) -> Vec<String> {
        found(settings, network, more).iter().map(|finding| finding.rule.to_string()).collect()
    }

    fn based_on(url: &str, more: &str) -> String {
        format!("[cluster]\nbase_url = \"{url}\"\n{more}")
    }

    #[test]
    fn what_is_included_through_the_tunnel_or_not_at_all_is_fine() {
        let outside = based_on("http://10.252.0.1:8080", "");
        assert_eq!(rules(&outside, Some("100.97.0.1/16"), &[]), ["include-outside-tunnel"]);
        assert_eq!(rules(&based_on("http://head", ""), Some("fd00::1/64"), &[]), ["include-outside-tunnel"]);
        for (url, network) in [
            ("http://100.97.0.1", "100.97.0.1/16"),
            ("http://100.97.0.1:8080/x", "100.97.0.1/16"),
            ("http://[fd00::1]:8080", "fd00::1/64"),
        ] {
            assert_eq!(rules(&based_on(url, ""), Some(network), &[]), [""; 0], "{url}");
        }
        let inline = based_on("http://10.252.0.1:8080", "[vendor_data]\ndelivery = \"inline\"\n");
        assert_eq!(rules(&inline, Some("100.97.0.1/16"), &[]), [""; 0]);
        // A template of the site's own may include anything or nothing.
        let own = [("templates/vendor-data", "#cloud-config\n")];
        assert_eq!(rules(&outside, Some("100.97.0.1/16"), &own), [""; 0]);
    }

    #[test]
    fn a_group_without_mark_counts_where_all_documents_are_for_tunnels_only() {
        let open = [("groups/compute/group.yaml", "")];
        let settings = |more: &str| based_on("http://10.252.0.1:8080", more);
        assert_eq!(rules(&settings(""), Some("100.97.0.1/16"), &open), [""; 0]);
        let only = settings("[wireguard]\nonly = true\n");
        assert_eq!(rules(&only, Some("100.97.0.1/16"), &open), ["include-outside-tunnel"]);
    }

    #[test]
    fn a_mark_without_network_is_reported_once_where_it_stands() {
        let inline = based_on("http://10.252.0.1", "[vendor_data]\ndelivery = \"inline\"\n");
        let findings = found(&inline, None, &[]);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].problem.place.as_ref().unwrap().to_string(), "groups/compute/group.yaml:1:1");
        assert!(!findings[0].nodes.is_empty());
    }

    #[test]
    fn a_network_around_the_tunnels_or_within_overlaps() {
        for prefix in ["100.64.0.0/10", "100.97.3.0/24", "100.97.0.0/16"] {
            let settings =
                based_on("http://100.97.0.1", &format!("[networks.HSN]\nprefixes = [\"10.0.0.0/8\", \"{prefix}\"]\n"));
            let findings = found(&settings, Some("100.97.0.1/16"), &[]);
            assert_eq!(findings.len(), 1, "{prefix}: {findings:?}");
            assert!(findings[0].problem.message.contains(prefix), "{findings:?}");
        }
        let apart = based_on("http://100.97.0.1", "[networks.HSN]\nprefixes = [\"100.96.0.0/16\", \"fd00::/8\"]\n");
        assert_eq!(rules(&apart, Some("100.97.0.1/16"), &[]), [""; 0]);
    }
}
