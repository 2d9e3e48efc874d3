//! Where everything comes from that one node gets: for `mds explain`.
//!
//! Nothing here decides anything. It goes the ways that rendering, checking and cloud-init go, and writes down at each
//! turn which field of the inventory and which line of the site it was. Secrets are left out by their names.

mod assemble;
mod masking;
mod model;
mod networks;
mod places;

pub use assemble::explain;
pub use masking::{MASK, is_secret_name, masked};
pub use model::{
    AddressOrigin, Candidate, DocumentOrigin, Explanation, FoundOrigin, FoundSource, GroupPlace, Making, NameOrigin,
    NetworkOrigin, UseOrigin,
};
