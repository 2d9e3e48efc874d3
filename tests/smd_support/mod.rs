//! What the tests around the State Manager share: a State Manager and a TokenSmith that live inside the test, answer
//! with the shapes of the real ones, and misbehave in the ways a network and a broken service can.

#![allow(dead_code, unreachable_pub, unused_imports)]

pub mod certificates;
mod connection;
pub mod fake_smd;
pub mod fake_tokensmith;
pub mod faults;
pub mod grants;
pub mod http;
pub mod inventory;
pub mod tokens;

pub use certificates::{Authority, Identity};
pub use fake_smd::{Auth, Endpoint, FakeSmd, Options};
pub use fake_tokensmith::{FakeTokenSmith, Grant, TokenFault};
pub use faults::Fault;
pub use http::{Answer, HttpServer, Reply, Request};
pub use inventory::Inventory;
pub use tokens::{MARK, TokenSet};

/// Makes `ring` the cryptography of the process, which a client without one of its own needs.
pub fn install_cryptography() {
    // Another test of the process may have been first, which comes to the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
