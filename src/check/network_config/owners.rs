//! Which node has what, by the inventory and by the documents.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::DUPLICATE_ADDRESS;
use crate::check::finding::Finding;
use crate::render::{NETWORK_CONFIG, NodeFacts, Plan};
use crate::types::{MacAddress, NodeId, Place, Problem};

/// Most nodes that a sentence names.
const MOST_NAMED: usize = 3;

/// Who has which MAC address and IP address. It belongs to one plan.
#[derive(Debug, Default)]
pub(in crate::check) struct Owners {
    known: OnceLock<Known>,
    /// Addresses that documents give to nodes and that no node has by the inventory.
    given: Mutex<BTreeMap<IpAddr, BTreeSet<NodeId>>>,
}

/// By the positions in [`Plan::facts`].
#[derive(Debug)]
struct Known {
    macs: HashMap<MacAddress, usize>,
    addresses: HashMap<IpAddr, usize>,
}

impl Owners {
    fn known(&self, plan: &Plan) -> &Known {
        self.known.get_or_init(|| {
            let mut known = Known { macs: HashMap::new(), addresses: HashMap::new() };
            // The first has it, so that it does not matter who asks.
            for (index, facts) in plan.facts().iter().enumerate().rev() {
                known.macs.extend(facts.node.interfaces.iter().map(|interface| (interface.mac, index)));
                known.addresses.extend(facts.node.addresses().map(|address| (address, index)));
            }
            known
        })
    }

    /// The node of the inventory that has a MAC address.
    pub(super) fn of_mac<'p>(&self, plan: &'p Plan, mac: MacAddress) -> Option<&'p NodeFacts> {
        plan.facts().get(*self.known(plan).macs.get(&mac)?)
    }

    /// The node of the inventory that has an address.
    pub(super) fn of_address<'p>(&self, plan: &'p Plan, address: IpAddr) -> Option<&'p NodeFacts> {
        plan.facts().get(*self.known(plan).addresses.get(&address)?)
    }

    /// Notes that a document gives an address to a node.
    pub(super) fn give(&self, address: IpAddr, node: &NodeId) {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.entry(address).or_default().insert(node.clone());
    }

    /// A finding for each address that documents give to several nodes.
    pub(in crate::check) fn shared(&self) -> Vec<Finding> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let finding = |(address, nodes): (&IpAddr, &BTreeSet<NodeId>)| {
            let names: Vec<&str> = nodes.iter().take(MOST_NAMED).map(NodeId::as_str).collect();
            let more = match nodes.len().saturating_sub(MOST_NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let message = format!("network-config gives the address {address} to {}{more}", names.join(" and "));
            let problem = Problem::at(Place::file(NETWORK_CONFIG), message)
                .with_hint("take addresses from what differs per node, such as {{ ip }} or {{ nid }}");
            Finding::error(DUPLICATE_ADDRESS, problem, nodes.iter().cloned().collect())
        };
        given.iter().filter(|(_, nodes)| nodes.len() > 1).map(finding).collect()
    }
}
