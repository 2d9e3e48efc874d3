//! The three answers of SMD as compact records, read one element at a time.
//!
//! An answer of the wrong shape is an error as a whole: half an inventory is none. What is wrong inside an element of
//! the right shape is kept for the remarks of the join.

use std::fmt;
use std::io::Read;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

use super::elements::read;
use crate::types::{XnameKind, xname_kind};

/// What is kept of a text that only people read, in characters.
const MAX_DESCRIPTION: usize = 200;

/// The records of one answer that may matter.
#[derive(Clone, Debug, Default)]
pub struct Records<T> {
    pub(super) records: Vec<T>,
    /// How many elements were about other hardware than nodes.
    pub(super) of_hardware: usize,
}

/// A node of `/State/Components`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    pub(super) id: Box<str>,
    pub(super) nid: Nid,
    pub(super) role: Box<str>,
    pub(super) sub_role: Box<str>,
}

/// What SMD says about the number of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Nid {
    #[default]
    None,
    Number(u32),
    /// Something that is no number of a node.
    Invalid,
}

/// An interface of `/Inventory/EthernetInterfaces` that may be a node's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EthernetInterface {
    /// The component it belongs to; may be empty.
    pub(super) component: Box<str>,
    /// The MAC address as it was written; may be empty.
    pub(super) mac: Box<str>,
    pub(super) description: Box<str>,
    pub(super) addresses: Box<[Address]>,
}

/// An address of an interface, as it was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Address {
    pub(super) ip: Box<str>,
    pub(super) network: Box<str>,
}

/// The groups of a component, of `/memberships`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Membership {
    pub(super) id: Box<str>,
    pub(super) labels: Box<[Box<str>]>,
}

/// Reads the answer of `/State/Components`: an object with an array, or the bare array that some versions give.
///
/// # Errors
/// When it is not JSON, has another shape, is cut off, or is larger than it may be.
pub fn read_components(reader: impl Read) -> Result<Records<Component>, serde_json::Error> {
    read::<WireComponent, _>(reader, Some("Components"), |wire| match wire.is_node() {
        true => Some(wire.into()),
        false => None,
    })
}

/// Reads the answer of `/Inventory/EthernetInterfaces`, an array.
///
/// # Errors
/// As [`read_components`].
pub fn read_interfaces(reader: impl Read) -> Result<Records<EthernetInterface>, serde_json::Error> {
    read::<WireInterface, _>(reader, None, |wire| match wire.may_be_of_node() {
        true => Some(wire.into()),
        false => None,
    })
}

/// Reads the answer of `/memberships`, an array.
///
/// # Errors
/// As [`read_components`].
pub fn read_memberships(reader: impl Read) -> Result<Records<Membership>, serde_json::Error> {
    read::<WireMembership, _>(reader, None, |wire| {
        Some(Membership { id: wire.id, labels: wire.group_labels.unwrap_or_default().into() })
    })
}

#[derive(Deserialize)]
struct WireComponent {
    #[serde(rename = "ID", default)]
    id: Option<Box<str>>,
    #[serde(rename = "Type", default)]
    kind: Option<Box<str>>,
    #[serde(rename = "NID", default)]
    nid: Nid,
    #[serde(rename = "Role", default)]
    role: Option<Box<str>>,
    #[serde(rename = "SubRole", default)]
    sub_role: Option<Box<str>>,
}

#[derive(Deserialize)]
struct WireInterface {
    #[serde(rename = "ID", default)]
    id: Option<Box<str>>,
    #[serde(rename = "MACAddress", default)]
    mac: Option<Box<str>>,
    #[serde(rename = "Description", default)]
    description: Option<String>,
    #[serde(rename = "ComponentID", default)]
    component: Option<Box<str>>,
    #[serde(rename = "Type", default)]
    kind: Option<Box<str>>,
    #[serde(rename = "IPAddresses", default)]
    addresses: Option<Vec<WireAddress>>,
}

#[derive(Deserialize)]
struct WireAddress {
    #[serde(rename = "IPAddress", default)]
    ip: Option<Box<str>>,
    #[serde(rename = "Network", default)]
    network: Option<Box<str>>,
}

#[derive(Deserialize)]
struct WireMembership {
    /// It has to be there: without it the element is about something else, and every node would lose its groups.
    id: Box<str>,
    #[serde(rename = "groupLabels", alias = "Groups", default)]
    group_labels: Option<Vec<Box<str>>>,
}

/// Whether something of this type and id is a node. The type decides where there is one; an id decides that is the xname
/// of other hardware; whatever else is called is a node, since ids need not be xnames.
fn is_node(kind: Option<&str>, id: &str) -> bool {
    match kind.unwrap_or_default() {
        "" => matches!(xname_kind(id), None | Some(XnameKind::Node)),
        kind => kind.eq_ignore_ascii_case("Node"),
    }
}

impl WireComponent {
    fn is_node(&self) -> bool {
        is_node(self.kind.as_deref(), self.id.as_deref().unwrap_or_default())
    }
}

impl From<WireComponent> for Component {
    fn from(wire: WireComponent) -> Self {
        Self {
            id: wire.id.unwrap_or_default(),
            nid: wire.nid,
            role: wire.role.unwrap_or_default(),
            sub_role: wire.sub_role.unwrap_or_default(),
        }
    }
}

impl WireInterface {
    /// A BMC's address must never stand for a node, also when its type and its owner contradict each other.
    fn may_be_of_node(&self) -> bool {
        is_node(self.kind.as_deref(), self.component.as_deref().unwrap_or_default())
    }
}

impl From<WireInterface> for EthernetInterface {
    fn from(wire: WireInterface) -> Self {
        // SMD's id of an interface is its MAC address without separators.
        let mac = wire.mac.filter(|mac| !mac.trim().is_empty()).or(wire.id).unwrap_or_default();
        let description: String = wire.description.unwrap_or_default().chars().take(MAX_DESCRIPTION).collect();
        let addresses = wire.addresses.unwrap_or_default().into_iter().map(|address| Address {
            ip: address.ip.unwrap_or_default(),
            network: address.network.unwrap_or_default(),
        });
        Self {
            component: wire.component.unwrap_or_default(),
            mac,
            description: description.into(),
            addresses: addresses.collect(),
        }
    }
}

impl<'de> Deserialize<'de> for Nid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NidVisitor)
    }
}

/// A NID comes as an integer or as a text of digits.
struct NidVisitor;

impl Visitor<'_> for NidVisitor {
    type Value = Nid;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a NID as a number or a text of digits")
    }

    fn visit_u64<E>(self, number: u64) -> Result<Nid, E> {
        Ok(u32::try_from(number).map_or(Nid::Invalid, Nid::Number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Nid, E> {
        Ok(u32::try_from(number).map_or(Nid::Invalid, Nid::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Nid, E> {
        Ok(Nid::Invalid)
    }

    fn visit_str<E>(self, text: &str) -> Result<Nid, E> {
        Ok(match text.trim() {
            "" => Nid::None,
            text => text.parse().map_or(Nid::Invalid, Nid::Number),
        })
    }

    fn visit_unit<E>(self) -> Result<Nid, E> {
        Ok(Nid::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn components(text: &str) -> Result<Records<Component>, String> {
        read_components(text.as_bytes()).map_err(|error| error.to_string())
    }

    fn ids(text: &str) -> Vec<String> {
        components(text).unwrap().records.iter().map(|component| component.id.to_string()).collect()
    }

    #[test]
    fn nodes_are_kept_and_other_components_counted() {
        let text = r#"{"Other":[1],"Components":[{"ID":"x1000c0s0b0n0","Type":"Node"},{"ID":"x1000c0s0b0","Type":"NodeBMC"},
            {"ID":"x1000c0s1b0"},{"ID":"x1000c0s1b0n0"},{"ID":"login01"},{"ID":"x1c0s0b0n0v1","Type":"VirtualNode"}]}"#;
        assert_eq!(ids(text), ["x1000c0s0b0n0", "x1000c0s1b0n0", "login01"]);
        assert_eq!(components(text).unwrap().of_hardware, 3);
        assert_eq!(ids(r#"[{"ID":"a"}]"#), ["a"], "some versions give the bare array");
    }

    #[test]
    fn a_nid_is_a_number_or_a_text_of_digits() {
        for (written, nid) in [
            ("7", Nid::Number(7)),
            ("\"1000\"", Nid::Number(1000)),
            ("\" 8 \"", Nid::Number(8)),
            ("null", Nid::None),
            ("\"\"", Nid::None),
            ("-1", Nid::Invalid),
            ("4294967296", Nid::Invalid),
            ("1.5", Nid::Invalid),
            ("\"x\"", Nid::Invalid),
        ] {
            let text = format!("[{{\"ID\":\"a\",\"NID\":{written}}}]");
            assert_eq!(components(&text).unwrap().records[0].nid, nid, "{written}");
        }
        assert_eq!(components("[{\"ID\":\"a\"}]").unwrap().records[0].nid, Nid::None);
    }

    #[test]
    fn other_shapes_are_refused_as_a_whole() {
        for text in [
            "",
            "null",
            "{}",
            "\"Components\"",
            "{\"Components\":null}",
            "{\"Components\":{}}",
            "{\"Components\":[],\"Components\":[]}",
            "[{\"ID\":1}]",
            "[{\"ID\":\"a\"}",
            "[{\"ID\":\"a\"}] x",
            "[1]",
            "<html>",
            "[{\"ID\":\"a\",\"NID\":{}}]",
        ] {
            assert!(components(text).is_err(), "{text}");
        }
        assert!(read_interfaces("{\"Components\":[]}".as_bytes()).is_err());
        assert!(read_memberships("{}".as_bytes()).is_err());
    }

    #[test]
    fn a_bmc_with_the_id_of_a_node_is_no_node() {
        let text = r#"[{"MACAddress":"a","ComponentID":"x1c0s0b0n0","Type":"NodeBMC"},
            {"MACAddress":"b","ComponentID":"x1c0s0b0","Type":""},{"MACAddress":"c","ComponentID":"","Type":""},
            {"ID":"d","ComponentID":"x1c0s0b0n0","Type":"Node","IPAddresses":null}]"#;
        let found = read_interfaces(text.as_bytes()).unwrap();
        let macs: Vec<&str> = found.records.iter().map(|interface| &*interface.mac).collect();
        assert_eq!((macs, found.of_hardware), (vec!["c", "d"], 2));
    }

    #[test]
    fn an_endless_text_ends_at_the_bound_of_an_element() {
        let text = "[{\"ID\":\"".as_bytes().chain(std::io::repeat(b'x'));
        let message = read_components(text).unwrap_err().to_string();
        assert!(message.contains("one element is larger"), "{message}");
    }
}
