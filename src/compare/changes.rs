//! What a comparison says.

use serde::{Serialize, Serializer};

use super::tunnels::TunnelChanges;
use crate::types::{DocumentName, GroupLabel, NodeId, ReleaseId};

/// Where one side of a comparison comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Origin {
    /// A folder, as it lies there.
    Folder {
        /// As it was named.
        name: String,
    },
    /// A commit of a repository.
    Revision {
        /// As it was named.
        name: String,
        /// The commit it stands for.
        commit: String,
    },
    /// A release of a tree.
    Release {
        /// Its id.
        id: ReleaseId,
    },
}

impl std::fmt::Display for Origin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder { name } => formatter.write_str(name),
            Self::Revision { name, commit } => match commit.get(..12).filter(|_| name != commit) {
                Some(short) => write!(formatter, "{name} ({short})"),
                None => formatter.write_str(name),
            },
            Self::Release { id } => write!(formatter, "release {}", id.short()),
        }
    }
}

/// Everything that differs between two sides, the older first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// The older side.
    pub from: Origin,
    /// The newer side.
    pub to: Origin,
    /// How many nodes anything changed for.
    pub nodes_concerned: usize,
    /// How many documents differ. Those of added and removed nodes count.
    #[serde(flatten)]
    pub documents_by_kind: DocumentCounts,
    /// What changed about tunnels that is no single node's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_tunnels: Option<TunnelChanges>,
    /// What changed about nodes besides their documents, grouped.
    pub of_nodes: Vec<NodeChange>,
    /// What changed in documents of nodes that both sides have, grouped by identical change; those of most nodes first.
    pub of_documents: Vec<DocumentChange>,
}

/// How many documents differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DocumentCounts {
    /// Only the newer side has them.
    #[serde(rename = "documents_added")]
    pub added: usize,
    /// Both sides have them, with other bytes.
    #[serde(rename = "documents_changed")]
    pub changed: usize,
    /// Only the older side has them.
    #[serde(rename = "documents_removed")]
    pub removed: usize,
}

impl Changes {
    /// Whether both sides are the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes_concerned == 0 && self.of_tunnels.is_none()
    }
}

/// What changed about nodes. The order is that of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeChangeKind {
    /// The instance-id.
    InstanceId,
    /// The addresses by which the server knows the node.
    Addresses,
    /// The address in the tunnel.
    TunnelAddress,
    /// The hostname, or the one that cloud-init sets.
    Hostname,
    /// The MAC addresses.
    Macs,
    /// The number.
    Nid,
    /// Only the newer side has them.
    Added,
    /// Only the older side has them.
    Removed,
    /// They left groups or joined groups.
    Moved,
    /// Their groups apply in another order.
    Reordered,
}

/// A change of nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeChange {
    /// What changed.
    pub kind: NodeChangeKind,
    /// The groups that all of the nodes were in, or have left, or had in this order; otherwise what the first node had.
    pub before: Vec<String>,
    /// The groups that all of the nodes are in, or have joined, or have in this order; otherwise what the first node has.
    pub after: Vec<String>,
    /// The nodes, in the order of their ids.
    pub nodes: Vec<NodeId>,
}

impl NodeChange {
    /// What that does to a node, where it is worth saying.
    #[must_use]
    pub const fn consequence(&self) -> Option<&'static str> {
        match self.kind {
            NodeChangeKind::InstanceId => Some(
                "re-runs everything on the node: to cloud-init it is a new one, so users, keys, files, runcmd and all else \
                 that is done once are done again at the next boot",
            ),
            NodeChangeKind::Addresses => Some("the server knows a node by its address, and answers no other"),
            NodeChangeKind::Hostname => Some("the node takes the name at its next boot"),
            _ => None,
        }
    }
}

/// What happened to a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DocumentChangeKind {
    /// The nodes have it now and had not.
    Added,
    /// Its text is another.
    Changed,
    /// The nodes had it and have not now.
    Removed,
}

/// A change of a document that is the same for all of its nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DocumentChange {
    /// The document.
    pub document: DocumentName,
    /// What happened to it.
    pub kind: DocumentChangeKind,
    /// How many lines came.
    pub lines_added: usize,
    /// How many lines went.
    pub lines_removed: usize,
    /// The nodes, in the order of their ids. The lines around the change are those of one of them.
    pub nodes: Vec<NodeId>,
    /// The groups of these nodes, those of most of them first.
    pub groups: Vec<GroupLabel>,
    /// The lines; `None` when there are so many different changes that those of this one were not kept, or when the
    /// document is no text.
    pub diff: Option<Diff>,
}

impl DocumentChange {
    /// What that does to a node, where it is worth saying.
    #[must_use]
    pub const fn consequence(&self) -> Option<&'static str> {
        match self.document {
            DocumentName::NetworkConfig => Some("can cut a node off: look at the addresses, routes and interfaces"),
            _ => None,
        }
    }
}

/// Lines of a unified difference, with masked values and without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// The lines, in their order.
    pub lines: Vec<DiffLine>,
    /// How many more lines came or went, which are not among them.
    pub left_out: usize,
}

/// What a line of a difference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// The head of a part: where it is.
    Place,
    /// A line of both sides.
    Same,
    /// A line of the older side.
    Removed,
    /// A line of the newer side.
    Added,
    /// A remark about the line before.
    Remark,
}

/// A line of a difference, without its line break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffLine {
    /// What it is.
    pub kind: LineKind,
    /// Its text, with the sign at its beginning.
    pub text: String,
}

impl Diff {
    /// The lines as one text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text: String = self.lines.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect();
        text.extend(self.remark().into_iter().flat_map(|remark| [remark, "\n".to_owned()]));
        text
    }

    /// What is to be said of lines that are not there.
    #[must_use]
    pub fn remark(&self) -> Option<String> {
        (self.left_out > 0).then(|| format!("\\ {} more changed lines are not shown", self.left_out))
    }
}

impl Serialize for Diff {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}
