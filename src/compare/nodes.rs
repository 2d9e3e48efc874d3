//! Nodes then and now, and what changed about them besides their documents.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;

use super::changes::{NodeChange, NodeChangeKind};
use crate::types::{Digest, DocumentName, GroupLabel, MacAddress, NodeId};

/// A node on one of the two sides, with its documents.
#[derive(Clone, Debug)]
pub struct NodeState {
    /// The inventory's id.
    pub id: NodeId,
    /// `hostname` in its meta-data.
    pub hostname: String,
    /// `local-hostname` in its meta-data; `None` when it is not known, as in a release.
    pub local_hostname: Option<String>,
    /// The node's number.
    pub nid: Option<u32>,
    /// What cloud-init keys its per-instance state on.
    pub instance_id: String,
    /// Its MAC addresses, sorted.
    pub macs: Vec<MacAddress>,
    /// Its addresses, sorted.
    pub addresses: Vec<IpAddr>,
    /// Its address in its tunnel.
    pub tunnel_address: Option<IpAddr>,
    /// Its groups, in the order in which they apply.
    pub groups: Vec<GroupLabel>,
    /// Where it reaches the server, if that is not where all nodes do.
    pub own_base_url: Option<String>,
    /// Its documents: name, digest of the body, body.
    pub documents: Vec<(DocumentName, Digest, Bytes)>,
}

/// What nodes have in common whose change counts as the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    kind: NodeChangeKind,
    /// Groups, where the change is about groups.
    before: Vec<GroupLabel>,
    after: Vec<GroupLabel>,
}

/// The changes of nodes, grouped.
#[derive(Debug, Default)]
pub(super) struct NodeChanges {
    found: BTreeMap<Key, NodeChange>,
}

impl NodeChanges {
    /// Takes a node that is on one side at least. Whether anything changed about it.
    pub(super) fn add(&mut self, old: Option<&NodeState>, new: Option<&NodeState>) -> bool {
        match (old, new) {
            (None, None) => false,
            (None, Some(new)) => self.put(NodeChangeKind::Added, &new.id, Vec::new(), new.groups.clone()),
            (Some(old), None) => self.put(NodeChangeKind::Removed, &old.id, old.groups.clone(), Vec::new()),
            (Some(old), Some(new)) => self.compare(old, new),
        }
    }

    /// The changes, those first that matter most, then those of most nodes.
    pub(super) fn finish(self) -> Vec<NodeChange> {
        let mut changes: Vec<NodeChange> = self.found.into_values().collect();
        changes.sort_by_key(|change| (change.kind, std::cmp::Reverse(change.nodes.len())));
        changes
    }

    fn compare(&mut self, old: &NodeState, new: &NodeState) -> bool {
        let mut any = false;
        if old.groups != new.groups {
            let without = |all: &[GroupLabel], others: &[GroupLabel]| -> Vec<GroupLabel> {
                all.iter().filter(|label| !others.contains(label)).cloned().collect()
            };
            let (left, joined) = (without(&old.groups, &new.groups), without(&new.groups, &old.groups));
            any |= match left.is_empty() && joined.is_empty() {
                true => self.put(NodeChangeKind::Reordered, &new.id, old.groups.clone(), new.groups.clone()),
                false => self.put(NodeChangeKind::Moved, &new.id, left, joined),
            };
        }
        // Nothing is written down for the many nodes that are as they were.
        if is_same_but_for_groups(old, new) {
            return any;
        }
        let number = |nid: Option<u32>| nid.map(|nid| nid.to_string()).into_iter().collect::<Vec<_>>();
        let local = old.local_hostname.as_ref().zip(new.local_hostname.as_ref());
        let local = local.filter(|(before, after)| old.hostname == new.hostname && before != after);
        let names = match local {
            Some((before, after)) => (vec![before.clone()], vec![after.clone()]),
            None => (vec![old.hostname.clone()], vec![new.hostname.clone()]),
        };
        let all = |list: &[IpAddr]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let macs = |list: &[MacAddress]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let tunnel = |state: &NodeState| state.tunnel_address.iter().map(ToString::to_string).collect::<Vec<_>>();
        let values = [
            (NodeChangeKind::InstanceId, vec![old.instance_id.clone()], vec![new.instance_id.clone()]),
            (NodeChangeKind::Hostname, names.0, names.1),
            (NodeChangeKind::Addresses, all(&old.addresses), all(&new.addresses)),
            (NodeChangeKind::TunnelAddress, tunnel(old), tunnel(new)),
            (NodeChangeKind::Macs, macs(&old.macs), macs(&new.macs)),
            (NodeChangeKind::Nid, number(old.nid), number(new.nid)),
        ];
        for (kind, before, after) in values {
            if before != after {
                any = true;
                let key = Key { kind, before: Vec::new(), after: Vec::new() };
                let change = self.found.entry(key);
                let change = change.or_insert_with(|| NodeChange { kind, before, after, nodes: Vec::new() });
                change.nodes.push(new.id.clone());
            }
        }
        any
    }

    fn put(&mut self, kind: NodeChangeKind, id: &NodeId, before: Vec<GroupLabel>, after: Vec<GroupLabel>) -> bool {
        let texts = |labels: &[GroupLabel]| labels.iter().map(ToString::to_string).collect();
        let (was, is) = (texts(&before), texts(&after));
        let change = self.found.entry(Key { kind, before, after });
        let change = change.or_insert_with(|| NodeChange { kind, before: was, after: is, nodes: Vec::new() });
        change.nodes.push(id.clone());
        true
    }
}

fn is_same_but_for_groups(old: &NodeState, new: &NodeState) -> bool {
    (&old.hostname, &old.local_hostname, old.nid) == (&new.hostname, &new.local_hostname, new.nid)
        && old.tunnel_address == new.tunnel_address
        && (&old.instance_id, &old.macs, &old.addresses) == (&new.instance_id, &new.macs, &new.addresses)
}
