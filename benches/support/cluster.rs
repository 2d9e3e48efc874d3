//! A synthetic cluster: nodes that ask from addresses of this machine's loopback interface, each with documents of its
//! own, in a tree that a server can serve.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use jiff::Timestamp;
use mds::release::{FindingsSummary, NodeEntry, Provenance, ReleaseSink as _, SiteSource, Tree, TunnelTerms};
use mds::types::{Digest, DocumentName, GroupLabel, NodeId};

/// The server's address in the tunnels, and their network.
pub(crate) const TUNNELS: &str = "100.64.0.1/10";
/// What a node fetches, in cloud-init's order.
pub(crate) const DOCUMENTS: [&str; 6] =
    ["meta-data", "user-data", "vendor-data", "network-config", "base.yaml", "compute.yaml"];
/// Lines that make each document about 2 KB long.
const LINES: usize = 32;
/// The numbers below are the server's and the load's own.
const FIRST: u32 = 256;

/// A node, by its number from 0.
#[derive(Clone, Copy)]
pub(crate) struct Node(pub(crate) u32);

impl Node {
    pub(crate) fn id(self) -> String {
        format!("x{:06}", self.0)
    }

    /// The address that it asks from.
    pub(crate) fn address(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 0)) + FIRST + self.0)
    }

    /// The address that it has in its tunnel.
    fn tunnel_address(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(Ipv4Addr::new(100, 64, 0, 0)) + FIRST + self.0)
    }

    /// What it must get.
    pub(crate) fn body(self, document: &str) -> Vec<u8> {
        let line = "# a line of a document that is about as long as such lines are\n";
        format!("#cloud-config\n# {document} of {}\n{}", self.id(), line.repeat(LINES)).into_bytes()
    }
}

/// Publishes a release of as many nodes in a new tree.
pub(crate) fn publish(tree: &Path, nodes: u32) {
    publish_entries(tree, (0..nodes).map(|number| entry(Node(number))));
}

/// A node's entry in a release, with its documents.
pub(crate) type Rendered = (NodeEntry, Vec<(Digest, Vec<u8>)>);

fn entry(node: Node) -> Rendered {
    let bodies: Vec<_> = DOCUMENTS.iter().map(|name| (*name, node.body(name))).collect();
    node_with(&node.id(), vec![node.address().into()], node.tunnel_address().into(), bodies)
}

/// An entry of a node with its documents.
pub(crate) fn node_with(
    id: &str,
    addresses: Vec<IpAddr>,
    tunnel_address: IpAddr,
    bodies: Vec<(&str, Vec<u8>)>,
) -> Rendered {
    let objects: Vec<_> = bodies
        .into_iter()
        .map(|(name, body)| (DocumentName::parse(name).expect("a document's name"), Digest::of(&body), body))
        .collect();
    let entry = NodeEntry {
        id: NodeId::parse(id).expect("a node's id"),
        hostname: id.to_owned(),
        nid: None,
        instance_id: format!("i-{id}"),
        macs: vec![],
        addresses,
        tunnel_address: Some(tunnel_address),
        groups: ["base", "compute"].map(|label| GroupLabel::parse(label).expect("a label")).to_vec(),
        documents: objects.iter().map(|(name, digest, _)| (name.clone(), *digest)).collect(),
    };
    (entry, objects.into_iter().map(|(_, digest, body)| (digest, body)).collect())
}

/// Publishes a release of these nodes in a new tree.
pub(crate) fn publish_entries(tree: &Path, nodes: impl Iterator<Item = Rendered>) {
    let tree = Tree::open_or_create(tree).unwrap();
    let mut lock = tree.lock().unwrap();
    let mut writer = lock.begin().unwrap();
    let network = TUNNELS.parse().expect("a network");
    writer.set_tunnels(TunnelTerms { network: Some(network), ..TunnelTerms::default() });
    for (entry, objects) in nodes {
        objects.iter().for_each(|(digest, bytes)| writer.add_hashed(*digest, bytes).unwrap());
        writer.add_node(entry);
    }
    let provenance = Provenance {
        site: SiteSource::Folder { folder: "site".to_owned(), commit: None },
        inventory: Digest::of(b"inventory"),
        mds_version: "0.1.0".to_owned(),
        time: Timestamp::from_second(1).unwrap(),
        findings: FindingsSummary::default(),
    };
    writer.finish(provenance).unwrap();
}
