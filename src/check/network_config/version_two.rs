//! The shape of version 2, as netplan's parser takes it.
//!
//! cloud-init has a schema of its own for version 2 and uses it where there is no netplan; it knows fewer keys. Kinds of
//! devices that clusters hardly have (tunnels, modems, wireless) are not looked into deeply.

use super::shape::{Mapping, Shape};
use super::words::*;

type Keys = &'static [(&'static str, &'static Shape)];

/// All of it.
pub(super) static DOCUMENT: Mapping = Mapping {
    what: "network-config of version 2",
    keys: &[&[
        ("version", &Shape::Anything),
        ("renderer", &RENDERER),
        ("ethernets", &Shape::Named(&Shape::Mapping(&ETHERNET))),
        ("bonds", &Shape::Named(&Shape::Mapping(&BOND))),
        ("bridges", &Shape::Named(&Shape::Mapping(&BRIDGE))),
        ("vlans", &Shape::Named(&Shape::Mapping(&VLAN))),
        ("vrfs", &Shape::Named(&Shape::Mapping(&VRF))),
        ("tunnels", &Shape::Named(&Shape::Mapping(&TUNNEL))),
        ("dummy-devices", &Shape::Named(&Shape::Mapping(&DUMMY))),
        ("virtual-ethernets", &Shape::Named(&Shape::Mapping(&VIRTUAL_ETHERNET))),
        ("wifis", &Shape::Named(&Shape::Mapping(&WIRELESS))),
        ("modems", &Shape::Named(&Shape::Mapping(&MODEM))),
        ("nm-devices", &Shape::Named(&Shape::Mapping(&ETHERNET))),
        ("openvswitch", &Shape::AnyMapping),
    ]],
    required: &["version"],
};

/// The sections that hold devices.
pub(super) const SECTIONS: [&str; 11] = [
    "ethernets",
    "bonds",
    "bridges",
    "vlans",
    "vrfs",
    "tunnels",
    "dummy-devices",
    "virtual-ethernets",
    "wifis",
    "modems",
    "nm-devices",
];

static ETHERNET: Mapping = Mapping {
    what: "an interface",
    keys: &[
        COMMON,
        PHYSICAL,
        &[
            ("auth", &Shape::AnyMapping),
            ("link", &ANY_WORD),
            ("virtual-function-count", &NUMBER),
            ("embedded-switch-mode", &SWITCH_MODE),
            ("delay-virtual-functions-rebind", &BOOLEAN),
            ("infiniband-mode", &INFINIBAND_MODE),
        ],
    ],
    required: &[],
};

static BOND: Mapping = Mapping {
    what: "a bond",
    keys: &[COMMON, &[("interfaces", &NAMES), ("parameters", &Shape::Mapping(&BOND_PARAMETERS))]],
    required: &[],
};

static BRIDGE: Mapping = Mapping {
    what: "a bridge",
    keys: &[COMMON, &[("interfaces", &NAMES), ("parameters", &Shape::Mapping(&BRIDGE_PARAMETERS))]],
    required: &[],
};

static VLAN: Mapping =
    Mapping { what: "a VLAN", keys: &[COMMON, &[("id", &VLAN_ID), ("link", &ANY_WORD)]], required: &["id", "link"] };

static VRF: Mapping =
    Mapping { what: "a VRF", keys: &[COMMON, &[("table", &NUMBER), ("interfaces", &NAMES)]], required: &["table"] };

static DUMMY: Mapping = Mapping { what: "a dummy device", keys: &[COMMON], required: &[] };

static VIRTUAL_ETHERNET: Mapping =
    Mapping { what: "a virtual ethernet", keys: &[COMMON, &[("peer", &ANY_WORD)]], required: &["peer"] };

static TUNNEL: Mapping = Mapping {
    what: "a tunnel",
    keys: &[
        COMMON,
        &[
            ("mode", &ANY_WORD),
            ("local", &ANY_WORD),
            ("remote", &ANY_WORD),
            ("ttl", &NUMBER),
            ("key", &Shape::Anything),
            ("keys", &Shape::Anything),
            ("port", &NUMBER),
            ("mark", &NUMBER),
            ("peers", &Shape::Anything),
            ("id", &NUMBER),
            ("link", &ANY_WORD),
            ("mac-learning", &BOOLEAN),
            ("ageing", &NUMBER),
            ("aging", &NUMBER),
            ("limit", &NUMBER),
            ("type-of-service", &NUMBER),
            ("flow-label", &NUMBER),
            ("do-not-fragment", &BOOLEAN),
            ("short-circuit", &BOOLEAN),
            ("notifications", &Shape::Anything),
            ("checksums", &Shape::Anything),
            ("extensions", &Shape::Anything),
            ("port-range", &Shape::Anything),
            ("arp-proxy", &BOOLEAN),
        ],
    ],
    required: &["mode"],
};

static WIRELESS: Mapping = Mapping {
    what: "a wireless interface",
    keys: &[
        COMMON,
        PHYSICAL,
        &[("auth", &Shape::AnyMapping), ("access-points", &Shape::AnyMapping), ("regulatory-domain", &ANY_WORD)],
    ],
    required: &["access-points"],
};

static MODEM: Mapping = Mapping {
    what: "a modem",
    keys: &[
        COMMON,
        PHYSICAL,
        &[
            ("apn", &ANY_WORD),
            ("auto-config", &BOOLEAN),
            ("device-id", &ANY_WORD),
            ("network-id", &ANY_WORD),
            ("number", &ANY_WORD),
            ("password", &ANY_WORD),
            ("pin", &ANY_WORD),
            ("sim-id", &ANY_WORD),
            ("sim-operator-id", &ANY_WORD),
            ("username", &ANY_WORD),
        ],
    ],
    required: &[],
};

static NAMES: Shape = Shape::List(&ANY_WORD);
static VLAN_ID: Shape = Shape::Word(|text| number(text).is_some_and(|id| id <= 4094), "a VLAN id of at most 4094");

/// What every kind of device has.
const COMMON: Keys = &[
    ("accept-ra", &BOOLEAN),
    ("activation-mode", &ACTIVATION),
    ("addresses", &Shape::List(&Shape::WithOptions(&INTERFACE_ADDRESS, &Shape::Mapping(&ADDRESS_OPTIONS)))),
    ("critical", &BOOLEAN),
    ("ignore-carrier", &BOOLEAN),
    ("dhcp4", &BOOLEAN),
    ("dhcp6", &BOOLEAN),
    ("dhcp-identifier", &DHCP_IDENTIFIER),
    ("dhcp4-overrides", &Shape::Mapping(&OVERRIDES)),
    ("dhcp6-overrides", &Shape::Mapping(&OVERRIDES)),
    ("gateway4", &ADDRESS_4),
    ("gateway6", &ADDRESS_6),
    ("hairpin", &BOOLEAN),
    ("ipv6-address-generation", &ADDRESS_GENERATION),
    ("ipv6-address-token", &ADDRESS_6),
    ("ipv6-mtu", &NUMBER),
    ("ipv6-privacy", &BOOLEAN),
    ("link-local", &Shape::List(&LINK_LOCAL)),
    ("macaddress", &OWN_MAC),
    ("mtu", &NUMBER),
    ("nameservers", &Shape::Mapping(&NAME_SERVERS)),
    ("neigh-suppress", &BOOLEAN),
    ("networkmanager", &Shape::AnyMapping),
    ("openvswitch", &Shape::AnyMapping),
    ("optional", &BOOLEAN),
    ("optional-addresses", &Shape::List(&OPTIONAL_ADDRESSES)),
    ("port-mac-learning", &BOOLEAN),
    ("ra-overrides", &Shape::AnyMapping),
    ("renderer", &RENDERER),
    ("routes", &Shape::List(&Shape::Mapping(&ROUTE))),
    ("routing-policy", &Shape::List(&Shape::Mapping(&POLICY))),
];

/// What devices have that are there by themselves.
const PHYSICAL: Keys = &[
    ("match", &Shape::Mapping(&MATCH)),
    ("set-name", &ANY_WORD),
    ("wakeonlan", &BOOLEAN),
    ("wakeonwlan", &Shape::List(&ANY_WORD)),
    ("emit-lldp", &BOOLEAN),
    ("receive-checksum-offload", &BOOLEAN),
    ("transmit-checksum-offload", &BOOLEAN),
    ("tcp-segmentation-offload", &BOOLEAN),
    ("tcp6-segmentation-offload", &BOOLEAN),
    ("generic-segmentation-offload", &BOOLEAN),
    ("generic-receive-offload", &BOOLEAN),
    ("large-receive-offload", &BOOLEAN),
];

static ADDRESS_OPTIONS: Mapping =
    Mapping { what: "an address", keys: &[&[("label", &ANY_WORD), ("lifetime", &LIFETIME)]], required: &[] };

static OVERRIDES: Mapping = Mapping {
    what: "a set of DHCP overrides",
    keys: &[&[
        ("hostname", &ANY_WORD),
        ("route-metric", &NUMBER),
        ("send-hostname", &BOOLEAN),
        ("use-dns", &BOOLEAN),
        ("use-domains", &ANY_WORD),
        ("use-hostname", &BOOLEAN),
        ("use-mtu", &BOOLEAN),
        ("use-ntp", &BOOLEAN),
        ("use-routes", &BOOLEAN),
    ]],
    required: &[],
};

static NAME_SERVERS: Mapping = Mapping {
    what: "a set of name servers",
    keys: &[&[("search", &NAMES), ("addresses", &Shape::List(&ADDRESS))]],
    required: &[],
};

static MATCH: Mapping = Mapping {
    what: "a match",
    keys: &[&[("name", &ANY_WORD), ("macaddress", &MAC), ("driver", &Shape::OneOrList(&DRIVER))]],
    required: &[],
};

static ROUTE: Mapping = Mapping {
    what: "a route",
    keys: &[&[
        ("to", &DESTINATION),
        ("via", &PREFIX),
        ("from", &PREFIX),
        ("on-link", &BOOLEAN),
        ("scope", &SCOPE),
        ("table", &NUMBER),
        ("type", &ROUTE_TYPE),
        ("metric", &NUMBER),
        ("mtu", &NUMBER),
        ("congestion-window", &NUMBER),
        ("advertised-receive-window", &NUMBER),
    ]],
    required: &["to"],
};

static POLICY: Mapping = Mapping {
    what: "a routing policy",
    keys: &[&[
        ("from", &PREFIX),
        ("to", &PREFIX),
        ("mark", &NUMBER),
        ("priority", &NUMBER),
        ("table", &NUMBER),
        ("type-of-service", &NUMBER),
    ]],
    required: &[],
};

static BOND_PARAMETERS: Mapping = Mapping {
    what: "a bond's parameters",
    keys: &[&[
        ("mode", &BOND_MODE),
        ("lacp-rate", &LACP_RATE),
        ("mii-monitor-interval", &ANY_WORD),
        ("min-links", &NUMBER),
        ("transmit-hash-policy", &ANY_WORD),
        ("ad-select", &ANY_WORD),
        ("all-slaves-active", &BOOLEAN),
        ("all-members-active", &BOOLEAN),
        ("arp-interval", &ANY_WORD),
        ("arp-ip-targets", &Shape::List(&ADDRESS)),
        ("arp-validate", &ANY_WORD),
        ("arp-all-targets", &ANY_WORD),
        ("up-delay", &ANY_WORD),
        ("down-delay", &ANY_WORD),
        ("fail-over-mac-policy", &ANY_WORD),
        ("gratuitous-arp", &NUMBER),
        ("gratuitious-arp", &NUMBER),
        ("packets-per-slave", &NUMBER),
        ("packets-per-member", &NUMBER),
        ("primary-reselect-policy", &ANY_WORD),
        ("resend-igmp", &NUMBER),
        ("learn-packet-interval", &ANY_WORD),
        ("primary", &ANY_WORD),
    ]],
    required: &[],
};

static BRIDGE_PARAMETERS: Mapping = Mapping {
    what: "a bridge's parameters",
    keys: &[&[
        ("ageing-time", &ANY_WORD),
        ("aging-time", &ANY_WORD),
        ("priority", &NUMBER),
        ("forward-delay", &ANY_WORD),
        ("hello-time", &ANY_WORD),
        ("max-age", &ANY_WORD),
        ("path-cost", &Shape::Named(&NUMBER)),
        ("port-priority", &Shape::Named(&PORT_PRIORITY)),
        ("stp", &BOOLEAN),
    ]],
    required: &[],
};
