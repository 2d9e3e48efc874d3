//! Values of network-config that can be read and do harm all the same: gateways out of reach, addresses that stand twice
//! or are nobody's, sizes out of bounds.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::model::{Address, Device, Route};
use super::{DEFAULT_ROUTE, GATEWAY, VALUE};
use crate::check::remark::Remark;

/// The longest name that the kernel gives an interface.
const MOST_CHARACTERS: usize = 15;
/// The least MTU of IPv4, and of IPv6.
const LEAST_MTU: [u32; 2] = [68, 1280];
/// The largest MTU: the length of a packet has 16 bits.
const MOST_MTU: u32 = 65_535;

/// Everything that can be said of the values alone.
pub(super) fn remarks(devices: &[Device<'_>], version: u8) -> Vec<Remark> {
    let mut remarks: Vec<Remark> = devices.iter().flat_map(|device| of_device(device, version)).collect();
    remarks.extend(repeated_addresses(devices));
    remarks.extend(default_routes(devices));
    remarks.extend(new_names(devices));
    remarks
}

fn of_device(device: &Device<'_>, version: u8) -> Vec<Remark> {
    let mut remarks: Vec<Remark> = device.addresses.iter().filter_map(host_fault).collect();
    remarks.extend(device.routes.iter().filter_map(|route| gateway_fault(device, route, version)));
    let has_six = device.is_dynamic[1] || device.addresses.iter().any(|address| address.ip.is_ipv6());
    if let Some((mtu, at)) = device.mtu
        && !(LEAST_MTU[usize::from(has_six)]..=MOST_MTU).contains(&mtu)
    {
        let least = LEAST_MTU[usize::from(has_six)];
        let message = format!("the MTU is not between {least} and {MOST_MTU}, so that the interface does not take it");
        remarks.push(Remark::at(VALUE, at, message));
    }
    if let Some((_, at)) = device.vlan.filter(|(id, _)| !(1..=4094).contains(id)) {
        remarks.push(Remark::at(VALUE, at, "the VLAN id is not between 1 and 4094"));
    }
    remarks
}

/// Says that an address is that of a network, or the one that reaches all of it, or no host's at all.
fn host_fault(address: &Address) -> Option<Remark> {
    let Address { ip, length, at } = *address;
    let net = IpNet::new(ip, length).ok()?;
    let has_hosts = length + 1 < if ip.is_ipv4() { 32 } else { 127 };
    let message = if ip.is_unspecified() || ip.is_multicast() {
        "this is no address that an interface can have"
    } else if has_hosts && ip.is_ipv4() && ip == net.network() {
        "this is the address of the network itself, and none of a host in it"
    } else if has_hosts && ip.is_ipv4() && ip == net.broadcast() {
        "this is the broadcast address of the network, and none of a host in it"
    } else {
        return None;
    };
    Some(Remark::at(VALUE, at, message))
}

fn gateway_fault(device: &Device<'_>, route: &Route, version: u8) -> Option<Remark> {
    let via = route.via?;
    let is_reachable = |address: &Address| IpNet::new(address.ip, address.length).is_ok_and(|net| net.contains(&via));
    let is_link_local = matches!(via, IpAddr::V6(via) if via.is_unicast_link_local());
    if route.is_on_link || is_link_local || device.is_dynamic[usize::from(via.is_ipv6())] {
        return None;
    }
    if device.addresses.iter().any(|address| address.ip == via) {
        let message = "the gateway is the interface's own address, so that packets go nowhere";
        return Some(Remark::at(GATEWAY, route.at, message));
    }
    if device.addresses.iter().any(is_reachable) {
        return None;
    }
    if version == 1 && route.is_default {
        // cloud-init tells netplan that such a gateway is on the link.
        let message = "the gateway lies in no prefix of its interface, so that it is reached only if it answers on the \
                       link itself, and only where netplan sets the network up";
        return Some(
            Remark::at(DEFAULT_ROUTE, route.at, message).with_hint("see to the gateway and the prefix length"),
        );
    }
    let message = "the gateway lies in no prefix of its interface, so that the kernel refuses the route";
    let hint = "see to the gateway and the prefix length; one that is reached all the same needs `on-link: true`";
    Some(Remark::at(GATEWAY, route.at, message).with_hint(hint))
}

fn repeated_addresses(devices: &[Device<'_>]) -> Vec<Remark> {
    let mut seen: HashMap<IpAddr, &str> = HashMap::new();
    let addresses =
        devices.iter().flat_map(|device| device.addresses.iter().map(move |address| (device.name, address)));
    let repeated = addresses.filter(|(name, address)| {
        // Link-local addresses are of one link each.
        let is_link_local = matches!(address.ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        let before = seen.insert(address.ip, name);
        before.is_some_and(|before| before == *name || !is_link_local)
    });
    repeated.map(|(_, address)| Remark::at(VALUE, address.at, "an address stands in the document twice")).collect()
}

fn default_routes(devices: &[Device<'_>]) -> Vec<Remark> {
    let mut seen = HashMap::new();
    let routes = devices
        .iter()
        .flat_map(|device| &device.routes)
        .filter(|route| route.is_default && route.rank.1.is_none_or(|table| table == 254));
    let again = routes.filter(|route| {
        let before = seen.insert((route.is_six, route.rank.0), route.via);
        before.is_some_and(|before| before != route.via || before.is_none())
    });
    again
        .map(|route| {
            let message = "there are two default routes of one IP version, metric and table, and it is left to chance \
                           which of them counts";
            Remark::at(DEFAULT_ROUTE, route.at, message).with_hint("give one of them a larger `metric`")
        })
        .collect()
}

fn new_names(devices: &[Device<'_>]) -> Vec<Remark> {
    let mut seen: HashMap<&str, ()> = HashMap::new();
    let mut remarks = Vec::new();
    for name in devices.iter().filter_map(|device| device.new_name.as_ref()) {
        if name.text.len() > MOST_CHARACTERS {
            let message = format!("the name is longer than the {MOST_CHARACTERS} characters that the kernel takes");
            remarks.push(Remark::at(VALUE, name.at, message));
        } else if name.text.contains(['/', ' ']) || ["", ".", ".."].contains(&&*name.text) {
            remarks.push(Remark::at(VALUE, name.at, "the kernel gives no interface this name"));
        }
        if seen.insert(&name.text, ()).is_some() {
            remarks.push(Remark::at(VALUE, name.at, "two interfaces would get this name"));
        }
    }
    remarks
}
