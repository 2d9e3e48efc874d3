//! Nodes, interfaces and addresses in their normal form.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::types::{Digest, GroupLabel, InterfaceName, MacAddress, NodeId, Problem, Problems};

/// All nodes, sorted by id, each id once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    nodes: Vec<Node>,
}

/// A node as the inventory knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// The id, usually an xname.
    pub id: NodeId,
    /// The node's number in the cluster (NID), if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nid: Option<u32>,
    /// What the node is for, as the inventory spells it, such as `Compute`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// A finer role, if the inventory has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sub_role: String,
    /// The groups the node is in, sorted by label.
    #[serde(default)]
    pub groups: Vec<GroupLabel>,
    /// The interfaces, sorted by name, then by MAC address.
    #[serde(default)]
    pub interfaces: Vec<Interface>,
}

/// A network interface of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// The name documents use. Where the source gives none, it is `eth<position>` by the position in the source, from
    /// 0, or the next number that is free in the node.
    #[serde(default, deserialize_with = "name_or_none")]
    pub name: InterfaceName,
    /// The hardware address.
    pub mac: MacAddress,
    /// What people call it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether it is in use. A disabled interface identifies nobody and is not configured.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
    /// The id that Redfish gives it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub redfish_id: String,
    /// The addresses, in the order of the source, each once: the first is the main one.
    #[serde(default)]
    pub addresses: Vec<InterfaceAddress>,
}

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterfaceAddress {
    /// The address; IPv4-mapped IPv6 is kept as IPv4.
    pub ip: IpAddr,
    /// The label of the network the inventory puts it in, such as `HMN`; empty when it says none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub network: String,
}

const fn enabled_by_default() -> bool {
    true
}

/// An empty name is none.
fn name_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<InterfaceName, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "" => Ok(InterfaceName::default()),
        text => InterfaceName::parse(text).map_err(D::Error::custom),
    }
}

impl Inventory {
    /// Brings nodes of any source into the normal form.
    ///
    /// # Errors
    /// When one id stands twice, or a node has two interfaces of one name, MAC address or address: which of the two is
    /// meant cannot be guessed. When a MAC address or address is one that no single host can have.
    pub fn new(mut nodes: Vec<Node>) -> Result<Self, Problems> {
        nodes.iter_mut().for_each(Node::normalise);
        nodes.sort_by(|left, right| left.id.cmp(&right.id));
        let repeated = nodes.windows(2).filter(|pair| pair[0].id == pair[1].id).map(|pair| {
            Problem::new(format!("the inventory lists node `{}` more than once", pair[0].id))
                .with_hint("keep one entry per node")
        });
        let mut problems: Vec<Problem> = repeated.collect();
        problems.extend(nodes.iter().flat_map(Node::problems));
        if problems.is_empty() { Ok(Self { nodes }) } else { Err(Problems(problems)) }
    }

    /// The nodes, sorted by id.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The lock file: readable JSON with one node per line, made for review in a pull request. Equal inventories give
    /// equal text.
    ///
    /// # Errors
    /// Never for an inventory made by [`Inventory::new`]: everything in it has a text form.
    pub fn to_lock_file(&self) -> Result<String, serde_json::Error> {
        super::file::lock_text(&super::LockHeader::default(), self)
    }

    /// The digest of the normal form.
    ///
    /// # Errors
    /// As [`Inventory::to_lock_file`].
    pub fn digest(&self) -> Result<Digest, serde_json::Error> {
        self.to_lock_file().map(|text| Digest::of(text.as_bytes()))
    }
}

/// Why no host can have the address, if none can.
pub(super) fn impossible(ip: IpAddr) -> Option<&'static str> {
    if ip.is_unspecified() {
        Some("unspecified")
    } else if ip.is_multicast() {
        Some("multicast")
    } else {
        (ip == IpAddr::V4(Ipv4Addr::BROADCAST)).then_some("broadcast")
    }
}

impl Interface {
    /// Makes addresses canonical, and keeps the first of equal ones, with the first network that is said for it.
    fn normalise(&mut self) {
        let mut addresses: Vec<InterfaceAddress> = Vec::with_capacity(self.addresses.len());
        // A source may give an interface any number of addresses, so they are not looked for one by one.
        let mut positions: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for InterfaceAddress { ip, network } in std::mem::take(&mut self.addresses) {
            let ip = ip.to_canonical();
            let position = *positions.entry(ip).or_insert(addresses.len());
            match addresses.get_mut(position) {
                None => addresses.push(InterfaceAddress { ip, network }),
                Some(known) if known.network.is_empty() => known.network = network,
                Some(_) => {}
            }
        }
        self.addresses = addresses;
    }
}

impl Node {
    fn normalise(&mut self) {
        self.groups.sort();
        self.groups.dedup();
        self.interfaces.iter_mut().for_each(Interface::normalise);
        let mut taken: BTreeSet<InterfaceName> =
            self.interfaces.iter().map(|interface| interface.name.clone()).collect();
        for (position, interface) in self.interfaces.iter_mut().enumerate() {
            if interface.name.is_missing() {
                let mut free = (position..).map(InterfaceName::numbered).filter(|name| !taken.contains(name));
                interface.name = free.next().unwrap_or_default();
                taken.insert(interface.name.clone());
            }
        }
        self.interfaces.sort_by(|left, right| (&left.name, left.mac).cmp(&(&right.name, right.mac)));
    }

    /// What is wrong with the interfaces.
    fn problems(&self) -> Vec<Problem> {
        let id = &self.id;
        let repeated_name = self.interfaces.windows(2).find(|pair| pair[0].name == pair[1].name).map(|pair| {
            Problem::new(format!(
                "node `{id}` has two interfaces named `{}` ({} and {})",
                pair[0].name, pair[0].mac, pair[1].mac
            ))
            .with_hint("give each interface of a node a name of its own")
        });
        let mut problems: Vec<Problem> = repeated_name.into_iter().collect();
        let (mut macs, mut addresses) = (BTreeMap::new(), BTreeMap::new());
        for interface in &self.interfaces {
            let Interface { name, mac, .. } = interface;
            if mac.is_multicast() {
                problems.push(Problem::new(format!(
                    "interface `{name}` of node `{id}` has the MAC address {mac}, which means several interfaces \
                     (multicast or broadcast)"
                )));
            } else if let Some(other) = macs.insert(*mac, name) {
                problems.push(Problem::new(format!(
                    "node `{id}` has two interfaces with the MAC address {mac}: `{other}` and `{name}`"
                )));
            }
            for ip in interface.addresses.iter().map(|address| address.ip) {
                let other = if interface.enabled { addresses.insert(ip, name) } else { None };
                if let Some(kind) = impossible(ip) {
                    problems.push(Problem::new(format!(
                        "interface `{name}` of node `{id}` has the address {ip}, which is {kind} and no host's own"
                    )));
                } else if let Some(other) = other {
                    problems.push(Problem::new(format!(
                        "node `{id}` has the address {ip} on two interfaces: `{other}` and `{name}`"
                    )));
                }
            }
        }
        problems
    }

    /// The interfaces in use.
    pub fn enabled_interfaces(&self) -> impl Iterator<Item = &Interface> {
        self.interfaces.iter().filter(|interface| interface.enabled)
    }

    /// Every address that identifies the node: those of its enabled interfaces.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.enabled_interfaces().flat_map(|interface| interface.addresses.iter().map(|address| address.ip))
    }

    /// The interface and address the node boots from: the first address in the boot network (compared without regard
    /// to case, as the original service did), else the first address of all.
    #[must_use]
    pub fn boot_address(&self, boot_network: &str) -> Option<(&Interface, &InterfaceAddress)> {
        let all = || {
            self.enabled_interfaces()
                .flat_map(|interface| interface.addresses.iter().map(move |address| (interface, address)))
        };
        all().find(|(_, address)| address.network.eq_ignore_ascii_case(boot_network)).or_else(|| all().next())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{mock_inventory, parse_inventory};
    use super::*;

    #[test]
    fn the_order_of_a_source_does_not_change_the_digest() {
        let inventory = mock_inventory();
        let mut shuffled: Vec<Node> = inventory.nodes().to_vec();
        shuffled.reverse();
        for node in &mut shuffled {
            node.groups.reverse();
            node.interfaces.reverse();
        }
        let again = Inventory::new(shuffled).unwrap();
        assert_eq!(again.digest().unwrap(), inventory.digest().unwrap());
    }

    #[test]
    fn the_lock_file_is_read_back_as_it_was() {
        let inventory = mock_inventory();
        let text = inventory.to_lock_file().unwrap();
        assert_eq!(text.lines().count(), inventory.nodes().len() + 2);
        assert_eq!(parse_inventory("inventory.json", text.as_bytes()).unwrap(), inventory);
    }

    #[test]
    fn an_id_that_stands_twice_is_refused() {
        let mut nodes = mock_inventory().nodes().to_vec();
        nodes.push(nodes[0].clone());
        let problems = Inventory::new(nodes).unwrap_err();
        assert!(problems.to_string().contains("x1000c0s0b0n0"), "{problems}");
    }

    #[test]
    fn the_boot_network_comes_first_and_disabled_interfaces_do_not_count() {
        let mut node = mock_inventory().nodes()[0].clone();
        assert_eq!(node.boot_address("hsn").unwrap().1.ip.to_string(), "10.100.0.26");
        assert_eq!(node.boot_address("none").unwrap().1.ip.to_string(), "10.252.0.26");
        node.interfaces[0].enabled = false;
        assert_eq!(node.boot_address("HMN").unwrap().1.ip.to_string(), "10.100.0.26");
        assert_eq!(node.addresses().count(), 1);
    }
}
