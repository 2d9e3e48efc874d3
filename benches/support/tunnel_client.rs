//! The nodes' side of tunnels, made for very many nodes in one thread: a future for each, a socket for each, and a stack
//! for each that has no more than a client needs. It is honest where it matters: every node has its own address, port,
//! key and handshake, opens a connection for each request as cloud-init does, and repeats what was lost.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use boringtun::noise::{Tunn, TunnResult};
use boringtun::x25519::PublicKey;
use mds::types::WireguardKey;
use mds::wireguard::PrivateKey;
use serde_json::{Value, json};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, UdpSocket};

/// The port of HTTP inside tunnels.
const PORT: u16 = 80;
/// The greatest packet inside a tunnel.
const MTU: usize = 1420;
/// Longer than any datagram.
const LONGEST: usize = 2048;
/// Room for what has come and was not read yet: a document of this load at once.
const RECEIVE_BUFFER: usize = 4 * 1024;
const SEND_BUFFER: usize = 512;
/// How often the protocol looks whether it has something to repeat.
const TICK: Duration = Duration::from_millis(250);
/// How long the last connections may take to be closed on both sides.
const FAREWELL: Duration = Duration::from_secs(5);

/// What a server has said.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Parses what has come until the end of the connection.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let broken = || format!("not an HTTP answer: {:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(200)]));
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(broken)?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|_| broken())?;
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or_else(broken)?;
        let body = bytes[end + 4..].to_vec();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        match length {
            Some(length) if length != body.len() => Err(format!("{} of {length} bytes have come", body.len())),
            _ => Ok(Self { status, body }),
        }
    }

    /// The body of an answer that says that all is well.
    pub(crate) fn ok(self) -> Result<Vec<u8>, String> {
        match self.status {
            200..300 => Ok(self.body),
            status => Err(format!("{status} {}", String::from_utf8_lossy(&self.body).trim_end())),
        }
    }
}

/// A request for a document.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: mds\r\nUser-Agent: Cloud-Init/25.1\r\nConnection: close\r\n\r\n").into_bytes()
}

/// A request with a body.
pub(crate) fn post(path: &str, kind: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: mds\r\nUser-Agent: Cloud-Init/25.1\r\nContent-Type: {kind}\r\nContent-Length: \
         {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Asks outside of any tunnel, from one of this machine's loopback addresses.
pub(crate) async fn ask_in_the_open(server: SocketAddr, from: Ipv4Addr, request: &[u8]) -> Result<Answer, String> {
    let ask = async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((from, 0)))?;
        let mut stream = socket.connect(server).await?;
        stream.write_all(request).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        Ok::<_, io::Error>(bytes)
    };
    Answer::parse(&ask.await.map_err(|error| error.to_string())?)
}

/// What a node is told when its key was taken.
#[derive(Clone)]
pub(crate) struct Grant {
    /// The node's address in the tunnel.
    address: IpAddr,
    /// The server's.
    inside: IpAddr,
    server_key: WireguardKey,
    endpoint: SocketAddr,
}

/// Brings a node's key to the server.
pub(crate) async fn bring_key(server: SocketAddr, from: Ipv4Addr, key: &PrivateKey) -> Result<Grant, String> {
    let body = json!({"public_key": key.public()}).to_string();
    let answer = ask_in_the_open(server, from, &post("/wg-init", "application/json", &body)).await?.ok()?;
    let answer: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
    let text = |name: &str| answer[name].as_str().ok_or_else(|| format!("no {name} in {answer}"));
    let broken = |what: &dyn std::fmt::Display| format!("{what} in {answer}");
    Ok(Grant {
        address: text("client-vpn-ip")?
            .split('/')
            .next()
            .unwrap_or_default()
            .parse()
            .map_err(|error| broken(&error))?,
        inside: text("server-ip")?.split('/').next().unwrap_or_default().parse().map_err(|error| broken(&error))?,
        server_key: WireguardKey::parse(text("server-public-key")?).map_err(|error| broken(&error))?,
        endpoint: text("endpoint")?.parse().map_err(|error| broken(&error))?,
    })
}

/// A node's side of its tunnel.
pub(crate) struct Tunnel {
    noise: Tunn,
    socket: UdpSocket,
    interface: Interface,
    connections: SocketSet<'static>,
    packets: Packets,
    inside: IpAddr,
    next_port: u16,
    origin: Instant,
    next_tick: Instant,
}

impl Tunnel {
    /// Opens a socket for the tunnel on one of this machine's loopback addresses. Nothing is sent yet.
    pub(crate) async fn open(grant: &Grant, from: Ipv4Addr, key: &PrivateKey) -> Result<Self, String> {
        let socket = async {
            let socket = UdpSocket::bind((from, 0)).await?;
            socket.connect(grant.endpoint).await?;
            // Tokio lets nothing be sent before it has heard once that it may be.
            socket.writable().await?;
            Ok::<_, io::Error>(socket)
        };
        let socket = socket.await.map_err(|error| error.to_string())?;
        let theirs = PublicKey::from(*grant.server_key.as_bytes());
        let mut packets = Packets::default();
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = fastrand::u64(..);
        let mut interface = Interface::new(config, &mut packets, smoltcp::time::Instant::ZERO);
        // A prefix of no length: everything is reached without a gateway.
        let address = IpCidr::new(IpAddress::from(grant.address), 0);
        interface.update_ip_addrs(|addresses| addresses.push(address).expect("the list has room for one"));
        Ok(Self {
            noise: Tunn::new(key.secret(), theirs, None, None, fastrand::u32(..1 << 24), None),
            socket,
            interface,
            connections: SocketSet::new(Vec::new()),
            packets,
            inside: grant.inside,
            next_port: fastrand::u16(20_000..60_000),
            origin: Instant::now(),
            next_tick: Instant::now() + TICK,
        })
    }

    /// Shakes hands; again after five seconds when nothing comes back.
    pub(crate) async fn shake_hands(&mut self) -> Result<(), String> {
        let mut out = [0; LONGEST];
        if let TunnResult::WriteToNetwork(message) = self.noise.format_handshake_initiation(&mut out, false) {
            send(&self.socket, message);
        }
        while self.noise.time_since_last_handshake().is_none() {
            self.wait().await?;
            self.turn();
        }
        Ok(())
    }

    /// Asks through the tunnel, over a connection of its own, which the server must close.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer, String> {
        let connection = self.connect()?;
        let (mut unsent, mut received) = (request, Vec::new());
        loop {
            self.turn();
            let socket = self.connections.get_mut::<Socket<'_>>(connection);
            let mut has_moved = false;
            if !unsent.is_empty() && socket.can_send() {
                let sent = socket.send_slice(unsent).map_err(|error| error.to_string())?;
                unsent = &unsent[sent..];
                has_moved = sent > 0;
            }
            while socket.can_recv() {
                let read = socket.recv(|bytes| {
                    received.extend_from_slice(bytes);
                    (bytes.len(), ())
                });
                read.map_err(|error| error.to_string())?;
                has_moved = true;
            }
            match socket.state() {
                State::CloseWait => {
                    socket.close();
                    break;
                }
                State::Closed => return Err(format!("the server cut the connection after {} bytes", received.len())),
                _ => {}
            }
            if !has_moved {
                self.wait().await?;
            }
        }
        self.turn();
        Answer::parse(&received)
    }

    /// Waits until the server knows that all connections are closed.
    pub(crate) async fn finish(&mut self) -> Result<(), String> {
        let start = Instant::now();
        while start.elapsed() < FAREWELL {
            self.forget_closed();
            if self.connections.iter().next().is_none() {
                return Ok(());
            }
            self.wait().await?;
            self.turn();
        }
        Err("the server does not say that it knows of the end of a connection".to_owned())
    }

    fn connect(&mut self) -> Result<SocketHandle, String> {
        self.forget_closed();
        let buffer = |length| SocketBuffer::new(vec![0; length]);
        let mut socket = Socket::new(buffer(RECEIVE_BUFFER), buffer(SEND_BUFFER));
        socket.set_nagle_enabled(false);
        // So does Linux at the start of a connection.
        socket.set_ack_delay(None);
        let port = self.next_port;
        self.next_port = port.wrapping_add(1).max(20_000);
        let server = (IpAddress::from(self.inside), PORT);
        socket.connect(self.interface.context(), server, port).map_err(|error| error.to_string())?;
        Ok(self.connections.add(socket))
    }

    fn forget_closed(&mut self) {
        let is_closed = |socket: &smoltcp::socket::Socket<'_>| match socket {
            smoltcp::socket::Socket::Tcp(socket) => matches!(socket.state(), State::Closed | State::TimeWait),
        };
        let closed: Vec<SocketHandle> =
            self.connections.iter().filter(|(_, socket)| is_closed(socket)).map(|(handle, _)| handle).collect();
        closed.into_iter().for_each(|handle| drop(self.connections.remove(handle)));
    }

    /// Waits for a datagram, or until there is something to do without one.
    async fn wait(&mut self) -> Result<(), String> {
        let now = self.now();
        let until_tick = self.next_tick.saturating_duration_since(Instant::now());
        let stack = self.interface.poll_delay(now, &self.connections).map_or(until_tick, Duration::from);
        match tokio::time::timeout(stack.min(until_tick), self.socket.readable()).await {
            Ok(Err(error)) => Err(error.to_string()),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }

    fn now(&self) -> smoltcp::time::Instant {
        smoltcp::time::Instant::from_micros(i64::try_from(self.origin.elapsed().as_micros()).unwrap_or(i64::MAX))
    }

    /// Takes what has come and sends what there is to send.
    fn turn(&mut self) {
        let mut datagram = [0; LONGEST];
        // An error is the network's word on an earlier datagram, or that there is none; losses are repeated anyway.
        while let Ok(length) = self.socket.try_recv(&mut datagram) {
            self.take(&datagram[..length]);
        }
        let mut out = [0; LONGEST];
        if Instant::now() >= self.next_tick {
            self.next_tick = Instant::now() + TICK;
            if let TunnResult::WriteToNetwork(message) = self.noise.update_timers(&mut out) {
                send(&self.socket, message);
            }
        }
        self.interface.poll(self.now(), &mut self.packets, &mut self.connections);
        for packet in self.packets.outbound.drain(..) {
            if let TunnResult::WriteToNetwork(message) = self.noise.encapsulate(&packet, &mut out) {
                send(&self.socket, message);
            }
        }
    }

    fn take(&mut self, datagram: &[u8]) {
        let mut out = [0; LONGEST];
        let mut result = self.noise.decapsulate(None, datagram, &mut out);
        loop {
            match result {
                TunnResult::WriteToNetwork(message) => send(&self.socket, message),
                TunnResult::WriteToTunnelV4(packet, _) | TunnResult::WriteToTunnelV6(packet, _) => {
                    self.packets.inbound.push_back(packet.to_vec());
                    return;
                }
                TunnResult::Done | TunnResult::Err(_) => return,
            }
            // What has waited for the handshake.
            result = self.noise.decapsulate(None, &[], &mut out);
        }
    }
}

/// A datagram that cannot be sent is lost, as others are on their way.
fn send(socket: &UdpSocket, message: &[u8]) {
    let _ = socket.try_send(message);
}

/// Packets between the stack and the protocol.
#[derive(Default)]
struct Packets {
    inbound: VecDeque<Vec<u8>>,
    outbound: Vec<Vec<u8>>,
}

impl Device for Packets {
    type RxToken<'token> = Inbound;
    type TxToken<'token> = Outbound<'token>;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Inbound, Outbound<'_>)> {
        let packet = self.inbound.pop_front()?;
        Some((Inbound(packet), Outbound(&mut self.outbound)))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Outbound<'_>> {
        Some(Outbound(&mut self.outbound))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}

struct Inbound(Vec<u8>);

impl RxToken for Inbound {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

struct Outbound<'queue>(&'queue mut Vec<Vec<u8>>);

impl TxToken for Outbound<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut packet = vec![0; length];
        let result = write(&mut packet);
        self.0.push(packet);
        result
    }
}
