//! The network that tunnels have their addresses from.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{InvalidText, text_conversions};

/// The server's address in the tunnels and the network around it, such as `100.97.0.1/16`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TunnelNetwork(IpNet);

impl TunnelNetwork {
    /// The shortest prefix of an IPv4 network.
    pub const SHORTEST_V4: u8 = 8;
    /// The shortest prefix of an IPv6 network.
    pub const SHORTEST_V6: u8 = 32;

    /// Parses an address with the length of its network's prefix.
    ///
    /// # Errors
    /// When the text is not that, the network is greater than a /8 (IPv4) or a /32 (IPv6), has no second address, or
    /// the address is one that no machine can have: the network's own, its broadcast address, a multicast address or
    /// loopback.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let shown = text.escape_debug();
        let network: IpNet = text.parse().map_err(|_| {
            InvalidText(format!(
                "`{shown}` is not an address with a prefix length such as `100.97.0.1/16`, the server's address in the \
                 tunnels"
            ))
        })?;
        let network = Self(network);
        match network.fault() {
            None => Ok(network),
            Some(fault) => Err(InvalidText(format!("`{shown}` cannot be the network of the tunnels: {fault}"))),
        }
    }

    fn fault(self) -> Option<String> {
        let (address, length) = (self.0.addr(), self.0.prefix_len());
        let shortest = if address.is_ipv4() { Self::SHORTEST_V4 } else { Self::SHORTEST_V6 };
        let has_ends = self.0.max_prefix_len() - length >= 2;
        if length < shortest {
            Some(format!("it is greater than a /{shortest}"))
        } else if length == self.0.max_prefix_len() {
            Some("it has one address only, and nodes need some as well".to_owned())
        } else if address.is_multicast() || address.is_loopback() || address.is_unspecified() {
            Some(format!("{address} is not the address of a machine on a network"))
        } else if has_ends && address == self.0.network() {
            Some(format!("{address} is the network itself; the server needs an address in it, such as the next one"))
        } else if has_ends && address.is_ipv4() && address == self.0.broadcast() {
            Some(format!("{address} is the network's broadcast address"))
        } else {
            None
        }
    }

    /// The server's address in the tunnels.
    #[must_use]
    pub fn server(&self) -> IpAddr {
        self.0.addr()
    }

    /// The network, without the server's address.
    #[must_use]
    pub fn network(&self) -> IpNet {
        self.0.trunc()
    }

    /// Whether the address is in the network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl fmt::Display for TunnelNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Debug for TunnelNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

text_conversions!(TunnelNetwork);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_part_is_the_server() {
        let network = TunnelNetwork::parse("100.97.3.1/16").unwrap();
        assert_eq!(network.server().to_string(), "100.97.3.1");
        assert_eq!(network.network().to_string(), "100.97.0.0/16");
        assert_eq!(network.to_string(), "100.97.3.1/16");
        assert!(
            network.contains("100.97.255.255".parse().unwrap()) && !network.contains("100.98.0.1".parse().unwrap())
        );
    }

    #[test]
    fn networks_that_cannot_be_used_are_refused_with_the_reason() {
        for (text, reason) in [
            ("100.97.0.1", "prefix length"),
            ("100.97.0.0/16", "the network itself"),
            ("100.97.255.255/16", "broadcast"),
            ("10.0.0.1/7", "greater than a /8"),
            ("10.0.0.1/32", "one address only"),
            ("fd00::1/31", "greater than a /32"),
            ("fd00::/64", "the network itself"),
            ("127.0.0.1/8", "not the address of a machine"),
            ("224.0.0.1/8", "not the address of a machine"),
            ("x", "prefix length"),
        ] {
            let message = TunnelNetwork::parse(text).unwrap_err().to_string();
            assert!(message.contains(reason), "{text}: {message}");
        }
        for text in ["10.0.0.1/8", "10.0.0.0/31", "10.0.0.1/30", "fd00::1/64", "fd00::1/32", "fd00::/127"] {
            assert!(TunnelNetwork::parse(text).is_ok(), "{text}");
        }
    }
}
