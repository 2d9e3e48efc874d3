//! What differs between the documents of every node then and now, grouped by identical change.
//!
//! A [`Comparer`] takes the nodes of both sides one after the other and keeps only what it found, so that it does not
//! matter how many nodes there are. Values that differ from node to node, such as its name and addresses, are masked, so
//! that one change of a template is one entry however many nodes it concerns. What looks like a secret is hidden before
//! anything else is done with a text: no form of the result holds it.
//!
//! Changes are identical when the lines that go and the lines that come are, after masking. The lines around them are
//! those of the first node.

mod changes;
mod comparer;
mod lines;
mod mask;
mod names;
mod nodes;
mod secrets;
mod tunnels;

pub use changes::{
    Changes, Diff, DiffLine, DocumentChange, DocumentChangeKind, DocumentCounts, LineKind, NodeChange, NodeChangeKind,
    Origin,
};
pub use comparer::Comparer;
pub use nodes::NodeState;
pub use tunnels::{TunnelChanges, TunnelSide};

#[cfg(test)]
mod tests;
