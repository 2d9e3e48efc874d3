//! The manifest: what a release is. Its digest is the release's id, so it holds nothing but what the inputs decide.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::types::{Digest, DocumentName, GroupLabel, MacAddress, NodeId, ReleaseId, TunnelNetwork};

/// The newest version of the manifest format that this build reads.
pub const FORMAT: u32 = 2;
/// The version that a manifest without a word on tunnels has.
const FORMAT_WITHOUT_TUNNELS: u32 = 1;

/// The first line of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    format: u32,
    nodes: usize,
    documents: usize,
    #[serde(flatten)]
    tunnels: TunnelTerms,
}

/// What a release says of tunnels. A release that says anything has the second format, because a program that does not
/// know of it would serve in the open what is for tunnels only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelTerms {
    /// The network that the nodes' tunnel addresses are from.
    #[serde(default, rename = "tunnel_network", skip_serializing_if = "Option::is_none")]
    pub network: Option<TunnelNetwork>,
    /// The documents that are served through a tunnel only.
    #[serde(default, rename = "tunnel_only", skip_serializing_if = "BTreeSet::is_empty")]
    pub only: BTreeSet<DocumentName>,
}

/// One node of a release: who it is, how it is known, and its documents by digest. One line of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEntry {
    /// The inventory's id.
    pub id: NodeId,
    /// The name the node is given.
    pub hostname: String,
    /// The node's number, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nid: Option<u32>,
    /// What cloud-init keys its per-instance state on.
    pub instance_id: String,
    /// Every MAC address of the node, sorted.
    pub macs: Vec<MacAddress>,
    /// Every address that identifies the node, sorted. IPv4-mapped IPv6 addresses stand here as IPv4.
    pub addresses: Vec<IpAddr>,
    /// The address that the node has in its tunnel, when the release has tunnels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel_address: Option<IpAddr>,
    /// The groups the node is in, whether or not they have a document, in the order in which they apply.
    pub groups: Vec<GroupLabel>,
    /// The node's documents.
    pub documents: BTreeMap<DocumentName, Digest>,
}

/// A whole manifest, its nodes sorted by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    nodes: Vec<NodeEntry>,
    tunnels: TunnelTerms,
}

/// Why some bytes are not a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A line is not what the format says.
    #[error("line {line} of the manifest is not readable: {message}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What the parser said.
        message: String,
    },
    /// A newer mds wrote it.
    #[error("the manifest has format {found}, and this mds reads formats up to {FORMAT}; use a newer mds")]
    NewerFormat {
        /// The format the manifest says it has.
        found: u32,
    },
    /// The header and the lines disagree: the file was cut or edited.
    #[error("the manifest's header says {expected} nodes, and {found} are there")]
    Count {
        /// Nodes by the header.
        expected: usize,
        /// Nodes by the lines.
        found: usize,
    },
}

impl Manifest {
    /// Makes a manifest of the nodes, in any order.
    #[must_use]
    pub fn new(mut nodes: Vec<NodeEntry>) -> Self {
        nodes.sort_by(|left, right| left.id.cmp(&right.id));
        Self { nodes, tunnels: TunnelTerms::default() }
    }

    /// The same nodes with what the release says of tunnels.
    #[must_use]
    pub fn with_tunnels(self, tunnels: TunnelTerms) -> Self {
        Self { tunnels, ..self }
    }

    /// What the release says of tunnels.
    #[must_use]
    pub const fn tunnels(&self) -> &TunnelTerms {
        &self.tunnels
    }

    /// The nodes, sorted by id.
    #[must_use]
    pub fn nodes(&self) -> &[NodeEntry] {
        &self.nodes
    }

    /// The node with the id.
    #[must_use]
    pub fn node(&self, id: &NodeId) -> Option<&NodeEntry> {
        self.nodes.binary_search_by(|node| node.id.cmp(id)).ok().map(|index| &self.nodes[index])
    }

    /// How many documents the nodes have in all, counting a document that several nodes share once for each.
    #[must_use]
    pub fn document_count(&self) -> usize {
        self.nodes.iter().map(|node| node.documents.len()).sum()
    }

    /// The manifest as it is stored: NDJSON, a header line, then a line per node.
    ///
    /// # Errors
    /// Never for a manifest made by [`Manifest::new`]: everything in it has a text form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let tunnels = self.tunnels.clone();
        let format = if tunnels == TunnelTerms::default() { FORMAT_WITHOUT_TUNNELS } else { FORMAT };
        let header = Header { format, nodes: self.nodes.len(), documents: self.document_count(), tunnels };
        let mut bytes = serde_json::to_vec(&header)?;
        bytes.push(b'\n');
        for node in &self.nodes {
            serde_json::to_writer(&mut bytes, node)?;
            bytes.push(b'\n');
        }
        Ok(bytes)
    }

    /// The id of the release whose manifest has these bytes.
    #[must_use]
    pub fn id_of(bytes: &[u8]) -> ReleaseId {
        ReleaseId(Digest::of(bytes))
    }

    /// Reads what [`Manifest::to_bytes`] wrote.
    ///
    /// # Errors
    /// When a line is broken, the format is newer than this program, or lines are missing.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        let mut lines = bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
        let (_, first) = lines.next().unwrap_or((0, b""));
        let header: Header = parse_line(0, first)?;
        if header.format > FORMAT {
            return Err(ManifestError::NewerFormat { found: header.format });
        }
        let nodes = lines.map(|(index, line)| parse_line(index, line)).collect::<Result<Vec<NodeEntry>, _>>()?;
        if nodes.len() != header.nodes {
            return Err(ManifestError::Count { expected: header.nodes, found: nodes.len() });
        }
        Ok(Self::new(nodes).with_tunnels(header.tunnels))
    }
}

fn parse_line<'a, T: Deserialize<'a>>(index: usize, line: &'a [u8]) -> Result<T, ManifestError> {
    serde_json::from_slice(line).map_err(|error| ManifestError::Line { line: index + 1, message: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str) -> NodeEntry {
        NodeEntry {
            id: NodeId::parse(id).unwrap(),
            hostname: format!("host-{id}"),
            nid: Some(7),
            instance_id: id.to_owned(),
            macs: vec![],
            addresses: vec!["10.0.0.1".parse().unwrap()],
            tunnel_address: None,
            groups: vec![],
            documents: BTreeMap::from([(DocumentName::MetaData, Digest::of(id.as_bytes()))]),
        }
    }

    #[test]
    fn the_order_of_the_nodes_does_not_change_the_id() {
        let one = Manifest::new(vec![entry("a"), entry("b")]).to_bytes().unwrap();
        let other = Manifest::new(vec![entry("b"), entry("a")]).to_bytes().unwrap();
        assert_eq!(Manifest::id_of(&one), Manifest::id_of(&other));
        assert_eq!(Manifest::from_bytes(&one).unwrap().to_bytes().unwrap(), one);
    }

    #[test]
    fn a_cut_manifest_is_noticed() {
        let bytes = Manifest::new(vec![entry("a"), entry("b")]).to_bytes().unwrap();
        let cut = &bytes[..bytes.len() / 2];
        assert!(Manifest::from_bytes(cut).is_err());
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        assert!(matches!(
            Manifest::from_bytes(&lines[..2].concat()),
            Err(ManifestError::Count { expected: 2, found: 1 })
        ));
    }

    #[test]
    fn a_manifest_has_the_second_format_when_it_speaks_of_tunnels_and_only_then() {
        let first_line = |manifest: &Manifest| {
            let bytes = manifest.to_bytes().unwrap();
            assert_eq!(Manifest::from_bytes(&bytes).unwrap(), *manifest);
            String::from_utf8(bytes).unwrap().lines().next().unwrap().to_owned()
        };
        let plain = Manifest::new(vec![entry("a")]);
        assert_eq!(first_line(&plain), r#"{"format":1,"nodes":1,"documents":1}"#);
        let node = NodeEntry { tunnel_address: Some("10.9.0.7".parse().unwrap()), ..entry("a") };
        let network = Some(TunnelNetwork::parse("10.9.0.1/24").unwrap());
        let with_network = Manifest::new(vec![node]).with_tunnels(TunnelTerms { network, only: BTreeSet::new() });
        assert_eq!(first_line(&with_network), r#"{"format":2,"nodes":1,"documents":1,"tunnel_network":"10.9.0.1/24"}"#);
        let only = BTreeSet::from([DocumentName::UserData, DocumentName::parse("keys.yaml").unwrap()]);
        let marked = plain.with_tunnels(TunnelTerms { network: None, only });
        assert_eq!(
            first_line(&marked),
            r#"{"format":2,"nodes":1,"documents":1,"tunnel_only":["user-data","keys.yaml"]}"#
        );
    }

    #[test]
    fn a_newer_format_is_named() {
        let bytes = br#"{"format":9,"nodes":0,"documents":0}"#;
        assert!(matches!(Manifest::from_bytes(bytes), Err(ManifestError::NewerFormat { found: 9 })));
    }
}
