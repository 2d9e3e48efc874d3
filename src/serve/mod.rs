//! Serving: the published release, to nodes that are known by the address they ask from or the key of their tunnel.
//!
//! | module | owns |
//! |---|---|
//! | `identity` | who asks: the peer address, or what a trusted proxy says |
//! | `route` | request paths: prefixes, document names, nothing else |
//! | `respond` | the pure answer function: state, identity and request in, response out; no socket, no clock |
//! | `body` | reading what clients send, within limits of size and time |
//! | `errand` | requests that need their body, or somebody else, before they are answered |
//! | `key_request`, `phone_home` | the bodies that nodes send |
//! | `call_limit` | how many calls of a node are recorded |
//! | `node_rate` | how often a node may do something |
//! | `peer_resource` | live tunnels in the shape of OpenCHAMI's service |
//! | `boot_record`, `boot_file` | who has phoned home, on disk |
//! | `refusal` | every answer that is not the document: its status and its sentence, in one place |
//! | `conditional` | `If-None-Match` |
//! | `health` | what `/health` says |
//! | `state` | the release being served and what is wrong, swapped as one |
//! | `follow` | keeps the state at a tree's `current` |
//! | `listener` | sockets: binding, their options, errors people can act on |
//! | `connection` | one connection: HTTP in, [`respond()`], HTTP out |
//! | `tunnels` | what the server asks of the part that runs tunnels |
//! | `server` | accepting, running out of files, draining |
//!
//! What decides the answers is what cloud-init punishes. A client before 25.1 treats every status outside 2xx alike: it
//! asks eleven times, one second apart, and then gives up: for meta-data and user-data the node then has no datasource,
//! for an included group its whole init stage is lost. So a document that does not exist is an empty 200, and 404 is
//! kept for those who are not a node, or ask for a group that is not theirs. From 25.1 on, 503 means "wait for
//! `Retry-After`, then ask again, for ever", which is right for a server that has nothing to serve yet.
//!
//! The layers that keep a node from being served as another, in the order in which a request meets them:
//! 1. the address is the socket's; a header counts only when the socket's peer is a listed proxy ([`identify()`]); inside
//!    a tunnel the node is the one whose key it is, and no address and no header counts;
//! 2. a request path is compared with fixed names and parsed group labels, and never reaches the file system;
//! 3. an address that two nodes have identifies neither;
//! 4. a node gets the documents of its own manifest line, and a group's only as a member;
//! 5. answers say `Cache-Control: private`, so that a cache on the way does not hand them to the next node.

mod body;
mod boot_file;
mod boot_record;
mod call_limit;
#[cfg(test)]
mod captured_log;
mod conditional;
mod connection;
mod errand;
mod follow;
mod health;
mod identity;
mod key_request;
mod listener;
mod node_rate;
mod peer_resource;
mod phone_home;
mod refusal;
mod respond;
mod route;
mod server;
mod state;
mod tree_source;
mod tunnels;

pub use boot_file::BootRecordError;
pub use boot_record::{Boot, BootRecord};
pub use errand::Errand;
pub use follow::{Follower, Pace, ReleaseSource, follow};
pub use identity::{Identity, IdentityError, IdentitySource, TrustedProxies, identify};
pub use listener::{BACKLOG, BindError};
pub(crate) use node_rate::NodeRate;
pub use phone_home::Call;
pub use respond::{Effect, Outcome, Policy, Request, Response, respond};
pub use route::{KeyForm, Prefixes, Route};
pub use server::{Front, Server, Settings};
pub use state::{Degradation, Gravity, Shared, State};
pub use tree_source::TreeSource;
pub use tunnels::{PeerReport, RegisterRefusal, Registered, Registration, ServerTerms, TunnelCaller, Tunnels};
