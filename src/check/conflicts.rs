//! What belongs to one node only and is claimed by several: addresses, MAC addresses, hostnames, NIDs, instance-ids.
//!
//! Identity must never be "the first that was found": a node that is taken for another gets that node's secrets.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Finding;
use crate::render::NodeFacts;
use crate::settings::{Duplicate, SiteSettings};
use crate::types::{NodeId, Problem};

/// The rules of this module with what they look at, as settings name it.
const RULES: [(Duplicate, &str, &str); 4] = [
    (Duplicate::Address, "duplicate-address", "address"),
    (Duplicate::Mac, "duplicate-mac", "mac"),
    (Duplicate::Hostname, "duplicate-hostname", "hostname"),
    (Duplicate::Nid, "duplicate-nid", "nid"),
];

/// Finds everything that two nodes share and the site does not allow them to.
#[must_use]
pub fn conflicts(settings: &SiteSettings, facts: &[NodeFacts]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (what, rule, name) in RULES.into_iter().filter(|(what, ..)| !settings.inventory.allow_duplicate.contains(what))
    {
        let mut owners: BTreeMap<String, BTreeSet<&NodeId>> = BTreeMap::new();
        for node in facts {
            for value in claims(what, node) {
                owners.entry(value).or_default().insert(node.id());
            }
        }
        let hint =
            format!("mend the inventory, or allow it with allow_duplicate = [\"{name}\"] in [inventory] of mds.toml");
        findings.extend(shared(owners, rule, noun(what), &hint));
    }
    // Never to be allowed: cloud-init sets a node up again when its instance-id changes, and only then.
    let mut owners: BTreeMap<String, BTreeSet<&NodeId>> = BTreeMap::new();
    for node in facts {
        owners.entry(node.instance_id.clone()).or_default().insert(node.id());
    }
    let hint = "give each node an instance_id of its own in nodes/<id>.yaml, or none: its id is the default";
    findings.extend(shared(owners, "duplicate-instance-id", "instance-id", hint));
    findings
}

/// A finding for each value of several owners.
fn shared<'a>(
    owners: BTreeMap<String, BTreeSet<&'a NodeId>>,
    rule: &'static str,
    noun: &'a str,
    hint: &'a str,
) -> impl Iterator<Item = Finding> {
    owners.into_iter().filter(|(_, nodes)| nodes.len() > 1).map(move |(value, nodes)| {
        let names: Vec<&str> = nodes.iter().take(3).map(|id| id.as_str()).collect();
        let more = if nodes.len() > 3 { format!(" and {} more", nodes.len() - 3) } else { String::new() };
        let message = format!("the {noun} {value} belongs to {}{more}", names.join(" and "));
        Finding::error(rule, Problem::new(message).with_hint(hint), nodes.into_iter().cloned().collect())
    })
}

const fn noun(what: Duplicate) -> &'static str {
    match what {
        Duplicate::Address => "address",
        Duplicate::Mac => "MAC address",
        Duplicate::Hostname => "hostname",
        Duplicate::Nid => "NID",
    }
}

/// What a node claims for itself alone.
fn claims(what: Duplicate, facts: &NodeFacts) -> Vec<String> {
    match what {
        Duplicate::Address => facts.node.addresses().map(|address| address.to_string()).collect(),
        Duplicate::Mac => facts.node.interfaces.iter().map(|interface| interface.mac.to_string()).collect(),
        // Names are compared as the DNS does, without regard to case.
        Duplicate::Hostname => vec![facts.hostname.to_ascii_lowercase(), facts.local_hostname.to_ascii_lowercase()],
        Duplicate::Nid => facts.node.nid.iter().map(ToString::to_string).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Node, mock_inventory};
    use crate::render::GroupOrder;
    use crate::render::fixture::site;

    fn rules(settings: &str, change: impl FnOnce(&mut [Node])) -> Vec<String> {
        rules_of(&[("mds.toml", settings)], change)
    }

    fn rules_of(files: &[(&str, &str)], change: impl FnOnce(&mut [Node])) -> Vec<String> {
        let site = site(files);
        let mut nodes = mock_inventory().nodes().to_vec();
        change(&mut nodes);
        let order = GroupOrder::default();
        let facts: Vec<NodeFacts> = nodes.iter().map(|node| NodeFacts::new(&site, &order, node)).collect();
        let texts = conflicts(&site.settings, &facts);
        texts.into_iter().map(|finding| format!("{}: {}", finding.rule, finding.problem.message)).collect()
    }

    #[test]
    fn the_mock_nodes_do_not_conflict() {
        assert_eq!(rules("", |_| ()), [""; 0]);
    }

    #[test]
    fn two_nodes_with_one_address_are_both_named() {
        let take_address = |nodes: &mut [Node]| {
            nodes[1].interfaces[0].addresses[0].ip =
                "::ffff:10.252.0.26".parse::<std::net::IpAddr>().unwrap().to_canonical();
        };
        assert_eq!(
            rules("", take_address),
            ["duplicate-address: the address 10.252.0.26 belongs to x1000c0s0b0n0 and x1000c0s0b0n1"]
        );
        assert_eq!(rules("[inventory]\nallow_duplicate = [\"address\"]\n", take_address), [""; 0]);
    }

    #[test]
    fn a_shared_nid_is_a_shared_hostname_too() {
        let found = rules("", |nodes| nodes[1].nid = Some(1000));
        assert_eq!(
            found,
            [
                "duplicate-hostname: the hostname 1000 belongs to x1000c0s0b0n0 and x1000c0s0b0n1",
                "duplicate-nid: the NID 1000 belongs to x1000c0s0b0n0 and x1000c0s0b0n1",
            ]
        );
    }

    #[test]
    fn an_instance_id_is_of_one_node() {
        let files = |second: &'static str| {
            [("nodes/x1000c0s0b0n0.yaml", "instance_id: i-1\n"), ("nodes/x1000c0s0b0n1.yaml", second)]
        };
        assert_eq!(rules_of(&files("instance_id: i-2\n"), |_| ()), [""; 0]);
        assert_eq!(
            rules_of(&files("instance_id: i-1\n"), |_| ()),
            ["duplicate-instance-id: the instance-id i-1 belongs to x1000c0s0b0n0 and x1000c0s0b0n1"]
        );
        assert_eq!(
            rules_of(&files("instance_id: x1000c0s1b0n0\n"), |_| ()),
            ["duplicate-instance-id: the instance-id x1000c0s1b0n0 belongs to x1000c0s0b0n1 and x1000c0s1b0n0"]
        );
    }

    #[test]
    fn a_disabled_interface_claims_no_address() {
        let found = rules("", |nodes| {
            nodes[1].interfaces[0].addresses = nodes[0].interfaces[0].addresses.clone();
            nodes[1].interfaces[0].enabled = false;
        });
        assert_eq!(found, [""; 0]);
    }
}
