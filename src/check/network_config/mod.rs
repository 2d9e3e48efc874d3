//! network-config, as cloud-init and what it hands the document to take it.
//!
//! cloud-init applies the document in its network stage. Of version 1 it checks the shape by a schema, and warns; its
//! reader then ends the stage at what it does not understand. Version 2 goes to netplan as it is, where there is netplan,
//! whose parser checks it; what netplan cannot generate from ends the stage. `tests/network_config_agreement.rs` compares
//! the verdicts of this room with theirs.
//!
//! A document is held against tables of what may stand where ([`shape`], [`version_one`], [`version_two`]), read into
//! devices ([`model`]), and these are looked at by themselves ([`structure`], [`values`]) and beside the node ([`node`]).

mod model;
mod node;
mod owners;
mod shape;
mod structure;
mod values;
mod version_one;
mod version_two;
mod words;

use shape::{Shape, compare};

pub(super) use node::of_node;
pub(super) use owners::Owners;

use super::document::{Document, DocumentKind};
use super::remark::Remark;
use super::rulebook::Rulebook;
use super::yaml::Tree;

/// The rule that cloud-init and netplan take the document.
const SCHEMA: &str = "network-config-schema";
/// The rule that gateways can be reached.
const GATEWAY: &str = "network-config-gateway";
/// The rule that there is one way to everywhere.
const DEFAULT_ROUTE: &str = "network-config-default-route";
/// The rule that an address stands once.
const DUPLICATE_ADDRESS: &str = "network-config-duplicate-address";
/// The rule that values are within their bounds.
const VALUE: &str = "network-config-value";
/// The rule that the client does not wait for interfaces that the node does not have.
const UNKNOWN_MAC: &str = "network-config-unknown-mac";
/// The rule that interfaces are set up that the node has.
const UNMATCHED_MAC: &str = "network-config-unmatched-mac";

/// Looks at a network-config by itself.
pub(super) fn of_document(_: &Rulebook, document: &Document) -> Vec<Remark> {
    let Some(tree) = document.tree.as_ref().filter(|_| document.kind == DocumentKind::NetworkConfig) else {
        return Vec::new();
    };
    let Some((contents, version)) = model::contents(tree) else { return Vec::new() };
    let mut remarks = around(tree);
    let Some(version) = version else {
        remarks.push(no_version(contents));
        return remarks;
    };
    let mapping = if version == 1 { &version_one::DOCUMENT } else { &version_two::DOCUMENT };
    compare("network", contents, &Shape::Mapping(mapping), &mut remarks);
    let devices = model::devices(contents, version);
    structure::devices(&devices, version, &mut remarks);
    if version == 1 {
        version_one::entries(contents, &mut remarks);
        structure::version_one(contents, &mut remarks);
    } else {
        structure::version_two(contents, &devices, &mut remarks);
    }
    remarks.extend(values::remarks(&devices, version));
    remarks
}

/// What stands beside the key `network`.
fn around(tree: &Tree) -> Vec<Remark> {
    if tree.get("network").is_none() {
        return Vec::new();
    }
    let beside = tree.entries().iter().filter(|entry| entry.key != "network");
    let message = "a key stands beside `network`, where none may stand";
    let hint = "move it below `network`, or remove it";
    beside.map(|entry| Remark::at(SCHEMA, entry.key_at, message).with_hint(hint)).collect()
}

fn no_version(contents: &Tree) -> Remark {
    let (at, message) = match contents.get("version") {
        Some(version) => (version.at, "the version of network-config is neither the number 1 nor 2"),
        None => (contents.at, "network-config has no `version`, and cloud-init ends its network stage there"),
    };
    Remark::at(SCHEMA, at, message).with_hint("write `version: 2`, or `config: disabled` for none at all")
}

#[cfg(test)]
mod tests;
