//! `mds inventory`, and every way in which the other commands are told where the inventory is.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "inventory_commands/build.rs"]
mod build;
#[path = "inventory_commands/check.rs"]
mod check;
mod cli_support;
#[path = "inventory_commands/diff.rs"]
mod diff;
#[path = "inventory_commands/pull.rs"]
mod pull;
mod smd_support;
#[path = "inventory_commands/sources.rs"]
mod sources;
#[path = "inventory_commands/support.rs"]
mod support;
#[path = "inventory_commands/tokens.rs"]
mod tokens;
