//! `mds` turns a site of templates and a machine inventory into finished cloud-init documents for every node, keeps
//! them as content-addressed releases, and serves them to the nodes.
//!
//! The modules are the rooms of the pipeline, in the order in which data flows; a room imports only rooms above it:
//!
//! | room | owns |
//! |---|---|
//! | [`types`] | the parsed words everything else speaks: node ids, MAC addresses, group labels, digests, problems |
//! | [`settings`] | one struct for flag over environment over file over default |
//! | [`inventory`] | nodes and interfaces, the sources they come from, normalising |
//! | [`site`] | reading a site from a folder or a Git revision |
//! | [`render`] | the five kinds of document of every node |
//! | [`compare`] | what differs between the documents of every node then and now, grouped by identical change |
//! | [`check`] | findings and their reports |
//! | [`explain`] | where every value of a node's documents comes from |
//! | [`release`] | packs, manifests, the tree, publish, rollback, verify, collection, export, difference |
//! | [`pipeline`] | one build from end to end, and noticing that another is due |
//! | [`serve`] | listeners, identity, the pure answer function, following the tree |
//! | [`wireguard`] | keys, peers, tunnels and TCP inside them |
//!
//! The library prints nothing, never exits and knows nothing of command lines: that is the binary's part.

pub mod check;
pub mod compare;
pub mod explain;
pub mod inventory;
pub mod pipeline;
pub mod release;
pub mod render;
pub mod serve;
pub mod settings;
pub mod site;
pub mod types;
pub mod wireguard;
