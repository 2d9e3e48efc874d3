use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

fn network(text: &str) -> TunnelNetwork {
    TunnelNetwork::parse(text).unwrap()
}

fn ids(count: usize) -> Vec<NodeId> {
    (0..count).map(|index| NodeId::parse(&format!("x{}c0s{}b0n0", 1000 + index % 7, index)).unwrap()).collect()
}

fn by_id<'a>(network: &TunnelNetwork, ids: &'a [NodeId]) -> HashMap<&'a NodeId, IpAddr> {
    ids.iter().zip(tunnel_addresses(network, ids).unwrap()).collect()
}

/// How many addresses there are for nodes, counted one by one.
fn counted_room(network: &TunnelNetwork) -> usize {
    tunnel_candidates(network, &NodeId::parse("n").unwrap()).count()
}

#[test]
fn every_small_network_can_be_full_and_not_more() {
    let v4 = (20..=31).map(|length| format!("10.9.0.1/{length}"));
    let v6 = (116..=127).map(|length| format!("fd00::1/{length}"));
    let ends = ["10.9.0.0/31", "10.9.0.5/29", "fd00::/127", "fd00::ffff/112"].map(str::to_owned);
    for text in v4.chain(v6).chain(ends) {
        let network = network(&text);
        let room = counted_room(&network);
        let nodes = ids(room);
        let addresses = tunnel_addresses(&network, &nodes).unwrap();
        let distinct: HashSet<IpAddr> = addresses.iter().copied().collect();
        assert_eq!(distinct.len(), room, "{text}");
        for address in distinct {
            assert!(network.contains(address) && address != network.server(), "{text}: {address}");
            let has_ends = network.network().max_prefix_len() - network.network().prefix_len() >= 2;
            assert!(!has_ends || address != network.network().network(), "{text}: {address}");
            assert!(!has_ends || address.is_ipv6() || address != network.network().broadcast(), "{text}: {address}");
        }
        let error = tunnel_addresses(&network, &ids(room + 1)).unwrap_err();
        assert_eq!((error.room, error.nodes), (room as u64, room + 1), "{text}");
    }
}

#[test]
fn great_networks_are_used_as_well() {
    for text in ["10.0.0.1/8", "fd00::1/32", "fd00::1/64", "fd00:0:1::1/32", "fd00::1/63"] {
        let network = network(text);
        let nodes = ids(3000);
        let distinct: HashSet<IpAddr> = tunnel_addresses(&network, &nodes).unwrap().into_iter().collect();
        assert_eq!(distinct.len(), nodes.len(), "{text}");
        assert!(distinct.iter().all(|address| network.contains(*address)), "{text}");
        let candidates: Vec<IpAddr> = tunnel_candidates(&network, &nodes[0]).take(1000).collect();
        assert_eq!(candidates.iter().collect::<HashSet<_>>().len(), 1000, "{text}");
    }
    assert_eq!(Hosts::new(&network("10.0.0.1/8")).room(), (1 << 24) - 3);
    assert_eq!(Hosts::new(&network("fd00::1/64")).room(), u64::MAX - 1);
    assert_eq!(Hosts::new(&network("fd00:0:1::1/32")).room(), u64::MAX);
}

#[test]
fn a_network_that_is_too_small_says_which_would_do() {
    let sentence = |text: &str, nodes: usize| {
        let error = tunnel_addresses(&network(text), &ids(nodes)).unwrap_err();
        (error.to_string(), error.longest_prefix())
    };
    let (text, length) = sentence("10.9.0.1/30", 6);
    assert_eq!(length, Some(28));
    assert_eq!(
        text,
        "the network of the tunnels, 10.9.0.1/30, has too few addresses, 1 for 6 nodes; a prefix of /28 or shorter \
         has enough"
    );
    assert_eq!(sentence("10.9.0.1/30", 5).1, Some(29));
    assert_eq!(sentence("fd00::1/126", 6).1, Some(125));
    let hopeless = NetworkTooSmall { network: network("10.0.0.1/8"), room: (1 << 24) - 3, nodes: 1 << 24 };
    assert!(hopeless.to_string().contains("no network that tunnels can have"));
}

/// How many nodes of those that stay move on average when one node comes, which is how many move when it goes.
fn average_moves(network: &TunnelNetwork, count: usize, trials: usize) -> f64 {
    let nodes = ids(count + trials);
    let (standing, newcomers) = nodes.split_at(count);
    let before = by_id(network, standing);
    let mut moved = 0;
    for newcomer in newcomers {
        let with: Vec<NodeId> = standing.iter().chain([newcomer]).cloned().collect();
        let after = by_id(network, &with);
        moved += before.iter().filter(|(id, address)| after[**id] != **address).count();
    }
    moved as f64 / trials as f64
}

#[test]
fn few_nodes_move_when_one_comes_or_goes() {
    let network = network("10.9.0.1/22");
    let room = counted_room(&network);
    for (percent, bound) in [(1, 0.1), (50, 1.0), (95, 6.0)] {
        let moves = average_moves(&network, room * percent / 100, 60);
        assert!(moves <= bound, "{percent} %: {moves}");
    }
    let moves = average_moves(&network, room - 1, 60);
    assert!(moves <= 20.0, "the last one: {moves}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_the_nodes_does_not_matter(
        ids in proptest::collection::hash_set("[a-z][a-z0-9]{0,6}", 1..=61),
        length in 26_u8..=30,
        seed in proptest::collection::vec(any::<u32>(), 61),
    ) {
        let network = network(&format!("10.9.0.1/{length}"));
        let ids: Vec<NodeId> = ids.iter().take(counted_room(&network)).map(|id| NodeId::parse(id).unwrap()).collect();
        let mut order: Vec<usize> = (0..ids.len()).collect();
        order.sort_by_key(|index| seed[*index]);
        let mixed: Vec<NodeId> = order.iter().map(|index| ids[*index].clone()).collect();
        let (one, other) = (by_id(&network, &ids), by_id(&network, &mixed));
        prop_assert_eq!(one.values().collect::<HashSet<_>>().len(), ids.len());
        prop_assert_eq!(one, other);
    }

    #[test]
    fn a_node_has_one_of_its_candidates_and_the_first_when_it_is_alone(id in "[a-z][a-z0-9]{0,6}", length in 20_u8..=31) {
        let network = network(&format!("10.9.0.1/{length}"));
        let id = NodeId::parse(&id).unwrap();
        let candidates: Vec<IpAddr> = tunnel_candidates(&network, &id).collect();
        prop_assert_eq!(candidates.iter().collect::<HashSet<_>>().len(), candidates.len());
        prop_assert_eq!(tunnel_addresses(&network, [&id]).unwrap(), vec![candidates[0]]);
    }
}
