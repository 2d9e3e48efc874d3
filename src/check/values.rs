//! What a node is given and cannot use, or should not have: hostnames, names of VLAN interfaces, loopback addresses.

use std::collections::{BTreeMap, BTreeSet};

use super::base_url;
use super::finding::Finding;
use crate::render::NodeFacts;
use crate::settings::{AddressMethod, FILE_NAME, Network};
use crate::site::Site;
use crate::types::{InterfaceName, NodeId, Problem};

/// Finds such values of all nodes. One cause is one finding with all nodes that it hits.
#[must_use]
pub fn values(site: &Site, facts: &[NodeFacts]) -> Vec<Finding> {
    let mut findings = hostnames(site, facts);
    findings.extend(vlan_names(site, facts));
    findings.extend(loopback_addresses(facts));
    findings.extend(base_url::findings(site, facts));
    findings
}

/// Where a hostname comes from. The order is that of findings.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    /// `short_name` or `name` of `[cluster]`, and the NID.
    Prefix,
    /// The id of a node without NID.
    Id,
    /// A key of the node's file.
    File(NodeId, &'static str),
}

fn hostnames(site: &Site, facts: &[NodeFacts]) -> Vec<Finding> {
    // By origin: the first bad name with its fault, and the nodes.
    let mut found: BTreeMap<Origin, (&str, &str, BTreeSet<&NodeId>)> = BTreeMap::new();
    for node in facts {
        let own = site.nodes.get(node.id());
        let names = [
            ("hostname", &node.hostname, own.and_then(|own| own.hostname.as_ref())),
            ("local_hostname", &node.local_hostname, own.and_then(|own| own.local_hostname.as_ref())),
        ];
        for (key, name, explicit) in names {
            let Some(fault) = hostname_fault(name) else { continue };
            let origin = match (explicit, node.node.nid) {
                (Some(_), _) => Origin::File(node.id().clone(), key),
                (None, Some(_)) => Origin::Prefix,
                (None, None) => Origin::Id,
            };
            found.entry(origin).or_insert_with(|| (name, fault, BTreeSet::new())).2.insert(node.id());
        }
    }
    let finding = |(origin, (name, fault, nodes)): (Origin, (&str, &str, BTreeSet<&NodeId>))| {
        let name = name.escape_debug();
        let problem = match origin {
            Origin::File(id, key) => {
                let place = site.place_of(&format!("nodes/{id}.yaml"), &[key]);
                Problem::at(place, format!("{key} `{name}` is no hostname: {fault}"))
                    .with_hint("use letters, digits and `-`, in labels of at most 63 characters with dots between them")
            }
            Origin::Prefix => {
                let cluster = &site.settings.cluster;
                let (key, text) = match cluster.short_name.as_str() {
                    "" => ("name", &cluster.name),
                    _ => ("short_name", &cluster.short_name),
                };
                let message = format!(
                    "[cluster] {key} `{}` makes hostnames such as `{name}`, which is none: {fault}",
                    text.escape_debug()
                );
                Problem::at(site.place_of(FILE_NAME, &["cluster", key]), message)
                    .with_hint("set [cluster] short_name to letters and digits, such as `nid`")
            }
            Origin::Id => {
                let message = format!("a node without NID is called by its id, and `{name}` is no hostname: {fault}");
                Problem::new(message).with_hint(
                    "set hostname and local_hostname in nodes/<id>.yaml, or give the node a NID in the inventory",
                )
            }
        };
        Finding::error("invalid-hostname", problem, nodes.into_iter().cloned().collect())
    };
    found.into_iter().map(finding).collect()
}

/// What is wrong with a hostname by RFC 1123, if anything is.
pub(super) fn hostname_fault(name: &str) -> Option<&'static str> {
    if name.len() > 253 {
        return Some("it has more than 253 characters");
    }
    name.split('.').find_map(|label| match label {
        "" => Some("there is nothing before, after or between dots"),
        _ if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') => {
            Some("only letters, digits, `-` and dots are allowed")
        }
        _ if label.starts_with('-') || label.ends_with('-') => Some("`-` stands at an end of a label"),
        _ if label.len() > 63 => Some("a label has more than 63 characters"),
        _ => None,
    })
}

/// VLAN interfaces whose names the kernel does not take, or that another interface of the node has.
fn vlan_names(site: &Site, facts: &[NodeFacts]) -> Vec<Finding> {
    let mut found: BTreeMap<(&str, String, bool), BTreeSet<&NodeId>> = BTreeMap::new();
    for node in facts {
        for interface in node.node.enabled_interfaces() {
            for address in &interface.addresses {
                let Some((label, network, _)) = site.settings.network_of(&address.network, address.ip) else {
                    continue;
                };
                let vlan = network.vlan.filter(|_| network.method != AddressMethod::None);
                let Some(name) = vlan.map(|id| Network::vlan_name(&interface.name, id)) else { continue };
                let fits = InterfaceName::parse(&name).is_ok();
                if !fits || node.node.interfaces.iter().any(|other| other.name.as_str() == name) {
                    found.entry((label, name, fits)).or_default().insert(node.id());
                }
            }
        }
    }
    let finding = |((label, name, fits), nodes): ((&str, String, bool), BTreeSet<&NodeId>)| {
        let fault = if fits {
            "and another interface of the node has that name".to_owned()
        } else {
            format!("which is longer than the {} characters that interfaces can have", InterfaceName::MAX_LENGTH)
        };
        let message = format!("the VLAN interface of network `{label}` would be called `{name}`, {fault}");
        let place = site.place_of(FILE_NAME, &["networks", label, "vlan"]);
        let problem = Problem::at(place, message).with_hint("give the interface another name in the inventory");
        Finding::error("vlan-name", problem, nodes.into_iter().cloned().collect())
    };
    found.into_iter().map(finding).collect()
}

/// Every process on the server's machine can ask from a loopback address, and would be taken for the node.
fn loopback_addresses(facts: &[NodeFacts]) -> Option<Finding> {
    let loopback = |node: &NodeFacts| node.node.addresses().find(std::net::IpAddr::is_loopback);
    let found: Vec<_> = facts.iter().filter_map(|node| Some((node.id(), loopback(node)?))).collect();
    let (_, first) = found.first()?;
    let message = format!(
        "a node has a loopback address, such as {first}: any process on the server's own machine gets its documents"
    );
    let problem = Problem::new(message).with_hint("give nodes the addresses that they ask from");
    Some(Finding::warning("loopback-address", problem, found.iter().map(|(id, _)| (*id).clone()).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Severity;
    use crate::inventory::{Node, mock_inventory};
    use crate::render::GroupOrder;
    use crate::render::fixture::site;

    fn found(files: &[(&str, &str)], change: impl FnOnce(&mut [Node])) -> Vec<Finding> {
        let site = site(files);
        let mut nodes = mock_inventory().nodes().to_vec();
        change(&mut nodes);
        let order = GroupOrder::default();
        let facts: Vec<NodeFacts> = nodes.iter().map(|node| NodeFacts::new(&site, &order, node)).collect();
        values(&site, &facts)
    }

    #[test]
    fn hostnames_are_those_of_rfc_1123() {
        let long = [&["a"; 63].concat()[..]; 4].join(".");
        for name in ["a", "7", "nid0001", "a-b.C-d.e", &["a"; 63].concat(), &long[..253]] {
            assert_eq!(hostname_fault(name), None, "{name}");
        }
        for name in
            ["", ".", "a.", ".a", "a..b", "-a", "a-", "a-.b", "a_b!#", "../x", "ü", "a b", &["a"; 64].concat(), &long]
        {
            assert!(hostname_fault(name).is_some(), "{name}");
        }
    }

    #[test]
    fn one_bad_prefix_is_one_finding_with_all_its_nodes() {
        let findings = found(&[("mds.toml", "[cluster]\nshort_name = \"My Cl uster_ü\"\n")], |_| ());
        assert_eq!((findings.len(), findings[0].rule.as_ref(), findings[0].nodes.len()), (1, "invalid-hostname", 3));
        let text = findings[0].problem.to_string();
        assert!(text.starts_with("mds.toml:2:1: [cluster] short_name `My Cl uster_ü` makes"), "{text}");
        let findings = found(&[("mds.toml", "[cluster]\nname = \"-x\"\n")], |_| ());
        assert!(findings[0].problem.message.contains("[cluster] name `-x` makes"), "{}", findings[0].problem);
    }

    #[test]
    fn a_bad_override_is_reported_with_its_file_and_key() {
        let findings = found(&[("nodes/x1000c0s0b0n0.yaml", "hostname: ../x\nlocal_hostname: a_b!#\n")], |_| ());
        let texts: Vec<String> = findings.iter().map(|finding| finding.problem.to_string()).collect();
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(texts[0].starts_with("nodes/x1000c0s0b0n0.yaml:1:1: hostname `../x` is no hostname"), "{texts:?}");
        assert!(
            texts[1].starts_with("nodes/x1000c0s0b0n0.yaml:2:1: local_hostname `a_b!#` is no hostname"),
            "{texts:?}"
        );
        assert_eq!(findings[0].nodes.len(), 1);
    }

    #[test]
    fn an_id_need_be_a_hostname_only_where_it_is_used_as_one() {
        let rename = |nodes: &mut [Node]| {
            for (node, id) in nodes.iter_mut().zip(["rack4:a", "rack4:b"]) {
                node.id = NodeId::parse(id).unwrap();
                node.nid = None;
            }
        };
        let findings = found(&[], rename);
        assert_eq!((findings.len(), findings[0].nodes.len()), (1, 2));
        assert!(findings[0].problem.to_string().contains("local_hostname"), "{}", findings[0].problem);
        let named = "hostname: a\nlocal_hostname: a\n";
        assert_eq!(found(&[("nodes/rack4:a.yaml", named)], rename)[0].nodes.len(), 1);
        assert_eq!(found(&[], |nodes| nodes[0].id = NodeId::parse("rack4:a").unwrap()), []);
    }

    #[test]
    fn names_of_vlan_interfaces_must_fit_and_be_free() {
        let vlan = [("mds.toml", "[networks.HMN]\nprefixes = [\"10.252.0.0/16\"]\nvlan = 4000\n")];
        assert_eq!(found(&vlan, |_| ()), []);
        let name = |text: &str| InterfaceName::parse(text).unwrap();
        let findings =
            found(&vlan, |nodes| nodes.iter_mut().for_each(|node| node.interfaces[0].name = name("enp129s0f0np0")));
        assert_eq!((findings.len(), findings[0].rule.as_ref(), findings[0].nodes.len()), (1, "vlan-name", 3));
        assert!(
            findings[0].problem.message.contains("`enp129s0f0np0.4000`, which is longer"),
            "{}",
            findings[0].problem
        );
        let findings = found(&vlan, |nodes| nodes[0].interfaces[1].name = name("eth0.4000"));
        assert!(findings[0].problem.message.contains("another interface"), "{}", findings[0].problem);
    }

    #[test]
    fn loopback_addresses_are_one_warning() {
        let findings = found(&[], |nodes| {
            nodes[0].interfaces[0].addresses[0].ip = "127.0.0.1".parse().unwrap();
            nodes[1].interfaces[0].addresses[0].ip = "::1".parse().unwrap();
        });
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!(
            (finding.rule.as_ref(), finding.severity, finding.nodes.len()),
            ("loopback-address", Severity::Warning, 2)
        );
        assert!(finding.problem.message.contains("127.0.0.1"), "{}", finding.problem);
    }
}
