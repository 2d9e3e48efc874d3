//! Gathering remarks: one for each cause, whatever number of times it is met.

use std::collections::{BTreeMap, BTreeSet};

use super::pull::{Remark, RemarkRule};
use crate::types::NodeId;

/// What is shown of a text that came from outside, in characters.
const MAX_EXAMPLE: usize = 60;

/// Remarks being gathered. Their order does not depend on that in which they were added.
#[derive(Debug, Default)]
pub(super) struct Remarks(BTreeMap<(RemarkRule, &'static str), Cause>);

/// One cause.
#[derive(Debug, Default)]
struct Cause {
    count: usize,
    /// The least of the examples.
    example: Option<String>,
    nodes: BTreeSet<NodeId>,
}

impl Remarks {
    /// Adds one case. `detail` tells causes of one rule apart and ends up in the sentence.
    pub(super) fn add(&mut self, rule: RemarkRule, detail: &'static str, example: &str, node: Option<&NodeId>) {
        let cause = self.0.entry((rule, detail)).or_default();
        cause.count += 1;
        if cause.example.as_deref().is_none_or(|known| example < known) {
            cause.example = Some(example.to_owned());
        }
        if let Some(node) = node.filter(|node| !cause.nodes.contains(*node)) {
            cause.nodes.insert(node.clone());
        }
    }

    /// The remarks, sorted.
    pub(super) fn into_sorted(self) -> Vec<Remark> {
        let remark = |((rule, detail), cause): ((RemarkRule, &'static str), Cause)| {
            let shown: String = cause.example.unwrap_or_default().chars().take(MAX_EXAMPLE).collect();
            let such = if cause.count == 1 { ":" } else { ", such as" };
            let message = format!("{}{such} `{}`", sentence(rule, detail, cause.count), shown.escape_debug());
            Remark { rule, message, nodes: cause.nodes.into_iter().collect() }
        };
        let mut remarks: Vec<Remark> = self.0.into_iter().map(remark).collect();
        remarks.sort();
        remarks
    }
}

fn sentence(rule: RemarkRule, detail: &str, count: usize) -> String {
    let (one, many) = match rule {
        RemarkRule::DuplicateNode => (
            "a node is listed more than once, in different ways",
            "entries for nodes that are listed already say something else",
        ),
        RemarkRule::InvalidAddress => {
            ("an address is none that a node can have", "addresses are none that a node can have")
        }
        RemarkRule::InvalidGroupLabel => (
            "a group has a label that mds does not take",
            "memberships are in groups with labels that mds does not take",
        ),
        RemarkRule::InvalidMac => (
            "an interface has no MAC address of its own and is left out",
            "interfaces have no MAC address of their own and are left out",
        ),
        RemarkRule::InvalidNid => {
            ("a node has a NID that is no number of a node", "nodes have NIDs that are no numbers of nodes")
        }
        RemarkRule::InvalidNodeId => (
            "a node has an id that mds does not take and is left out",
            "nodes have ids that mds does not take and are left out",
        ),
        RemarkRule::InterfaceWithoutOwner => ("an interface belongs to", "interfaces belong to"),
        RemarkRule::RepeatedAddress => (
            "an address stands at two interfaces of its node and is kept at the first",
            "addresses stand at two interfaces of their node and are kept at the first",
        ),
    };
    let text = if count == 1 { one.to_owned() } else { format!("{count} {many}") };
    if detail.is_empty() { text } else { format!("{text} {detail}") }
}
