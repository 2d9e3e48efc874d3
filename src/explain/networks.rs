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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::mock_inventory;
    use crate::render::GroupOrder;
    use crate::render::fixture::site;

    fn of(settings: &str) -> Vec<AddressOrigin> {
        let site = site(&[("mds.toml", settings)]);
        let mut node = mock_inventory().nodes()[0].clone();
        node.interfaces[1].addresses[0].network = String::new();
        addresses(&site, &NodeFacts::new(&site, &GroupOrder::default(), &node))
    }

    #[test]
    fn each_address_has_its_network_or_none() {
        let found = of("[networks.HMN]\nprefixes = [\"10.252.0.0/17\"]\ngateway = \"10.252.0.1\"\n\
                        [networks.fast]\nprefixes = [\"10.100.0.0/16\"]\nmethod = \"none\"\n");
        let [boot, other] = &found[..] else { panic!("{found:?}") };
        let network = boot.network.as_ref().unwrap();
        assert!(boot.is_boot && network.is_by_label);
        assert_eq!((network.prefix_length, network.gateway), (Some(17), Some("10.252.0.1".parse().unwrap())));
        assert_eq!(network.place.to_string(), "mds.toml:1:11");
        let network = other.network.as_ref().unwrap();
        assert!(!other.is_boot && !network.is_by_label);
        assert_eq!((network.label.as_str(), network.method, network.prefix_length), ("fast", "none", None));
        let found = of("[networks.HMN]\nprefixes = [\"10.252.0.0/17\"]\n");
        assert_eq!(found[1].network, None);
    }
}
