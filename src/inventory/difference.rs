//! What moved between two inventories.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use super::model::{Interface, InterfaceAddress, Inventory, Node};
use crate::types::{GroupLabel, InterfaceName, MacAddress, NodeId};

/// What an inventory says that another one does not, and the other way round.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InventoryDifference {
    /// Nodes that only the newer inventory has, sorted.
    pub nodes_added: Vec<NodeId>,
    /// Nodes that only the older inventory has, sorted.
    pub nodes_removed: Vec<NodeId>,
    /// Nodes of both of which the two say different things, sorted by id.
    pub nodes_changed: Vec<NodeDifference>,
}

/// What changed about a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeDifference {
    /// The node.
    pub id: NodeId,
    /// The changes, sorted, at least one.
    pub changes: Vec<NodeChange>,
}

/// One thing that changed about a node. Shown as a part of a sentence about it, such as `joins group gpu`.
///
/// It does not say which node, so that equal changes of many nodes can be counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum NodeChange {
    /// Another number in the cluster (NID).
    Nid {
        /// The number it had.
        from: Option<u32>,
        /// The number it has now.
        to: Option<u32>,
    },
    /// Another role.
    Role {
        /// The role it had; empty for none.
        from: String,
        /// The role it has now; empty for none.
        to: String,
    },
    /// Another finer role.
    SubRole {
        /// The finer role it had; empty for none.
        from: String,
        /// The finer role it has now; empty for none.
        to: String,
    },
    /// The node is no longer in a group.
    GroupLeft {
        /// The group.
        group: GroupLabel,
    },
    /// The node is in a group it was not in.
    GroupJoined {
        /// The group.
        group: GroupLabel,
    },
    /// An interface is gone. Its addresses are changes of their own.
    InterfaceRemoved {
        /// The hardware address, by which interfaces are compared.
        mac: MacAddress,
        /// Its name.
        name: InterfaceName,
    },
    /// An interface is new. Its addresses are changes of their own.
    InterfaceAdded {
        /// The hardware address, by which interfaces are compared.
        mac: MacAddress,
        /// Its name.
        name: InterfaceName,
    },
    /// An interface has another name.
    InterfaceRenamed {
        /// The interface.
        mac: MacAddress,
        /// The name it had.
        from: InterfaceName,
        /// The name it has now.
        to: InterfaceName,
    },
    /// An interface is described in another way.
    InterfaceDescribed {
        /// The interface.
        mac: MacAddress,
        /// The description it had; empty for none.
        from: String,
        /// The description it has now; empty for none.
        to: String,
    },
    /// Redfish gives an interface another id.
    InterfaceRedfishId {
        /// The interface.
        mac: MacAddress,
        /// The id it had; empty for none.
        from: String,
        /// The id it has now; empty for none.
        to: String,
    },
    /// An interface is put into use, or taken out of it.
    InterfaceEnabled {
        /// The interface.
        mac: MacAddress,
        /// Whether it is in use now.
        enabled: bool,
    },
    /// An interface no longer has an address, or has it in another network.
    AddressRemoved {
        /// The interface.
        mac: MacAddress,
        /// The address.
        ip: IpAddr,
        /// The label of the network it was in; empty for none.
        network: String,
    },
    /// An interface has an address that it had not, or had in another network.
    AddressAdded {
        /// The interface.
        mac: MacAddress,
        /// The address.
        ip: IpAddr,
        /// The label of the network it is in; empty for none.
        network: String,
    },
    /// The addresses that an interface keeps stand in another order; the first is the main one.
    AddressesReordered {
        /// The interface.
        mac: MacAddress,
        /// All its addresses in the order they have now.
        addresses: Vec<IpAddr>,
    },
}

/// Compares two inventories, the older first.
#[must_use]
pub fn difference(from: &Inventory, to: &Inventory) -> InventoryDifference {
    let mut difference = InventoryDifference::default();
    let (mut old, mut new) = (from.nodes(), to.nodes());
    loop {
        let order = match (old.first(), new.first()) {
            (None, None) => return difference,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => left.id.cmp(&right.id),
        };
        let left = if order.is_le() { old.split_off_first() } else { None };
        let right = if order.is_ge() { new.split_off_first() } else { None };
        match (left, right) {
            (Some(left), Some(right)) => difference.compare(left, right),
            (Some(left), None) => difference.nodes_removed.push(left.id.clone()),
            (None, Some(right)) => difference.nodes_added.push(right.id.clone()),
            (None, None) => {}
        }
    }
}

impl InventoryDifference {
    /// Whether the inventories are the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes_added.is_empty() && self.nodes_removed.is_empty() && self.nodes_changed.is_empty()
    }

    fn compare(&mut self, old: &Node, new: &Node) {
        if old == new {
            return;
        }
        // Taken apart so that a field that is added to a node cannot be forgotten here.
        let Node { id, nid, role, sub_role, groups, interfaces } = old;
        let mut changes = Vec::new();
        if *nid != new.nid {
            changes.push(NodeChange::Nid { from: *nid, to: new.nid });
        }
        if let Some((from, to)) = changed(role, &new.role) {
            changes.push(NodeChange::Role { from, to });
        }
        if let Some((from, to)) = changed(sub_role, &new.sub_role) {
            changes.push(NodeChange::SubRole { from, to });
        }
        let left = groups.iter().filter(|group| !new.groups.contains(group));
        changes.extend(left.map(|group| NodeChange::GroupLeft { group: group.clone() }));
        let joined = new.groups.iter().filter(|group| !groups.contains(group));
        changes.extend(joined.map(|group| NodeChange::GroupJoined { group: group.clone() }));
        compare_interfaces(interfaces, &new.interfaces, &mut changes);
        changes.sort();
        self.nodes_changed.push(NodeDifference { id: id.clone(), changes });
    }
}

/// Both values, when they are not the same.
fn changed<T: PartialEq + Clone>(from: &T, to: &T) -> Option<(T, T)> {
    (from != to).then(|| (from.clone(), to.clone()))
}

/// A node has each MAC address once, so that interfaces are told apart by it.
fn compare_interfaces(old: &[Interface], new: &[Interface], changes: &mut Vec<NodeChange>) {
    let of = |interfaces| -> BTreeMap<MacAddress, &Interface> {
        <[Interface]>::iter(interfaces).map(|interface| (interface.mac, interface)).collect()
    };
    let (old, new) = (of(old), of(new));
    for (mac, interface) in &old {
        match new.get(mac) {
            Some(now) => compare_interface(interface, now, changes),
            None => {
                changes.push(NodeChange::InterfaceRemoved { mac: *mac, name: interface.name.clone() });
                compare_addresses(*mac, &interface.addresses, &[], changes);
            }
        }
    }
    for (mac, interface) in new.iter().filter(|(mac, _)| !old.contains_key(mac)) {
        changes.push(NodeChange::InterfaceAdded { mac: *mac, name: interface.name.clone() });
        compare_addresses(*mac, &[], &interface.addresses, changes);
    }
}

fn compare_interface(old: &Interface, new: &Interface, changes: &mut Vec<NodeChange>) {
    // Taken apart so that a field that is added to an interface cannot be forgotten here.
    let Interface { name, mac, description, enabled, redfish_id, addresses } = old;
    let mac = *mac;
    if let Some((from, to)) = changed(name, &new.name) {
        changes.push(NodeChange::InterfaceRenamed { mac, from, to });
    }
    if let Some((from, to)) = changed(description, &new.description) {
        changes.push(NodeChange::InterfaceDescribed { mac, from, to });
    }
    if let Some((from, to)) = changed(redfish_id, &new.redfish_id) {
        changes.push(NodeChange::InterfaceRedfishId { mac, from, to });
    }
    if *enabled != new.enabled {
        changes.push(NodeChange::InterfaceEnabled { mac, enabled: new.enabled });
    }
    compare_addresses(mac, addresses, &new.addresses, changes);
}

fn compare_addresses(
    mac: MacAddress,
    old: &[InterfaceAddress],
    new: &[InterfaceAddress],
    changes: &mut Vec<NodeChange>,
) {
    let (kept, removed): (Vec<_>, Vec<_>) = old.iter().partition(|address| new.contains(address));
    let (still, added): (Vec<_>, Vec<_>) = new.iter().partition(|address| old.contains(address));
    changes.extend(removed.into_iter().cloned().map(|InterfaceAddress { ip, network }| NodeChange::AddressRemoved {
        mac,
        ip,
        network,
    }));
    changes.extend(added.into_iter().cloned().map(|InterfaceAddress { ip, network }| NodeChange::AddressAdded {
        mac,
        ip,
        network,
    }));
    if kept != still {
        let addresses = new.iter().map(|address| address.ip).collect();
        changes.push(NodeChange::AddressesReordered { mac, addresses });
    }
}

/// How a value changes: `changes from a to b`, or that it appears or goes away. Texts are the inventory's own, so what
/// a terminal would act on is escaped.
fn change(formatter: &mut fmt::Formatter<'_>, what: &str, from: &str, to: &str) -> fmt::Result {
    match (from, to) {
        ("", to) => write!(formatter, "gets {what} `{}`", to.escape_debug()),
        (from, "") => write!(formatter, "loses {what} `{}`", from.escape_debug()),
        (from, to) => write!(formatter, "changes {what} from `{}` to `{}`", from.escape_debug(), to.escape_debug()),
    }
}

/// The address, and the network in brackets if it has one.
fn address(formatter: &mut fmt::Formatter<'_>, ip: IpAddr, network: &str) -> fmt::Result {
    match network {
        "" => write!(formatter, "address {ip}"),
        network => write!(formatter, "address {ip} ({})", network.escape_debug()),
    }
}

impl fmt::Display for NodeChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |nid: &Option<u32>| nid.map_or_else(String::new, |nid| nid.to_string());
        match self {
            Self::Nid { from, to } => change(formatter, "NID", &number(from), &number(to)),
            Self::Role { from, to } => change(formatter, "role", from, to),
            Self::SubRole { from, to } => change(formatter, "sub-role", from, to),
            Self::GroupLeft { group } => write!(formatter, "leaves group {group}"),
            Self::GroupJoined { group } => write!(formatter, "joins group {group}"),
            Self::InterfaceRemoved { mac, name } => write!(formatter, "loses interface {name} ({mac})"),
            Self::InterfaceAdded { mac, name } => write!(formatter, "gets interface {name} ({mac})"),
            Self::InterfaceRenamed { mac, from, to } => {
                write!(formatter, "interface {mac} is renamed from {from} to {to}")
            }
            Self::InterfaceDescribed { mac, from, to } => {
                write!(formatter, "interface {mac} ")?;
                change(formatter, "description", from, to)
            }
            Self::InterfaceRedfishId { mac, from, to } => {
                write!(formatter, "interface {mac} ")?;
                change(formatter, "Redfish id", from, to)
            }
            Self::InterfaceEnabled { mac, enabled: true } => write!(formatter, "interface {mac} is put into use"),
            Self::InterfaceEnabled { mac, enabled: false } => write!(formatter, "interface {mac} is disabled"),
            Self::AddressRemoved { mac, ip, network } => {
                address(formatter, *ip, network)?;
                write!(formatter, " moves away from {mac}")
            }
            Self::AddressAdded { mac, ip, network } => {
                address(formatter, *ip, network)?;
                write!(formatter, " moves to {mac}")
            }
            Self::AddressesReordered { mac, addresses } => {
                let order: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
                write!(formatter, "interface {mac} has its addresses in the order {}", order.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests;
