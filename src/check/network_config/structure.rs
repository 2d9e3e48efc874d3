//! What must fit together in network-config: names of devices, their members, routes.

use std::borrow::Cow;
use std::collections::HashMap;

use super::SCHEMA;
use super::model::{Device, Word, network_one, subnet_address};
use super::shape::word;
use super::words::{address_part, is_yes};
use crate::check::remark::{Remark, Spot};
use crate::check::yaml::{Tree, Value};
use crate::types::nearest;

/// Says which devices do not fit together.
pub(super) fn devices(devices: &[Device<'_>], version: u8, remarks: &mut Vec<Remark>) {
    let mut sections: HashMap<&str, &str> = HashMap::new();
    let mut masters: HashMap<&str, &str> = HashMap::new();
    for device in devices {
        if let Some(before) = sections.insert(device.name, device.section)
            && (before != device.section || version == 1)
        {
            remarks.push(Remark::at(SCHEMA, device.at, "two devices have one name"));
        }
        if version == 2 {
            remarks.extend(name_fault(device.name).map(|fault| Remark::at(SCHEMA, device.at, fault)));
        }
    }
    for device in devices {
        for member in device.members.iter().chain(&device.needs) {
            if !sections.contains_key(&*member.text) {
                remarks.push(undefined(member, sections.keys().copied()));
            }
        }
        if ["bonds", "bridges"].contains(&device.section) {
            for member in &device.members {
                let before = masters.insert(&member.text, device.name);
                if before.is_some_and(|before| before != device.name) {
                    let message = "an interface is a member of two bonds or bridges";
                    remarks.push(Remark::at(SCHEMA, member.at, message).with_hint("name it in one of them only"));
                }
            }
        }
    }
}

fn undefined<'n>(member: &Word<'_>, known: impl Iterator<Item = &'n str>) -> Remark {
    let message = "a device is named here that the document does not define";
    let remark = Remark::at(SCHEMA, member.at, message);
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    match nearest(&member.text, known) {
        Some(known) => remark.with_hint(format!("did you mean `{known}`?")),
        None => remark.with_hint("define it, such as below `ethernets`, or do not name it"),
    }
}

fn name_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Some("the name of a device is empty or has blanks in it");
    }
    name.contains(['*', '?', '[']).then_some("the name of a device holds a pattern, which may stand below `match` only")
}

/// Says which devices of version 2 miss what they need.
pub(super) fn version_two(document: &Tree, devices: &[Device<'_>], remarks: &mut Vec<Remark>) {
    for device in devices {
        let Some(tree) = document.get(device.section).and_then(|section| section.get(device.name)) else { continue };
        if let Some(new_name) = device.new_name.as_ref().filter(|_| tree.get("match").is_none()) {
            let message = "`set-name` stands without `match`, so that it is not known which interface is meant";
            remarks.push(Remark::at(SCHEMA, new_name.at, message));
        }
        remarks.extend(match_fault(tree).map(|(fault, at)| Remark::at(SCHEMA, at, fault)));
        remarks.extend(overrides_fault(document, tree).map(|at| {
            let message = "both kinds of DHCP are asked, and `dhcp4-overrides` and `dhcp6-overrides` differ, which \
                           netplan refuses for networkd";
            Remark::at(SCHEMA, at, message).with_hint("say the same in both")
        }));
        for route in tree.get("routes").map_or(&[][..], Tree::items) {
            remarks.extend(route_fault(route).map(|(fault, at)| Remark::at(SCHEMA, at, fault)));
        }
        for policy in tree.get("routing-policy").map_or(&[][..], Tree::items) {
            if policy.get("from").is_none() && policy.get("to").is_none() {
                remarks.push(Remark::at(SCHEMA, policy.at, "a routing policy has neither `from` nor `to`"));
            }
        }
    }
}

fn match_fault(device: &Tree) -> Option<(&'static str, Spot)> {
    let matching = device.get("match")?;
    let is_empty_list = |tree: &Tree| matches!(&tree.value, Value::List(items) if items.is_empty());
    if let Some(driver) = matching.get("driver").filter(|driver| is_empty_list(driver)) {
        return Some(("`driver` names no driver", driver.at));
    }
    // cloud-init takes it for a text without looking.
    let new_name = device.get("set-name").filter(|name| name.text().is_none() && name.value != Value::Null)?;
    matching.get("macaddress").map(|_| ("`set-name` is no text; put it in quotes", new_name.at))
}

/// Where overrides of DHCP begin that networkd cannot have for one of the two kinds only.
fn overrides_fault(document: &Tree, device: &Tree) -> Option<Spot> {
    let word_at = |tree: &Tree, key: &str| tree.get(key).and_then(|tree| word(&tree.value).map(Cow::into_owned));
    let is_asked = |key| word_at(device, key).is_some_and(|text| is_yes(&text));
    let renderer = word_at(device, "renderer").or_else(|| word_at(document, "renderer"));
    if !is_asked("dhcp4") || !is_asked("dhcp6") || renderer.as_deref() == Some("NetworkManager") {
        return None;
    }
    let [four, six] = ["dhcp4-overrides", "dhcp6-overrides"].map(|key| device.get(key));
    let said = |overrides: Option<&Tree>, key: &str, default: &str| {
        let text = overrides.and_then(|tree| word_at(tree, key)).unwrap_or_else(|| default.to_owned());
        if default.is_empty() { text } else { is_yes(&text).to_string() }
    };
    let differs = |(key, default): &(&str, &str)| said(four, key, default) != said(six, key, default);
    OVERRIDES.iter().any(differs).then(|| four.or(six).map(|tree| tree.at)).flatten()
}

/// The overrides that networkd has once for both kinds of DHCP, and what they are unless said.
const OVERRIDES: [(&str, &str); 9] = [
    ("hostname", ""),
    ("route-metric", ""),
    ("use-domains", ""),
    ("send-hostname", "true"),
    ("use-dns", "true"),
    ("use-hostname", "true"),
    ("use-mtu", "true"),
    ("use-ntp", "true"),
    ("use-routes", "true"),
];

fn route_fault(route: &Tree) -> Option<(&'static str, Spot)> {
    let address = |key| address_part(&word(&route.get(key)?.value)?);
    if let (Some(to), Some(via)) = (address("to"), address("via"))
        && to.is_ipv4() != via.is_ipv4()
    {
        return Some(("a route goes to addresses of one IP version via one of the other", route.get("via")?.at));
    }
    let is_default = route.get("to").and_then(Tree::text) == Some("default");
    if is_default && route.get("via").is_none() {
        return Some(("the default route has no `via`, and netplan gives up on it", route.at));
    }
    let is_global = route.get("scope").and_then(Tree::text) == Some("global");
    (is_global && route.get("via").is_none()).then_some(("a route of global scope has no `via`", route.at))
}

/// Says what the reader of version 1 does not take though the schema does.
pub(super) fn version_one(document: &Tree, remarks: &mut Vec<Remark>) {
    let entries = document.get("config").map_or(&[][..], Tree::items);
    let names: Vec<&str> = entries.iter().filter_map(|entry| entry.get("name")?.text()).collect();
    for entry in entries {
        match entry.get("type").and_then(Tree::text) {
            Some("route") => remarks.extend(route_one_fault(entry)),
            Some("nameserver") => {
                let interface = entry.get("interface").and_then(|tree| Some((tree.text()?, tree.at)));
                if let Some((text, at)) = interface.filter(|(text, _)| !text.is_empty() && !names.contains(text)) {
                    remarks.push(undefined(&Word { text: text.into(), at }, names.iter().copied()));
                }
            }
            _ => {}
        }
        for subnet in entry.get("subnets").map_or(&[][..], Tree::items) {
            let kind = subnet.get("type").and_then(Tree::text).unwrap_or_default();
            if kind.starts_with("static") {
                remarks.extend(static_fault(subnet));
            }
            let routes = subnet.get("routes").map_or(&[][..], Tree::items);
            remarks.extend(routes.iter().filter_map(route_one_fault));
        }
    }
}

fn static_fault(subnet: &Tree) -> Option<Remark> {
    let Some(address) = subnet.get("address").filter(|address| !address.is_empty()) else {
        return Some(Remark::at(SCHEMA, subnet.at, "a static subnet has no `address`"));
    };
    match subnet_address(subnet) {
        Some(found) if found.length > 0 => None,
        _ => {
            let message = "the address of a static subnet cannot be read, or the length of its prefix";
            Some(Remark::at(SCHEMA, address.at, message).with_hint("write it as 10.0.0.5/24"))
        }
    }
}

fn route_one_fault(route: &Tree) -> Option<Remark> {
    let destinations: Vec<&Tree> = ["network", "destination"].into_iter().filter_map(|key| route.get(key)).collect();
    let [destination] = destinations[..] else {
        let message = "a route has neither `network` nor `destination`, or both";
        return Some(Remark::at(SCHEMA, route.at, message).with_hint("write the destination as 10.0.0.0/8"));
    };
    let is_fine = destination.text().is_none_or(|text| network_one(text, route.get("netmask")).is_some());
    let message = "the destination of a route is no address and no prefix";
    (!is_fine).then(|| Remark::at(SCHEMA, destination.at, message).with_hint("write it as 10.0.0.0/8"))
}
