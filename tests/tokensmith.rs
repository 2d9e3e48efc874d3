//! Tokens of a fake TokenSmith: how they are got and renewed, and that without one the State Manager is not asked.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod smd_support;

#[path = "tokensmith/certificates.rs"]
mod certificates;
#[path = "tokensmith/failing.rs"]
mod failing;
#[path = "tokensmith/obtaining.rs"]
mod obtaining;
#[path = "tokensmith/refreshing.rs"]
mod refreshing;
#[path = "tokensmith/secrets.rs"]
mod secrets;
#[path = "tokensmith/world.rs"]
mod world;
