//! Which address each node has in its tunnel.
//!
//! The addresses follow from the network and the nodes alone, so that every server has the same without asking another.
//! Each node has its own sequence of all host numbers of the network, made of its id, and takes the first that no other
//! has a better claim to. A better claim is an earlier place in the claimant's own sequence. Settled like this (deferred
//! acceptance, as of students and colleges), there is one result however the nodes are ordered. And few addresses move
//! when a node comes or goes: one that was pushed to a late place of its sequence has a weak claim everywhere and pushes
//! nearly nobody in turn.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::types::{NodeId, TunnelNetwork};

/// Host numbers have at most so many bits; greater networks are used in part.
const MOST_HOST_BITS: u8 = 64;

/// A network of tunnels has fewer addresses for nodes than there are nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkTooSmall {
    /// The network.
    pub network: TunnelNetwork,
    /// How many nodes it has room for.
    pub room: u64,
    /// How many nodes there are.
    pub nodes: usize,
}

impl NetworkTooSmall {
    /// The longest prefix of a network of the same kind that has room for the nodes, if there is one.
    #[must_use]
    pub fn longest_prefix(&self) -> Option<u8> {
        let network = self.network.network();
        let shortest = if network.addr().is_ipv4() { TunnelNetwork::SHORTEST_V4 } else { TunnelNetwork::SHORTEST_V6 };
        let has_room = |length: &u8| {
            let bits = network.max_prefix_len() - length;
            // The server has one address, and is none of the ends.
            let reserved = 1 + if bits < 2 { 0 } else { 1 + u128::from(network.addr().is_ipv4()) };
            (1_u128 << bits.min(MOST_HOST_BITS)).saturating_sub(reserved) >= self.nodes as u128
        };
        (shortest..network.max_prefix_len()).rev().find(has_room)
    }
}

impl std::fmt::Display for NetworkTooSmall {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { network, room, nodes } = self;
        write!(formatter, "the network of the tunnels, {network}, has too few addresses, {room} for {nodes} nodes; ")?;
        match self.longest_prefix() {
            Some(length) => write!(formatter, "a prefix of /{length} or shorter has enough"),
            None => formatter.write_str("no network that tunnels can have is great enough"),
        }
    }
}

impl std::error::Error for NetworkTooSmall {}

/// The address of each node in its tunnel, in the order in which the nodes are given. No two are the same, and none is
/// the server's, the network's own or its broadcast address.
///
/// # Errors
/// When the network has fewer addresses than there are nodes.
pub fn tunnel_addresses<'a>(
    network: &TunnelNetwork,
    nodes: impl IntoIterator<Item = &'a NodeId>,
) -> Result<Vec<IpAddr>, NetworkTooSmall> {
    let hosts = Hosts::new(network);
    let mut claimants: Vec<Claimant<'_>> = nodes.into_iter().map(|id| Claimant::new(id, hosts.bits)).collect();
    if claimants.len() as u64 > hosts.room() {
        return Err(NetworkTooSmall { network: *network, room: hosts.room(), nodes: claimants.len() });
    }
    let mut holders: HashMap<u64, usize, BuildHasherDefault<NumberHasher>> = HashMap::default();
    holders.reserve(claimants.len());
    for newcomer in 0..claimants.len() {
        let mut homeless = newcomer;
        loop {
            // There is a free number at the latest where the sequence ends, as there are enough.
            let number = claimants[homeless].sequence.number();
            if hosts.is_reserved(number) {
                claimants[homeless].sequence.advance();
                continue;
            }
            match holders.get_mut(&number) {
                None => {
                    holders.insert(number, homeless);
                    break;
                }
                Some(holder) if claimants[homeless].claim() < claimants[*holder].claim() => {
                    std::mem::swap(holder, &mut homeless);
                    claimants[homeless].sequence.advance();
                }
                Some(_) => claimants[homeless].sequence.advance(),
            }
        }
    }
    Ok(claimants.iter().map(|claimant| hosts.address(claimant.sequence.number())).collect())
}

/// Every address that a node could have, each once, those that it would rather have first.
pub fn tunnel_candidates(network: &TunnelNetwork, node: &NodeId) -> impl Iterator<Item = IpAddr> + use<> {
    let hosts = Hosts::new(network);
    let mut sequence = Claimant::new(node, hosts.bits).sequence;
    let numbers = (0..1_u128 << hosts.bits).map(move |_| {
        let number = sequence.number();
        sequence.advance();
        number
    });
    numbers.filter(move |number| !hosts.is_reserved(*number)).map(move |number| hosts.address(number))
}

/// The addresses of a network by their numbers.
#[derive(Clone, Copy)]
struct Hosts {
    network: IpNet,
    /// How many bits a number has, 1 to 64.
    bits: u8,
    /// The server's number, if it has one that is below 2^64.
    server: Option<u64>,
}

impl Hosts {
    fn new(tunnels: &TunnelNetwork) -> Self {
        let network = tunnels.network();
        let bits = (network.max_prefix_len() - network.prefix_len()).min(MOST_HOST_BITS);
        let server = u64::try_from(bits_of(tunnels.server()) - bits_of(network.addr())).ok();
        Self { network, bits, server }
    }

    /// The greatest number.
    fn last(&self) -> u64 {
        u64::MAX >> (MOST_HOST_BITS - self.bits)
    }

    /// Whether no node may have the number.
    fn is_reserved(&self, number: u64) -> bool {
        // Of two addresses, both are a machine's (RFC 3021, RFC 6164).
        let has_ends = self.bits >= 2;
        Some(number) == self.server
            || (has_ends && number == 0)
            || (has_ends && self.network.addr().is_ipv4() && number == self.last())
    }

    /// How many nodes there is room for.
    fn room(&self) -> u64 {
        let mut reserved = [Some(0), Some(self.last()), self.server];
        reserved.sort_unstable();
        let mut kept: Vec<u64> = reserved.into_iter().flatten().filter(|number| self.is_reserved(*number)).collect();
        kept.dedup();
        // One less than there are numbers is the last of them, and at least one of them is reserved.
        self.last() - (kept.len() as u64).saturating_sub(1)
    }

    fn address(&self, number: u64) -> IpAddr {
        let bits = bits_of(self.network.addr()) | u128::from(number);
        match self.network {
            // Both parts of the number lie in the network, which is one of 32 bits.
            #[expect(clippy::cast_possible_truncation)]
            IpNet::V4(_) => Ipv4Addr::from_bits(bits as u32).into(),
            IpNet::V6(_) => Ipv6Addr::from_bits(bits).into(),
        }
    }
}

fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// A node's sequence of numbers, and where in it the node has come to.
#[derive(Clone, Copy)]
struct Sequence {
    start: u64,
    /// Odd, so that every number comes once before one comes again.
    step: u64,
    mask: u64,
    place: u64,
}

impl Sequence {
    const fn number(&self) -> u64 {
        self.start.wrapping_add(self.place.wrapping_mul(self.step)) & self.mask
    }

    const fn advance(&mut self) {
        self.place = self.place.wrapping_add(1);
    }
}

/// A node that looks for a number.
struct Claimant<'a> {
    id: &'a NodeId,
    /// Decides between nodes for which a number is at the same place.
    lot: u64,
    sequence: Sequence,
}

impl<'a> Claimant<'a> {
    fn new(id: &'a NodeId, bits: u8) -> Self {
        let hash = blake3::keyed_hash(KEY, id.as_str().as_bytes());
        let word = |index: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&hash.as_bytes()[8 * index..8 * index + 8]);
            u64::from_le_bytes(bytes)
        };
        let mask = u64::MAX >> (MOST_HOST_BITS - bits);
        let sequence = Sequence { start: word(0), step: word(1) | 1, mask, place: 0 };
        Self { id, lot: word(2), sequence }
    }

    /// How good its claim to the number that it has come to is, the best first.
    const fn claim(&self) -> (u64, u64, &'a NodeId) {
        (self.sequence.place, self.lot, self.id)
    }
}

/// What the hashes are for. Changing it moves every node.
const KEY: &[u8; blake3::KEY_LEN] = b"mds addresses of node in tunnels";

/// Hashes a number by multiplying it: numbers are made of hashes already, and nobody chooses them to collide.
#[derive(Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        // 2^64 divided by the golden ratio, as Knuth has it; the map wants both ends of a hash to be mixed.
        let product = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ (product >> 32);
    }
}

#[cfg(test)]
mod tests;
