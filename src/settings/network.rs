//! The networks table: what the inventory cannot say about a network.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::file::SiteSettings;

/// One `[networks.<label>]` table.
///
/// SMD knows addresses only; prefix length, gateway, name servers and the like are the site's to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// The prefixes of the network, such as `10.252.0.0/17`; an address takes the length of the one it lies in.
    pub prefixes: Vec<IpNet>,
    /// The IPv4 default gateway; none means no default route through this network.
    pub gateway: Option<Ipv4Addr>,
    /// The IPv6 default gateway.
    pub gateway6: Option<Ipv6Addr>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// Search domains.
    pub search: Vec<String>,
    /// Largest packet in bytes, 576 to 65535.
    pub mtu: Option<u16>,
    /// VLAN id, 1 to 4094: the addresses then sit on a VLAN interface above the inventory's interface.
    pub vlan: Option<u16>,
    /// Further routes.
    pub routes: Vec<Route>,
    /// How interfaces get their addresses.
    pub method: AddressMethod,
}

/// A route of a network.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Destination prefix.
    pub to: IpNet,
    /// Next hop.
    pub via: IpAddr,
    /// Preference; smaller wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
}

/// How interfaces in a network get their addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressMethod {
    /// The inventory's addresses are written into network-config.
    #[default]
    Static,
    /// The node asks DHCP.
    Dhcp,
    /// The interface is left out of network-config.
    None,
}

impl Network {
    /// The prefix of this network that holds the address, the longest if several do.
    #[must_use]
    pub fn prefix_of(&self, address: IpAddr) -> Option<&IpNet> {
        self.prefixes.iter().filter(|prefix| prefix.contains(&address)).max_by_key(|prefix| prefix.prefix_len())
    }

    /// The name of the VLAN interface above an interface. The kernel takes 15 characters at most.
    #[must_use]
    pub fn vlan_name(interface: &impl fmt::Display, id: u16) -> String {
        format!("{interface}.{id}")
    }

    /// What is wrong with the table, one sentence each.
    pub(super) fn faults(&self, label: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let gateways = self.gateway.map(IpAddr::V4).into_iter().chain(self.gateway6.map(IpAddr::V6));
        for gateway in gateways {
            let link_local = matches!(gateway, IpAddr::V6(address) if address.is_unicast_link_local());
            if self.prefix_of(gateway).is_none() && !link_local {
                faults.push(format!("the gateway {gateway} of network `{label}` lies in none of its prefixes"));
            }
        }
        if self.mtu.is_some_and(|mtu| mtu < 576) {
            faults.push(format!("the MTU of network `{label}` is below 576, the least that IPv4 hosts must accept"));
        }
        if self.vlan.is_some_and(|vlan| !(1..=4094).contains(&vlan)) {
            faults.push(format!("the VLAN id of network `{label}` is not between 1 and 4094"));
        }
        for route in &self.routes {
            if route.to.addr().is_ipv4() != route.via.is_ipv4() {
                faults.push(format!(
                    "a route of network `{label}` goes to {} via {}, which is of another IP version",
                    route.to, route.via
                ));
            }
        }
        faults
    }
}

impl SiteSettings {
    /// The network an address is in, with its label and the length of the prefix: the one that the inventory names,
    /// exactly or but for case, else the one whose prefix holds the address best. With DHCP the length does not matter
    /// and the address need not lie in a prefix.
    #[must_use]
    pub fn network_of(&self, label: &str, ip: IpAddr) -> Option<(&str, &Network, u8)> {
        let other_case = || self.networks.iter().find(|(known, _)| known.eq_ignore_ascii_case(label));
        if let Some((label, network)) = self.networks.get_key_value(label).or_else(other_case) {
            match network.prefix_of(ip) {
                Some(prefix) => return Some((label, network, prefix.prefix_len())),
                None if network.method != AddressMethod::Static => return Some((label, network, 0)),
                None => {}
            }
        }
        self.networks
            .iter()
            .filter_map(|(label, network)| Some((label.as_str(), network, network.prefix_of(ip)?.prefix_len())))
            .max_by_key(|(_, _, length)| *length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_takes_the_longest_prefix_it_lies_in() {
        let prefixes = ["10.0.0.0/8", "10.252.0.0/17", "fd00::/64"].map(|text| text.parse().unwrap()).to_vec();
        let network = Network { prefixes, ..Network::default() };
        let length = |text: &str| network.prefix_of(text.parse().unwrap()).map(IpNet::prefix_len);
        assert_eq!(length("10.252.0.26"), Some(17));
        assert_eq!(length("10.1.0.1"), Some(8));
        assert_eq!(length("fd00::1"), Some(64));
        assert_eq!(length("192.168.0.1"), None);
    }

    #[test]
    fn a_gateway_outside_the_prefix_is_a_fault() {
        let network = Network {
            prefixes: vec!["10.252.0.0/17".parse().unwrap()],
            gateway: Some("10.253.0.1".parse().unwrap()),
            vlan: Some(5000),
            mtu: Some(100),
            ..Network::default()
        };
        let faults = network.faults("HMN");
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert!(faults[0].contains("10.253.0.1") && faults[0].contains("HMN"));
    }
}
