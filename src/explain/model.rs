//! What there is to tell about a node.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::Value;

use crate::check::Merging;
use crate::types::{DocumentName, GroupLabel, InterfaceName, MacAddress, NodeId, Place};

/// Where everything comes from that a node gets.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The node.
    pub node: NodeId,
    /// Its hostname.
    pub hostname: String,
    /// Its address in its tunnel, if there are tunnels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel_address: Option<IpAddr>,
    /// Its groups, in the order in which they apply.
    pub groups: Vec<GroupPlace>,
    /// The names that every template of the node sees.
    pub names: Vec<NameOrigin>,
    /// Its documents.
    pub documents: Vec<DocumentOrigin>,
    /// What cloud-init makes of its configuration. `None` when a template cannot be rendered.
    pub merging: Option<Merging>,
}

/// A group of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupPlace {
    /// Its label.
    pub label: GroupLabel,
    /// Where `[groups] order` stands, if it names the group; other groups follow by label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<Place>,
    /// Its template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Whether the site has a folder for it.
    pub is_known: bool,
}

/// A value with its name and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NameOrigin {
    /// The name, or the keys that lead to the value.
    pub name: String,
    /// The value, without secrets. `None` for what only one document has, and for what repeats other values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Where it comes from.
    #[serde(flatten)]
    pub origin: FoundOrigin,
    /// The file that hides it with a key of the same name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_by: Option<String>,
}

/// Where a value comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FoundOrigin {
    /// What it is made of.
    pub sources: Vec<FoundSource>,
    /// How mds makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'static str>,
}

/// Something that a value is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FoundSource {
    /// The file of the site; `None` for the inventory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Place>,
    /// The key in it, or the field of the node in the inventory.
    pub key: String,
    /// Whether the file says nothing, so that the default of mds counts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_default: bool,
}

/// How a document comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Making {
    /// From a template that comes with mds.
    BuiltIn,
    /// From a template of the site.
    Template,
    /// From a file of the site, as it is: there is nothing to render.
    AsItIs,
    /// From a file of the site, which cloud-init renders on the node.
    OnTheNode,
}

/// Where a document comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DocumentOrigin {
    /// The document.
    pub document: DocumentName,
    /// What it is made of.
    pub template: String,
    /// How.
    pub making: Making,
    /// Where it is said that it is served through a tunnel only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel_only: Option<Place>,
    /// Why this file, and which others lost. For user-data only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// Files that the template includes or passes on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// The names that its template sees besides those of every template.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<NameOrigin>,
    /// The names that its template uses, and where.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<UseOrigin>,
    /// Its values, if mds makes it without a template of the site. For meta-data and vendor-data only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<NameOrigin>,
    /// The addresses of the node's interfaces. For network-config only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<AddressOrigin>,
}

/// A file that could be the node's user-data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The file.
    pub file: String,
    /// What makes it the node's: the rest of a sentence.
    pub because: String,
    /// Whether it is taken: the first is.
    pub is_taken: bool,
}

/// A name that a template uses.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UseOrigin {
    /// Where it uses it.
    pub place: Place,
    /// The name, and what is reached through it.
    pub name: String,
    /// Where its value comes from.
    #[serde(flatten)]
    pub origin: FoundOrigin,
}

/// An address of an interface, and what the site says about its network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AddressOrigin {
    /// The interface.
    pub interface: InterfaceName,
    /// Its MAC address, by which the node finds it.
    pub mac: MacAddress,
    /// The address.
    pub ip: IpAddr,
    /// The label that the inventory gives to its network.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// The network of the table that it lies in, with where that stands. `None`: network-config leaves it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkOrigin>,
    /// Whether the node boots from it.
    pub is_boot: bool,
}

/// A network of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NetworkOrigin {
    /// Its label.
    pub label: String,
    /// Where its table stands.
    pub place: Place,
    /// Whether it was found by the label that the inventory gives, and not by the address.
    pub is_by_label: bool,
    /// How interfaces get their addresses: `static`, `dhcp` or `none`.
    pub method: &'static str,
    /// The length of the prefix, where it matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_length: Option<u8>,
    /// The default gateway that the address gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
}
