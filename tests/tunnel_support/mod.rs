//! A node's side of a tunnel, small and in the hands of the test: it can lie, repeat itself, and lose packets.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use boringtun::noise::{Tunn, TunnResult};
use boringtun::x25519::PublicKey;
use mds::types::WireguardKey;
use mds::wireguard::PrivateKey;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

/// How long anything may take in a test, on a machine that does much else.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a link does to datagrams, each way: parts of a thousand are lost, doubled, and held back behind later ones.
pub struct Link {
    pub lost: u32,
    pub doubled: u32,
    pub late: u32,
    random: fastrand::Rng,
    held: Vec<Vec<u8>>,
}

impl Link {
    pub fn perfect() -> Self {
        Self::bad(0, 0, 0, 0)
    }

    pub fn bad(seed: u64, lost: u32, doubled: u32, late: u32) -> Self {
        Self { lost, doubled, late, random: fastrand::Rng::with_seed(seed), held: Vec::new() }
    }

    fn pass(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        let dice = self.random.u32(0..1000);
        let mut out = Vec::new();
        if dice < self.lost {
            return out;
        } else if dice < self.lost + self.late && self.held.len() < 3 {
            self.held.push(datagram.to_vec());
            return out;
        } else if dice < self.lost + self.late + self.doubled {
            out.push(datagram.to_vec());
        }
        out.push(datagram.to_vec());
        out.append(&mut self.held);
        out
    }
}

pub struct Client {
    pub key: PrivateKey,
    pub noise: Tunn,
    pub socket: UdpSocket,
    pub server: SocketAddr,
    pub address: IpAddr,
    pub inside: IpAddr,
    /// Every initiation that was sent.
    pub initiations: Vec<Vec<u8>>,
    /// How many datagrams have come, by the first byte.
    pub heard: [usize; 5],
    pub outward: Link,
    pub inward: Link,
    interface: Interface,
    sockets: SocketSet<'static>,
    queue: Queue,
    origin: Instant,
    next_port: u16,
}

impl Client {
    pub fn new(
        key: PrivateKey,
        address: IpAddr,
        server: SocketAddr,
        server_key: &WireguardKey,
        inside: IpAddr,
    ) -> Self {
        let noise = Tunn::new(
            key.secret(),
            PublicKey::from(*server_key.as_bytes()),
            None,
            None,
            fastrand::u32(..1 << 24),
            None,
        );
        let mut queue = Queue::default();
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = fastrand::u64(..);
        let origin = Instant::now();
        let mut interface = Interface::new(config, &mut queue, smoltcp::time::Instant::ZERO);
        interface.update_ip_addrs(|addresses| addresses.push(IpCidr::new(IpAddress::from(address), 0)).unwrap());
        let mut client = Self {
            key,
            noise,
            socket: UdpSocket::bind("127.0.0.1:0").unwrap(),
            server,
            address,
            inside,
            initiations: Vec::new(),
            heard: [0; 5],
            outward: Link::perfect(),
            inward: Link::perfect(),
            interface,
            sockets: SocketSet::new(Vec::new()),
            queue,
            origin,
            next_port: 20_000,
        };
        client.roam();
        client
    }

    /// Goes on from another port.
    pub fn roam(&mut self) {
        self.socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        self.socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    }

    pub fn send_raw(&mut self, datagram: &[u8]) {
        if datagram.first() == Some(&1) {
            self.initiations.push(datagram.to_vec());
        }
        for datagram in self.outward.pass(datagram) {
            self.socket.send_to(&datagram, self.server).unwrap();
        }
    }

    /// Starts a handshake, whether one is needed or not.
    pub fn initiate(&mut self) -> Vec<u8> {
        let mut out = [0; 256];
        let TunnResult::WriteToNetwork(message) = self.noise.format_handshake_initiation(&mut out, true) else {
            panic!("no initiation")
        };
        let message = message.to_vec();
        self.send_raw(&message);
        message
    }

    /// Shakes hands.
    pub fn shake(&mut self) {
        let before = self.heard[2];
        self.initiate();
        self.until("the handshake is answered", |client| client.heard[2] > before);
    }

    /// Seals a packet and sends it.
    pub fn send_packet(&mut self, packet: &[u8]) {
        let mut out = vec![0; packet.len() + 256];
        if let TunnResult::WriteToNetwork(message) = self.noise.encapsulate(packet, &mut out) {
            let message = message.to_vec();
            self.send_raw(&message);
        }
    }

    /// Does what there is to do, for a millisecond or two.
    pub fn step(&mut self) {
        let mut out = vec![0; 70_000];
        if let TunnResult::WriteToNetwork(message) = self.noise.update_timers(&mut out) {
            let message = message.to_vec();
            self.send_raw(&message);
        }
        let mut datagram = vec![0; 70_000];
        for _ in 0..64 {
            let Ok((length, _)) = self.socket.recv_from(&mut datagram) else { break };
            if let Some(heard) = self.heard.get_mut(usize::from(datagram[0])) {
                *heard += 1;
            }
            for datagram in self.inward.pass(&datagram[..length]) {
                let mut input = &datagram[..];
                loop {
                    match self.noise.decapsulate(None, input, &mut out) {
                        TunnResult::WriteToNetwork(message) => {
                            let message = message.to_vec();
                            self.send_raw(&message);
                        }
                        TunnResult::WriteToTunnelV4(packet, _) | TunnResult::WriteToTunnelV6(packet, _) => {
                            self.queue.inbound.push_back(packet.to_vec());
                            break;
                        }
                        TunnResult::Done | TunnResult::Err(_) => break,
                    }
                    input = &[];
                }
            }
        }
        self.poll();
    }

    fn poll(&mut self) {
        let now = smoltcp::time::Instant::from_micros(self.origin.elapsed().as_micros() as i64);
        self.interface.poll(now, &mut self.queue, &mut self.sockets);
        for packet in std::mem::take(&mut self.queue.outbound) {
            self.send_packet(&packet);
        }
    }

    /// Steps until it is so.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < PATIENCE, "this took too long: {what}");
            self.step();
        }
    }

    /// Steps for a while.
    pub fn rest(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            self.step();
        }
    }

    pub fn connect(&mut self, port: u16) -> SocketHandle {
        let buffer = || SocketBuffer::new(vec![0; 64 * 1024]);
        let mut socket = Socket::new(buffer(), buffer());
        self.next_port += 1;
        let to = (IpAddress::from(self.inside), port);
        socket.connect(self.interface.context(), to, self.next_port).unwrap();
        let handle = self.sockets.add(socket);
        self.poll();
        handle
    }

    pub fn tcp(&mut self, handle: SocketHandle) -> &mut Socket<'static> {
        self.sockets.get_mut(handle)
    }

    pub fn say(&mut self, handle: SocketHandle, text: &str) {
        self.until("a connection is open", |client| client.tcp(handle).may_send());
        assert_eq!(self.tcp(handle).send_slice(text.as_bytes()), Ok(text.len()));
        self.poll();
    }

    /// Takes what has come.
    pub fn take(&mut self, handle: SocketHandle) -> Vec<u8> {
        let mut all = Vec::new();
        while let Ok(part) = self.tcp(handle).recv(|bytes| (bytes.len(), bytes.to_vec())) {
            if part.is_empty() {
                break;
            }
            all.extend(part);
        }
        all
    }

    /// Reads until the server has said everything, and closes.
    #[track_caller]
    pub fn read_to_end(&mut self, handle: SocketHandle) -> Vec<u8> {
        let mut all = Vec::new();
        self.until("everything is read", |client| {
            all.extend(client.take(handle));
            !client.tcp(handle).may_recv()
        });
        self.tcp(handle).close();
        self.poll();
        self.until("the connection is closed", |client| {
            matches!(client.tcp(handle).state(), State::Closed | State::TimeWait)
        });
        all
    }

    /// Asks on a connection of its own.
    #[track_caller]
    pub fn ask(&mut self, text: &str) -> Vec<u8> {
        let handle = self.connect(80);
        self.say(handle, text);
        self.read_to_end(handle)
    }
}

#[derive(Default)]
struct Queue {
    inbound: VecDeque<Vec<u8>>,
    outbound: Vec<Vec<u8>>,
}

struct In(Vec<u8>);
struct Out<'a>(&'a mut Vec<Vec<u8>>);

impl Device for Queue {
    type RxToken<'a> = In;
    type TxToken<'a> = Out<'a>;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(In, Out<'_>)> {
        let packet = self.inbound.pop_front()?;
        Some((In(packet), Out(&mut self.outbound)))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Out<'_>> {
        Some(Out(&mut self.outbound))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1420;
        capabilities
    }
}

impl RxToken for In {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl TxToken for Out<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut packet = vec![0; length];
        let result = write(&mut packet);
        self.0.push(packet);
        result
    }
}
