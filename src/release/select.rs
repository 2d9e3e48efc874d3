//! Finding a node of a release the way people name nodes.

use super::manifest::{Manifest, NodeEntry};
use crate::inventory::Selector;

impl Manifest {
    /// The node that a person's text names best.
    ///
    /// # Errors
    /// A sentence, when no node or several fit.
    pub fn select(&self, selector: &Selector) -> Result<&NodeEntry, String> {
        let ranked = self.nodes().iter().filter_map(|node| {
            let rank = selector.rank(node.id.as_str(), &node.hostname, node.nid, &node.addresses, &node.macs)?;
            Some((rank, node))
        });
        selector.choose(ranked, |node| &node.id)
    }
}
