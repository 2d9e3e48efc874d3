//! What network-config says about devices, whichever version says it.

use std::borrow::Cow;
use std::net::IpAddr;

use super::shape::word;
use super::version_one::prefix_length;
use super::version_two::SECTIONS;
use super::words::{address_part, interface_address, is_yes, number};
use crate::check::remark::Spot;
use crate::check::yaml::{Tree, Value};

/// A word with its place.
#[derive(Clone, Debug)]
pub(super) struct Word<'t> {
    pub(super) text: Cow<'t, str>,
    pub(super) at: Spot,
}

/// A device that a document sets up.
#[derive(Clone, Debug)]
pub(super) struct Device<'t> {
    /// What the document calls it.
    pub(super) name: &'t str,
    /// Where it begins.
    pub(super) at: Spot,
    /// Its section in version 2, or what it would be.
    pub(super) section: &'static str,
    /// The MAC address that it is found by.
    pub(super) mac: Option<Word<'t>>,
    /// Whether the client looks for that MAC address and ends the stage when it is not there.
    pub(super) mac_must_be_there: bool,
    /// The name that it is given.
    pub(super) new_name: Option<Word<'t>>,
    /// Its addresses, as far as they can be read.
    pub(super) addresses: Vec<Address>,
    /// Whether it asks DHCP, or listens to routers, for addresses of IPv4 and of IPv6.
    pub(super) is_dynamic: [bool; 2],
    /// Its routes, as far as they can be read.
    pub(super) routes: Vec<Route>,
    /// The devices that it takes as members.
    pub(super) members: Vec<Word<'t>>,
    /// Other devices that it needs.
    pub(super) needs: Vec<Word<'t>>,
    /// Its MTU.
    pub(super) mtu: Option<(u32, Spot)>,
    /// Its VLAN id.
    pub(super) vlan: Option<(u32, Spot)>,
}

/// An address of a device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address {
    pub(super) ip: IpAddr,
    pub(super) length: u8,
    pub(super) at: Spot,
}

/// A route of a device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    /// Whether it is the way to everywhere.
    pub(super) is_default: bool,
    /// Whether it is of IPv6.
    pub(super) is_six: bool,
    /// The next hop.
    pub(super) via: Option<IpAddr>,
    /// Whether the next hop counts as reachable whatever its address.
    pub(super) is_on_link: bool,
    /// Its metric and its table, if they are given.
    pub(super) rank: (Option<u32>, Option<u32>),
    pub(super) at: Spot,
}

/// The devices of a document of this version.
pub(super) fn devices(document: &Tree, version: u8) -> Vec<Device<'_>> {
    if version == 1 {
        let entries = document.get("config").map_or(&[][..], Tree::items);
        return entries.iter().filter_map(device_one).collect();
    }
    let sections = SECTIONS.into_iter().filter_map(|name| Some((name, document.get(name)?)));
    sections
        .flat_map(|(section, tree)| {
            tree.entries().iter().map(move |entry| device_two(section, &entry.key, entry.key_at, &entry.value))
        })
        .collect()
}

impl<'t> Device<'t> {
    fn new(section: &'static str, name: &'t str, at: Spot) -> Self {
        Self {
            name,
            at,
            section,
            mac: None,
            mac_must_be_there: false,
            new_name: None,
            addresses: Vec::new(),
            is_dynamic: [false; 2],
            routes: Vec::new(),
            members: Vec::new(),
            needs: Vec::new(),
            mtu: None,
            vlan: None,
        }
    }
}

fn word_of<'t>(tree: &'t Tree, key: &str) -> Option<Word<'t>> {
    let tree = tree.get(key)?;
    Some(Word { text: word(&tree.value)?, at: tree.at })
}

fn words_of<'t>(tree: &'t Tree, key: &str) -> impl Iterator<Item = Word<'t>> {
    let items = tree.get(key).map_or(&[][..], Tree::items);
    items.iter().filter_map(|item| Some(Word { text: word(&item.value)?, at: item.at }))
}

fn number_of(tree: &Tree, key: &str) -> Option<(u32, Spot)> {
    let word = word_of(tree, key)?;
    Some((number(&word.text)?, word.at))
}

fn says_yes(tree: &Tree, key: &str) -> bool {
    word_of(tree, key).is_some_and(|word| is_yes(&word.text))
}

fn device_two<'t>(section: &'static str, name: &'t str, at: Spot, tree: &'t Tree) -> Device<'t> {
    let mut device = Device::new(section, name, at);
    device.mac = tree.get("match").and_then(|matching| word_of(matching, "macaddress"));
    device.new_name = word_of(tree, "set-name");
    device.mac_must_be_there =
        section == "ethernets" && device.new_name.as_ref().is_some_and(|name| !name.text.is_empty());
    for item in tree.get("addresses").map_or(&[][..], Tree::items) {
        let (text, at) = match item.entries().first() {
            Some(entry) => (Some(entry.key.as_str().into()), entry.key_at),
            None => (word(&item.value), item.at),
        };
        if let Some((ip, length)) = text.as_deref().and_then(interface_address) {
            device.addresses.push(Address { ip, length, at });
        }
    }
    device.is_dynamic = [says_yes(tree, "dhcp4"), says_yes(tree, "dhcp6") || says_yes(tree, "accept-ra")];
    for key in ["gateway4", "gateway6"] {
        let Some(word) = word_of(tree, key) else { continue };
        device.routes.extend(gateway(&word, false));
    }
    let routes = tree.get("routes").map_or(&[][..], Tree::items);
    device.routes.extend(routes.iter().filter_map(route_two));
    device.members = words_of(tree, "interfaces").collect();
    device.needs = word_of(tree, "link").into_iter().collect();
    if let Some(parameters) = tree.get("parameters") {
        device.needs.extend(word_of(parameters, "primary"));
        for key in ["path-cost", "port-priority"] {
            let ports = parameters.get(key).map_or(&[][..], Tree::entries);
            device.needs.extend(ports.iter().map(|port| Word { text: port.key.as_str().into(), at: port.key_at }));
        }
    }
    device.mtu = number_of(tree, "mtu");
    device.vlan = number_of(tree, "id").filter(|_| section == "vlans");
    device
}

fn gateway(word: &Word<'_>, is_on_link: bool) -> Option<Route> {
    let via: IpAddr = word.text.parse().ok()?;
    let (is_six, rank) = (via.is_ipv6(), (None, None));
    Some(Route { is_default: true, is_six, via: Some(via), is_on_link, rank, at: word.at })
}

fn route_two(tree: &Tree) -> Option<Route> {
    let to = word_of(tree, "to")?;
    let via = word_of(tree, "via").and_then(|via| address_part(&via.text));
    let destination = address_part(&to.text);
    let is_six = destination.or(via).is_some_and(|address| address.is_ipv6());
    let is_default = to.text == "default" || is_everywhere(&to.text);
    let rank =
        (number_of(tree, "metric").map(|(number, _)| number), number_of(tree, "table").map(|(number, _)| number));
    Some(Route { is_default, is_six, via, is_on_link: says_yes(tree, "on-link"), rank, at: tree.at })
}

fn is_everywhere(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, length)| {
        length == "0" && address.parse().is_ok_and(|address: IpAddr| address.is_unspecified())
    })
}

fn device_one(tree: &Tree) -> Option<Device<'_>> {
    let section = match tree.get("type")?.text()? {
        "physical" => "ethernets",
        "bond" => "bonds",
        "bridge" => "bridges",
        "vlan" => "vlans",
        _ => return None,
    };
    let name = tree.entry("name")?;
    let mut device = Device::new(section, name.value.text()?, name.value.at);
    if section == "ethernets" {
        device.mac = word_of(tree, "mac_address").filter(|mac| !mac.text.is_empty());
        device.mac_must_be_there = true;
    }
    for subnet in tree.get("subnets").map_or(&[][..], Tree::items) {
        let kind = subnet.get("type").and_then(Tree::text).unwrap_or_default();
        device.is_dynamic[0] |= ["dhcp", "dhcp4"].contains(&kind);
        device.is_dynamic[1] |= kind == "dhcp6" || kind.starts_with("ipv6_");
        if !kind.starts_with("static") {
            continue;
        }
        device.addresses.extend(subnet_address(subnet));
        // netplan is told that the gateway is on the link when it is not in the prefix; other renderers are not.
        device.routes.extend(word_of(subnet, "gateway").and_then(|word| gateway(&word, false)));
        let routes = subnet.get("routes").map_or(&[][..], Tree::items);
        device.routes.extend(routes.iter().filter_map(route_one));
    }
    device.members = words_of(tree, "bond_interfaces").chain(words_of(tree, "bridge_interfaces")).collect();
    device.needs = word_of(tree, "vlan_link").into_iter().collect();
    device.mtu = number_of(tree, "mtu");
    device.vlan = number_of(tree, "vlan_id");
    Some(device)
}

/// The address of a static subnet. The length of its prefix stands behind it or in `netmask`, or is 24 or 64.
pub(super) fn subnet_address(subnet: &Tree) -> Option<Address> {
    let address = subnet.get("address")?;
    let (ip, length) = network_one(address.text()?, subnet.get("netmask"))?;
    Some(Address { ip, length, at: address.at })
}

/// An address and the length of its prefix, as version 1 writes both.
pub(super) fn network_one(text: &str, netmask: Option<&Tree>) -> Option<(IpAddr, u8)> {
    let (ip, length) = match text.split_once('/') {
        Some((ip, length)) => (ip, Some(length)),
        None => (text, None),
    };
    let ip: IpAddr = ip.parse().ok()?;
    let mask = netmask.and_then(|mask| word(&mask.value));
    let length = match length.or(mask.as_deref().filter(|mask| !mask.is_empty())) {
        Some(length) => prefix_length(length, ip.is_ipv6())?,
        None if ip.is_ipv6() => 64,
        None => 24,
    };
    Some((ip, length))
}

fn route_one(tree: &Tree) -> Option<Route> {
    let to = tree.get("destination").or_else(|| tree.get("network"))?;
    let (to, length) = network_one(to.text()?, tree.get("netmask"))?;
    let via = word_of(tree, "gateway").and_then(|word| word.text.parse().ok());
    let is_default = to.is_unspecified() && length == 0;
    let rank = (number_of(tree, "metric").map(|(number, _)| number), None);
    Some(Route { is_default, is_six: to.is_ipv6(), via, is_on_link: false, rank, at: tree.at })
}

/// The version of a document and the mapping that holds it, below `network` or not. `None` when it configures nothing:
/// an empty one, or one that says that it is disabled.
pub(super) fn contents(tree: &Tree) -> Option<(&Tree, Option<u8>)> {
    let contents = tree.get("network").unwrap_or(tree);
    let is_disabled = contents.get("config").is_some_and(|config| config.text() == Some("disabled"));
    if contents.is_empty() || is_disabled {
        return None;
    }
    let version = contents.get("version").and_then(|version| match version.value {
        Value::Int(1) => Some(1),
        Value::Int(2) => Some(2),
        // What Python takes for the same.
        Value::Float(1.0) => Some(1),
        Value::Float(2.0) => Some(2),
        _ => None,
    });
    Some((contents, version))
}
