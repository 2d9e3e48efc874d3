//! The machine inventory: which nodes there are, where they come from, and one normal form for all sources.
//!
//! | module | owns |
//! |---|---|
//! | `model` | nodes, interfaces and addresses in their normal form |
//! | `pull`, `remarks` | what a source gave, and what it said that cannot be used |
//! | `file`, `discover`, `format` | files: mds's own, the `ochami` tool's, and telling them apart |
//! | `mock`, `synthetic` | made-up nodes |
//! | [`smd`], [`tokensmith`] | OpenCHAMI's inventory service, and the tokens it is asked with |
//! | `difference`, `drop_guard` | what moved, and when too much is gone at once |
//! | `select` | naming a node the way people do |
//! | `tunnel_addresses` | which address each node has in its tunnel |
//!
//! Whatever the source says is brought into one form (sorted, without repetitions, addresses canonical), so that equal
//! inventories have equal digests however their source ordered them. Only interfaces without a name depend on the order
//! of a file: their position names them.

mod backoff;
mod difference;
mod discover;
mod drop_guard;
mod expansion;
mod file;
mod format;
mod http;
mod mock;
mod model;
mod pull;
mod remarks;
mod select;
pub mod smd;
mod synthetic;
pub mod tokensmith;
mod tunnel_addresses;
mod words;

pub use backoff::Backoff;
pub use difference::{InventoryDifference, NodeChange, NodeDifference, difference};
pub use discover::parse_discover;
pub use drop_guard::{Population, dropped_too_much};
pub use file::{FORMAT, LockHeader, lock_text, parse_inventory, parse_lock, pull_text};
pub use format::parse_any;
pub use mock::mock_inventory;
pub use model::{Interface, InterfaceAddress, Inventory, Node};
pub use pull::{LeftOut, Pull, Remark, RemarkRule};
pub use select::Selector;
pub use synthetic::{MAX_SYNTHETIC_NODES, synthetic_inventory};
pub use tunnel_addresses::{NetworkTooSmall, tunnel_addresses, tunnel_candidates};
