//! Where nodes are told to find the server: that they can.
//!
//! That the URL is absolute, of HTTP, and has neither query nor fragment is seen to when the settings are read.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use url::{Host, Url};

use super::finding::Finding;
use super::values::hostname_fault;
use crate::render::{NETWORK_CONFIG, NodeFacts};
use crate::settings::{AddressMethod, FILE_NAME};
use crate::site::Site;
use crate::types::{NodeId, Place, Problem};

/// The rule that nodes can use the URL.
const UNUSABLE: &str = "base-url";
/// The rule that nodes have a way to the host of the URL.
const UNREACHABLE: &str = "base-url-unreachable";

/// What is wrong with the URLs. One URL with one fault is one finding with all nodes that it hits.
pub(super) fn findings(site: &Site, facts: &[NodeFacts]) -> Vec<Finding> {
    let mut found: BTreeMap<(&'static str, Option<&NodeId>, &'static str), BTreeSet<&NodeId>> = BTreeMap::new();
    let mut parsed: BTreeMap<&str, Option<Url>> = BTreeMap::new();
    for node in facts {
        let url = parsed.entry(&node.base_url).or_insert_with(|| Url::parse(&node.base_url).ok());
        let Some(url) = url else { continue };
        let own = site.nodes.get(node.id()).is_some_and(|own| own.cloud_init_base_url.is_some());
        let fault = match fault(url, node) {
            Some(fault) => Some((UNUSABLE, fault)),
            None if is_out_of_reach(site, url, node) => {
                Some((UNREACHABLE, "lies in none of the node's networks, and these have no gateway"))
            }
            None => None,
        };
        if let Some((rule, fault)) = fault {
            found.entry((rule, own.then(|| node.id()), fault)).or_default().insert(node.id());
        }
    }
    found.into_iter().map(|((rule, own, fault), nodes)| finding(rule, own, fault, nodes)).collect()
}

fn finding(rule: &'static str, own: Option<&NodeId>, fault: &str, nodes: BTreeSet<&NodeId>) -> Finding {
    let (file, key) = match own {
        Some(id) => (format!("nodes/{id}.yaml"), "cloud_init_base_url"),
        None => (FILE_NAME.to_owned(), "[cluster] base_url"),
    };
    let hint = match rule {
        UNUSABLE => "write where nodes reach the server, such as http://10.252.0.1:8080",
        _ => "add a gateway or a route to the table of their network, or name an address of the server that they reach",
    };
    let problem = Problem::at(Place::file(file), format!("the host of {key} {fault}")).with_hint(hint);
    let nodes = nodes.into_iter().cloned().collect();
    if rule == UNUSABLE {
        Finding::error(UNUSABLE, problem, nodes)
    } else {
        Finding::warning(UNREACHABLE, problem, nodes)
    }
}

/// Why a node cannot use a URL, as the end of a sentence about its host. The URL itself may hold a password.
fn fault(url: &Url, node: &NodeFacts) -> Option<&'static str> {
    if !url.username().is_empty() || url.password().is_some() {
        return Some("stands behind a name or password, which every node and every log would get to see");
    }
    let ip = match url.host()? {
        Host::Domain(name) if name == "localhost" || name.ends_with(".localhost") => {
            return Some("is the node itself, as `localhost` always is");
        }
        Host::Domain(name) => {
            let is_name = hostname_fault(name.strip_suffix('.').unwrap_or(name)).is_none();
            return (!is_name).then_some("is neither an address nor a hostname by RFC 1123");
        }
        Host::Ipv4(ip) => IpAddr::V4(ip),
        Host::Ipv6(ip) => IpAddr::V6(ip).to_canonical(),
    };
    let is_link_local = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    if ip.is_loopback() {
        return Some("is the node itself: it is a loopback address");
    }
    if ip.is_unspecified() {
        return Some("is no address of a machine: a server listens there, and nobody reaches it under it");
    }
    if ip.is_multicast() || ip == IpAddr::V4(std::net::Ipv4Addr::BROADCAST) {
        return Some("is the address of many machines");
    }
    let has_such = || node.node.addresses().any(|own| own.is_ipv4() == ip.is_ipv4() && is_link_local(&own));
    (is_link_local(&ip) && !has_such()).then_some("is a link-local address, and the node has none")
}

/// Whether the tables of the node's networks tell of no way to a host. Where something is not known there may be one.
fn is_out_of_reach(site: &Site, url: &Url, node: &NodeFacts) -> bool {
    let ip = match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).to_canonical(),
        _ => return false,
    };
    // Another template may say anything.
    if site.settings.networks.is_empty() || site.files.contains_key(NETWORK_CONFIG) {
        return false;
    }
    let mut addresses = node.node.enabled_interfaces().flat_map(|interface| &interface.addresses).peekable();
    addresses.peek().is_some()
        && addresses.all(|address| {
            let Some((_, network, _)) = site.settings.network_of(&address.network, address.ip) else { return false };
            let has_gateway = if ip.is_ipv6() { network.gateway6.is_some() } else { network.gateway.is_some() };
            network.method == AddressMethod::Static
                && network.prefix_of(ip).is_none()
                && !has_gateway
                && !network.routes.iter().any(|route| route.to.contains(&ip))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::mock_inventory;
    use crate::render::GroupOrder;
    use crate::render::fixture::site;

    const NETWORKS: &str =
        "[networks.HMN]\nprefixes = [\"10.252.0.0/17\"]\n[networks.HSN]\nprefixes = [\"10.100.0.0/16\"]\n";

    fn found(files: &[(&str, &str)]) -> Vec<Finding> {
        let site = site(files);
        let order = GroupOrder::default();
        let facts: Vec<NodeFacts> =
            mock_inventory().nodes().iter().map(|node| NodeFacts::new(&site, &order, node)).collect();
        findings(&site, &facts)
    }

    fn rules(url: &str, more: &str) -> Vec<String> {
        let settings = format!("[cluster]\nbase_url = \"{url}\"\n{more}");
        found(&[("mds.toml", &settings)]).iter().map(|finding| finding.rule.to_string()).collect()
    }

    #[test]
    fn urls_that_nodes_can_use_are_fine() {
        for url in ["http://10.252.0.1:8080", "https://head.cluster.example/mds", "http://[fd00::1]:80", "http://head."]
        {
            assert_eq!(rules(url, ""), [""; 0], "{url}");
        }
        assert!(found(&[]).is_empty());
    }

    #[test]
    fn urls_that_no_node_can_use_are_errors() {
        for url in [
            "http://127.0.0.1:8080",
            "http://127.1",
            "http://localhost",
            "http://head.localhost:80",
            "http://[::1]",
            "http://[::ffff:127.0.0.1]",
            "http://0.0.0.0:8080",
            "http://[::]:8080",
            "http://169.254.169.254",
            "http://[fe80::1]",
            "http://224.0.0.1",
            "http://255.255.255.255",
            "http://head_node",
            "http://user:secret@head",
        ] {
            assert_eq!(rules(url, ""), [UNUSABLE], "{url}");
        }
        let secret = found(&[("mds.toml", "[cluster]\nbase_url = \"http://user:s3cr3t@head\"\n")]);
        assert!(!secret[0].problem.to_string().contains("s3cr3t"), "{}", secret[0].problem);
        assert_eq!(secret[0].nodes.len(), 3);
    }

    #[test]
    fn an_override_is_named_with_its_file() {
        let findings = found(&[
            ("mds.toml", "[cluster]\nbase_url = \"http://head\"\n"),
            ("nodes/x1000c0s0b0n0.yaml", "cloud_init_base_url: http://localhost/\n"),
        ]);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert!(
            finding.problem.to_string().starts_with("nodes/x1000c0s0b0n0.yaml: the host of cloud_init_base_url is")
        );
        assert_eq!(finding.nodes.len(), 1);
    }

    #[test]
    fn a_host_outside_all_networks_needs_a_gateway() {
        assert_eq!(rules("http://10.252.0.1", NETWORKS), [""; 0]);
        assert_eq!(rules("http://172.16.0.1", NETWORKS), [UNREACHABLE]);
        assert_eq!(rules("http://head", NETWORKS), [""; 0]);
        let with_gateway = NETWORKS.replace("/17\"]\n", "/17\"]\ngateway = \"10.252.0.1\"\n");
        assert_eq!(rules("http://172.16.0.1", &with_gateway), [""; 0]);
        assert_eq!(rules("http://[fd00::1]", &with_gateway), [UNREACHABLE]);
        let routes = format!("{NETWORKS}[[networks.HMN.routes]]\nto = \"172.16.0.0/12\"\nvia = \"10.252.0.1\"\n");
        assert_eq!(rules("http://172.16.0.1", &routes), [""; 0]);
        assert_eq!(rules("http://172.16.0.1", "[networks.HMN]\nmethod = \"dhcp\"\n"), [""; 0]);
    }
}
