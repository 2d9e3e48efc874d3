//! network-config beside the node it is for: its interfaces, its addresses, the one it boots from.

use std::net::IpAddr;
use std::sync::Arc;

use super::model::{self, Device, Word};
use super::{DUPLICATE_ADDRESS, UNKNOWN_MAC, UNMATCHED_MAC};
use crate::check::inspector::{LookedAt, NodeRemark};
use crate::check::remark::Remark;
use crate::check::rulebook::Rulebook;
use crate::render::{BOOT_INTERFACE_RULE, NodeFacts, Plan};
use crate::types::{DocumentName, MacAddress};

/// Looks at a node's network-config.
pub(in crate::check) fn of_node(
    rulebook: &Rulebook,
    plan: &Plan,
    facts: &NodeFacts,
    documents: &[Arc<LookedAt>],
) -> Vec<NodeRemark> {
    let mut documents = documents.iter().filter_map(|looked_at| looked_at.document.as_ref());
    let document = documents.find(|document| document.name == DocumentName::NetworkConfig);
    let tree = document.and_then(|document| document.tree.as_ref());
    let Some((contents, Some(version))) = tree.and_then(model::contents) else { return Vec::new() };
    let devices = model::devices(contents, version);
    let mut remarks: Vec<Remark> =
        devices.iter().filter_map(|device| mac_fault(rulebook, plan, facts, device)).collect();
    remarks.extend(foreign_addresses(rulebook, plan, facts, &devices));
    // What mds makes by itself was looked at when it was made.
    if plan.is_own_network_config() {
        remarks.extend(boot_fault(facts, &devices));
    }
    remarks.into_iter().map(|remark| NodeRemark { document: DocumentName::NetworkConfig, remark }).collect()
}

fn mac_fault(rulebook: &Rulebook, plan: &Plan, facts: &NodeFacts, device: &Device<'_>) -> Option<Remark> {
    let Word { text, at } = device.mac.as_ref()?;
    // Another kind of address, as InfiniBand has it, is in no inventory.
    let mac = MacAddress::parse(text).ok()?;
    let is_own = facts.node.interfaces.iter().any(|interface| interface.mac == mac);
    if is_own && device.mac_must_be_there && **text != mac.to_string() {
        let message = "the MAC address is not in small letters, and cloud-init, which looks for it letter by letter, \
                       does not find it and ends its network stage";
        return Some(Remark::at(UNKNOWN_MAC, *at, message).with_hint("write it in small letters"));
    }
    if is_own {
        return None;
    }
    let (rule, message) = if device.mac_must_be_there {
        (
            UNKNOWN_MAC,
            "the node has no interface with this MAC address, and cloud-init ends its network stage without it",
        )
    } else {
        (UNMATCHED_MAC, "the node has no interface with this MAC address, so that what stands here is for nothing")
    };
    let hint = match rulebook.owners.of_mac(plan, mac) {
        Some(other) => format!("it is of node {}; write `{{{{ mac }}}}` or one of `interfaces`", other.id()),
        None => "see to the template, or to the node's interfaces in the inventory".to_owned(),
    };
    Some(Remark::at(rule, *at, message).with_hint(hint))
}

/// Addresses that are of other nodes by the inventory. Of those that are nobody's it is noted who gets them.
fn foreign_addresses(rulebook: &Rulebook, plan: &Plan, facts: &NodeFacts, devices: &[Device<'_>]) -> Vec<Remark> {
    if rulebook.may_share_addresses {
        return Vec::new();
    }
    let mut remarks = Vec::new();
    // Services of which every node has one have their address at devices that no packet leaves by.
    let devices = devices.iter().filter(|device| device.section != "dummy-devices" && device.name != "lo");
    for address in devices.flat_map(|device| &device.addresses) {
        let is_own =
            facts.node.interfaces.iter().flat_map(|interface| &interface.addresses).any(|own| own.ip == address.ip);
        if is_own || is_of_no_host(address.ip) {
            continue;
        }
        match rulebook.owners.of_address(plan, address.ip) {
            Some(other) => {
                let message = "the address is another node's by the inventory, which would then have it twice, and be \
                               given the documents of the other";
                let hint = format!("it is of node {}; write `{{{{ ip }}}}` or one of `interfaces`", other.id());
                remarks.push(Remark::at(DUPLICATE_ADDRESS, address.at, message).with_hint(hint));
            }
            None => rulebook.owners.give(address.ip, facts.id()),
        }
    }
    remarks
}

/// Addresses that many machines have, or that other rules speak of.
fn is_of_no_host(ip: IpAddr) -> bool {
    let is_of_a_link = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    is_of_a_link || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast()
}

fn boot_fault(facts: &NodeFacts, devices: &[Device<'_>]) -> Option<Remark> {
    let (mac, ip) = facts.boot?;
    let may_be_boot = |device: &&Device<'_>| {
        let of_mac = device.mac.as_ref().and_then(|word| MacAddress::parse(&word.text).ok());
        device.section != "ethernets" || of_mac.is_none_or(|of_mac| of_mac == mac)
    };
    let mut candidates = devices.iter().filter(may_be_boot).peekable();
    let what = if candidates.peek().is_some() { "address" } else { "interface" };
    let has_boot = |device: &Device<'_>| {
        device.is_dynamic[usize::from(ip.is_ipv6())] || device.addresses.iter().any(|address| address.ip == ip)
    };
    if candidates.any(has_boot) {
        return None;
    }
    let message = format!(
        "network-config leaves out the boot {what}: no device that may be the node's boot interface has the address that \
         the node boots from, or asks DHCP for one"
    );
    let hint = "add it, such as by the content that mds makes: {{ network_config }}; or say `config: disabled`";
    Some(Remark::new(BOOT_INTERFACE_RULE, message).with_hint(hint))
}
