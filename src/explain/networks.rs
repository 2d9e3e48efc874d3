//! Which network of the table says what about each address of a node.

use std::net::IpAddr;

use super::model::{AddressOrigin, NetworkOrigin};
use super::places::place;
use crate::inventory::{Interface, InterfaceAddress};
use crate::render::NodeFacts;
use crate::settings::{AddressMethod, FILE_NAME, Network};
use crate::site::Site;
use crate::types::Place;

/// The addresses of a node's interfaces in use, with their networks.
pub(super) fn addresses(site: &Site, facts: &NodeFacts) -> Vec<AddressOrigin> {
    let of_interface = |interface: &'_ Interface| -> Vec<AddressOrigin> {
        interface.addresses.iter().map(|address| origin(site, facts, interface, address)).collect()
    };
    facts.node.enabled_interfaces().flat_map(of_interface).collect()
}

fn origin(site: &Site, facts: &NodeFacts, interface: &Interface, address: &InterfaceAddress) -> AddressOrigin {
    let found = site.settings.network_of(&address.network, address.ip);
    let network = found.map(|(label, network, length)| NetworkOrigin {
        label: label.to_owned(),
        place: place_of(site, label),
        is_by_label: label.eq_ignore_ascii_case(&address.network),
        method: method(network),
        prefix_length: (network.method == AddressMethod::Static).then_some(length),
        gateway: gateway(network, address.ip),
    });
    AddressOrigin {
        interface: interface.name.clone(),
        mac: interface.mac,
        ip: address.ip,
        label: address.network.clone(),
        network,
        is_boot: facts.boot == Some((interface.mac, address.ip)),
    }
}

fn place_of(site: &Site, label: &str) -> Place {
    let at = place(site, FILE_NAME, &["networks".to_owned(), label.to_owned()]);
    at.map_or_else(|| Place::file(FILE_NAME), |(line, column)| Place::at(FILE_NAME, line, column))
}

const fn method(network: &Network) -> &'static str {
    match network.method {
        AddressMethod::Static => "static",
        AddressMethod::Dhcp => "dhcp",
        AddressMethod::None => "none",
    }
}

fn gateway(network: &Network, ip: IpAddr) -> Option<IpAddr> {
    let gateway = if ip.is_ipv6() { network.gateway6.map(IpAddr::V6) } else { network.gateway.map(IpAddr::V4) };
    gateway.filter(|_| network.method == AddressMethod::Static)
}
