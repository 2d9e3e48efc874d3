//! The shape of version 1, as cloud-init's own schema and its reader take it together.
//!
//! The schema only makes the client warn. The reader is less forgiving: what it does not understand ends the stage.

use super::SCHEMA;
use super::shape::{Mapping, Shape, compare};
use super::words::{ADDRESS, MAC, number};
use crate::check::remark::Remark;
use crate::check::yaml::Tree;

/// All of it, but for the entries of `config`.
pub(super) static DOCUMENT: Mapping = Mapping {
    what: "network-config of version 1",
    keys: &[&[("version", &Shape::Anything), ("config", &Shape::List(&Shape::Anything))]],
    required: &["version", "config"],
};

/// Says what does not fit in the entries of `config`.
pub(super) fn entries(document: &Tree, remarks: &mut Vec<Remark>) {
    for entry in document.get("config").map_or(&[][..], Tree::items) {
        let kind = entry.get("type").and_then(Tree::text).unwrap_or_default();
        match KINDS.iter().find(|(name, _)| *name == kind) {
            Some((_, mapping)) => compare("config", entry, &Shape::Mapping(mapping), remarks),
            None => {
                let names: Vec<String> = KINDS.iter().map(|(name, _)| format!("`{name}`")).collect();
                let message = "an entry of `config` has no `type` that cloud-init knows";
                let hint = format!("one of {} is expected", names.join(", "));
                remarks.push(Remark::at(SCHEMA, entry.get("type").unwrap_or(entry).at, message).with_hint(hint));
            }
        }
    }
}

static KINDS: [(&str, &Mapping); 6] = [
    ("physical", &PHYSICAL),
    ("bond", &BOND),
    ("bridge", &BRIDGE),
    ("vlan", &VLAN),
    ("nameserver", &NAME_SERVER),
    ("route", &ROUTE),
];

static SUBNETS: Shape = Shape::List(&Shape::Mapping(&SUBNET));
static NAMES: Shape = Shape::List(&Shape::Text);

static PHYSICAL: Mapping = Mapping {
    what: "an interface",
    keys: &[&[
        ("type", &Shape::Text),
        ("name", &Shape::ShortText(15)),
        ("mac_address", &MAC),
        ("mtu", &Shape::CountOrNull(u32::MAX)),
        ("subnets", &SUBNETS),
        ("accept-ra", &Shape::Boolean),
    ]],
    required: &["name"],
};

static BOND: Mapping = Mapping {
    what: "a bond",
    keys: &[&[
        ("type", &Shape::Text),
        ("name", &Shape::Text),
        ("mac_address", &MAC),
        ("bond_interfaces", &NAMES),
        ("mtu", &Shape::Count(u32::MAX)),
        ("params", &Shape::Mapping(&BOND_PARAMETERS)),
        ("subnets", &SUBNETS),
    ]],
    // The reader passes over a bond without these.
    required: &["name", "bond_interfaces", "params"],
};

static BOND_PARAMETERS: Mapping = Mapping {
    what: "a bond's params",
    keys: &[&[
        ("bond-active_slave", &Shape::Text),
        ("bond-ad_actor_key", &Shape::Text),
        ("bond-ad_actor_sys_prio", &Shape::Integer),
        ("bond-ad_actor_system", &Shape::Text),
        ("bond-ad_aggregator", &Shape::Text),
        ("bond-ad_num_ports", &Shape::Integer),
        ("bond-ad_partner_key", &Shape::Text),
        ("bond-ad_partner_mac", &Shape::Text),
        ("bond-ad_select", &Shape::Text),
        ("bond-ad_user_port_key", &Shape::Text),
        ("bond-all_slaves_active", &Shape::Text),
        ("bond-arp_all_targets", &Shape::Text),
        ("bond-arp_interval", &Shape::Integer),
        ("bond-arp_ip_target", &Shape::Text),
        ("bond-arp_validate", &Shape::Boolean),
        ("bond-downdelay", &Shape::Integer),
        ("bond-fail_over_mac", &Shape::Text),
        ("bond-lacp_rate", &Shape::Text),
        ("bond-lp_interval", &Shape::Integer),
        ("bond-miimon", &Shape::Integer),
        ("bond-mii_status", &Shape::Text),
        ("bond-min_links", &Shape::Integer),
        (
            "bond-mode",
            &Shape::Choice(&[
                "balance-rr",
                "active-backup",
                "balance-alb",
                "balance-tcp",
                "balance-tlb",
                "balance-slb",
                "balance-xor",
                "broadcast",
                "802.3ad",
            ]),
        ),
        ("bond-num_grat_arp", &Shape::Integer),
        ("bond-num_unsol_na", &Shape::Integer),
        ("bond-packets_per_slave", &Shape::Integer),
        ("bond-peer_notif_delay", &Shape::Integer),
        ("bond-primary", &Shape::Text),
        ("bond-primary_reselect", &Shape::Choice(&["always", "better", "failure"])),
        ("bond-queue_id", &Shape::Text),
        ("bond-resend_igmp", &Shape::Text),
        ("bond-slaves", &Shape::Text),
        ("bond-tlb_dynamic_lb", &Shape::Text),
        ("bond-updelay", &Shape::Text),
        ("bond-use_carrier", &Shape::Text),
        ("bond-xmit_hash_policy", &Shape::Text),
    ]],
    required: &[],
};

static BRIDGE: Mapping = Mapping {
    what: "a bridge",
    keys: &[&[
        ("type", &Shape::Text),
        ("name", &Shape::Text),
        ("bridge_interfaces", &NAMES),
        ("params", &Shape::Mapping(&BRIDGE_PARAMETERS)),
        ("subnets", &SUBNETS),
    ]],
    required: &["name", "bridge_interfaces", "params"],
};

static BRIDGE_PARAMETERS: Mapping = Mapping {
    what: "a bridge's params",
    keys: &[&[
        ("bridge_ageing", &Shape::Integer),
        ("bridge_bridgeprio", &Shape::Integer),
        ("bridge_fd", &Shape::Integer),
        ("bridge_hello", &Shape::Integer),
        ("bridge_hw", &Shape::Text),
        ("bridge_maxage", &Shape::Integer),
        ("bridge_maxwait", &Shape::Integer),
        ("bridge_pathcost", &NAMES),
        ("bridge_portprio", &NAMES),
        ("bridge_ports", &NAMES),
        ("bridge_stp", &Shape::Choice(&["on", "off"])),
        ("bridge_waitport", &NAMES),
    ]],
    required: &[],
};

static VLAN: Mapping = Mapping {
    what: "a VLAN",
    keys: &[&[
        ("type", &Shape::Text),
        ("name", &Shape::Text),
        ("vlan_link", &Shape::Text),
        ("vlan_id", &Shape::Count(4094)),
        ("mtu", &Shape::Count(u32::MAX)),
        ("subnets", &SUBNETS),
        ("mac_address", &MAC),
    ]],
    required: &["name", "vlan_link", "vlan_id"],
};

static NAME_SERVER: Mapping = Mapping {
    what: "an entry for name servers",
    keys: &[&[
        ("type", &Shape::Text),
        ("address", &Shape::OneOrList(&ADDRESS)),
        ("search", &NAMES),
        ("interface", &Shape::Text),
    ]],
    required: &["address"],
};

/// The gateway must be there as well, and one of `network` and `destination`, which [`super::structure`] sees to.
static ROUTE: Mapping = Mapping {
    what: "a route",
    keys: &[&[
        ("type", &Shape::Choice(&["route"])),
        ("network", &Shape::Text),
        ("destination", &Shape::Text),
        ("netmask", &Shape::Text),
        ("gateway", &ADDRESS),
        ("metric", &Shape::Count(u32::MAX)),
    ]],
    required: &["gateway"],
};

static SUBNET: Mapping = Mapping {
    what: "a subnet",
    keys: &[&[
        (
            "type",
            &Shape::Choice(&[
                "dhcp4",
                "dhcp",
                "dhcp6",
                "static",
                "static6",
                "ipv6_dhcpv6-stateful",
                "ipv6_dhcpv6-stateless",
                "ipv6_slaac",
                "manual",
            ]),
        ),
        ("control", &Shape::Choice(&["manual", "auto", "hotplug"])),
        ("address", &Shape::Text),
        ("netmask", &Shape::Text),
        ("broadcast", &Shape::Text),
        ("gateway", &ADDRESS),
        ("dns_nameservers", &Shape::List(&ADDRESS)),
        ("dns_search", &NAMES),
        ("routes", &Shape::List(&Shape::Mapping(&ROUTE))),
        ("ipv4", &Shape::Boolean),
        ("ipv6", &Shape::Boolean),
    ]],
    // The reader ends with an error at a subnet without type.
    required: &["type"],
};

/// The length of a prefix, written as a number or as a mask.
pub(super) fn prefix_length(text: &str, is_six: bool) -> Option<u8> {
    let most = if is_six { 128 } else { 32 };
    if let Some(length) = number(text).filter(|_| !text.is_empty()) {
        return u8::try_from(length).ok().filter(|length| *length <= most);
    }
    let bits = match (text.parse().ok()?, is_six) {
        (std::net::IpAddr::V4(mask), false) => u128::from(u32::from(mask)) << 96,
        (std::net::IpAddr::V6(mask), true) => u128::from(mask),
        _ => return None,
    };
    let length = bits.leading_ones();
    (bits.count_ones() == length).then(|| u8::try_from(length).ok()).flatten()
}
