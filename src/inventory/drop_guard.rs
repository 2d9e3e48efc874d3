//! Noticing that too much is gone at once.
//!
//! Tools that provision a cluster delete all interfaces in SMD and add them again. A pull in that window sees nodes
//! without addresses, or no nodes, and publishing it would turn every booting node away. So a change that takes away
//! more than a share of what there was is not believed until somebody says so.

use std::collections::BTreeMap;

use super::model::Inventory;
use crate::types::{NodeId, Problem};

/// What a cluster consists of, as far as losing it would hurt: its nodes, how many addresses each has, and whether it is
/// in any group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Population(BTreeMap<NodeId, Standing>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    addresses: usize,
    has_groups: bool,
}

impl Population {
    /// Takes nodes with the number of their addresses and of their groups.
    pub fn new<'a>(nodes: impl Iterator<Item = (&'a NodeId, usize, usize)>) -> Self {
        let standing = |addresses, groups| Standing { addresses, has_groups: groups > 0 };
        Self(nodes.map(|(id, addresses, groups)| (id.clone(), standing(addresses, groups))).collect())
    }
}

impl From<&Inventory> for Population {
    fn from(inventory: &Inventory) -> Self {
        Self::new(inventory.nodes().iter().map(|node| (&node.id, node.addresses().count(), node.groups.len())))
    }
}

/// Says what is gone, when it is more than `max_removed` percent of the nodes, or of their addresses, or of those that
/// are in a group. An address that is replaced by another is not gone, and neither is a group by another.
#[must_use]
pub fn dropped_too_much(before: &Population, after: &Population, max_removed: u8) -> Option<Problem> {
    let (mut nodes, mut addresses, mut groups) =
        (Loss::new("nodes"), Loss::new("addresses of nodes"), Loss::new("nodes with groups"));
    for (id, standing) in &before.0 {
        let now = after.0.get(id);
        nodes.count(1, usize::from(now.is_some()));
        // A node that is gone is counted as one already.
        addresses.count(standing.addresses, now.map_or(standing.addresses, |now| now.addresses));
        if standing.has_groups {
            groups.count(1, usize::from(now.is_none_or(|now| now.has_groups)));
        }
    }
    let lost: Vec<String> =
        [nodes, addresses, groups].iter().filter(|loss| loss.exceeds(max_removed)).map(Loss::sentence).collect();
    if lost.is_empty() {
        return None;
    }
    let message = format!(
        "the inventory would take away {}, and {max_removed} % is the most at once (max_removed)",
        lost.join(" and ")
    );
    Some(Problem::new(message).with_hint(
        "see what happened to the inventory; if that is meant, build with --accept-drop, or raise max_removed in \
         [inventory] of mds.toml",
    ))
}

/// How much of something is gone.
struct Loss {
    what: &'static str,
    before: usize,
    gone: usize,
}

impl Loss {
    const fn new(what: &'static str) -> Self {
        Self { what, before: 0, gone: 0 }
    }

    fn count(&mut self, before: usize, after: usize) {
        self.before += before;
        self.gone += before.saturating_sub(after);
    }

    fn exceeds(&self, percent: u8) -> bool {
        self.gone * 100 > self.before * usize::from(percent)
    }

    fn sentence(&self) -> String {
        format!("{} of {} {}", self.gone, self.before, self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Node, synthetic_inventory};
    use super::*;

    fn after(change: impl FnOnce(&mut Vec<Node>)) -> Option<String> {
        let before = synthetic_inventory(100).unwrap();
        let mut nodes = before.nodes().to_vec();
        change(&mut nodes);
        let after = Inventory::new(nodes).unwrap();
        dropped_too_much(&(&before).into(), &(&after).into(), 10).map(|problem| problem.message)
    }

    #[test]
    fn a_tenth_may_go_and_not_more() {
        assert_eq!(after(|nodes| nodes.truncate(90)), None);
        let said = after(|nodes| nodes.truncate(89)).unwrap();
        assert!(said.starts_with("the inventory would take away 11 of 100 nodes, and 10 %"), "{said}");
        assert!(after(Vec::clear).unwrap().contains("100 of 100 nodes"));
    }

    #[test]
    fn interfaces_that_are_deleted_to_be_added_again_are_noticed() {
        let said = after(|nodes| nodes[..50].iter_mut().for_each(|node| node.interfaces.clear())).unwrap();
        assert!(said.contains("addresses of nodes") && !said.contains("100 nodes"), "{said}");
        assert_eq!(after(|nodes| nodes[..5].iter_mut().for_each(|node| node.interfaces.clear())), None);
    }

    #[test]
    fn nodes_that_lose_all_their_groups_are_noticed_and_a_group_that_goes_is_not() {
        let said = after(|nodes| nodes.iter_mut().for_each(|node| node.groups.clear())).unwrap();
        assert!(said.contains("100 of 100 nodes with groups"), "{said}");
        assert_eq!(after(|nodes| nodes.iter_mut().for_each(|node| node.groups.truncate(1))), None);
    }

    #[test]
    fn addresses_that_are_replaced_are_not_gone() {
        let renumber = |nodes: &mut Vec<Node>| {
            for (index, node) in nodes.iter_mut().enumerate() {
                for (position, interface) in node.interfaces.iter_mut().enumerate() {
                    interface.addresses[0].ip = std::net::IpAddr::from([
                        192,
                        168,
                        u8::try_from(position).unwrap(),
                        u8::try_from(index + 1).unwrap(),
                    ]);
                }
            }
        };
        assert_eq!(after(renumber), None);
    }

    #[test]
    fn the_share_may_be_nothing_or_everything() {
        let (all, none) = (Population::from(&synthetic_inventory(3).unwrap()), Population::default());
        assert!(dropped_too_much(&all, &none, 100).is_none());
        assert!(dropped_too_much(&all, &all, 0).is_none());
        assert!(dropped_too_much(&all, &(&synthetic_inventory(2).unwrap()).into(), 0).is_some());
        assert!(dropped_too_much(&none, &none, 0).is_none() && dropped_too_much(&none, &all, 0).is_none());
    }
}
