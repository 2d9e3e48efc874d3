//! Words of network-config, as netplan's parser takes them. Found by asking the parser of Debian 13, netplan 1.1.2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::shape::Shape;

pub(super) static ANY_WORD: Shape = Shape::Word(|_| true, "a single word or number");
pub(super) static BOOLEAN: Shape = Shape::Word(is_boolean, "`true` or `false`");
pub(super) static NUMBER: Shape = Shape::Word(|text| number(text).is_some(), "a whole number that is not negative");
pub(super) static MAC: Shape = Shape::Word(is_mac, "a MAC address such as 02:00:00:00:00:01");
pub(super) static OWN_MAC: Shape = Shape::Word(
    |text| is_mac(text) || ["permanent", "random", "stable", "preserve"].contains(&text),
    "a MAC address, or `permanent`, `random`, `stable` or `preserve`",
);
pub(super) static INTERFACE_ADDRESS: Shape = Shape::Word(
    |text| interface_address(text).is_some(),
    "an address with the length of its prefix, such as 10.0.0.5/24,",
);
pub(super) static ADDRESS: Shape = Shape::Word(|text| text.parse::<IpAddr>().is_ok(), "an IP address");
pub(super) static ADDRESS_4: Shape = Shape::Word(|text| text.parse::<Ipv4Addr>().is_ok(), "an IPv4 address");
pub(super) static ADDRESS_6: Shape = Shape::Word(|text| text.parse::<Ipv6Addr>().is_ok(), "an IPv6 address");
pub(super) static DESTINATION: Shape =
    Shape::Word(|text| text == "default" || address_part(text).is_some(), "a prefix such as 10.0.0.0/8, or `default`,");
pub(super) static PREFIX: Shape =
    Shape::Word(|text| address_part(text).is_some(), "an address or a prefix such as 10.0.0.0/8");
pub(super) static PORT_PRIORITY: Shape =
    Shape::Word(|text| number(text).is_some_and(|number| number < 64), "a number from 0 to 63");
pub(super) static DRIVER: Shape = Shape::Word(|text| !text.contains(char::is_whitespace), "a name without blanks");

/// A test that a word is one of some.
macro_rules! one_of {
    ($name:ident, $($word:literal),+) => {
        pub(super) static $name: Shape =
            Shape::Word(|text| [$($word),+].contains(&text), one_of!(@expected $($word),+));
    };
    (@expected $first:literal $(, $word:literal)*) => {
        concat!("one of `", $first, "`" $(, ", `", $word, "`")*)
    };
}

one_of!(RENDERER, "networkd", "NetworkManager");
one_of!(ACTIVATION, "manual", "off");
one_of!(SWITCH_MODE, "switchdev", "legacy");
one_of!(INFINIBAND_MODE, "datagram", "connected");
one_of!(LINK_LOCAL, "ipv4", "ipv6");
one_of!(OPTIONAL_ADDRESSES, "ipv4-ll", "ipv6-ra", "dhcp4", "dhcp6", "static");
one_of!(DHCP_IDENTIFIER, "mac", "duid");
one_of!(ADDRESS_GENERATION, "eui64", "stable-privacy");
one_of!(LIFETIME, "0", "forever");
one_of!(SCOPE, "global", "link", "host");
one_of!(LACP_RATE, "fast", "slow");
one_of!(
    ROUTE_TYPE,
    "unicast",
    "anycast",
    "blackhole",
    "broadcast",
    "local",
    "multicast",
    "nat",
    "prohibit",
    "throw",
    "unreachable",
    "xresolve"
);
one_of!(BOND_MODE, "balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb");

fn is_boolean(text: &str) -> bool {
    ["true", "on", "yes", "y", "false", "off", "no", "n"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// What the parser takes for yes.
pub(super) fn is_yes(text: &str) -> bool {
    ["true", "on", "yes", "y"].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// A number of 32 bits. Blanks and a plus may stand before it, and nothing at all is 0.
pub(super) fn number(text: &str) -> Option<u32> {
    let digits = text.trim_start();
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    if digits.is_empty() { Some(0) } else { digits.parse().ok() }
}

/// Six bytes, or twenty for InfiniBand.
fn is_mac(text: &str) -> bool {
    let is_byte = |byte: &str| byte.len() == 2 && byte.bytes().all(|digit| digit.is_ascii_hexdigit());
    text.split(':').all(is_byte) && matches!(text.split(':').count(), 6 | 20)
}

/// An address with the length of its prefix, which is not 0.
pub(super) fn interface_address(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let length = length.trim_start().parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    (1..=most).contains(&length).then_some((address, length))
}

/// The address in front of the length of a prefix, which the parser does not look at.
pub(super) fn address_part(text: &str) -> Option<IpAddr> {
    text.split('/').next().unwrap_or_default().parse().ok()
}
