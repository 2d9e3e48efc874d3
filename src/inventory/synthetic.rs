//! Made-up nodes in racks as they are built, for trying and measuring what a cluster of a given size would take.

use std::net::{IpAddr, Ipv4Addr};

use super::model::{Interface, InterfaceAddress, Inventory, Node};
use crate::types::{GroupLabel, InterfaceName, InvalidText, MacAddress, NodeId, Problem, Problems};

/// The most nodes that [`synthetic_inventory`] makes: their addresses, MAC addresses and cabinet numbers of four digits
/// are unique that far.
pub const MAX_SYNTHETIC_NODES: usize = 1_000_000;

/// The number of the first cabinet, as the liquid-cooled cabinets of HPE Cray EX are numbered.
const FIRST_CABINET: usize = 1000;
/// Nodes of a cabinet: 8 chassis of 8 slots with 2 controllers of 2 nodes.
const CABINET: usize = 8 * CHASSIS;
/// Nodes of a chassis.
const CHASSIS: usize = 8 * 2 * 2;
/// Hosts of a network of 256 addresses: those that end in 0 and 255 are left free, as smaller networks need them.
const HOSTS: usize = 254;
/// So many subnets of them lie in the networks of the example site, whose first one is for the three mock nodes.
const NEAR_SUBNETS: usize = 127;

/// Makes `count` nodes, the same ones every time. Those of a smaller number are among those of a larger one.
///
/// Cabinets from `x1000` are filled one after the other with 256 nodes each, numbered from NID 1. The last slot of the
/// first chassis of each holds two storage nodes, a login node and a service node; all others compute, those in the
/// upper half of a cabinet with GPUs. Every node has an interface `eth0` in the network HMN, and compute nodes have
/// `hsn0` in HSN besides. MAC addresses are locally administered. The first 32,258 nodes lie in 10.252.0.0/17 and
/// 10.100.0.0/16, which are the networks of the example site; all others in 10.0.0.0/10 and 10.64.0.0/10.
///
/// # Errors
/// When more than [`MAX_SYNTHETIC_NODES`] are asked for.
pub fn synthetic_inventory(count: usize) -> Result<Inventory, Problems> {
    if count > MAX_SYNTHETIC_NODES {
        let problem = Problem::new(format!("{count} is more than the {MAX_SYNTHETIC_NODES} nodes that can be made up"));
        return Err(problem.with_hint("ask for fewer").into());
    }
    let words = Words::new().map_err(|error| Problem::new(error.0))?;
    let mut nodes = Vec::with_capacity(count);
    for cabinet in 0..count.div_ceil(CABINET) {
        let label = GroupLabel::parse(&format!("x{}", FIRST_CABINET + cabinet));
        let label = label.map_err(|error| Problem::new(error.0))?;
        for index in cabinet * CABINET..count.min((cabinet + 1) * CABINET) {
            nodes.push(words.node(index, &label).map_err(|error| Problem::new(error.0))?);
        }
    }
    Inventory::new(nodes)
}

/// What a node is for.
#[derive(Clone, Copy)]
enum Kind {
    Compute { gpu: bool },
    Storage,
    Login,
    Service,
}

impl Kind {
    fn of(index: usize) -> Self {
        let position = index % CABINET;
        match position {
            28 | 29 => Self::Storage,
            30 => Self::Login,
            31 => Self::Service,
            _ => Self::Compute { gpu: position >= CABINET / 2 },
        }
    }

    /// Role and sub-role, as SMD spells them.
    const fn role(self) -> (&'static str, &'static str) {
        match self {
            Self::Compute { .. } => ("Compute", ""),
            Self::Storage => ("Storage", ""),
            Self::Login => ("Application", "UAN"),
            Self::Service => ("Service", ""),
        }
    }
}

/// The words that many nodes share, parsed once.
struct Words {
    compute: GroupLabel,
    gpu: GroupLabel,
    storage: GroupLabel,
    login: GroupLabel,
    service: GroupLabel,
    /// The generations of hardware, of which cabinets have one after the other.
    generations: [GroupLabel; 2],
    hmn: InterfaceName,
    hsn: InterfaceName,
}

impl Words {
    fn new() -> Result<Self, InvalidText> {
        Ok(Self {
            compute: GroupLabel::parse("compute")?,
            gpu: GroupLabel::parse("gpu")?,
            storage: GroupLabel::parse("storage")?,
            login: GroupLabel::parse("login")?,
            service: GroupLabel::parse("service")?,
            generations: [GroupLabel::parse("gen1")?, GroupLabel::parse("gen2")?],
            hmn: InterfaceName::parse("eth0")?,
            hsn: InterfaceName::parse("hsn0")?,
        })
    }

    fn node(&self, index: usize, cabinet: &GroupLabel) -> Result<Node, InvalidText> {
        let kind = Kind::of(index);
        let (role, sub_role) = kind.role();
        let mut interfaces = vec![interface(&self.hmn, Network::Management, index)?];
        if matches!(kind, Kind::Compute { .. }) {
            interfaces.push(interface(&self.hsn, Network::HighSpeed, index)?);
        }
        Ok(Node {
            id: NodeId::parse(&xname(index))?,
            nid: u32::try_from(index + 1).ok(),
            role: role.to_owned(),
            sub_role: sub_role.to_owned(),
            groups: self.groups(index, kind, cabinet),
            interfaces,
        })
    }

    fn groups(&self, index: usize, kind: Kind, cabinet: &GroupLabel) -> Vec<GroupLabel> {
        let own: &[&GroupLabel] = match kind {
            Kind::Compute { gpu: true } => &[&self.compute, &self.gpu],
            Kind::Compute { gpu: false } => &[&self.compute],
            Kind::Storage => &[&self.storage],
            Kind::Login => &[&self.login],
            Kind::Service => &[&self.service],
        };
        let generation = &self.generations[index / CABINET % 2];
        own.iter().copied().chain([cabinet, generation]).cloned().collect()
    }
}

/// The xname of a node: cabinet, chassis, slot, controller and node.
fn xname(index: usize) -> String {
    let (cabinet, chassis, slot) = (FIRST_CABINET + index / CABINET, index / CHASSIS % 8, index / 4 % 8);
    format!("x{cabinet}c{chassis}s{slot}b{}n{}", index / 2 % 2, index % 2)
}

/// The networks, told apart by the second byte of MAC and IP addresses.
#[derive(Clone, Copy)]
enum Network {
    Management = 0,
    HighSpeed = 64,
}

fn interface(name: &InterfaceName, network: Network, index: usize) -> Result<Interface, InvalidText> {
    let (label, description) = match network {
        Network::Management => ("HMN", "Node Management Network"),
        Network::HighSpeed => ("HSN", "High Speed Network"),
    };
    let second = network as u8;
    // A million nodes take 3938 networks, and a number of 20 bits.
    let byte = |value: usize| (value % 256) as u8;
    let host = index % HOSTS + 1;
    let (second_of_ip, subnet) = match (index / HOSTS, network) {
        (subnet, Network::Management) if subnet < NEAR_SUBNETS => (252, subnet + 1),
        (subnet, Network::HighSpeed) if subnet < NEAR_SUBNETS => (100, subnet + 1),
        (subnet, _) => (second + byte((subnet - NEAR_SUBNETS) >> 8), subnet - NEAR_SUBNETS),
    };
    let mac = format!("02:{second:02x}:00:{:02x}:{:02x}:{:02x}", byte(index >> 16), byte(index >> 8), byte(index));
    let ip = Ipv4Addr::new(10, second_of_ip, byte(subnet), byte(host));
    Ok(Interface {
        name: name.clone(),
        mac: MacAddress::parse(&mac)?,
        description: description.to_owned(),
        enabled: true,
        redfish_id: String::new(),
        addresses: vec![InterfaceAddress { ip: IpAddr::V4(ip), network: label.to_owned() }],
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_smaller_number_of_nodes_is_among_a_larger_one() {
        let larger = synthetic_inventory(700).unwrap();
        for count in [0, 1, 31, 256, 300] {
            let smaller = synthetic_inventory(count).unwrap();
            assert_eq!(smaller.nodes().len(), count);
            assert!(smaller.nodes().iter().all(|node| larger.nodes().contains(node)), "{count}");
        }
        assert_eq!(synthetic_inventory(700), Ok(larger));
    }

    #[test]
    fn every_kind_of_node_is_there_and_most_compute() {
        let inventory = synthetic_inventory(1000).unwrap();
        let role = |role: &str| inventory.nodes().iter().filter(|node| node.role == role).count();
        assert_eq!((role("Compute"), role("Storage"), role("Application"), role("Service")), (984, 8, 4, 4));
        let of = |nid: u32| inventory.nodes().iter().find(|node| node.nid == Some(nid)).unwrap();
        let labels = |nid: u32| of(nid).groups.iter().map(GroupLabel::as_str).collect::<Vec<_>>().join(" ");
        assert_eq!((labels(1), labels(31)), ("compute gen1 x1000".to_owned(), "gen1 login x1000".to_owned()));
        assert_eq!((of(256).id.as_str(), labels(257)), ("x1000c7s7b1n1", "compute gen2 x1001".to_owned()));
        assert_eq!(labels(256), "compute gen1 gpu x1000");
        assert_eq!((of(1).interfaces.len(), of(31).interfaces.len()), (2, 1));
    }

    #[test]
    fn ids_and_addresses_are_unique_up_to_the_last_node() {
        // A node in 997 and the last ones: a number that divides none of the sizes above.
        let indices: Vec<usize> =
            (0..MAX_SYNTHETIC_NODES).step_by(997).chain(MAX_SYNTHETIC_NODES - 600..MAX_SYNTHETIC_NODES).collect();
        let indices: BTreeSet<usize> = indices.into_iter().collect();
        let words = Words::new().unwrap();
        let label = GroupLabel::parse("x1000").unwrap();
        let nodes: Vec<Node> = indices.iter().map(|index| words.node(*index, &label).unwrap()).collect();
        let interfaces = || nodes.iter().flat_map(|node| &node.interfaces);
        let ids: BTreeSet<&NodeId> = nodes.iter().map(|node| &node.id).collect();
        let macs: BTreeSet<MacAddress> = interfaces().map(|interface| interface.mac).collect();
        let ips: BTreeSet<IpAddr> = nodes.iter().flat_map(Node::addresses).collect();
        let all = interfaces().count();
        assert_eq!((ids.len(), macs.len(), ips.len()), (indices.len(), all, all));
        let last = nodes.last().unwrap();
        assert_eq!((last.id.as_str(), last.nid), ("x4906c1s7b1n1", Some(1_000_000)));
        let ip = |index: usize| words.node(index, &label).unwrap().addresses().next().unwrap().to_string();
        let ips = [0, 253, 254, 127 * 254 - 1, 127 * 254, MAX_SYNTHETIC_NODES - 1].map(ip);
        assert_eq!(ips, ["10.252.1.1", "10.252.1.254", "10.252.2.1", "10.252.127.254", "10.0.0.1", "10.14.226.2"]);
    }

    #[test]
    fn more_nodes_than_there_are_addresses_for_are_refused() {
        let text = synthetic_inventory(MAX_SYNTHETIC_NODES + 1).unwrap_err().to_string();
        assert!(text.contains("1000001 is more than"), "{text}");
    }
}
