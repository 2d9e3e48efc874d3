//! network-config from the inventory's addresses and the site's networks table.
//!
//! The original hard-codes `/24` and knows no gateway. Here prefix, gateway, name servers and the rest come from the
//! table, an interface is found by its MAC address, and a document that would leave the node without the address it
//! boots from is an error: cloud-init would take that address away.

use std::net::IpAddr;

use tera::{Map, Value};

use super::facts::NodeFacts;
use super::value::{get, list, map, optional};
use crate::inventory::Interface;
use crate::settings::{AddressMethod, FILE_NAME, Network, NetworkConfigVersion, Route, SiteSettings};
use crate::types::{MacAddress, Place, Problem};

/// The addresses of one interface that lie in one network of the table.
struct Attachment<'a> {
    interface: &'a Interface,
    network: &'a Network,
    /// Addresses with the length of their prefix.
    addresses: Vec<(IpAddr, u8)>,
}

impl Attachment<'_> {
    fn is_dynamic(&self) -> bool {
        self.network.method == AddressMethod::Dhcp
    }

    fn has_family(&self, six: bool) -> bool {
        self.addresses.iter().any(|(ip, _)| ip.is_ipv6() == six)
    }

    /// The gateway of an IP version, of use only with an address of that version. With DHCP the server names it.
    fn gateway(&self, six: bool) -> Option<IpAddr> {
        let gateway = if six { self.network.gateway6.map(IpAddr::V6) } else { self.network.gateway.map(IpAddr::V4) };
        gateway.filter(|_| !self.is_dynamic() && self.has_family(six))
    }

    /// The further routes of an IP version, as [`Attachment::gateway`].
    fn routes(&self, six: bool) -> impl Iterator<Item = &Route> {
        let of_use = !self.is_dynamic() && self.has_family(six);
        self.network.routes.iter().filter(move |route| of_use && route.via.is_ipv6() == six)
    }
}

/// The document's content, or `None` when the site has no networks table (the node then keeps what its image does).
///
/// # Errors
/// When the address that the node boots from would not be in it.
pub(super) fn network_config(settings: &SiteSettings, facts: &NodeFacts) -> Result<Option<Value>, Problem> {
    if settings.networks.is_empty() {
        return Ok(None);
    }
    let attachments: Vec<Attachment<'_>> =
        facts.node.enabled_interfaces().flat_map(|interface| attachments_of(settings, interface)).collect();
    if let Some(boot) = facts.boot {
        check_boot(settings, facts, boot, &attachments)?;
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
        let Some((_, network, length)) = settings.network_of(&address.network, address.ip) else { continue };
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

/// That the boot address is configured, or DHCP asked for it. Messages go without the node's own address, so that one
/// gap in the table is one problem, however many nodes it hits.
fn check_boot(
    settings: &SiteSettings,
    facts: &NodeFacts,
    (mac, ip): (MacAddress, IpAddr),
    attachments: &[Attachment<'_>],
) -> Result<(), Problem> {
    let mut of_interface = attachments.iter().filter(|attachment| attachment.interface.mac == mac).peekable();
    let what = if of_interface.peek().is_some() { "address" } else { "interface" };
    if of_interface.any(|attachment| attachment.addresses.iter().any(|(address, _)| *address == ip)) {
        return Ok(());
    }
    let boot = facts.node.boot_address(&settings.inventory.boot_network);
    let network = boot.and_then(|(_, address)| settings.network_of(&address.network, ip));
    Err(match network {
        // Only a network of this method is found for an address and left out.
        Some((label, ..)) => Problem::at(
            Place::file(FILE_NAME),
            format!(
                "network-config would leave out the boot {what}: its network `{label}` has method = \"none\", \
                 and cloud-init takes down what network-config leaves out"
            ),
        )
        .with_hint(format!("give [networks.{label}] method = \"static\" or \"dhcp\"")),
        None => Problem::at(
            Place::file(FILE_NAME),
            format!(
                "network-config would leave out the boot {what}: {} lies in no network of the table",
                if what == "address" { "it" } else { "its address" }
            ),
        )
        .with_hint("add its prefix to a [networks.<label>] table, or give the network of its label method = \"dhcp\""),
    })
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
        let ethernet =
            ethernets.entry(name.to_string().into()).or_insert_with(|| map([("match", matching.into())]).into());
        let device = match attachment.network.vlan {
            None => ethernet,
            Some(id) => vlans
                .entry(Network::vlan_name(name, id).into())
                .or_insert_with(|| map([("id", id.into()), ("link", name.to_string().into())]).into()),
        };
        merge(device, version_two_settings(attachment));
    }
    let mut document = map([("version", 2u8.into()), ("ethernets", ethernets.into())]);
    if !vlans.is_empty() {
        document.insert("vlans".into(), vlans.into());
    }
    document.into()
}

/// Two networks on one device: lists are joined without repetitions, maps merged; of other values the first stays.
fn merge(target: &mut Value, settings: Map) {
    let mut merged = std::mem::replace(target, Value::none()).into_map().unwrap_or_default();
    for (key, value) in settings {
        let Some(old) = merged.get_mut(&key) else {
            merged.insert(key, value);
            continue;
        };
        if let (Some(present), Some(further)) = (old.as_array(), value.as_array()) {
            let mut joined = present.to_vec();
            joined.extend(further.iter().filter(|item| !present.contains(item)).cloned());
            *old = list(joined);
        } else if let (true, Some(further)) = (old.is_map(), value.into_map()) {
            merge(old, further);
        }
    }
    *target = merged.into();
}

fn version_two_settings(attachment: &Attachment<'_>) -> Map {
    let network = attachment.network;
    let mut settings = Map::new();
    if attachment.is_dynamic() {
        settings.extend(optional("dhcp4", attachment.has_family(false).then(|| true.into())));
        settings.extend(optional("dhcp6", attachment.has_family(true).then(|| true.into())));
    } else {
        settings.insert("addresses".into(), list(attachment.addresses.iter().map(with_length)));
    }
    let families = [(false, "0.0.0.0/0"), (true, "::/0")];
    let default_routes = families.into_iter().filter_map(|(six, to)| {
        let via = attachment.gateway(six)?;
        Some(map([("to", to.into()), ("via", via.to_string().into())]).into())
    });
    let further_routes = families.into_iter().flat_map(|(six, _)| attachment.routes(six)).map(|route| {
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
        let interface = attachment.interface;
        let name = interface.name.to_string();
        // Without a description: the schema of cloud-init 25 refuses it.
        let physical = map([
            ("type", "physical".into()),
            ("name", name.clone().into()),
            ("mac_address", interface.mac.to_string().into()),
        ]);
        let mut device = device_of(&mut devices, physical);
        if let Some(id) = attachment.network.vlan {
            let vlan = map([
                ("type", "vlan".into()),
                ("name", Network::vlan_name(&interface.name, id).into()),
                ("vlan_link", name.into()),
                ("vlan_id", id.into()),
            ]);
            device = device_of(&mut devices, vlan);
        }
        if let Some(device) = devices.get_mut(device) {
            let mut subnets: Vec<Value> =
                get(device, "subnets").and_then(Value::as_array).map(<[Value]>::to_vec).unwrap_or_default();
            for subnet in version_one_subnets(attachment) {
                if !subnets.contains(&subnet) {
                    subnets.push(subnet);
                }
            }
            device.insert("subnets".into(), list(subnets));
            if get(device, "mtu").is_none() {
                device.extend(optional("mtu", attachment.network.mtu.map(Into::into)));
            }
        }
    }
    map([("version", 1u8.into()), ("config", list(devices.into_iter().map(Into::into)))]).into()
}

/// The position of the device of this name, which is added when it is not there yet.
fn device_of(devices: &mut Vec<Map>, device: Map) -> usize {
    devices.iter().position(|present| get(present, "name") == get(&device, "name")).unwrap_or_else(|| {
        devices.push(device);
        devices.len() - 1
    })
}

fn version_one_subnets(attachment: &Attachment<'_>) -> Vec<Value> {
    let network = attachment.network;
    let mut subnets: Vec<Map> = Vec::new();
    if attachment.is_dynamic() {
        let kinds = [(false, "dhcp4"), (true, "dhcp6")].into_iter().filter(|(six, _)| attachment.has_family(*six));
        subnets.extend(kinds.map(|(_, kind)| map([("type", kind.into())])));
    } else {
        // What belongs to an IP version stands with the first address of it.
        let mut begun = [false; 2];
        for address in &attachment.addresses {
            let six = address.0.is_ipv6();
            let kind = if six { "static6" } else { "static" };
            let mut subnet = map([("type", kind.into()), ("address", with_length(address))]);
            if !std::mem::replace(&mut begun[usize::from(six)], true) {
                let gateway = attachment.gateway(six);
                subnet.extend(optional("gateway", gateway.map(|gateway| gateway.to_string().into())));
                let routes = attachment.routes(six).map(|route| {
                    let mut entry =
                        map([("destination", route.to.to_string().into()), ("gateway", route.via.to_string().into())]);
                    entry.extend(optional("metric", route.metric.map(Into::into)));
                    entry.into()
                });
                let routes: Vec<Value> = routes.collect();
                subnet.extend(optional("routes", (!routes.is_empty()).then(|| list(routes))));
            }
            subnets.push(subnet);
        }
    }
    if let Some(first) = subnets.first_mut() {
        first.extend(optional("dns_nameservers", (!network.dns.is_empty()).then(|| texts(&network.dns))));
        first.extend(optional("dns_search", (!network.search.is_empty()).then(|| texts(&network.search))));
    }
    subnets.into_iter().map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use super::super::facts::GroupOrder;
    use super::super::fixture::site;
    use super::super::yaml::to_yaml;
    use super::*;
    use crate::inventory::{InterfaceAddress, Node, mock_inventory};

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
        let expected = "version: 1\nconfig:\n  - type: physical\n    name: eth0\n    mac_address: b4:2e:99:be:1a:6d\n    subnets:\n      - type: static\n        address: 10.252.0.26/17\n        gateway: 10.252.0.1\n        dns_nameservers:\n          - 10.252.0.2\n        dns_search:\n          - hmn\n  - type: physical\n    name: eth1\n    mac_address: b4:2e:99:be:1a:6e\n    subnets:\n      - type: static\n        address: 10.100.0.26/16\n    mtu: 9000";
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

    fn with_addresses(addresses: &[(&'static str, &'static str)]) -> impl Fn(&mut Node) {
        let addresses: Vec<InterfaceAddress> = addresses
            .iter()
            .map(|(ip, network)| InterfaceAddress { ip: ip.parse().unwrap(), network: (*network).to_owned() })
            .collect();
        move |node| {
            node.interfaces.truncate(1);
            node.interfaces[0].addresses.clone_from(&addresses);
        }
    }

    /// Both versions of the document of a node with one interface that has these addresses.
    fn both(settings: &str, addresses: &[(&'static str, &'static str)]) -> [String; 2] {
        [1, 2].map(|version| {
            let settings = format!("{settings}\n[network_config]\nversion = {version}\n");
            config(&settings, with_addresses(addresses)).unwrap().unwrap()
        })
    }

    const TWO: &[(&str, &str)] = &[("10.1.0.5", "HMN"), ("10.2.0.5", "STORAGE")];

    #[test]
    fn two_networks_on_one_vlan_share_its_device() {
        let settings = "[networks.HMN]\nprefixes = [\"10.1.0.0/16\"]\nvlan = 100\n\
            [networks.STORAGE]\nprefixes = [\"10.2.0.0/16\"]\nvlan = 100\nmtu = 9000\n";
        let [one, two] = both(settings, TWO);
        assert_eq!(
            one,
            "version: 1\nconfig:\n  - type: physical\n    name: eth0\n    mac_address: b4:2e:99:be:1a:6d\n  - type: vlan\n    name: eth0.100\n    vlan_link: eth0\n    vlan_id: 100\n    subnets:\n      - type: static\n        address: 10.1.0.5/16\n      - type: static\n        address: 10.2.0.5/16\n    mtu: 9000"
        );
        assert_eq!(
            two,
            "version: 2\nethernets:\n  eth0:\n    match:\n      macaddress: b4:2e:99:be:1a:6d\nvlans:\n  eth0.100:\n    id: 100\n    link: eth0\n    addresses:\n      - 10.1.0.5/16\n      - 10.2.0.5/16\n    mtu: 9000"
        );
    }

    #[test]
    fn routes_are_those_of_the_ip_versions_that_the_interface_has() {
        let settings = "[networks.HMN]\nprefixes = [\"10.1.0.0/16\", \"fd00::/64\"]\ngateway = \"10.1.0.1\"\n\
            gateway6 = \"fd00::1\"\n[[networks.HMN.routes]]\nto = \"10.9.0.0/16\"\nvia = \"10.1.0.9\"\n\
            [[networks.HMN.routes]]\nto = \"fd09::/64\"\nvia = \"fd00::9\"\n";
        for text in both(settings, &[("fd00::5", "HMN")]) {
            assert!(text.contains("fd00::1\n") && text.contains("fd09::/64"), "{text}");
            assert!(!text.contains("10.1.0.1") && !text.contains("10.9.0.0"), "{text}");
        }
        for text in both(settings, &[("10.1.0.5", "HMN")]) {
            assert!(text.contains("10.1.0.1\n") && text.contains("10.9.0.0/16"), "{text}");
            assert!(!text.contains("fd0"), "{text}");
        }
    }

    #[test]
    fn name_servers_of_all_networks_of_an_interface_are_kept_once() {
        let settings = "[networks.HMN]\nprefixes = [\"10.1.0.0/16\"]\ndns = [\"10.1.0.2\", \"10.3.0.2\"]\nsearch = [\"hmn\"]\n\
            [networks.STORAGE]\nprefixes = [\"10.2.0.0/16\"]\ndns = [\"10.3.0.2\", \"10.2.0.2\"]\nsearch = [\"storage\"]\n";
        let [one, two] = both(settings, TWO);
        assert!(two.ends_with("nameservers:\n      addresses:\n        - 10.1.0.2\n        - 10.3.0.2\n        - 10.2.0.2\n      search:\n        - hmn\n        - storage"), "{two}");
        assert!(one.contains("10.1.0.2") && one.contains("10.2.0.2"), "{one}");
    }

    #[test]
    fn dhcp_is_asked_once_and_told_no_gateway() {
        let settings = "[networks.HMN]\nprefixes = [\"10.1.0.0/16\"]\ngateway = \"10.1.0.1\"\nmethod = \"dhcp\"\n\
            [[networks.HMN.routes]]\nto = \"10.9.0.0/16\"\nvia = \"10.1.0.9\"\n";
        let [one, two] = both(settings, &[("10.1.0.5", "HMN"), ("10.1.0.6", "HMN")]);
        assert!(one.ends_with("subnets:\n      - type: dhcp4"), "{one}");
        assert_eq!(one.matches("dhcp4").count(), 1, "{one}");
        assert!(two.ends_with("macaddress: b4:2e:99:be:1a:6d\n    dhcp4: true"), "{two}");
    }

    #[test]
    fn leaving_out_the_boot_address_of_a_configured_interface_is_an_error() {
        let hsn = "[networks.HSN]\nprefixes = [\"10.100.0.0/16\"]\n";
        let addresses = [("10.252.0.5", "HMN"), ("10.100.0.5", "HSN")];
        let problem = config(hsn, with_addresses(&addresses)).unwrap_err();
        assert!(problem.message.contains("the boot address: it lies in no network"), "{problem}");
        let text = config(&format!("{hsn}[networks.HMN]\nmethod = \"dhcp\"\n"), with_addresses(&addresses));
        assert!(text.unwrap().unwrap().contains("dhcp4: true"));
    }

    #[test]
    fn a_boot_network_without_method_is_an_error_that_says_so() {
        let settings = NETWORKS.replace("[networks.HSN]", "method = \"none\"\n[networks.HSN]");
        let problem = config(&settings, |_| ()).unwrap_err();
        assert!(problem.message.contains("network `HMN` has method = \"none\""), "{problem}");
    }
}
