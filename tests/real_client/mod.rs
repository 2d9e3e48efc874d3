//! Real cloud-init clients in network namespaces, booting from a running `mds`.
//!
//! A [`Laboratory`] is a bridge, a server and a site. It makes [`Node`]s: a disk (an overlay over a cached Debian root)
//! and a network namespace with a MAC and an IP address of its own. Booting one runs the stages that Debian's units
//! run; what the node wrote is then read from its disk. Everything is named by the process that made it, goes away when
//! dropped, and what a killed run left is removed by the next.

#![allow(dead_code, reason = "the tests of tunnels, which use it too, need less of some parts and more of others")]

mod boot;
mod broken_documents;
mod cases;
mod document_server;
mod laboratory;
pub(crate) mod network;
mod node;
pub(crate) mod programs;
mod roots;
pub(crate) mod scratch;
pub(crate) mod server;
pub(crate) mod site;

pub(crate) use boot::Boot;
pub(crate) use broken_documents::agree;
pub(crate) use cases::{CASES, WITHOUT_CASE};
pub(crate) use laboratory::Laboratory;
pub(crate) use node::Node;
pub(crate) use roots::{Client, Root};
pub(crate) use site::{CLUSTER_KEY, Delivery, EXAMPLE, FIRST, Machine, NODE_KEY, OPERATOR_KEY, PLAIN, SECOND};
