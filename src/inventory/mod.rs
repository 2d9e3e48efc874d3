//! The machine inventory: which nodes there are, where they come from, and one normal form for all sources.
//!
//! Whatever the source says is brought into one form (sorted, without repetitions, addresses canonical), so that equal
//! inventories have equal digests however their source ordered them. Only interfaces without a name depend on the order
//! of the source: their position names them.

mod file;
mod mock;
mod model;
mod select;

pub use file::{FORMAT, parse_inventory};
pub use mock::mock_inventory;
pub use model::{Interface, InterfaceAddress, Inventory, Node};
pub use select::Selector;
