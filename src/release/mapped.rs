//! A release made ready for look-ups: by address to a node, by name to a document's bytes.

use std::collections::HashMap;
use std::net::IpAddr;

use bytes::Bytes;

use super::manifest::{Manifest, NodeEntry, TunnelTerms};
use crate::types::{Digest, DocumentName, GroupLabel, NodeId, ReleaseId};

/// A release in memory. Bodies are slices of mapped packs; nothing is copied.
#[derive(Debug)]
pub struct MappedRelease {
    id: ReleaseId,
    nodes: Vec<MappedNode>,
    by_address: HashMap<IpAddr, Claim>,
    documents: usize,
    tunnels: TunnelTerms,
}

/// Which node an address stands for.
#[derive(Debug, Clone, Copy)]
enum Claim {
    One(usize),
    /// Two nodes have the address (the site allowed it), so it proves neither.
    Several,
}

/// What an address says about who asks.
#[derive(Debug)]
pub enum Lookup<'a> {
    /// Exactly one node has the address.
    Node(&'a MappedNode),
    /// More than one node has the address: it identifies none.
    Ambiguous,
    /// No node has it.
    Unknown,
}

/// A node with its documents.
#[derive(Debug)]
pub struct MappedNode {
    /// The node's id.
    pub id: NodeId,
    /// The node's groups, in order.
    pub groups: Vec<GroupLabel>,
    /// The address that the node has in its tunnel.
    pub tunnel_address: Option<IpAddr>,
    /// Names of the node that are not its id: most nodes' instance-id is.
    other_names: Vec<Box<str>>,
    documents: Vec<(DocumentName, Document)>,
}

/// A document's bytes and their digest.
#[derive(Debug, Clone)]
pub struct Document {
    /// The digest of the body.
    pub digest: Digest,
    /// The bytes, usually a slice of a mapped pack.
    pub body: Bytes,
}

/// A manifest names an object that no pack holds.
#[derive(Debug, thiserror::Error)]
#[error("no pack holds the {document} of node {node} (object {digest}); run `mds verify`")]
pub struct MissingObject {
    /// The node whose document it is.
    pub node: NodeId,
    /// The document.
    pub document: DocumentName,
    /// Its digest.
    pub digest: Digest,
}

impl MappedRelease {
    /// Joins a manifest with the objects it names.
    ///
    /// # Errors
    /// When `find` has no bytes for one of the digests.
    pub fn new(
        id: ReleaseId,
        manifest: &Manifest,
        find: impl Fn(&Digest) -> Option<Bytes>,
    ) -> Result<Self, MissingObject> {
        let mut nodes = Vec::with_capacity(manifest.nodes().len());
        let mut by_address = HashMap::with_capacity(manifest.nodes().len());
        for (index, entry) in manifest.nodes().iter().enumerate() {
            let mut documents = Vec::with_capacity(entry.documents.len());
            for (name, digest) in &entry.documents {
                let body = find(digest).ok_or_else(|| MissingObject {
                    node: entry.id.clone(),
                    document: name.clone(),
                    digest: *digest,
                })?;
                documents.push((name.clone(), Document { digest: *digest, body }));
            }
            for address in &entry.addresses {
                by_address
                    .entry(address.to_canonical())
                    .and_modify(|claim| {
                        if !matches!(claim, Claim::One(other) if *other == index) {
                            *claim = Claim::Several;
                        }
                    })
                    .or_insert(Claim::One(index));
            }
            nodes.push(MappedNode::new(entry, documents));
        }
        let tunnels = manifest.tunnels().clone();
        Ok(Self { id, nodes, by_address, documents: manifest.document_count(), tunnels })
    }

    /// The release's id.
    #[must_use]
    pub fn id(&self) -> ReleaseId {
        self.id
    }

    /// How many nodes the release has.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// How many documents the release has.
    #[must_use]
    pub fn document_count(&self) -> usize {
        self.documents
    }

    /// The first address of the first node that has one, for examples that people can try.
    #[must_use]
    pub fn example_address(&self) -> Option<IpAddr> {
        let identified = self.by_address.iter().filter_map(|(address, claim)| match claim {
            Claim::One(index) => Some((*index, *address)),
            Claim::Several => None,
        });
        // A node's boot address is not known here; of its addresses the greatest is taken, only to be deterministic.
        let first = identified.clone().map(|(index, _)| index).min()?;
        identified.filter(|(index, _)| *index == first).map(|(_, address)| address).max()
    }

    /// What the release says of tunnels.
    #[must_use]
    pub const fn tunnels(&self) -> &TunnelTerms {
        &self.tunnels
    }

    /// The nodes, sorted by id.
    #[must_use]
    pub fn nodes(&self) -> &[MappedNode] {
        &self.nodes
    }

    /// The node with the id.
    #[must_use]
    pub fn node(&self, id: &NodeId) -> Option<&MappedNode> {
        self.nodes.binary_search_by(|node| node.id.cmp(id)).ok().map(|index| &self.nodes[index])
    }

    /// Finds the node that an address stands for. IPv4-mapped IPv6 addresses count as IPv4.
    #[must_use]
    pub fn find(&self, address: IpAddr) -> Lookup<'_> {
        match self.by_address.get(&address.to_canonical()) {
            Some(Claim::One(index)) => Lookup::Node(&self.nodes[*index]),
            Some(Claim::Several) => Lookup::Ambiguous,
            None => Lookup::Unknown,
        }
    }
}

impl MappedNode {
    fn new(entry: &NodeEntry, documents: Vec<(DocumentName, Document)>) -> Self {
        let mut other_names = Vec::new();
        for name in [&entry.instance_id, &entry.hostname] {
            if name.as_str() != entry.id.as_str() && !other_names.contains(&Box::from(name.as_str())) {
                other_names.push(name.as_str().into());
            }
        }
        let NodeEntry { id, groups, tunnel_address, .. } = entry;
        Self { id: id.clone(), groups: groups.clone(), tunnel_address: *tunnel_address, other_names, documents }
    }

    /// Whether the node calls itself that: by its id, its instance-id or its host name.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        name == self.id.as_str() || self.other_names.iter().any(|known| **known == *name)
    }

    /// The document of that name, if the node has it.
    #[must_use]
    pub fn document(&self, name: &DocumentName) -> Option<&Document> {
        self.documents.iter().find(|(candidate, _)| candidate == name).map(|(_, document)| document)
    }

    /// Whether the node is in the group, with or without a document for it.
    #[must_use]
    pub fn is_member(&self, group: &GroupLabel) -> bool {
        self.groups.contains(group)
    }
}
