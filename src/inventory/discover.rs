//! The node file of `ochami discover static`, which fills SMD where nodes cannot be discovered by Redfish.
//!
//! The file is a mapping of two lists, in YAML or JSON. An entry of `bmcs` has `name`, `xname`, `mac`, `ip` and `fqdn`;
//! one of `nodes` has `name`, `nid`, `xname`, `bmc`, `groups` and `interfaces`, which have a `mac_addr` and `ip_addrs`
//! of `name` (of the network) and `ip_addr`. The older form, which the tool still reads, has no `bmcs`; its nodes have
//! `bmc_mac`, `bmc_ip`, `bmc_fqdn` and `group`, and its addresses `network` where the newer have `name`. Both forms are
//! read as one. The file belongs to another tool, which passes over keys that it does not know, and so does this.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::expansion::expands_too_far;
use super::file::{at_file, json_problem};
use super::model::{Interface, InterfaceAddress, Inventory, Node};
use super::words::{Address, Labels, NodeNumber, Word};
use crate::types::{InterfaceName, MacAddress, NodeId, Place, Problem, Problems, without_value};

/// What a file of nodes may be, for whoever has another one.
pub(super) const FORMATS: &str = "mds reads its own inventory (JSON with `format` and `nodes`) and the node file of \
                                  `ochami discover static` (YAML or JSON with `bmcs` and `nodes`)";

#[derive(Deserialize)]
#[serde(expecting = "a mapping with `bmcs` and `nodes`")]
struct DiscoverFile {
    bmcs: Option<Vec<DiscoverBmc>>,
    nodes: Option<Vec<DiscoverNode>>,
    /// What an inventory of mds has. The tool itself refuses it, as it is not a list.
    format: Option<IgnoredAny>,
}

/// A management controller. It is no node; that a node is not one of them is all that is asked of it.
#[derive(Deserialize)]
#[serde(expecting = "the entry of a BMC: a mapping")]
struct DiscoverBmc {
    #[serde(rename = "name")]
    _name: Option<Word<String>>,
    xname: Option<Word<String>>,
    #[serde(rename = "mac")]
    _mac: Option<Word<String>>,
    #[serde(rename = "ip")]
    _ip: Option<Word<String>>,
    #[serde(rename = "fqdn")]
    _fqdn: Option<Word<String>>,
}

#[derive(Deserialize)]
#[serde(expecting = "the entry of a node: a mapping")]
struct DiscoverNode {
    /// What people call the node. An inventory has no place for it: hostnames are the site's to give.
    #[serde(rename = "name")]
    _name: Option<Word<String>>,
    nid: Option<NodeNumber>,
    xname: Word<NodeId>,
    #[serde(rename = "bmc")]
    _bmc: Option<Word<String>>,
    #[serde(rename = "bmc_mac")]
    _bmc_mac: Option<Word<String>>,
    #[serde(rename = "bmc_ip")]
    _bmc_ip: Option<Word<String>>,
    #[serde(rename = "bmc_fqdn")]
    _bmc_fqdn: Option<Word<String>>,
    group: Option<Labels>,
    groups: Option<Labels>,
    interfaces: Option<Vec<DiscoverInterface>>,
}

#[derive(Deserialize)]
#[serde(expecting = "the entry of an interface: a mapping")]
struct DiscoverInterface {
    mac_addr: Word<MacAddress>,
    ip_addrs: Option<Vec<DiscoverAddress>>,
}

#[derive(Deserialize)]
#[serde(expecting = "the entry of an address: a mapping")]
struct DiscoverAddress {
    name: Option<Word<String>>,
    network: Option<Word<String>>,
    ip_addr: Word<Address>,
}

/// Reads the node file of `ochami discover static`, in its form of today or the older one. `name` is how messages call
/// it.
///
/// The id of a node is its `xname`, as it is spelled, and its groups are those of `group` and `groups`. Interfaces have
/// no names in the file, so their positions name them. There are no roles in it. That `name` and what is said of BMCs
/// are texts is checked, and they are not kept.
///
/// # Errors
/// When it is neither YAML nor JSON of that shape (with line and column, which are not known in a file with YAML merge
/// keys), has neither `bmcs` nor `nodes`, holds more values than a million and one for each of its bytes once its YAML
/// aliases are followed, or holds an id, label or address that is not what it should be: a node without `xname`, a node
/// that is a BMC, an interface without `mac_addr`. A byte order mark at the beginning is passed over.
pub fn parse_discover(name: &str, bytes: &[u8]) -> Result<Inventory, Problems> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let file = read(name, text_of(name, bytes)?)?;
    if file.format.is_some() {
        let message = "the file has `format`, as an inventory of mds has, and is not JSON of that shape";
        return Err(Problem::at(Place::file(name), message).with_hint(FORMATS).into());
    }
    if file.bmcs.is_none() && file.nodes.is_none() {
        return Err(not_a_file_of_nodes(name));
    }
    let nodes = file.nodes.unwrap_or_default();
    let mut problems = nodes_among_bmcs(name, &file.bmcs.unwrap_or_default(), &nodes);
    match Inventory::new(nodes.into_iter().map(DiscoverNode::into_node).collect()) {
        Ok(inventory) if problems.is_empty() => return Ok(inventory),
        Ok(_) => {}
        Err(others) => problems.extend(at_file(name, others).0),
    }
    Err(Problems(problems))
}

fn text_of<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, Problem> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = error.valid_up_to();
        let before = String::from_utf8_lossy(&bytes[..valid]);
        Problem::at(Place::of_offset(name, &before, valid), "the text is not UTF-8 from here on").with_hint(FORMATS)
    })
}

fn not_a_file_of_nodes(name: &str) -> Problems {
    Problem::at(Place::file(name), "the file has neither `bmcs` nor `nodes`").with_hint(FORMATS).into()
}

fn read(name: &str, text: &str) -> Result<DiscoverFile, Problems> {
    if text.trim_start().starts_with('{') {
        match serde_json::from_str(text) {
            Ok(file) => return Ok(file),
            Err(error) if error.is_data() => return Err(json_problem(name, &error).into()),
            // A mapping in braces may be YAML all the same.
            Err(_) => {}
        }
    }
    if expands_too_far(text) {
        let message = "the YAML aliases of the file repeat too much, or have no end, so that it is not read";
        return Err(Problem::at(Place::file(name), message).with_hint("write out what the aliases stand for").into());
    }
    let file: Option<DiscoverFile> =
        if text.contains("<<") { read_with_merge_keys(text) } else { serde_yaml::from_str(text) }
            .map_err(|error| yaml_problem(name, &error))?;
    file.ok_or_else(|| not_a_file_of_nodes(name))
}

/// The parser applies merge keys (`<<`), which the tool understands, only to values that have lost their places.
fn read_with_merge_keys(text: &str) -> Result<Option<DiscoverFile>, serde_yaml::Error> {
    let mut value: serde_yaml::Value = serde_yaml::from_str(text)?;
    value.apply_merge()?;
    serde_yaml::from_value(value)
}

fn yaml_problem(name: &str, error: &serde_yaml::Error) -> Problem {
    let text = error.to_string();
    // The parser ends its messages with the place, which is told apart here.
    let message = without_value(text.split(" at line ").next().unwrap_or(&text));
    let place = match error.location() {
        Some(location) => Place::at(name, location.line(), location.column()),
        None => Place::file(name),
    };
    let not_a_mapping = message.contains("expected a mapping with `bmcs`");
    let problem = Problem::at(place, message);
    if not_a_mapping { problem.with_hint(FORMATS) } else { problem }
}

/// Nodes with the xname of a BMC: what is meant as the one or the other cannot be guessed.
fn nodes_among_bmcs(name: &str, bmcs: &[DiscoverBmc], nodes: &[DiscoverNode]) -> Vec<Problem> {
    let xnames: BTreeSet<&str> = bmcs.iter().filter_map(|bmc| bmc.xname.as_ref()).map(|Word(text)| &**text).collect();
    let ids = nodes.iter().map(|DiscoverNode { xname: Word(id), .. }| id);
    ids.filter(|id| xnames.contains(id.as_str()))
        .map(|id| {
            let message = format!("node `{id}` has the xname of an entry of `bmcs`");
            let hint = "give the node its own xname, such as that of the BMC with `n0` at the end";
            Problem::at(Place::file(name), message).with_hint(hint)
        })
        .collect()
}

impl DiscoverNode {
    fn into_node(self) -> Node {
        let labels = [self.group, self.groups].into_iter().flatten().flat_map(|Labels(labels)| labels);
        Node {
            id: self.xname.0,
            nid: self.nid.and_then(|NodeNumber(number)| number),
            role: String::new(),
            sub_role: String::new(),
            groups: labels.collect(),
            interfaces: self.interfaces.into_iter().flatten().map(DiscoverInterface::into_interface).collect(),
        }
    }
}

impl DiscoverInterface {
    fn into_interface(self) -> Interface {
        Interface {
            name: InterfaceName::default(),
            mac: self.mac_addr.0,
            description: String::new(),
            enabled: true,
            redfish_id: String::new(),
            addresses: self.ip_addrs.into_iter().flatten().map(DiscoverAddress::into_address).collect(),
        }
    }
}

impl DiscoverAddress {
    fn into_address(self) -> InterfaceAddress {
        let labels = [self.name, self.network].into_iter().flatten().map(|Word(label)| label);
        InterfaceAddress {
            ip: self.ip_addr.0.0,
            network: labels.into_iter().find(|label| !label.is_empty()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;
