//! Who asks. The answer rests on the peer address of the socket; a header counts only when a listed proxy sent it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::tunnels::TunnelCaller;

/// The networks whose `X-Forwarded-For` is believed.
///
/// The default is loopback (`127.0.0.0/8` and `::1`): a reverse proxy on the same machine works out of the box, and
/// nobody on a network can claim to be someone else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Trusts these networks and no others; an empty list trusts nobody. A network of IPv4-mapped addresses
    /// (`::ffff:10.0.0.0/104`) means the IPv4 network, because peers are compared in their IPv4 form.
    #[must_use]
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().map(canonical_network).collect())
    }

    /// Whether the address belongs to a trusted proxy.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl Default for TrustedProxies {
    fn default() -> Self {
        Self(vec![
            IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
        ])
    }
}

pub(super) fn canonical_network(network: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    if let IpNet::V6(v6) = network
        && let Some(address) = v6.addr().to_ipv4_mapped()
        && let Some(length) = v6.prefix_len().checked_sub(MAPPED_BITS)
        && let Ok(v4) = Ipv4Net::new(address, length)
    {
        return IpNet::V4(v4);
    }
    network
}

/// Who a request counts as coming from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Whoever has an address.
    Address {
        /// The address, IPv4-mapped IPv6 written as IPv4.
        address: IpAddr,
        /// How the address is known.
        source: IdentitySource,
    },
    /// The node whose key the tunnel has that the request came through. No address and no header has a part in this.
    Key(TunnelCaller),
}

impl Identity {
    /// The address for logs and for spreading load: outside the asker's, inside that of the tunnel.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        match self {
            Self::Address { address, .. } => *address,
            Self::Key(caller) => caller.address,
        }
    }

    /// Who asks through a tunnel, if the request came through one.
    #[must_use]
    pub const fn tunnel(&self) -> Option<&TunnelCaller> {
        match self {
            Self::Address { .. } => None,
            Self::Key(caller) => Some(caller),
        }
    }
}

/// How an address is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentitySource {
    /// It is the other end of the socket.
    Peer,
    /// A trusted proxy named it in `X-Forwarded-For`.
    ForwardedFor,
}

/// Why a request cannot be said to come from anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A trusted proxy sent an entry that is not an address, and no address right of it is the node's. Believing
    /// anything left of such an entry would let the client choose.
    #[error(
        "the X-Forwarded-For header that the proxy sent has an entry that is not an IP address; \
         have the proxy append the address of its client"
    )]
    UnreadableEntry,
}

/// Says who asks, from the socket's peer and all `X-Forwarded-For` lines of the request, in order.
///
/// The lines of a peer that is not a trusted proxy are ignored. Those of a trusted one are one list (RFC 9110, 5.3),
/// read from the right, which is the end that the nearest proxy wrote: trusted proxies are skipped, and the first other
/// address is the node. If all are trusted, it is the left-most. Without an entry, it is the peer. An entry is an IPv4
/// or IPv6 address, either with a port (IPv6 then in brackets), blanks around it; a zone id is cut. No other header is
/// ever looked at.
///
/// # Errors
/// When an unreadable entry is met before the node is found.
pub fn identify<'a>(
    peer: IpAddr,
    forwarded_for: impl DoubleEndedIterator<Item = &'a [u8]>,
    proxies: &TrustedProxies,
) -> Result<Identity, IdentityError> {
    let peer = peer.to_canonical();
    let mut identity = Identity::Address { address: peer, source: IdentitySource::Peer };
    if !proxies.contains(peer) {
        return Ok(identity);
    }
    let entries = forwarded_for.rev().flat_map(|line| line.rsplit(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    // Empty elements of a list mean nothing (RFC 9110, 5.6.1).
    for entry in entries.filter(|entry| !entry.is_empty()) {
        let address = parse_entry(entry).ok_or(IdentityError::UnreadableEntry)?;
        identity = Identity::Address { address, source: IdentitySource::ForwardedFor };
        if !proxies.contains(address) {
            break;
        }
    }
    Ok(identity)
}

fn parse_entry(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let address = if let Some(bracketed) = text.strip_prefix('[') {
        let (inside, port) = bracketed.split_once(']')?;
        if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
            return None;
        }
        IpAddr::V6(parse_v6(inside)?)
    } else if let Ok(v4) = text.parse::<Ipv4Addr>() {
        IpAddr::V4(v4)
    } else if let Ok(with_port) = text.parse::<SocketAddrV4>() {
        IpAddr::V4(*with_port.ip())
    } else {
        IpAddr::V6(parse_v6(text)?)
    };
    Some(address.to_canonical())
}

/// Parses an IPv6 address, without its zone id: a zone means something only to the machine that wrote it.
fn parse_v6(text: &str) -> Option<Ipv6Addr> {
    text.split_once('%').map_or(text, |(address, _zone)| address).parse().ok()
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: &str = "127.0.0.1";

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn identify_with(peer: &str, lines: &[&str], networks: &[&str]) -> Result<IpAddr, IdentityError> {
        let proxies = TrustedProxies::new(networks.iter().map(|network| network.parse().unwrap()));
        identify(ip(peer), lines.iter().map(|line| line.as_bytes()), &proxies).map(|identity| identity.address())
    }

    fn behind_loopback(lines: &[&str]) -> Result<IpAddr, IdentityError> {
        identify(ip(LOOPBACK), lines.iter().map(|line| line.as_bytes()), &TrustedProxies::default())
            .map(|identity| identity.address())
    }

    #[test]
    fn every_form_of_an_address_is_read() {
        for (entry, address) in [
            ("1.2.3.4", "1.2.3.4"),
            ("1.2.3.4:5678", "1.2.3.4"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("[::ffff:1.2.3.4]:9", "1.2.3.4"),
            (" \t1.2.3.4\t ", "1.2.3.4"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25eth0]:80", "fe80::1"),
        ] {
            assert_eq!(behind_loopback(&[entry]), Ok(ip(address)), "{entry}");
        }
    }

    #[test]
    fn an_unreadable_entry_before_the_node_is_refused() {
        for entry in [
            "unknown",
            "_hidden",
            "1.2.3",
            "1.2.3.4:",
            "1.2.3.4:99999",
            "01.2.3.4",
            "[1.2.3.4]",
            "[::1",
            "[::1]x",
            "[::1]:+1",
            "1.2.3.4%eth0",
            "\"1.2.3.4\"",
            "1.2.3.4 5.6.7.8",
            "for=1.2.3.4",
            "1.2.3.4\0",
        ] {
            assert_eq!(behind_loopback(&["10.0.0.1", entry]), Err(IdentityError::UnreadableEntry), "{entry}");
        }
        let not_utf8: &[u8] = b"\xff1.2.3.4";
        assert!(identify(ip(LOOPBACK), [not_utf8].into_iter(), &TrustedProxies::default()).is_err());
    }

    #[test]
    fn what_stands_left_of_the_node_does_not_matter() {
        assert_eq!(behind_loopback(&["junk, 10.0.0.7, 10.0.0.1"]), Ok(ip("10.0.0.1")));
    }

    #[test]
    fn trusted_proxies_are_skipped_from_the_right() {
        let networks = ["127.0.0.0/8", "192.168.0.0/16", "2001:db8:9::/48"];
        for (lines, node) in [
            (&["10.0.0.1, 192.168.0.1"][..], "10.0.0.1"),
            (&["10.9.9.9, 10.0.0.1, 2001:db8:9::5, 192.168.0.1"], "10.0.0.1"),
            (&["10.9.9.9", "10.0.0.1", "192.168.0.1, ::ffff:192.168.0.2"], "10.0.0.1"),
            (&["192.168.0.1, 192.168.0.2"], "192.168.0.1"),
            (&["192.168.0.3", "192.168.0.2"], "192.168.0.3"),
        ] {
            assert_eq!(identify_with(LOOPBACK, lines, &networks), Ok(ip(node)), "{lines:?}");
        }
    }

    #[test]
    fn a_trusted_proxy_without_an_entry_is_the_peer_itself() {
        for lines in [&[][..], &[""], &[" , ,", ""]] {
            assert_eq!(behind_loopback(lines), Ok(ip(LOOPBACK)), "{lines:?}");
        }
    }

    #[test]
    fn an_empty_element_does_not_stop_the_search() {
        assert_eq!(behind_loopback(&["10.0.0.2,, ,10.0.0.1,"]), Ok(ip("10.0.0.1")));
    }

    #[test]
    fn a_header_from_an_untrusted_peer_changes_nothing() {
        for line in ["10.0.0.1", "127.0.0.1", "junk", ""] {
            assert_eq!(identify_with("10.0.0.5", &[line], &["127.0.0.0/8"]), Ok(ip("10.0.0.5")));
            assert_eq!(identify_with(LOOPBACK, &[line], &[]), Ok(ip(LOOPBACK)), "an empty list trusts nobody");
        }
    }

    #[test]
    fn a_mapped_peer_and_a_mapped_network_are_ipv4() {
        assert_eq!(behind_loopback(&[]), Ok(ip(LOOPBACK)));
        assert_eq!(identify_with("::ffff:10.0.0.5", &["10.0.0.1"], &["127.0.0.0/8"]), Ok(ip("10.0.0.5")));
        assert_eq!(identify_with("::ffff:127.0.0.1", &["10.0.0.1"], &["127.0.0.0/8"]), Ok(ip("10.0.0.1")));
        assert_eq!(identify_with("10.1.2.3", &["10.200.0.1"], &["::ffff:10.1.0.0/112"]), Ok(ip("10.200.0.1")));
        assert_eq!(identify_with("10.2.2.3", &["10.200.0.1"], &["::ffff:10.1.0.0/112"]), Ok(ip("10.2.2.3")));
    }

    #[test]
    fn the_default_trusts_loopback_only() {
        let proxies = TrustedProxies::default();
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(proxies.contains(ip(address)), "{address}");
        }
        for address in ["10.0.0.1", "0.0.0.0", "::", "128.0.0.1", "fe80::1"] {
            assert!(!proxies.contains(ip(address)), "{address}");
        }
    }
}
