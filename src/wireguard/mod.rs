//! Tunnels: the keys of nodes, their short-lived tunnels, and TCP inside them, all in this process: no root, no TUN
//! device, no kernel module.
//!
//! | module | owns |
//! |---|---|
//! | `engine` | packets: sockets, sessions, TCP inside tunnels, and the streams that come out of it |
//! | `inside` | HTTP inside tunnels, answered as outside |
//! | `memory` | giving memory back when many tunnels have ended |
//! | `noise` | the protocol's cryptography behind two small traits |
//! | `throttle` | how many handshakes are taken on, all together and from one address |
//! | `private_key` | the private half of a key pair |
//! | `server_key` | the server's key pair on disk |
//! | `state_folder` | the folder of what must survive: its mode, its lock, what can be wrong with it |
//! | [`peers`] | which keys count, and the journal that makes that survive |
//! | `registrar` | takes keys and ends tunnels, for the server |
//! | `administration` | looking at tunnels and ending them from another process |
//! | `clock` | how long something has lasted, whatever the wall clock does |
//! | `roster` | the peers whose packets are understood now: written by the registrar, read by the engine |

mod administration;
mod clock;
pub mod engine;
mod inside;
mod memory;
mod noise;
pub mod peers;
mod private_key;
mod registrar;
mod roster;
mod server_key;
mod state_folder;
mod throttle;

pub use administration::{
    Administered, AdministrationError, Answer, LONGEST_WINDOW, PeerLine, Request, SecondKey, WindowLine, administer,
};
pub use clock::{BootId, Clock, Moment, Stopwatch, SystemClock};
pub use inside::HttpInside;
pub use private_key::PrivateKey;
pub use registrar::{Registrar, RegistrarError, RegistrarSettings};
pub use roster::{LivePeer, Roster};
pub use server_key::server_key;
pub use state_folder::{FOLDER as STATE_FOLDER, StateError};
