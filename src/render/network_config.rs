//! network-config from the inventory's addresses and the site's networks table.
//!
//! The original hard-codes `/24` and knows no gateway. Here prefix, gateway, name servers and the rest come from the
//! table, an interface is found by its MAC address, and a document that would leave the node without the interface it
//! boots from is an error: cloud-init would take that interface down.

use std::net::IpAddr;

use tera::{Map, Value};

use super::facts::NodeFacts;
use super::value::{get, list, map, optional};
use crate::inventory::{Interface, InterfaceAddress};
use crate::settings::{AddressMethod, FILE_NAME, Network, NetworkConfigVersion, SiteSettings};
use crate::types::{Place, Problem};

/// The addresses of one interface that lie in one network of the table.
struct Attachment<'a> {
    interface: &'a Interface,
    network: &'a Network,
    /// Addresses with the length of their prefix.
    addresses: Vec<(IpAddr, u8)>,
}

/// The document's content, or `None` when the site has no networks table (the node then keeps what its image does).
///
/// # Errors
/// When the boot interface would not be in it.
pub(super) fn network_config(settings: &SiteSettings, facts: &NodeFacts) -> Result<Option<Value>, Problem> {
    if settings.networks.is_empty() {
        return Ok(None);
    }
    let attachments: Vec<Attachment<'_>> =
        facts.node.enabled_interfaces().flat_map(|interface| attachments_of(settings, interface)).collect();
    if let Some((mac, _)) = facts.boot
        && !attachments.iter().any(|attachment| attachment.interface.mac == mac)
    {
        // Without the node's own address, so that one gap in the table is one problem, however many nodes it hits.
        let message = "network-config would leave out the boot interface: its address lies in no network of the table";
        return Err(Problem::at(Place::file(FILE_NAME), message).with_hint(
            "add its prefix to a [networks.<label>] table, or give the network of its label method = \"dhcp\"",
        ));
    }
    if attachments.is_empty() {
        return Ok(None);
    }
    Ok(Some(match settings.network_config.version {
        NetworkConfigVersion::One => version_one(&attachments),
        NetworkConfigVersion::Two => version_two(&attachments),
    }))
}

fn attachments_of<'a>(settings: &'a SiteSettings, interface: &'a Interface) -> Vec<Attachment<'a>> {
    let mut found: Vec<Attachment<'a>> = Vec::new();
    for address in &interface.addresses {
        let Some((network, length)) = network_of(settings, address) else { continue };
        if network.method == AddressMethod::None {
            continue;
        }
        match found.iter_mut().find(|attachment| std::ptr::eq(attachment.network, network)) {
            Some(attachment) => attachment.addresses.push((address.ip, length)),
            None => found.push(Attachment { interface, network, addresses: vec![(address.ip, length)] }),
        }
    }
    found
}

/// The network an address is in: the one the inventory names, else the one whose prefix holds the address best. With
/// DHCP the length does not matter and the address need not lie in a prefix.
fn network_of<'a>(settings: &'a SiteSettings, address: &InterfaceAddress) -> Option<(&'a Network, u8)> {
    let named = settings.networks.iter().find(|(label, _)| label.eq_ignore_ascii_case(&address.network));
    if let Some((_, network)) = named {
        match network.prefix_of(address.ip) {
            Some(prefix) => return Some((network, prefix.prefix_len())),
            None if network.method != AddressMethod::Static => return Some((network, 0)),
            None => {}
        }
    }
    settings
        .networks
        .values()
        .filter_map(|network| Some((network, network.prefix_of(address.ip)?.prefix_len())))
        .max_by_key(|(_, length)| *length)
}

fn gateways(network: &Network) -> impl Iterator<Item = IpAddr> {
    network.gateway.map(IpAddr::V4).into_iter().chain(network.gateway6.map(IpAddr::V6))
}

fn with_length((ip, length): &(IpAddr, u8)) -> Value {
    format!("{ip}/{length}").into()
}

fn texts<T: ToString>(items: &[T]) -> Value {
    list(items.iter().map(|item| item.to_string().into()))
}

fn version_two(attachments: &[Attachment<'_>]) -> Value {
    let (mut ethernets, mut vlans) = (Map::new(), Map::new());
    for attachment in attachments {
        let name = &attachment.interface.name;
        let matching = map([("macaddress", attachment.interface.mac.to_string().into())]);
        let ethernet = ethernets.entry(name.clone().into()).or_insert_with(|| map([("match", matching.into())]).into());
        let settings = version_two_settings(attachment);
        match attachment.network.vlan {
            None => merge(ethernet, settings),
            Some(id) => {
                let mut vlan = map([("id", id.into()), ("link", name.clone().into())]);
                vlan.extend(settings);
                vlans.insert(format!("{name}.{id}").into(), vlan.into());
            }
        }
    }
    let mut document = map([("version", 2u8.into()), ("ethernets", ethernets.into())]);
    if !vlans.is_empty() {
        document.insert("vlans".into(), vlans.into());
    }
    document.into()
}

/// Two networks on one interface without a VLAN: lists are joined, of other values the first stays.
fn merge(target: &mut Value, settings: Map) {
    let mut merged = std::mem::replace(target, Value::none()).into_map().unwrap_or_default();
    for (key, value) in settings {
        match (merged.get(&key).and_then(Value::as_array), value.as_array()) {
            (Some(old), Some(new)) => {
                let joined = list(old.iter().chain(new).cloned());
                merged.insert(key, joined);
            }
            (None, _) if !merged.contains_key(&key) => drop(merged.insert(key, value)),
            _ => {}
        }
    }
    *target = merged.into();
}

fn version_two_settings(attachment: &Attachment<'_>) -> Map {
    let network = attachment.network;
    let mut settings = Map::new();
    if network.method == AddressMethod::Dhcp {
        let six = attachment.addresses.iter().any(|(ip, _)| ip.is_ipv6());
        let four = attachment.addresses.iter().any(|(ip, _)| ip.is_ipv4());
        settings.extend(optional("dhcp4", four.then(|| true.into())));
        settings.extend(optional("dhcp6", six.then(|| true.into())));
    } else {
        settings.insert("addresses".into(), list(attachment.addresses.iter().map(with_length)));
    }
    let default_routes = gateways(network).map(|via| {
        let to = if via.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
        map([("to", to.into()), ("via", via.to_string().into())]).into()
    });
    let further_routes = network.routes.iter().map(|route| {
        let mut entry = map([("to", route.to.to_string().into()), ("via", route.via.to_string().into())]);
        entry.extend(optional("metric", route.metric.map(Into::into)));
        entry.into()
    });
    let routes: Vec<Value> = default_routes.chain(further_routes).collect();
    if !routes.is_empty() {
        settings.insert("routes".into(), list(routes));
    }
    let mut name_servers = Map::new();
    if !network.dns.is_empty() {
        name_servers.insert("addresses".into(), texts(&network.dns));
    }
    if !network.search.is_empty() {
        name_servers.insert("search".into(), texts(&network.search));
    }
    if !name_servers.is_empty() {
        settings.insert("nameservers".into(), name_servers.into());
    }
    settings.extend(optional("mtu", network.mtu.map(Into::into)));
    settings
}

fn version_one(attachments: &[Attachment<'_>]) -> Value {
    let mut devices: Vec<Map> = Vec::new();
    for attachment in attachments {
        let name = &attachment.interface.name;
        let physical = physical_device(&mut devices, attachment.interface);
        let mut subnets = subnets(attachment);
        if let Some(id) = attachment.network.vlan {
            let mut vlan = map([
                ("type", "vlan".into()),
                ("name", format!("{name}.{id}").into()),
                ("vlan_link", name.clone().into()),
                ("vlan_id", id.into()),
            ]);
            vlan.extend(optional("mtu", attachment.network.mtu.map(Into::into)));
            vlan.insert("subnets".into(), list(subnets));
            devices.push(vlan);
        } else if let Some(device) = devices.get_mut(physical) {
            if let Some(present) = get(device, "subnets").and_then(Value::as_array) {
                subnets.splice(0..0, present.iter().cloned());
            }
            device.insert("subnets".into(), list(subnets));
            device.extend(optional("mtu", attachment.network.mtu.map(Into::into)));
        }
    }
    map([("version", 1u8.into()), ("config", list(devices.into_iter().map(Into::into)))]).into()
}

/// The position of the interface's own device, which is made when it is not there yet.
fn physical_device(devices: &mut Vec<Map>, interface: &Interface) -> usize {
    let name = Value::from(interface.name.clone());
    let is_it = |device: &Map| get(device, "name") == Some(&name);
    devices.iter().position(is_it).unwrap_or_else(|| {
        let mut device = map([
            ("type", "physical".into()),
            ("name", name.clone()),
            ("mac_address", interface.mac.to_string().into()),
        ]);
        let description = (!interface.description.is_empty()).then(|| interface.description.clone().into());
        device.extend(optional("description", description));
        devices.push(device);
        devices.len() - 1
    })
}

fn subnets(attachment: &Attachment<'_>) -> Vec<Value> {
    let network = attachment.network;
    let mut subnets = Vec::new();
    for address in &attachment.addresses {
        let six = address.0.is_ipv6();
        let mut subnet = match (network.method, six) {
            (AddressMethod::Dhcp, false) => map([("type", "dhcp4".into())]),
            (AddressMethod::Dhcp, true) => map([("type", "dhcp6".into())]),
            (_, false) => map([("type", "static".into()), ("address", with_length(address))]),
            (_, true) => map([("type", "static6".into()), ("address", with_length(address))]),
        };
        let first_of_version = subnets.len() < 2
            && !attachment.addresses.iter().take_while(|other| *other != address).any(|(ip, _)| ip.is_ipv6() == six);
        if first_of_version {
            let gateway = gateways(network).find(|gateway| gateway.is_ipv6() == six);
            subnet.extend(optional("gateway", gateway.map(|gateway| gateway.to_string().into())));
            let routes = network.routes.iter().filter(|route| route.via.is_ipv6() == six).map(|route| {
                let mut entry =
                    map([("destination", route.to.to_string().into()), ("gateway", route.via.to_string().into())]);
                entry.extend(optional("metric", route.metric.map(Into::into)));
                entry.into()
            });
            let routes: Vec<Value> = routes.collect();
            subnet.extend(optional("routes", (!routes.is_empty()).then(|| list(routes))));
        }
        if subnets.is_empty() {
            subnet.extend(optional("dns_nameservers", (!network.dns.is_empty()).then(|| texts(&network.dns))));
            subnet.extend(optional("dns_search", (!network.search.is_empty()).then(|| texts(&network.search))));
        }
        subnets.push(subnet.into());
    }
    subnets
}

#[cfg(test)]
mod tests {
    use super::super::facts::GroupOrder;
    use super::super::fixture::site;
    use super::super::yaml::to_yaml;
    use super::*;
    use crate::inventory::{Node, mock_inventory};

    const NETWORKS: &str = "[networks.HMN]\nprefixes = [\"10.252.0.0/17\", \"fd00::/64\"]\ngateway = \"10.252.0.1\"\n\
        dns = [\"10.252.0.2\"]\nsearch = [\"hmn\"]\n[networks.HSN]\nprefixes = [\"10.100.0.0/16\"]\nmtu = 9000\n";

    fn config(settings: &str, change: impl FnOnce(&mut Node)) -> Result<Option<String>, Problem> {
        let site = site(&[("mds.toml", settings)]);
        let mut node = mock_inventory().nodes()[0].clone();
        change(&mut node);
        let facts = NodeFacts::new(&site, &GroupOrder::default(), &node);
        network_config(&site.settings, &facts).map(|value| value.map(|value| to_yaml(&value, 0)))
    }

    #[test]
    fn version_two_matches_by_mac_and_knows_the_prefix() {
        let text = config(NETWORKS, |_| ()).unwrap().unwrap();
        let expected = "version: 2\nethernets:\n  eth0:\n    match:\n      macaddress: b4:2e:99:be:1a:6d\n    addresses:\n      - 10.252.0.26/17\n    routes:\n      - to: 0.0.0.0/0\n        via: 10.252.0.1\n    nameservers:\n      addresses:\n        - 10.252.0.2\n      search:\n        - hmn\n  eth1:\n    match:\n      macaddress: b4:2e:99:be:1a:6e\n    addresses:\n      - 10.100.0.26/16\n    mtu: 9000";
        assert_eq!(text, expected);
    }

    #[test]
    fn version_one_on_request() {
        let text = config(&format!("{NETWORKS}[network_config]\nversion = 1\n"), |_| ()).unwrap().unwrap();
        let expected = "version: 1\nconfig:\n  - type: physical\n    name: eth0\n    mac_address: b4:2e:99:be:1a:6d\n    description: Node Management Network\n    subnets:\n      - type: static\n        address: 10.252.0.26/17\n        gateway: 10.252.0.1\n        dns_nameservers:\n          - 10.252.0.2\n        dns_search:\n          - hmn\n  - type: physical\n    name: eth1\n    mac_address: b4:2e:99:be:1a:6e\n    description: High Speed Network\n    subnets:\n      - type: static\n        address: 10.100.0.26/16\n    mtu: 9000";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_vlan_sits_on_its_interface_and_dhcp_needs_no_address() {
        let settings = "[networks.HMN]\nprefixes = [\"10.252.0.0/17\"]\nvlan = 7\n[networks.HSN]\nmethod = \"dhcp\"\n";
        let text = config(settings, |_| ()).unwrap().unwrap();
        let expected = "version: 2\nethernets:\n  eth0:\n    match:\n      macaddress: b4:2e:99:be:1a:6d\n  eth1:\n    match:\n      macaddress: b4:2e:99:be:1a:6e\n    dhcp4: true\nvlans:\n  eth0.7:\n    id: 7\n    link: eth0\n    addresses:\n      - 10.252.0.26/17";
        assert_eq!(text, expected);
    }

    #[test]
    fn leaving_out_the_boot_interface_is_an_error() {
        let problem = config("[networks.HSN]\nprefixes = [\"10.100.0.0/16\"]\n", |_| ()).unwrap_err();
        assert!(problem.message.contains("leave out the boot interface"), "{problem}");
    }

    #[test]
    fn a_site_without_networks_has_no_network_config() {
        assert_eq!(config("", |_| ()), Ok(None));
    }

    #[test]
    fn a_disabled_interface_is_not_configured() {
        let text = config(NETWORKS, |node| node.interfaces[1].enabled = false).unwrap().unwrap();
        assert!(!text.contains("eth1"), "{text}");
    }
}
