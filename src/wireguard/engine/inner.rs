//! What a packet inside a tunnel must be before anything looks at it further.
//!
//! A node is who its key says. So its packets must come from the address that the node was given, and go to the
//! server's; then the TCP/IP stack behind can never see anything of another node.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const TCP: u8 = 6;
const ICMP_V4: u8 = 1;
const ICMP_V6: u8 = 58;
const ECHO_V4: u8 = 8;
const ECHO_V6: u8 = 128;

/// A packet that may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inner {
    /// A segment of TCP.
    Tcp {
        /// The node's port.
        remote: u16,
        /// The server's port.
        local: u16,
        /// Whether it opens a connection.
        opens: bool,
    },
    /// A ping.
    Echo,
}

/// Why a packet may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It claims an address that is not the node's.
    Spoofed,
    /// It is for somebody else, of another protocol, or a part of a packet.
    Unwanted,
}

/// Looks at a packet of the node that has the address `node`, for the server that has the address `server`.
pub(super) fn inspect(packet: &[u8], node: IpAddr, server: IpAddr) -> Result<Inner, Unfit> {
    let header = match packet.first().map(|first| first >> 4) {
        Some(4) => header_v4(packet),
        Some(6) => header_v6(packet),
        _ => None,
    };
    let header = header.ok_or(Unfit::Unwanted)?;
    if header.source != node {
        return Err(Unfit::Spoofed);
    }
    if header.destination != server || header.fragment {
        return Err(Unfit::Unwanted);
    }
    match (header.protocol, header.source.is_ipv4(), header.payload.first()) {
        (TCP, _, _) => tcp(header.payload).ok_or(Unfit::Unwanted),
        (ICMP_V4, true, Some(&ECHO_V4)) | (ICMP_V6, false, Some(&ECHO_V6)) => Ok(Inner::Echo),
        _ => Err(Unfit::Unwanted),
    }
}

struct Header<'a> {
    source: IpAddr,
    destination: IpAddr,
    fragment: bool,
    protocol: u8,
    payload: &'a [u8],
}

fn header_v4(packet: &[u8]) -> Option<Header<'_>> {
    let length = usize::from(packet.first()? & 0xf) * 4;
    // The don't-fragment bit may be set; more fragments, or an offset, may not.
    let fragment = u16::from_be_bytes(array(packet, 6)?) & 0x3fff != 0;
    Some(Header {
        source: Ipv4Addr::from(array::<4>(packet, 12)?).into(),
        destination: Ipv4Addr::from(array::<4>(packet, 16)?).into(),
        fragment,
        protocol: *packet.get(9)?,
        payload: packet.get(length.max(20)..)?,
    })
}

fn header_v6(packet: &[u8]) -> Option<Header<'_>> {
    Some(Header {
        source: Ipv6Addr::from(array::<16>(packet, 8)?).into(),
        destination: Ipv6Addr::from(array::<16>(packet, 24)?).into(),
        // A part of a packet says so in an extension header, which is not a protocol that is wanted.
        fragment: false,
        protocol: *packet.get(6)?,
        payload: packet.get(40..)?,
    })
}

fn tcp(segment: &[u8]) -> Option<Inner> {
    let flags = *segment.get(13)?;
    // SYN without ACK, FIN and RST.
    let opens = flags & 0b1_0111 == 0b0_0010;
    Some(Inner::Tcp {
        remote: u16::from_be_bytes(array(segment, 0)?),
        local: u16::from_be_bytes(array(segment, 2)?),
        opens,
    })
}

fn array<const LENGTH: usize>(bytes: &[u8], at: usize) -> Option<[u8; LENGTH]> {
    bytes.get(at..at + LENGTH)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NODE: Ipv4Addr = Ipv4Addr::new(100, 97, 0, 7);
    const SERVER: Ipv4Addr = Ipv4Addr::new(100, 97, 0, 1);

    fn syn(source: Ipv4Addr, destination: Ipv4Addr) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, TCP, 0, 0];
        packet.extend(source.octets());
        packet.extend(destination.octets());
        packet.extend([0x9c, 0x40, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0b10, 0, 0, 0, 0, 0, 0]);
        packet
    }

    fn look(packet: &[u8]) -> Result<Inner, Unfit> {
        inspect(packet, NODE.into(), SERVER.into())
    }

    #[test]
    fn a_syn_of_the_node_may_go_on() {
        assert_eq!(look(&syn(NODE, SERVER)), Ok(Inner::Tcp { remote: 40_000, local: 80, opens: true }));
        let mut answer = syn(NODE, SERVER);
        answer[33] |= 0b1_0000;
        assert_eq!(look(&answer), Ok(Inner::Tcp { remote: 40_000, local: 80, opens: false }));
    }

    #[test]
    fn other_addresses_protocols_and_parts_of_packets_may_not() {
        let other = Ipv4Addr::new(100, 97, 0, 8);
        assert_eq!(look(&syn(other, SERVER)), Err(Unfit::Spoofed));
        assert_eq!(look(&syn(NODE, other)), Err(Unfit::Unwanted));
        let change = |at: usize, to: u8| {
            let mut packet = syn(NODE, SERVER);
            packet[at] = to;
            look(&packet)
        };
        assert_eq!(change(9, 17), Err(Unfit::Unwanted), "UDP");
        assert_eq!(change(9, ICMP_V6), Err(Unfit::Unwanted), "IPv6's pings in IPv4");
        assert_eq!(change(6, 0x20), Err(Unfit::Unwanted), "more fragments");
        assert_eq!(change(7, 1), Err(Unfit::Unwanted), "an offset");
        assert_eq!(change(0, 0x4f), Err(Unfit::Unwanted), "a header beyond the end");
        assert_eq!(change(0, 0x35), Err(Unfit::Unwanted), "no version that there is");
    }

    proptest! {
        #[test]
        fn no_packet_is_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..120), version in 4_u8..7) {
            let _ = look(&bytes);
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = version << 4 | (*first & 0xf);
            }
            let _ = look(&bytes);
        }
    }
}
