//! Tunnels: the keys of nodes, their short-lived tunnels, and TCP inside them, all in this process: no root, no TUN
//! device, no kernel module.
//!
//! | module | owns |
//! |---|---|
//! | `engine` | packets: sockets, sessions, TCP inside tunnels, and the streams that come out of it |
//! | `noise` | the protocol's cryptography behind two small traits |
//! | `private_key` | the private half of a key pair |
//! | `roster` | the peers whose packets are understood now: written by the registrar, read by the engine |

pub mod engine;
mod noise;
mod private_key;
mod roster;

pub use private_key::PrivateKey;
pub use roster::{LivePeer, Roster};
