//! Listening sockets, their options, and errors that say what to do.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// How many connections the kernel keeps for us before we accept them.
///
/// Ten thousand nodes that are powered on together each open one connection at a time, and cloud-init waits in a queue
/// for as long as it takes, while a refused connection costs it one of its eleven attempts. The kernel cuts this to
/// `net.core.somaxconn`.
pub const BACKLOG: i32 = 16_384;

/// How long sent bytes may stay unacknowledged, or unsent because the client does not read, before the kernel ends the
/// connection. This is what ends connections to nodes that were switched off, or that read nothing.
const STALLED_SEND: Duration = Duration::from_secs(60);

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The list of addresses is empty.
    #[error("there is no address to listen on; give at least one, such as 0.0.0.0:8080")]
    NoAddress,
    /// The system said no.
    #[error("cannot listen on {address}: {source}{hint}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
        /// What to do about it; empty, or in brackets after a blank.
        hint: &'static str,
    },
}

/// Opens a listening socket for each address, in order.
///
/// An IPv6 socket takes IPv4 connections too, unless an IPv4 address with the same port is in the list: `[::]:80` alone
/// serves everybody, and `0.0.0.0:80` and `[::]:80` can stand together.
pub(super) fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, BindError> {
    if addresses.is_empty() {
        return Err(BindError::NoAddress);
    }
    let canonical = |address: &SocketAddr| match address {
        SocketAddr::V6(v6) if v6.ip().to_ipv4_mapped().is_some() => {
            SocketAddr::new(address.ip().to_canonical(), address.port())
        }
        _ => *address,
    };
    let addresses: Vec<SocketAddr> = addresses.iter().map(canonical).collect();
    let taken_by_v4 = |port| addresses.iter().any(|other| other.is_ipv4() && other.port() == port);
    let open = |address: &SocketAddr| {
        open(*address, taken_by_v4(address.port())).map_err(|source| {
            let hint = hint(&source, *address);
            BindError::Refused { address: *address, source, hint }
        })
    };
    let listeners = addresses.iter().map(open).collect::<Result<_, _>>()?;
    warn_about_short_queue();
    Ok(listeners)
}

fn open(address: SocketAddr, only_v6: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    // A restart must not wait for the connections of the process before it to leave TIME-WAIT.
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit both of these, which saves two system calls per connection.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(STALLED_SEND))?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn hint(error: &io::Error, address: SocketAddr) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => " (another process has the port: find it with `ss -ltnp`, or choose another port)",
        io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            " (ports below 1024 need the capability CAP_NET_BIND_SERVICE: grant it to the service, or choose a higher port)"
        }
        io::ErrorKind::PermissionDenied => " (a policy of this machine forbids it)",
        io::ErrorKind::AddrNotAvailable => " (no interface of this machine has the address: see `ip address`)",
        _ if error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) => {
            " (this machine has no IPv6: use an IPv4 address such as 0.0.0.0)"
        }
        _ => "",
    }
}

/// The kernel cuts the queue without a word, and the default of 4,096 is short for a large cluster.
fn warn_about_short_queue() {
    let limit = std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok().and_then(|text| text.trim().parse().ok());
    if let Some(limit) = limit.filter(|limit: &i32| *limit < BACKLOG) {
        tracing::warn!(
            "the kernel keeps at most {limit} connections waiting, and {BACKLOG} are wanted: nodes beyond that are \
             delayed or refused when many boot at once; set the sysctl net.core.somaxconn to {BACKLOG}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_port_in_use_is_named_with_what_to_do() {
        let first = bind(&[address("127.0.0.1:0")]).unwrap();
        let taken = first[0].local_addr().unwrap();
        let message = bind(&[taken]).unwrap_err().to_string();
        assert!(message.contains(&taken.to_string()) && message.contains("ss -ltnp"), "{message}");
    }

    #[test]
    fn an_address_of_another_machine_is_named_with_what_to_do() {
        let message = bind(&[address("192.0.2.1:0")]).unwrap_err().to_string();
        assert!(message.contains("192.0.2.1:0") && message.contains("ip address"), "{message}");
    }

    #[test]
    fn forbidden_and_unsupported_have_their_hints() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(hint(&denied, address("0.0.0.0:80")).contains("CAP_NET_BIND_SERVICE"));
        assert!(!hint(&denied, address("0.0.0.0:8080")).contains("CAP_NET_BIND_SERVICE"));
        let no_v6 = io::Error::from_raw_os_error(rustix::io::Errno::AFNOSUPPORT.raw_os_error());
        assert!(hint(&no_v6, address("[::]:80")).contains("no IPv6"));
    }

    #[test]
    fn an_empty_list_is_refused() {
        assert!(matches!(bind(&[]), Err(BindError::NoAddress)));
    }

    #[test]
    fn both_wildcards_can_share_a_port() {
        let Ok(probe) = bind(&[address("[::]:0")]) else { return };
        let port = probe[0].local_addr().unwrap().port();
        drop(probe);
        let both = [SocketAddr::new([0, 0, 0, 0].into(), port), address(&format!("[::]:{port}"))];
        assert_eq!(bind(&both).unwrap().len(), 2);
        let reversed = [both[1], both[0]];
        assert_eq!(bind(&reversed).unwrap().len(), 2);
    }

    #[test]
    fn a_mapped_address_is_bound_as_ipv4() {
        let listeners = bind(&[address("[::ffff:127.0.0.1]:0")]).unwrap();
        assert!(listeners[0].local_addr().unwrap().is_ipv4());
    }
}
