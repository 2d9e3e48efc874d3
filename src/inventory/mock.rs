//! The built-in inventory of three nodes: the ones the original metadata service mocks, so that its quick start works.

use std::net::{IpAddr, Ipv4Addr};

use super::model::{Interface, InterfaceAddress, Inventory, Node};
use crate::types::{GroupLabel, InterfaceName, MacAddress, NodeId};

/// The three nodes of `--mock-smd`: two compute nodes with two interfaces each and a storage node with one.
#[must_use]
pub fn mock_inventory() -> Inventory {
    let nodes = [
        mock_node("x1000c0s0b0n0", 1000, "compute", &["compute", "green"], 26, 0x6d, true),
        mock_node("x1000c0s0b0n1", 1001, "compute", &["compute", "blue"], 27, 0x7d, true),
        mock_node("x1000c0s1b0n0", 1002, "storage", &["storage"], 28, 0x8d, false),
    ];
    Inventory::new(nodes.into_iter().flatten().collect()).unwrap_or_default()
}

/// One mock node; `None` would mean that a constant above is misspelt, which the tests rule out.
fn mock_node(
    id: &str,
    nid: u32,
    role: &str,
    groups: &[&str],
    host: u8,
    last_byte_of_mac: u8,
    high_speed: bool,
) -> Option<Node> {
    let interface = |position: u8, description: &str, network: &str, second_byte: u8| {
        Some(Interface {
            name: InterfaceName::numbered(usize::from(position)),
            mac: MacAddress::parse(&format!("b4:2e:99:be:1a:{:02x}", last_byte_of_mac + position)).ok()?,
            description: description.to_owned(),
            enabled: true,
            redfish_id: (position + 1).to_string(),
            addresses: vec![InterfaceAddress {
                ip: IpAddr::V4(Ipv4Addr::new(10, second_byte, 0, host)),
                network: network.to_owned(),
            }],
        })
    };
    let mut interfaces = vec![interface(0, "Node Management Network", "HMN", 252)?];
    if high_speed {
        interfaces.push(interface(1, "High Speed Network", "HSN", 100)?);
    }
    Some(Node {
        id: NodeId::parse(id).ok()?,
        nid: Some(nid),
        role: role.to_owned(),
        sub_role: String::new(),
        groups: groups.iter().map(|label| GroupLabel::parse(label).ok()).collect::<Option<_>>()?,
        interfaces,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_nodes_of_the_original_are_there() {
        let inventory = mock_inventory();
        let seen: Vec<String> = inventory
            .nodes()
            .iter()
            .map(|node| format!("{} {:?} {:?} {}", node.id, node.nid, node.groups, node.interfaces.len()))
            .collect();
        assert_eq!(
            seen,
            [
                "x1000c0s0b0n0 Some(1000) [compute, green] 2",
                "x1000c0s0b0n1 Some(1001) [blue, compute] 2",
                "x1000c0s1b0n0 Some(1002) [storage] 1",
            ]
        );
        assert_eq!(inventory.nodes()[0].interfaces[1].mac.to_string(), "b4:2e:99:be:1a:6e");
    }
}
