//! What is said of two inventories, by hand and by chance.

use proptest::prelude::*;

use super::super::mock_inventory;
use super::*;

fn with(change: impl Fn(&mut Vec<Node>)) -> InventoryDifference {
    let mut nodes = mock_inventory().nodes().to_vec();
    change(&mut nodes);
    difference(&mock_inventory(), &Inventory::new(nodes).unwrap())
}

fn ids(nodes: &[NodeId]) -> Vec<&str> {
    nodes.iter().map(NodeId::as_str).collect()
}

/// The changes of the first node, as people read them.
fn said(change: impl Fn(&mut Node)) -> Vec<String> {
    let difference = with(|nodes| change(&mut nodes[0]));
    let [NodeDifference { id, changes }] = difference.nodes_changed.as_slice() else { return vec![] };
    assert_eq!(id.as_str(), "x1000c0s0b0n0");
    changes.iter().map(NodeChange::to_string).collect()
}

#[test]
fn nodes_are_added_and_removed() {
    let difference = with(|nodes| nodes[0].id = NodeId::parse("new").unwrap());
    assert_eq!((ids(&difference.nodes_added), ids(&difference.nodes_removed)), (vec!["new"], vec!["x1000c0s0b0n0"]));
    assert!(difference.nodes_changed.is_empty() && !difference.is_empty());
    assert!(with(|_| {}).is_empty());
}

#[test]
fn what_a_node_is_and_belongs_to_is_said_in_parts_of_sentences() {
    let changes = said(|node| {
        node.nid = None;
        node.role = "storage\n".to_owned();
        node.sub_role = "MDS".to_owned();
        node.groups = vec![GroupLabel::parse("compute").unwrap(), GroupLabel::parse("gpu").unwrap()];
    });
    let expected = [
        "loses NID `1000`",
        "changes role from `compute` to `storage\\n`",
        "gets sub-role `MDS`",
        "leaves group green",
        "joins group gpu",
    ];
    assert_eq!(changes, expected);
}

#[test]
fn interfaces_are_compared_by_mac_address() {
    let changes = said(|node| {
        node.interfaces[0].name = InterfaceName::parse("hsn0").unwrap();
        node.interfaces[0].description = String::new();
        node.interfaces[0].redfish_id = "7".to_owned();
        node.interfaces[0].enabled = false;
        node.interfaces[1].mac = MacAddress::parse("020000000001").unwrap();
    });
    let expected = [
        "loses interface eth1 (b4:2e:99:be:1a:6e)",
        "gets interface eth1 (02:00:00:00:00:01)",
        "interface b4:2e:99:be:1a:6d is renamed from eth0 to hsn0",
        "interface b4:2e:99:be:1a:6d loses description `Node Management Network`",
        "interface b4:2e:99:be:1a:6d changes Redfish id from `1` to `7`",
        "interface b4:2e:99:be:1a:6d is disabled",
        "address 10.100.0.26 (HSN) moves away from b4:2e:99:be:1a:6e",
        "address 10.100.0.26 (HSN) moves to 02:00:00:00:00:01",
    ];
    assert_eq!(changes, expected);
}

#[test]
fn addresses_have_a_network_and_an_order() {
    let other = || InterfaceAddress { ip: "10.0.0.1".parse().unwrap(), network: String::new() };
    let changes = said(|node| {
        node.interfaces[0].addresses[0].network = "NMN".to_owned();
        node.interfaces[0].addresses.push(other());
    });
    let expected = [
        "address 10.252.0.26 (HMN) moves away from b4:2e:99:be:1a:6d",
        "address 10.0.0.1 moves to b4:2e:99:be:1a:6d",
        "address 10.252.0.26 (NMN) moves to b4:2e:99:be:1a:6d",
    ];
    assert_eq!(changes, expected);
    let mut nodes = mock_inventory().nodes().to_vec();
    nodes[0].interfaces[0].addresses.push(other());
    let before = Inventory::new(nodes.clone()).unwrap();
    nodes[0].interfaces[0].addresses.reverse();
    let changes = &difference(&before, &Inventory::new(nodes).unwrap()).nodes_changed[0].changes;
    assert_eq!(
        changes[0].to_string(),
        "interface b4:2e:99:be:1a:6d has its addresses in the order 10.0.0.1, 10.252.0.26"
    );
    assert_eq!(changes.len(), 1);
}

#[test]
fn equal_changes_of_many_nodes_are_equal_and_have_a_form_in_json() {
    let difference = with(|nodes| {
        for node in nodes {
            node.groups.push(GroupLabel::parse("maintenance").unwrap());
        }
    });
    let all: std::collections::BTreeSet<&NodeChange> =
        difference.nodes_changed.iter().flat_map(|node| &node.changes).collect();
    assert_eq!((difference.nodes_changed.len(), all.len()), (3, 1));
    let value = serde_json::to_value(&difference).unwrap();
    assert_eq!(
        value["nodes_changed"][0],
        serde_json::json!({
            "id": "x1000c0s0b0n0",
            "changes": [{"change": "group_joined", "group": "maintenance"}],
        })
    );
}

/// The change that takes a change back, but for orders, which do not say what they were before.
fn reversed(change: &NodeChange) -> Option<NodeChange> {
    use NodeChange as C;
    let change = change.clone();
    Some(match change {
        C::Nid { from, to } => C::Nid { from: to, to: from },
        C::Role { from, to } => C::Role { from: to, to: from },
        C::SubRole { from, to } => C::SubRole { from: to, to: from },
        C::GroupLeft { group } => C::GroupJoined { group },
        C::GroupJoined { group } => C::GroupLeft { group },
        C::InterfaceRemoved { mac, name } => C::InterfaceAdded { mac, name },
        C::InterfaceAdded { mac, name } => C::InterfaceRemoved { mac, name },
        C::InterfaceRenamed { mac, from, to } => C::InterfaceRenamed { mac, from: to, to: from },
        C::InterfaceDescribed { mac, from, to } => C::InterfaceDescribed { mac, from: to, to: from },
        C::InterfaceRedfishId { mac, from, to } => C::InterfaceRedfishId { mac, from: to, to: from },
        C::InterfaceEnabled { mac, enabled } => C::InterfaceEnabled { mac, enabled: !enabled },
        C::AddressRemoved { mac, ip, network } => C::AddressAdded { mac, ip, network },
        C::AddressAdded { mac, ip, network } => C::AddressRemoved { mac, ip, network },
        C::AddressesReordered { .. } => return None,
    })
}

fn reversible(changes: &[NodeChange]) -> Vec<NodeChange> {
    let kept = changes.iter().filter(|change| !matches!(change, NodeChange::AddressesReordered { .. }));
    kept.cloned().collect()
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), Just("a".to_owned()), Just("b".to_owned())]
}

/// The interface of a number. Names and addresses are its own, so that any set of them is a node.
fn any_interface(number: u8) -> impl Strategy<Value = Interface> {
    let address = (0..3_u8, any_text())
        .prop_map(move |(host, network)| InterfaceAddress { ip: IpAddr::from([10, 0, number, host + 1]), network });
    let addresses = proptest::collection::vec(address, 0..4);
    (any::<bool>(), any_text(), any::<bool>(), any_text(), addresses).prop_map(
        move |(renamed, description, enabled, redfish_id, addresses)| Interface {
            name: InterfaceName::numbered(usize::from(number) + if renamed { 10 } else { 0 }),
            mac: MacAddress::parse(&format!("02000000000{number}")).unwrap(),
            description,
            enabled,
            redfish_id,
            addresses,
        },
    )
}

fn any_node() -> impl Strategy<Value = Node> {
    let interfaces = (proptest::option::of(any_interface(1)), proptest::option::of(any_interface(2)));
    let groups = proptest::sample::subsequence(vec!["g1", "g2", "g3"], 0..=3);
    let nid = proptest::option::of(0..3_u32);
    ("[a-d]", nid, any_text(), any_text(), groups, interfaces).prop_map(
        |(id, nid, role, sub_role, groups, interfaces)| Node {
            id: NodeId::parse(&id).unwrap(),
            nid,
            role,
            sub_role,
            groups: groups.iter().map(|label| GroupLabel::parse(label).unwrap()).collect(),
            interfaces: interfaces.0.into_iter().chain(interfaces.1).collect(),
        },
    )
}

fn any_inventory() -> impl Strategy<Value = Inventory> {
    proptest::collection::vec(any_node(), 0..5).prop_map(|nodes| {
        let by_id: BTreeMap<NodeId, Node> = nodes.into_iter().map(|node| (node.id.clone(), node)).collect();
        Inventory::new(by_id.into_values().collect()).unwrap()
    })
}

proptest! {
    #[test]
    fn only_equal_inventories_have_no_difference(from in any_inventory(), to in any_inventory()) {
        prop_assert!(difference(&from, &from).is_empty());
        let difference = difference(&from, &to);
        prop_assert_eq!(difference.is_empty(), from == to);
        prop_assert!(difference.nodes_changed.iter().all(|node| !node.changes.is_empty()));
    }

    #[test]
    fn the_way_back_is_the_way_there_reversed(from in any_inventory(), to in any_inventory()) {
        let (there, back) = (difference(&from, &to), difference(&to, &from));
        prop_assert_eq!(&there.nodes_added, &back.nodes_removed);
        prop_assert_eq!(&there.nodes_removed, &back.nodes_added);
        prop_assert_eq!(there.nodes_changed.len(), back.nodes_changed.len());
        for (one, other) in there.nodes_changed.iter().zip(&back.nodes_changed) {
            prop_assert_eq!((&one.id, one.changes.len()), (&other.id, other.changes.len()));
            let mut expected: Vec<NodeChange> = one.changes.iter().filter_map(reversed).collect();
            expected.sort();
            prop_assert_eq!(expected, reversible(&other.changes));
        }
    }
}
