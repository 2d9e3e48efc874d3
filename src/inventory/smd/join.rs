//! Records to nodes: filter, sort and join on our side.
//!
//! Whatever order the answers come in, the result is the same: interfaces are sorted by their MAC addresses (which is
//! what numbers their names), addresses by their value, IPv4 first. Answers of SMD are not made at one moment, so a node
//! may stand in one and not in another; they are joined by the ids of `/State/Components`, and what belongs to no such
//! id is told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::super::model::{Interface, InterfaceAddress, Inventory, Node, impossible};
use super::super::pull::{LeftOut, Pull, RemarkRule};
use super::super::remarks::Remarks;
use super::records::{Address, Component, EthernetInterface, Membership, Nid, Records};
use crate::types::{GroupLabel, InterfaceName, MacAddress, NodeId, Problems};

/// Joins the three answers.
///
/// # Errors
/// When the result has no normal form: what would break one is sorted out here, so this would be a fault of mds.
pub fn join(
    components: Records<Component>,
    interfaces: Records<EthernetInterface>,
    memberships: Records<Membership>,
) -> Result<Pull, Problems> {
    let mut remarks = Remarks::default();
    let mut left_out = LeftOut {
        components: components.of_hardware,
        hardware_interfaces: interfaces.of_hardware,
        ..LeftOut::default()
    };
    let mut nodes = nodes(components.records, &mut remarks);
    add_groups(&mut nodes, memberships.records, &mut remarks);
    add_interfaces(&mut nodes, interfaces.records, &mut remarks, &mut left_out);
    let inventory = Inventory::new(nodes.into_values().collect())?;
    Ok(Pull { inventory, remarks: remarks.into_sorted(), left_out })
}

/// The nodes without groups and interfaces.
fn nodes(mut components: Vec<Component>, remarks: &mut Remarks) -> BTreeMap<NodeId, Node> {
    components.sort_unstable();
    components.dedup();
    let mut nodes: BTreeMap<NodeId, Node> = BTreeMap::new();
    for component in components {
        let Ok(id) = NodeId::parse(&component.id) else {
            remarks.add(RemarkRule::InvalidNodeId, "", &component.id, None);
            continue;
        };
        if nodes.contains_key(&id) {
            remarks.add(RemarkRule::DuplicateNode, "", id.as_str(), Some(&id));
            continue;
        }
        if component.nid == Nid::Invalid {
            remarks.add(RemarkRule::InvalidNid, "", id.as_str(), Some(&id));
        }
        let nid = match component.nid {
            Nid::Number(nid) => Some(nid),
            Nid::None | Nid::Invalid => None,
        };
        let node = Node {
            id: id.clone(),
            nid,
            role: component.role.into(),
            sub_role: component.sub_role.into(),
            groups: Vec::new(),
            interfaces: Vec::new(),
        };
        nodes.insert(id, node);
    }
    nodes
}

fn add_groups(nodes: &mut BTreeMap<NodeId, Node>, memberships: Vec<Membership>, remarks: &mut Remarks) {
    for membership in memberships {
        // BMCs can be in groups too.
        let Some(node) = NodeId::parse(&membership.id).ok().and_then(|id| nodes.get_mut(&id)) else { continue };
        for label in membership.labels {
            match GroupLabel::parse(&label) {
                Ok(label) => node.groups.push(label),
                Err(_) => remarks.add(RemarkRule::InvalidGroupLabel, "", &label, Some(&node.id)),
            }
        }
    }
}

fn add_interfaces(
    nodes: &mut BTreeMap<NodeId, Node>,
    mut interfaces: Vec<EthernetInterface>,
    remarks: &mut Remarks,
    left_out: &mut LeftOut,
) {
    interfaces.iter_mut().for_each(|interface| interface.addresses.sort_unstable());
    interfaces.sort_unstable();
    let mut found: BTreeMap<NodeId, BTreeMap<MacAddress, Interface>> = BTreeMap::new();
    for interface in interfaces {
        if interface.component.is_empty() {
            left_out.unattributed_interfaces += 1;
            remarks.add(RemarkRule::InterfaceWithoutOwner, "no component", &interface.mac, None);
            continue;
        }
        let Some((id, _)) = NodeId::parse(&interface.component).ok().and_then(|id| nodes.get_key_value(&id)) else {
            left_out.orphan_interfaces += 1;
            let example = format!("{} of {}", interface.mac, interface.component);
            remarks.add(RemarkRule::InterfaceWithoutOwner, "a node that SMD does not list", &example, None);
            continue;
        };
        let Some(mac) = MacAddress::parse(interface.mac.trim()).ok().filter(|mac| !mac.is_multicast()) else {
            remarks.add(RemarkRule::InvalidMac, "", &interface.mac, Some(id));
            continue;
        };
        let addresses = addresses(id, &interface.addresses, remarks, left_out);
        // One MAC address may be written in two ways, and is one interface.
        let entry = found.entry(id.clone()).or_default().entry(mac).or_insert_with(|| Interface {
            name: InterfaceName::default(),
            mac,
            description: interface.description.to_string(),
            enabled: true,
            redfish_id: String::new(),
            addresses: Vec::new(),
        });
        entry.addresses.extend(addresses);
    }
    for (id, interfaces) in found {
        if let Some(node) = nodes.get_mut(&id) {
            node.interfaces = interfaces.into_values().collect();
            settle_addresses(node, remarks);
        }
    }
}

/// The addresses that are some.
fn addresses(id: &NodeId, written: &[Address], remarks: &mut Remarks, left_out: &mut LeftOut) -> Vec<InterfaceAddress> {
    let mut addresses = Vec::new();
    for address in written {
        let text = address.ip.trim();
        if text.is_empty() {
            left_out.empty_addresses += 1;
            continue;
        }
        match text.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
            Ok(ip) if impossible(ip).is_none() => {
                addresses.push(InterfaceAddress { ip, network: address.network.trim().to_owned() });
            }
            _ => remarks.add(RemarkRule::InvalidAddress, "", text, Some(id)),
        }
    }
    addresses
}

/// Sorts the addresses and keeps each once: on the first interface that has it, with the first network that is said.
fn settle_addresses(node: &mut Node, remarks: &mut Remarks) {
    let mut taken: BTreeSet<IpAddr> = BTreeSet::new();
    for interface in &mut node.interfaces {
        // An empty label comes last, so that a label is not lost to its absence.
        interface.addresses.sort_by(|left, right| {
            (left.ip, left.network.is_empty(), &left.network).cmp(&(right.ip, right.network.is_empty(), &right.network))
        });
        interface.addresses.dedup_by_key(|address| address.ip);
        interface.addresses.retain(|address| {
            let is_new = taken.insert(address.ip);
            if !is_new {
                remarks.add(RemarkRule::RepeatedAddress, "", &address.ip.to_string(), Some(&node.id));
            }
            is_new
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::{read_components, read_interfaces, read_memberships};
    use super::*;

    fn joined(components: &Value, interfaces: &Value, memberships: &Value) -> Pull {
        join(
            read_components(components.to_string().as_bytes()).unwrap(),
            read_interfaces(interfaces.to_string().as_bytes()).unwrap(),
            read_memberships(memberships.to_string().as_bytes()).unwrap(),
        )
        .unwrap()
    }

    fn one_node(interfaces: &Value) -> Pull {
        joined(&json!([{"ID": "x1c0s0b0n0", "NID": 1, "Role": "Compute"}]), interfaces, &json!([]))
    }

    fn texts(pull: &Pull) -> Vec<String> {
        pull.remarks
            .iter()
            .map(|remark| format!("{}: {} {:?}", remark.rule.id(), remark.message, remark.nodes))
            .collect()
    }

    #[test]
    fn the_three_answers_become_nodes() {
        let pull = joined(
            &json!({"Components": [
                {"ID": "x1000c0s0b0n0", "Type": "Node", "NID": "1", "Role": "Compute", "SubRole": "Worker"},
                {"ID": "x1000c0s0b0", "Type": "NodeBMC"},
                {"ID": "login01", "Type": "Node"}]}),
            &json!([
                {"ID": "0040a6831202", "MACAddress": "00:40:a6:83:12:02", "ComponentID": "x1000c0s0b0n0", "Type": "Node",
                 "IPAddresses": [{"IPAddress": "fd00::1"}, {"IPAddress": "10.1.0.1", "Network": "hsn"}]},
                {"ID": "0040a6831201", "MACAddress": "00-40-A6-83-12-01", "ComponentID": "x1000c0s0b0n0", "Description": "boot",
                 "IPAddresses": [{"IPAddress": "172.16.0.1", "Network": "management"}, {"IPAddress": ""}]},
                {"ID": "0040a68312ff", "MACAddress": "00:40:a6:83:12:ff", "ComponentID": "x1000c0s0b0", "Type": "NodeBMC",
                 "IPAddresses": [{"IPAddress": "172.16.1.1"}]},
                {"ID": "0040a6831300", "MACAddress": "00:40:a6:83:13:00", "ComponentID": "", "Type": "", "IPAddresses": []},
                {"ID": "0040a6831400", "MACAddress": "00:40:a6:83:14:00", "ComponentID": "x9c0s0b0n0", "Type": "Node"}]),
            &json!([{"id": "x1000c0s0b0n0", "groupLabels": ["gpu", "compute", "gpu"], "partitionName": ""},
                    {"id": "x1000c0s0b0", "groupLabels": ["bmcs"]}]),
        );
        let lock = pull.inventory.to_lock_file().unwrap();
        insta::assert_snapshot!(lock, @r#"
        {"format":1,"nodes":[
          {"id":"login01","groups":[],"interfaces":[]},
          {"id":"x1000c0s0b0n0","nid":1,"role":"Compute","sub_role":"Worker","groups":["compute","gpu"],"interfaces":[{"name":"eth0","mac":"00:40:a6:83:12:01","description":"boot","enabled":true,"addresses":[{"ip":"172.16.0.1","network":"management"}]},{"name":"eth1","mac":"00:40:a6:83:12:02","enabled":true,"addresses":[{"ip":"10.1.0.1","network":"hsn"},{"ip":"fd00::1"}]}]}
        ]}
        "#);
        let left_out = LeftOut {
            components: 1,
            hardware_interfaces: 1,
            orphan_interfaces: 1,
            unattributed_interfaces: 1,
            empty_addresses: 1,
        };
        assert_eq!(pull.left_out, left_out);
        assert_eq!(
            texts(&pull),
            [
                "interface-without-owner: an interface belongs to a node that SMD does not list: `00:40:a6:83:14:00 of x9c0s0b0n0` []",
                "interface-without-owner: an interface belongs to no component: `00:40:a6:83:13:00` []",
            ]
        );
    }

    #[test]
    fn dirt_becomes_remarks_and_never_part_of_a_node() {
        let interface = |mac: &str, addresses: Value| json!({"MACAddress": mac, "ComponentID": "x1c0s0b0n0", "IPAddresses": addresses});
        let pull = one_node(&json!([
            interface(
                "02:00:00:00:00:01",
                json!([{"IPAddress": "10.0.0.300"}, {"IPAddress": "0.0.0.0"}, {"IPAddress": "10.0.0.1"}])
            ),
            interface("02-00-00-00-00-01", json!([{"IPAddress": "::ffff:10.0.0.1", "Network": "HMN"}])),
            interface("02:00:00:00:00:02", json!([{"IPAddress": "10.0.0.1"}, {"IPAddress": " 10.0.0.2 "}])),
            interface("not a mac", json!([{"IPAddress": "10.0.0.3"}])),
            interface("01:00:5e:00:00:01", json!([])),
        ]));
        let node = &pull.inventory.nodes()[0];
        let kept: Vec<String> = node
            .interfaces
            .iter()
            .flat_map(|interface| {
                interface
                    .addresses
                    .iter()
                    .map(|address| format!("{} {} {}", interface.name, address.ip, address.network))
            })
            .collect();
        assert_eq!(kept, ["eth0 10.0.0.1 HMN", "eth1 10.0.0.2 "]);
        assert_eq!(
            texts(&pull),
            [
                "invalid-address: 2 addresses are none that a node can have, such as `0.0.0.0` [x1c0s0b0n0]",
                "invalid-mac: 2 interfaces have no MAC address of their own and are left out, such as `01:00:5e:00:00:01` [x1c0s0b0n0]",
                "repeated-address: an address stands at two interfaces of its node and is kept at the first: `10.0.0.1` [x1c0s0b0n0]",
            ]
        );
    }

    #[test]
    fn ids_and_labels_that_are_not_safe_are_told_and_left_out() {
        let pull = joined(
            &json!([{"ID": "../../etc"}, {"ID": ""}, {"ID": "a", "NID": -1}, {"ID": "a", "NID": 2}, {"ID": "b"}, {"ID": "b"}]),
            &json!([]),
            &json!([{"id": "a", "groupLabels": ["ok", "not/ok"]}, {"id": "c", "groupLabels": ["/"]}]),
        );
        assert_eq!(pull.inventory.nodes().len(), 2);
        assert_eq!(
            texts(&pull),
            [
                "duplicate-node: a node is listed more than once, in different ways: `a` [a]",
                "invalid-group-label: a group has a label that mds does not take: `not/ok` [a]",
                "invalid-node-id: 2 nodes have ids that mds does not take and are left out, such as `` []",
            ]
        );
    }

    /// Every array in the value, its elements in another order.
    fn shuffled(value: &Value, seed: &mut u64) -> Value {
        match value {
            Value::Array(items) => {
                let mut items: Vec<Value> = items.iter().map(|item| shuffled(item, seed)).collect();
                for end in (1..items.len()).rev() {
                    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    items.swap(end, usize::try_from(*seed >> 33).unwrap() % (end + 1));
                }
                items.into()
            }
            Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), shuffled(value, seed))).collect(),
            other => other.clone(),
        }
    }

    fn words(of: &'static [&'static str]) -> impl Strategy<Value = String> {
        proptest::sample::select(of).prop_map(str::to_owned)
    }

    /// Answers with all the dirt there is, drawn from few words so that they meet.
    fn answers() -> impl Strategy<Value = [Value; 3]> {
        let ids = || words(&["x1c0s0b0n0", "x1c0s0b0n1", "login01", "x1c0s0b0", "../x", ""]);
        let ips = words(&["10.0.0.1", "10.0.0.2", "fd00::1", "::ffff:10.0.0.1", "0.0.0.0", "", "x"]);
        let address =
            (ips, words(&["", "HMN", "HSN"])).prop_map(|(ip, network)| json!({"IPAddress": ip, "Network": network}));
        let component = (ids(), 0..4_u32, words(&["Node", "NodeBMC", ""]), words(&["Compute", ""])).prop_map(
            |(id, nid, kind, role)| json!({"ID": id, "NID": if nid == 3 { json!("x") } else { json!(nid) }, "Type": kind, "Role": role}),
        );
        let macs = words(&[
            "02:00:00:00:00:01",
            "02-00-00-00-00-01",
            "020000000002",
            "02:00:00:00:00:03",
            "ff:ff:ff:ff:ff:ff",
            "",
        ]);
        let interface = (macs, ids(), words(&["Node", "NodeBMC", ""]), words(&["one", "two"]), prop::collection::vec(address, 0..4)).prop_map(
            |(mac, id, kind, description, addresses)| json!({"MACAddress": mac, "ComponentID": id, "Type": kind, "Description": description, "IPAddresses": addresses}),
        );
        let labels = prop::collection::vec(words(&["compute", "gpu", "a/b", "ssh"]), 0..4);
        let membership = (ids(), labels).prop_map(|(id, labels)| json!({"id": id, "groupLabels": labels}));
        (
            prop::collection::vec(component, 0..6),
            prop::collection::vec(interface, 0..8),
            prop::collection::vec(membership, 0..6),
        )
            .prop_map(|(components, interfaces, memberships)| {
                [json!({"Components": components}), interfaces.into(), memberships.into()]
            })
    }

    proptest! {
        #[test]
        fn any_order_of_the_answers_gives_the_same_inventory_and_remarks(answers in answers(), mut seed: u64) {
            let [components, interfaces, memberships] = &answers;
            let first = joined(components, interfaces, memberships);
            let again = joined(
                &shuffled(components, &mut seed),
                &shuffled(interfaces, &mut seed),
                &shuffled(memberships, &mut seed),
            );
            prop_assert_eq!(first.inventory.digest().unwrap(), again.inventory.digest().unwrap());
            prop_assert_eq!(first, again);
        }
    }
}
