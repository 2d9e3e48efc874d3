//! SMD, the State Manager Daemon of OpenCHAMI and HPE systems (v2 of its API), as a source of the inventory.
//!
//! | module | owns |
//! |---|---|
//! | `bounded` | reading an answer as it comes, within bounds |
//! | `elements` | the array of an answer, one element at a time |
//! | `records` | what is kept of the three answers |
//! | `weight` | how much memory a record takes |
//! | `join` | records to nodes: filter, sort and join, whatever the source promised |
//! | `client` | three GETs side by side, with their retries |
//! | `error` | why there is no inventory, in sentences |
//!
//! SMD keeps no order and makes no promise across its answers, and its announced successor ignores filters, keeps MAC
//! addresses as they were written and allows ids that are not xnames. So nothing is believed that can be checked here,
//! and whatever cannot be used is told in a remark instead of being guessed at.

mod bounded;
mod client;
mod elements;
mod error;
mod join;
mod records;
mod weight;

pub use client::SmdClient;
pub use error::SmdError;
pub use join::join;
pub use records::{
    Component, EthernetInterface, Membership, Records, read_components, read_interfaces, read_memberships,
};
