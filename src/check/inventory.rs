//! What is odd about an inventory: nodes that cannot be served or found, groups that do not meet the site's, and what
//! its source said that could not be used.
//!
//! What two nodes share is in `conflicts`. One cause is one finding with all nodes that it hits.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use jiff::civil::Date;

use super::finding::Finding;
use super::rules::AGE_RULE;
use crate::inventory::{Inventory, Node, Remark};
use crate::settings::FILE_NAME;
use crate::site::Site;
use crate::types::{GroupLabel, NodeId, Place, Problem, XnameKind, xname_kind};

/// Finds such things.
#[must_use]
pub fn inventory(site: &Site, inventory: &Inventory, remarks: &[Remark]) -> Vec<Finding> {
    let nodes = inventory.nodes();
    let mut findings = remarked(remarks);
    findings.extend(all_that(
        nodes,
        |node| node.addresses().next().is_none(),
        "node-without-address",
        "without an address, nobody can be known as the node, so it gets no documents",
        "add the addresses that it asks from to the inventory",
    ));
    findings.extend(all_that(
        nodes,
        |node| node.nid.is_none(),
        "node-without-nid",
        "a node without NID is called by its id",
        "give it a NID in the inventory, or a hostname in nodes/<id>.yaml",
    ));
    findings.extend(all_that(
        nodes,
        |node| xname_kind(node.id.as_str()) != Some(XnameKind::Node),
        "not-an-xname",
        "the node's id is not the xname of a node; tools that expect one will not know it",
        "leave it if that is meant",
    ));
    findings.extend(addresses_outside(site, nodes));
    findings.extend(groups(site, nodes));
    findings.extend(secret(site));
    findings
}

/// Finds an inventory file that was pulled too long ago, if that can be told. `max_age` is in days.
#[must_use]
pub fn old_lock(file: &str, pulled: Option<Date>, today: Date, max_age: u32) -> Option<Finding> {
    let message = match pulled {
        None => "the inventory does not say when it was pulled, so its age is not known".to_owned(),
        Some(pulled) => {
            let age = (today - pulled).get_days();
            if i64::from(age) <= i64::from(max_age) {
                return None;
            }
            format!("the inventory was pulled on {pulled}, {age} days ago, and {max_age} are allowed")
        }
    };
    let problem = Problem::at(Place::file(file), message)
        .with_hint(format!("pull it again with `mds inventory pull --out {file}`"));
    Some(Finding::warning(AGE_RULE, problem, Vec::new()))
}

/// What a source said that could not be used, as findings.
#[must_use]
pub fn remarked(remarks: &[Remark]) -> Vec<Finding> {
    remarks.iter().map(remark).collect()
}

fn remark(remark: &Remark) -> Finding {
    Finding::of(remark.rule.id(), Problem::new(remark.message.clone()), remark.nodes.clone())
}

/// One finding for all nodes of a kind, if there are any.
fn all_that(
    nodes: &[Node],
    is_odd: impl Fn(&Node) -> bool,
    id: &'static str,
    message: &str,
    hint: &str,
) -> Option<Finding> {
    let found: Vec<NodeId> = nodes.iter().filter(|node| is_odd(node)).map(|node| node.id.clone()).collect();
    (!found.is_empty()).then(|| Finding::of(id, Problem::new(message).with_hint(hint), found))
}

/// Addresses that network-config leaves out, by the label that the inventory gives their network.
fn addresses_outside(site: &Site, nodes: &[Node]) -> Vec<Finding> {
    if site.settings.networks.is_empty() {
        return Vec::new();
    }
    let mut found: BTreeMap<&str, (IpAddr, BTreeSet<&NodeId>)> = BTreeMap::new();
    for node in nodes {
        for address in node.enabled_interfaces().flat_map(|interface| &interface.addresses) {
            if site.settings.network_of(&address.network, address.ip).is_none() {
                let (least, ids) = found.entry(&address.network).or_insert_with(|| (address.ip, BTreeSet::new()));
                *least = address.ip.min(*least);
                ids.insert(&node.id);
            }
        }
    }
    let finding = |(label, (ip, ids)): (&str, (IpAddr, BTreeSet<&NodeId>))| {
        // The label is whatever text the inventory has there.
        let shown: String = label.chars().take(60).collect();
        let label = if label.is_empty() { "without a network".to_owned() } else { format!("of network `{shown}`") };
        let message = format!(
            "addresses {label}, such as {ip}, lie in no network of the table and are left out of network-config"
        );
        let problem = Problem::at(Place::file(FILE_NAME), message)
            .with_hint("add their prefix to a [networks.<label>] table, with method = \"none\" if that is meant");
        Finding::warning("address-outside-networks", problem, ids.into_iter().cloned().collect())
    };
    found.into_iter().map(finding).collect()
}

/// Groups of nodes that have no folder, and folders of groups that have no nodes.
fn groups(site: &Site, nodes: &[Node]) -> Vec<Finding> {
    let mut members: BTreeMap<&GroupLabel, Vec<NodeId>> = BTreeMap::new();
    for node in nodes {
        for label in &node.groups {
            members.entry(label).or_default().push(node.id.clone());
        }
    }
    let empty = site.groups.keys().filter(|label| !members.contains_key(label)).map(|label| {
        let message = "no node of the inventory is in this group";
        let problem = Problem::at(Place::file(format!("groups/{label}")), message)
            .with_hint("see whether its label is written as in the inventory");
        Finding::warning("group-without-member", problem, Vec::new())
    });
    let mut findings: Vec<Finding> = empty.collect();
    findings.extend(members.into_iter().filter(|(label, _)| !site.groups.contains_key(*label)).map(|(label, ids)| {
        let message = format!("the group `{label}` has no folder, so it shows in meta-data only");
        let problem =
            Problem::new(message).with_hint(format!("add groups/{label}/cloud-config.yaml, if nodes need it"));
        Finding::note("group-without-folder", problem, ids)
    }));
    findings
}

/// A token in the settings is in the repository, for everybody who can read it.
fn secret(site: &Site) -> Option<Finding> {
    site.settings.inventory.tokensmith.bootstrap_token.as_ref()?;
    let message = "[inventory.tokensmith] bootstrap_token is a secret, and everybody who can read the site has it";
    let place = site.place_of(FILE_NAME, &["inventory", "tokensmith", "bootstrap_token"]);
    let problem =
        Problem::at(place, message).with_hint("give it in the environment variable TOKENSMITH_BOOTSTRAP_TOKEN instead");
    Some(Finding::warning("secret-in-settings", problem, Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::super::rules::rule;
    use super::*;
    use crate::inventory::{RemarkRule, parse_inventory};
    use crate::render::fixture::site;

    const INVENTORY: &str = r#"{"format": 1, "nodes": [
        {"id": "x1c0s0b0n0", "nid": 1, "groups": ["a"], "interfaces": [{"mac": "02:00:00:00:00:01", "addresses": [
            {"ip": "10.0.0.1", "network": "HMN"}, {"ip": "10.9.0.2", "network": "HSN"}, {"ip": "10.9.0.1", "network": "HSN"}]}]},
        {"id": "login01", "nid": 2, "groups": ["b"], "interfaces": [{"mac": "02:00:00:00:00:02", "enabled": false,
            "addresses": [{"ip": "10.0.0.2"}]}]},
        {"id": "x1c0s0b0n1"}]}"#;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let parsed = parse_inventory("inventory.json", INVENTORY.as_bytes()).unwrap();
        let text = |finding: Finding| {
            let place = finding.problem.place.map(|place| format!("{place}: ")).unwrap_or_default();
            format!("{:?} {}: {place}{} {:?}", finding.severity, finding.rule, finding.problem.message, finding.nodes)
        };
        inventory(&site(files), &parsed, &[]).into_iter().map(text).collect()
    }

    #[test]
    fn what_is_odd_is_one_finding_for_each_cause() {
        let networks = "[networks.HMN]\nprefixes = [\"10.0.0.0/24\"]\n";
        let files = [("mds.toml", networks), ("groups/a/cloud-config.yaml", ""), ("groups/c/cloud-config.yaml", "")];
        insta::assert_snapshot!(found(&files).join("\n"), @"
        Warning node-without-address: without an address, nobody can be known as the node, so it gets no documents [login01, x1c0s0b0n1]
        Note node-without-nid: a node without NID is called by its id [x1c0s0b0n1]
        Note not-an-xname: the node's id is not the xname of a node; tools that expect one will not know it [login01]
        Warning address-outside-networks: mds.toml: addresses of network `HSN`, such as 10.9.0.1, lie in no network of the table and are left out of network-config [x1c0s0b0n0]
        Warning group-without-member: groups/c: no node of the inventory is in this group []
        Note group-without-folder: the group `b` has no folder, so it shows in meta-data only [login01]
        ");
    }

    #[test]
    fn without_a_table_of_networks_no_address_is_outside() {
        assert!(!found(&[]).iter().any(|text| text.contains("outside")));
    }

    #[test]
    fn a_bootstrap_token_in_the_settings_is_said_and_not_shown() {
        let texts = found(&[("mds.toml", "[inventory.tokensmith]\nbootstrap_token = \"s3cr3t\"\n")]);
        let text = texts.iter().find(|text| text.contains("secret-in-settings")).unwrap();
        assert!(!text.contains("s3cr3t"), "{text}");
    }

    #[test]
    fn every_remark_has_a_rule() {
        for kind in RemarkRule::ALL {
            assert!(rule(kind.id()).is_some_and(|rule| rule.may_be_changed), "{kind:?}");
        }
    }

    #[test]
    fn the_age_of_a_lock_is_said_when_it_is_too_old_or_not_known() {
        let date = |text: &str| text.parse::<Date>().unwrap();
        let age = |pulled: Option<Date>| old_lock("inventory.json", pulled, date("2026-03-01"), 7);
        assert_eq!(age(Some(date("2026-02-22"))), None);
        assert_eq!(age(Some(date("2027-01-01"))), None, "the clocks of two machines may differ");
        let text = age(Some(date("2026-02-20"))).unwrap().problem.to_string();
        assert!(text.contains("2026-02-20, 9 days ago, and 7 are allowed"), "{text}");
        assert!(age(None).unwrap().problem.message.contains("not known"));
    }
}
