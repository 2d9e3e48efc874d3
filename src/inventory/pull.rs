//! What a source gave: the inventory, and what it said that is no part of it.

use serde::{Deserialize, Serialize};

use super::model::Inventory;
use crate::types::NodeId;

/// An inventory as its source gave it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pull {
    /// The nodes that can be used, in their normal form.
    pub inventory: Inventory,
    /// What the source said that cannot be used, sorted.
    pub remarks: Vec<Remark>,
    /// How much was left out without anything being wrong with it.
    pub left_out: LeftOut,
}

impl From<Inventory> for Pull {
    fn from(inventory: Inventory) -> Self {
        Self { inventory, ..Self::default() }
    }
}

/// Something a source said that cannot be used. One cause is one remark with all nodes that it hits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remark {
    /// What kind of thing it is.
    pub rule: RemarkRule,
    /// A sentence with an example, without a final full stop.
    pub message: String,
    /// The nodes concerned, sorted.
    pub nodes: Vec<NodeId>,
}

/// The kinds of things a source says that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemarkRule {
    /// A node that is listed twice, in two ways.
    DuplicateNode,
    /// A text that is no address, or an address that no host can have.
    InvalidAddress,
    /// A group label that names no group.
    InvalidGroupLabel,
    /// An interface whose MAC address is none, so that it can neither be found nor configured.
    InvalidMac,
    /// A NID that is no number of a node.
    InvalidNid,
    /// A node id that is not safe in a path.
    InvalidNodeId,
    /// An interface that belongs to no node.
    InterfaceWithoutOwner,
    /// An address that a node has on two interfaces.
    RepeatedAddress,
}

impl RemarkRule {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::DuplicateNode,
        Self::InvalidAddress,
        Self::InvalidGroupLabel,
        Self::InvalidMac,
        Self::InvalidNid,
        Self::InvalidNodeId,
        Self::InterfaceWithoutOwner,
        Self::RepeatedAddress,
    ];

    /// The id by which reports and settings name the rule.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::DuplicateNode => "duplicate-node",
            Self::InvalidAddress => "invalid-address",
            Self::InvalidGroupLabel => "invalid-group-label",
            Self::InvalidMac => "invalid-mac",
            Self::InvalidNid => "invalid-nid",
            Self::InvalidNodeId => "invalid-node-id",
            Self::InterfaceWithoutOwner => "interface-without-owner",
            Self::RepeatedAddress => "repeated-address",
        }
    }
}

/// How much of a source's answer is no part of an inventory of nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Components that are not nodes, such as BMCs.
    pub components: usize,
    /// Interfaces of BMCs and other hardware that is no node.
    pub hardware_interfaces: usize,
    /// Interfaces of nodes that the source does not list.
    pub orphan_interfaces: usize,
    /// Interfaces that belong to nothing.
    pub unattributed_interfaces: usize,
    /// Addresses of nodes' interfaces that are empty.
    pub empty_addresses: usize,
}
