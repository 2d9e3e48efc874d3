//! What differs between two releases.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::manifest::{Manifest, NodeEntry};
use crate::compare::TunnelChanges;
use crate::types::{DocumentName, NodeId};

/// What a release has that another has not, and the other way round.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReleaseDifference {
    /// Nodes that only the newer release has.
    pub nodes_added: Vec<NodeId>,
    /// Nodes that only the older release has.
    pub nodes_removed: Vec<NodeId>,
    /// Nodes of both whose addresses, that in the tunnel among them, names or groups differ, whether or not their documents do.
    pub nodes_changed: Vec<NodeId>,
    /// What changed about tunnels that is no single node's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnels: Option<TunnelChanges>,
    /// The documents that differ, by name. Documents of added nodes count as added, those of removed ones as removed.
    pub documents: BTreeMap<DocumentName, DocumentDifference>,
}

/// The nodes for which a document differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DocumentDifference {
    /// Nodes that have it now and had not.
    pub added: Vec<NodeId>,
    /// Nodes for which its bytes are others.
    pub changed: Vec<NodeId>,
    /// Nodes that had it and have not now.
    pub removed: Vec<NodeId>,
}

/// Compares two releases, the older first.
#[must_use]
pub fn diff(older: &Manifest, newer: &Manifest) -> ReleaseDifference {
    let (before, after) = (older.tunnels(), newer.tunnels());
    let tunnels = TunnelChanges::between((before.network, &before.only), (after.network, &after.only));
    let mut difference = ReleaseDifference { tunnels, ..ReleaseDifference::default() };
    let (mut old, mut new) = (older.nodes(), newer.nodes());
    loop {
        let order = match (old.first(), new.first()) {
            (None, None) => return difference,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => left.id.cmp(&right.id),
        };
        let left = if order.is_le() { old.split_off_first() } else { None };
        let right = if order.is_ge() { new.split_off_first() } else { None };
        difference.compare(left, right);
    }
}

impl ReleaseDifference {
    fn compare(&mut self, old: Option<&NodeEntry>, new: Option<&NodeEntry>) {
        let Some(id) = new.or(old).map(|node| &node.id) else { return };
        match (old, new) {
            (None, _) => self.nodes_added.push(id.clone()),
            (_, None) => self.nodes_removed.push(id.clone()),
            (Some(old), Some(new)) if !same_identity(old, new) => self.nodes_changed.push(id.clone()),
            _ => {}
        }
        for (name, digest) in new.iter().flat_map(|node| &node.documents) {
            match old.and_then(|node| node.documents.get(name)) {
                None => self.document(name).added.push(id.clone()),
                Some(before) if before != digest => self.document(name).changed.push(id.clone()),
                Some(_) => {}
            }
        }
        for name in old.iter().flat_map(|node| node.documents.keys()) {
            if !new.is_some_and(|node| node.documents.contains_key(name)) {
                self.document(name).removed.push(id.clone());
            }
        }
    }

    fn document(&mut self, name: &DocumentName) -> &mut DocumentDifference {
        if !self.documents.contains_key(name) {
            self.documents.insert(name.clone(), DocumentDifference::default());
        }
        self.documents.entry(name.clone()).or_default()
    }

    /// Whether the releases are the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes_added.is_empty()
            && self.nodes_removed.is_empty()
            && self.nodes_changed.is_empty()
            && self.tunnels.is_none()
            && self.documents.is_empty()
    }

    /// How many documents were added.
    #[must_use]
    pub fn documents_added(&self) -> usize {
        self.documents.values().map(|document| document.added.len()).sum()
    }

    /// How many documents have other bytes.
    #[must_use]
    pub fn documents_changed(&self) -> usize {
        self.documents.values().map(|document| document.changed.len()).sum()
    }

    /// How many documents were removed.
    #[must_use]
    pub fn documents_removed(&self) -> usize {
        self.documents.values().map(|document| document.removed.len()).sum()
    }

    /// Every node that anything changed for.
    #[must_use]
    pub fn nodes_concerned(&self) -> BTreeSet<&NodeId> {
        let by_document =
            self.documents.values().flat_map(|document| [&document.added, &document.changed, &document.removed]);
        [&self.nodes_added, &self.nodes_removed, &self.nodes_changed].into_iter().chain(by_document).flatten().collect()
    }
}

fn same_identity(old: &NodeEntry, new: &NodeEntry) -> bool {
    // Taken apart so that a field that is added to an entry cannot be forgotten here.
    let NodeEntry { id, hostname, nid, instance_id, macs, addresses, tunnel_address, groups, documents: _ } = old;
    let new_identity = (
        &new.id,
        &new.hostname,
        &new.nid,
        &new.instance_id,
        &new.macs,
        &new.addresses,
        &new.tunnel_address,
        &new.groups,
    );
    (id, hostname, nid, instance_id, macs, addresses, tunnel_address, groups) == new_identity
}

#[cfg(test)]
mod tests {
    use super::super::manifest::TunnelTerms;
    use super::*;
    use crate::types::Digest;

    fn node(id: &str, hostname: &str, documents: &[(&str, &str)]) -> NodeEntry {
        NodeEntry {
            id: NodeId::parse(id).unwrap(),
            hostname: hostname.to_owned(),
            nid: None,
            instance_id: id.to_owned(),
            macs: vec![],
            addresses: vec![],
            tunnel_address: None,
            groups: vec![],
            documents: documents
                .iter()
                .map(|(name, text)| (DocumentName::parse(name).unwrap(), Digest::of(text.as_bytes())))
                .collect(),
        }
    }

    fn ids(nodes: &[NodeId]) -> Vec<&str> {
        nodes.iter().map(NodeId::as_str).collect()
    }

    #[test]
    fn nodes_and_documents_are_told_apart_by_what_happened_to_them() {
        let older = Manifest::new(vec![
            node("a", "a", &[("meta-data", "1"), ("user-data", "1")]),
            node("b", "b", &[("meta-data", "1"), ("x.yaml", "1")]),
            node("c", "c", &[("meta-data", "1")]),
            node("d", "d", &[("meta-data", "1")]),
        ]);
        let newer = Manifest::new(vec![
            node("a", "a", &[("meta-data", "2"), ("user-data", "1")]),
            node("b", "b", &[("meta-data", "1"), ("y.yaml", "1")]),
            node("d", "renamed", &[("meta-data", "1")]),
            node("e", "e", &[("meta-data", "1")]),
        ]);
        let difference = diff(&older, &newer);
        assert_eq!(ids(&difference.nodes_added), ["e"]);
        assert_eq!(ids(&difference.nodes_removed), ["c"]);
        assert_eq!(ids(&difference.nodes_changed), ["d"]);
        let meta_data = &difference.documents[&DocumentName::MetaData];
        assert_eq!(
            (ids(&meta_data.added), ids(&meta_data.changed), ids(&meta_data.removed)),
            (vec!["e"], vec!["a"], vec!["c"])
        );
        assert!(!difference.documents.contains_key(&DocumentName::UserData));
        assert_eq!(difference.documents_added(), 2);
        assert_eq!(difference.documents_changed(), 1);
        assert_eq!(difference.documents_removed(), 2);
        assert_eq!(difference.nodes_concerned().len(), 5);
        assert!(!difference.is_empty());
        assert!(diff(&newer, &newer).is_empty());
    }

    #[test]
    fn tunnels_are_compared() {
        let node = |address: &str| NodeEntry { tunnel_address: Some(address.parse().unwrap()), ..node("a", "a", &[]) };
        let manifest = |address: &str, terms: TunnelTerms| Manifest::new(vec![node(address)]).with_tunnels(terms);
        let network = Some("10.9.0.1/24".parse().unwrap());
        let marked = TunnelTerms { network, only: [DocumentName::UserData].into() };
        let older = manifest("10.9.0.7", TunnelTerms { network, ..TunnelTerms::default() });
        let difference = diff(&older, &manifest("10.9.0.7", marked.clone()));
        assert_eq!(difference.tunnels.as_ref().unwrap().only_added, [DocumentName::UserData]);
        assert!(!difference.is_empty() && difference.nodes_concerned().is_empty());
        let difference = diff(&manifest("10.9.0.7", marked.clone()), &manifest("10.9.0.8", marked));
        assert_eq!((ids(&difference.nodes_changed), difference.tunnels), (vec!["a"], None));
    }

    #[test]
    fn everything_is_new_against_nothing() {
        let manifest = Manifest::new(vec![node("a", "a", &[("meta-data", "1")])]);
        let difference = diff(&Manifest::default(), &manifest);
        assert_eq!((ids(&difference.nodes_added), difference.documents_added()), (vec!["a"], 1));
        assert_eq!(serde_json::to_value(&difference).unwrap()["documents"]["meta-data"]["added"][0], "a");
    }
}
