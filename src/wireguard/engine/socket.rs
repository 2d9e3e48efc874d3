//! The UDP sockets: one for each part of the engine, all on one port.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::EngineError;

/// What a socket should be able to hold: two thousand nodes' first messages, and a moment of a fast transfer.
const BUFFER: usize = 4 * 1024 * 1024;

/// Opens `count` sockets on the address. When its port is 0, they share one that the system chooses.
pub(super) fn bind(address: SocketAddr, count: usize) -> Result<Vec<UdpSocket>, EngineError> {
    let refused = |source: io::Error| EngineError::Bind { address, hint: hint(&source, address), source };
    let mut sockets: Vec<UdpSocket> = Vec::with_capacity(count);
    // Sockets that share a port share it with other processes of the same user too, which would take a part of the
    // nodes' packets. So the first one asks for the port alone.
    let alone = open(address, false).map_err(refused)?;
    let chosen = alone.local_addr().map_err(refused)?;
    drop(alone);
    for _ in 0..count {
        sockets.push(open(chosen, true).map_err(refused)?);
    }
    if let Some(socket) = sockets.first() {
        warn_about_small_buffers(socket);
    }
    Ok(sockets)
}

fn open(address: SocketAddr, shared: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    // The kernel gives what it allows.
    socket.set_recv_buffer_size(BUFFER)?;
    socket.set_send_buffer_size(BUFFER)?;
    // A message that is too long for a link on the way is cut up, as all implementations do: to drop it would leave
    // nodes behind such a link without their documents. A kernel that does not know the option cuts anyway.
    let _ = sockopt::set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::DONT);
    if address.is_ipv6() {
        let _ = sockopt::set_ipv6_mtu_discover(&socket, Ipv6PathMtuDiscovery::DONT);
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn hint(error: &io::Error, address: SocketAddr) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            " (another process has the port, perhaps the kernel's own WireGuard: find it with `ss -lunp` and `wg show`, \
             or choose another port)"
        }
        io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            " (ports below 1024 need the capability CAP_NET_BIND_SERVICE: choose a higher port)"
        }
        io::ErrorKind::AddrNotAvailable => " (no interface of this machine has the address: see `ip address`)",
        _ if error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) => {
            " (this machine has no IPv6: use an IPv4 address such as 0.0.0.0)"
        }
        _ => "",
    }
}

/// The kernel cuts the buffers without a word.
fn warn_about_small_buffers(socket: &UdpSocket) {
    let socket = SockRef::from(socket);
    for (given, name) in
        [(socket.recv_buffer_size(), "net.core.rmem_max"), (socket.send_buffer_size(), "net.core.wmem_max")]
    {
        // The kernel counts its own book-keeping in, and so reports twice what was set.
        if given.is_ok_and(|given| given / 2 < BUFFER / 4) {
            tracing::warn!(
                "the kernel gives WireGuard's socket a small buffer: packets are lost, and nodes slower, when many boot \
                 at once; set the sysctl {name} to {BUFFER}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_share_a_port_with_one_another_and_with_nobody_else() {
        let sockets = bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let taken = sockets[0].local_addr().unwrap();
        assert_eq!(sockets[1].local_addr().unwrap(), taken);
        let message = bind(taken, 1).unwrap_err().to_string();
        assert!(message.contains(&taken.to_string()) && message.contains("ss -lunp"), "{message}");
    }
}
