//! Which keys count: peers, the windows in which keys may be brought, and the journal that makes both survive.
//!
//! | module | owns |
//! |---|---|
//! | `table` | one live peer for a node, a key, an address; pure |
//! | `windows` | when a node may bring a key; pure |
//! | `record` | the lines of the journal |
//! | `journal` | the journal's file: groups of lines, made durable; made anew; read |
//! | `store` | the three as one: changes that are on disk before they count |

#[cfg(test)]
pub(super) mod faulty_disk;
mod journal;
mod record;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod windows;

pub use journal::read_journal;
pub use record::{Change, EndReason};
pub use store::{Committed, Newcomer, PeerStore, StoreSettings};
pub use table::{Peer, Table};
pub use windows::{Window, Windows};
