//! The engine of the tunnels against a node in this process: who is let in, what is carried, what is left behind.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod tunnel_support;

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use blake2::digest::consts::U16;
use blake2::digest::{Digest, Mac};
use blake2::{Blake2s256, Blake2sMac};
use boringtun::noise::TunnResult;
use mds::types::{NodeId, TunnelNetwork};
use mds::wireguard::engine::{
    CounterSnapshot, Counters, Engine, EngineSettings, RunningEngine, TunnelService, TunnelStream,
};
use mds::wireguard::{LivePeer, PrivateKey, Roster};
use proptest::prelude::*;
use smoltcp::socket::tcp::State;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tunnel_support::{Client, Link, PATIENCE};

/// Bytes that tell where in the whole they belong.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8 ^ (at / 251 % 256) as u8).collect()
}

/// Does what the first line says.
struct Service;

impl TunnelService for Service {
    fn serve(&self, mut stream: TunnelStream, peer: Arc<LivePeer>) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move {
            let mut line = String::new();
            while !line.ends_with('\n') {
                match stream.read_u8().await {
                    Ok(byte) => line.push(char::from(byte)),
                    Err(_) => return,
                }
            }
            let mut words = line.split_whitespace();
            let result = match (words.next(), words.next().and_then(|word| word.parse().ok())) {
                (Some("send"), Some(length)) => stream.write_all(&pattern(length)).await,
                (Some("who"), _) => stream.write_all(peer.node.to_string().as_bytes()).await,
                (Some("count"), _) => {
                    let mut rest = Vec::new();
                    match stream.read_to_end(&mut rest).await {
                        Ok(length) => stream.write_all(length.to_string().as_bytes()).await,
                        Err(error) => Err(error),
                    }
                }
                (Some("fail"), _) => panic!("the test asked for it"),
                (Some("hold"), _) => stream.read_u8().await.map(drop),
                _ => panic!("the test asked for {line:?}"),
            };
            // What cannot be said any more is not the service's business.
            let _ = result;
        })
    }
}

struct Server {
    roster: Arc<Roster>,
    key: PrivateKey,
    network: TunnelNetwork,
    counters: Arc<Counters>,
    address: SocketAddr,
    running: Option<RunningEngine>,
}

impl Server {
    fn start() -> Self {
        Self::with(2, 1_000_000, "100.97.0.1/16")
    }

    fn with(shards: usize, limit: u32, network: &str) -> Self {
        let (key, roster) = (PrivateKey::generate().unwrap(), Arc::new(Roster::new()));
        let network = TunnelNetwork::parse(network).unwrap();
        let (running, counters, address) = engine(&key, &roster, network, shards, limit, "127.0.0.1:0");
        Self { roster, key, network, counters, address, running: Some(running) }
    }

    fn restart(&mut self) {
        self.running.take().unwrap().stop();
        let (running, counters, _) =
            engine(&self.key, &self.roster, self.network, 2, 1_000_000, &self.address.to_string());
        (self.running, self.counters) = (Some(running), counters);
    }

    fn address_of(&self, number: u16) -> IpAddr {
        let [high, low] = number.to_be_bytes();
        match self.network.server() {
            IpAddr::V4(_) => Ipv4Addr::new(100, 97, high, low).into(),
            IpAddr::V6(server) => {
                let mut octets = server.octets();
                (octets[14], octets[15]) = (high, low);
                IpAddr::from(octets)
            }
        }
    }

    fn client(&self, number: u16, key: PrivateKey) -> Client {
        Client::new(key, self.address_of(number), self.address, &self.key.public(), self.network.server())
    }

    /// A node that the roster knows.
    fn node(&self, number: u16) -> (Client, Arc<LivePeer>) {
        let key = PrivateKey::generate().unwrap();
        let peer = LivePeer::new(node_id(number), key.public(), self.address_of(number));
        let peer = Arc::new(peer);
        self.roster.insert(Arc::clone(&peer));
        (self.client(number, key), peer)
    }

    fn counts(&self) -> CounterSnapshot {
        self.counters.snapshot()
    }

    #[track_caller]
    fn until(&self, what: &str, is_so: impl Fn(&CounterSnapshot) -> bool) {
        let start = Instant::now();
        while !is_so(&self.counts()) {
            assert!(start.elapsed() < PATIENCE, "{what}: {:?}", self.counts());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.counts().restarts, 0, "a thread failed");
        }
    }
}

fn node_id(number: u16) -> NodeId {
    format!("x1000c0s{number}b0n0").parse().unwrap()
}

fn engine(
    key: &PrivateKey,
    roster: &Arc<Roster>,
    network: TunnelNetwork,
    shards: usize,
    limit: u32,
    listen: &str,
) -> (RunningEngine, Arc<Counters>, SocketAddr) {
    let settings = EngineSettings {
        listen: listen.parse().unwrap(),
        private_key: key.clone(),
        network,
        ports: vec![80, 8080],
        shards,
        max_handshakes_per_second: limit,
    };
    let engine = Engine::bind(settings, Arc::clone(roster)).unwrap();
    let (counters, address) = (engine.counters(), engine.local_addr());
    (engine.start(Arc::new(Service)).unwrap(), counters, address)
}

#[test]
fn a_node_is_served_through_its_tunnel() {
    let server = Server::start();
    let (mut client, peer) = server.node(7);
    client.shake();
    assert_eq!(client.ask("who\n"), node_id(7).to_string().as_bytes());
    assert_eq!(client.ask("send 100000\n"), pattern(100_000));
    assert_eq!(peer.endpoint(), Some(client.socket.local_addr().unwrap()));
    assert!(peer.last_handshake().is_some());
    let (received, sent) = peer.traffic();
    assert!(received > 148 && sent > 100_000, "{received} {sent}");
    let counts = server.counts();
    assert_eq!((counts.handshakes, counts.connections, counts.live_tunnels), (1, 2, 1));
}

#[test]
fn a_node_is_served_through_its_tunnel_by_ipv6() {
    let server = Server::with(1, 1000, "fd97::1/64");
    let (mut client, _) = server.node(7);
    client.shake();
    assert_eq!(client.ask("send 50000\n"), pattern(50_000));
}

#[test]
fn a_packet_that_claims_the_address_of_another_node_is_dropped_and_counted() {
    let server = Server::start();
    let (mut honest, _) = server.node(8);
    honest.shake();
    let (client, _) = server.node(7);
    let mut liar = server.client(8, client.key);
    liar.shake();
    let handle = liar.connect(80);
    liar.rest(Duration::from_millis(50));
    assert_eq!(liar.tcp(handle).state(), State::SynSent);
    let counts = server.counts();
    assert!(counts.spoofed_sources > 0 && counts.connections == 0 && counts.live_interfaces == 0, "{counts:?}");
    assert_eq!(honest.ask("who\n"), node_id(8).to_string().as_bytes());
}

#[test]
fn a_replayed_handshake_changes_nothing_not_even_after_its_keys_were_dropped() {
    let mut server = Server::start();
    let (mut client, peer) = server.node(7);
    client.shake();
    client.ask("who\n");
    client.rest(Duration::from_millis(20));
    client.shake();
    client.ask("who\n");
    let initiations = client.initiations.clone();
    assert_eq!(initiations.len(), 2);

    let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
    elsewhere.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let replay = |server: &Server| {
        let before = server.counts();
        for initiation in &initiations {
            elsewhere.send_to(initiation, server.address).unwrap();
        }
        server.until("replays are refused", |counts| counts.replays == before.replays + 2);
        assert!(elsewhere.recv_from(&mut [0; 256]).is_err(), "a replay was answered");
        assert_eq!(server.counts().handshakes, before.handshakes);
    };
    let (endpoint, handshake) = (peer.endpoint(), peer.last_handshake());
    replay(&server);
    assert_eq!(client.ask("who\n"), node_id(7).to_string().as_bytes());

    // The new engine has the roster of the old one, and no keys.
    server.restart();
    replay(&server);
    assert_eq!(server.counts().live_tunnels, 0);
    assert_eq!((peer.endpoint(), peer.last_handshake()), (endpoint, handshake));
    client.shake();
    assert_eq!(client.ask("who\n"), node_id(7).to_string().as_bytes());
}

/// The initiation with another number for the initiator's session, and the first MAC that fits: anybody who saw it can
/// make that.
fn renumbered(initiation: &[u8], server: &PrivateKey) -> Vec<u8> {
    let mut message = initiation.to_vec();
    message[4..8].copy_from_slice(&[1, 2, 3, 4]);
    let key = Blake2s256::new().chain_update(b"mac1----").chain_update(server.public().as_bytes()).finalize();
    let mac = <Blake2sMac<U16> as Mac>::new_from_slice(&key).unwrap().chain_update(&message[..116]).finalize();
    message[116..132].copy_from_slice(&mac.into_bytes());
    message
}

#[test]
fn a_replayed_handshake_under_another_number_is_refused_too() {
    let mut server = Server::start();
    let (mut client, _) = server.node(7);
    client.shake();
    client.ask("who\n");
    let first = client.initiations[0].clone();
    client.rest(Duration::from_millis(20));
    client.shake();
    for restarted in [false, true] {
        if restarted {
            server.restart();
        }
        client.send_raw(&renumbered(&first, &server.key));
        let last = client.initiations[1].clone();
        client.send_raw(&renumbered(&last, &server.key));
        server.until("replays are refused", |counts| counts.replays == 2);
        assert_eq!(server.counts().handshakes, if restarted { 0 } else { 2 });
    }
}

#[test]
fn a_handshake_that_was_answered_counts_only_when_the_node_uses_it() {
    let server = Server::start();
    let (mut client, peer) = server.node(7);
    let initiation = client.initiate();
    server.until("the handshake is answered", |counts| counts.handshakes == 1);
    assert_eq!((peer.endpoint(), peer.last_handshake()), (None, None));
    assert_eq!(client.initiations, [initiation]);
    client.until("the answer is confirmed", |_| peer.last_handshake().is_some());
    assert_eq!(peer.endpoint(), Some(client.socket.local_addr().unwrap()));
}

#[test]
fn an_unknown_key_makes_no_state_and_gets_no_answer() {
    let server = Server::start();
    let mut stranger = server.client(7, PrivateKey::generate().unwrap());
    stranger.initiate();
    server.until("the key is looked for", |counts| counts.unknown_keys == 1);
    stranger.rest(Duration::from_millis(50));
    assert_eq!(stranger.heard, [0; 5]);
    let counts = server.counts();
    assert_eq!((counts.live_tunnels, counts.handshakes), (0, 0));
}

#[test]
fn a_handshake_for_another_server_gets_no_answer() {
    let (server, other) = (Server::start(), Server::start());
    let (client, _) = server.node(7);
    let mut lost = Client::new(client.key, client.address, server.address, &other.key.public(), client.inside);
    lost.initiate();
    server.until("the first MAC is looked at", |counts| counts.malformed == 1);
    lost.rest(Duration::from_millis(50));
    assert_eq!(lost.heard, [0; 5]);
}

#[test]
fn a_flood_of_handshakes_gets_cookies_and_a_node_that_honours_its_cookie_gets_in() {
    let server = Server::with(2, 3, "100.97.0.1/16");
    let (mut client, _) = server.node(7);
    let mut flood = server.client(9, PrivateKey::generate().unwrap());
    let (mut got_cookie, mut got_in) = (false, false);
    client.until("the node gets in through the flood", |client| {
        for _ in 0..20 {
            flood.initiate();
        }
        // It may get in without a cookie too, when a new second has just begun.
        client.initiate();
        got_cookie |= client.heard[3] > 0;
        got_in |= client.heard[2] > 0;
        got_cookie && got_in
    });
    assert_eq!(client.ask("who\n"), node_id(7).to_string().as_bytes());
    assert!(server.counts().cookies_sent > 0);
}

#[test]
fn a_flood_of_handshakes_that_honours_its_cookie_is_throttled_and_a_node_elsewhere_gets_in() {
    let server = Server::with(2, 1, "100.97.0.1/16");
    let (mut client, _) = server.node(7);
    client.socket = UdpSocket::bind("127.0.0.2:0").unwrap();
    client.socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let mut flood = server.client(9, PrivateKey::generate().unwrap());
    flood.until("the flood gets a cookie", |flood| {
        flood.initiate();
        flood.heard[3] > 0
    });
    let message = flood.initiate();
    flood.until("the flood is throttled", |flood| {
        for _ in 0..20 {
            flood.send_raw(&message);
        }
        server.counts().throttled > 0
    });
    client.until("the node gets in through the flood", |client| {
        flood.send_raw(&message);
        client.initiate();
        client.heard[2] > 0
    });
    assert_eq!(client.ask("who\n"), node_id(7).to_string().as_bytes());
    assert!(server.counts().unknown_keys > 0);
}

#[test]
fn a_tunnel_that_has_ended_is_dead_at_once_and_a_new_key_of_the_node_is_not() {
    let server = Server::start();
    let (mut client, peer) = server.node(7);
    client.shake();
    let handle = client.connect(80);
    client.say(handle, "hold\n");
    server.until("the connection is open", |counts| counts.open_connections == 1);

    server.roster.remove(&peer.key);
    let before = client.heard;
    client.send_packet(&[0x45; 40]);
    client.initiate();
    server.until("all is dropped", |counts| {
        (counts.live_tunnels, counts.live_interfaces, counts.open_connections) == (0, 0, 0)
    });
    client.rest(Duration::from_millis(50));
    assert_eq!(client.heard, before, "a dead tunnel spoke");

    let (mut again, _) = server.node(7);
    again.shake();
    assert_eq!(again.ask("who\n"), node_id(7).to_string().as_bytes());
}

#[test]
fn a_node_may_go_on_from_other_ports() {
    let server = Server::start();
    let (mut client, peer) = server.node(7);
    client.shake();
    // Some of the ports belong to another shard than the first.
    for _ in 0..8 {
        let handle = client.connect(80);
        client.say(handle, "send 200000\n");
        client.until("some has come", |client| client.tcp(handle).recv_queue() > 10_000);
        client.roam();
        // Who only listens is not found: the server hears of the new port with the next packet, here a keepalive.
        client.send_packet(&[]);
        assert_eq!(client.read_to_end(handle), pattern(200_000));
        assert_eq!(peer.endpoint(), Some(client.socket.local_addr().unwrap()));
    }
    assert_eq!(server.counts().handshakes, 1);
}

#[test]
fn a_message_that_was_overtaken_does_not_move_a_node_back() {
    let server = Server::start();
    let (mut client, peer) = server.node(7);
    client.shake();
    client.ask("who\n");
    let mut late = [0; 256];
    let TunnResult::WriteToNetwork(late) = client.noise.encapsulate(&[], &mut late) else { panic!("no message") };
    let before = peer.traffic().0;
    let old = client.socket.try_clone().unwrap();
    client.roam();
    client.send_packet(&[]);
    let moved = client.socket.local_addr().unwrap();
    client.until("the node has moved", |_| peer.endpoint() == Some(moved));
    old.send_to(late, server.address).unwrap();
    client.until("the late message is taken", |_| peer.traffic().0 == before + 64);
    assert_eq!(peer.endpoint(), Some(moved));
}

#[test]
fn a_forged_message_does_not_move_a_node() {
    let server = Server::start();
    let (mut client, peer) = server.node(7);
    client.shake();
    client.ask("who\n");
    let mut forged = vec![0; 64];
    forged[0] = 4;
    forged[9] = 1;
    // The first session of the first tunnel of either shard.
    let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
    for shard in 0..2_u32 {
        forged[4..8].copy_from_slice(&(shard << 29 | 1).to_le_bytes());
        elsewhere.send_to(&forged, server.address).unwrap();
    }
    server.until("they are refused", |counts| counts.unproven == 1 && counts.unknown_sessions == 1);
    assert_eq!(peer.endpoint(), Some(client.socket.local_addr().unwrap()));
}

#[test]
fn a_mebibyte_arrives_whole_though_datagrams_are_lost_doubled_and_late() {
    let server = Server::start();
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (mut client, _) = server.node(7 + seed);
            scope.spawn(move || {
                client.shake();
                client.outward = Link::bad(u64::from(seed), 20, 30, 50);
                client.inward = Link::bad(u64::from(seed) + 100, 20, 30, 50);
                let handle = client.connect(80);
                client.say(handle, "send 1048576\n");
                assert!(client.read_to_end(handle) == pattern(1 << 20), "seed {seed}: not what was sent");
            });
        }
    });
    assert!(server.counts().replays > 0, "nothing was doubled");
}

#[test]
fn a_node_may_have_many_connections_and_more_wait_for_their_turn() {
    let server = Server::start();
    let (mut client, _) = server.node(7);
    client.shake();
    let handles: Vec<_> = (0..20).map(|_| client.connect(if client.heard[4] % 2 == 0 { 80 } else { 8080 })).collect();
    let mut answers = vec![Vec::new(); handles.len()];
    let mut asked = vec![false; handles.len()];
    client.until("all are answered", |client| {
        for (at, handle) in handles.iter().enumerate() {
            if !asked[at] && client.tcp(*handle).may_send() {
                asked[at] = client.tcp(*handle).send_slice(b"send 20000\n").is_ok();
            }
            let part = client.take(*handle);
            answers[at].extend(part);
            if asked[at] && !client.tcp(*handle).may_recv() {
                client.tcp(*handle).close();
            }
        }
        answers.iter().all(|answer| answer.len() == 20_000)
    });
    assert!(answers.iter().all(|answer| *answer == pattern(20_000)));
    let counts = server.counts();
    assert!(counts.connections == 20 && counts.refused_connections > 0, "{counts:?}");
}

#[test]
fn a_hundred_nodes_are_served_at_the_same_time() {
    let server = Server::start();
    let nodes: Vec<_> = (0..100).map(|number| (number, server.node(number).0)).collect();
    std::thread::scope(|scope| {
        for (number, mut client) in nodes {
            scope.spawn(move || {
                client.shake();
                assert_eq!(client.ask("who\n"), node_id(number).to_string().as_bytes());
                assert_eq!(client.ask("send 10000\n"), pattern(10_000));
            });
        }
    });
    let counts = server.counts();
    assert_eq!((counts.connections, counts.live_tunnels, counts.spoofed_sources), (200, 100, 0));
}

#[test]
fn a_connection_may_be_half_closed() {
    let server = Server::start();
    let (mut client, _) = server.node(7);
    client.shake();
    let handle = client.connect(80);
    client.say(handle, &format!("count\n{}", "x".repeat(30_000)));
    client.tcp(handle).close();
    assert_eq!(client.read_to_end(handle), b"30000");
}

#[test]
fn a_reset_ends_a_connection_and_a_closed_port_is_refused() {
    let server = Server::start();
    let (mut client, _) = server.node(7);
    client.shake();
    let handle = client.connect(80);
    client.say(handle, "send 10000000\n");
    client.until("some has come", |client| client.tcp(handle).recv_queue() > 10_000);
    client.tcp(handle).abort();
    client.until("it is forgotten", |_| server.counts().open_connections == 0);
    let handle = client.connect(81);
    client.until("the port is refused", |client| client.tcp(handle).state() == State::Closed);
    assert_eq!(client.ask("who\n"), node_id(7).to_string().as_bytes());
}

#[test]
fn an_idle_node_has_no_stack() {
    let server = Server::start();
    let (mut client, _) = server.node(7);
    client.shake();
    client.ask("send 100000\n");
    client.until("the stack is dropped", |_| {
        let counts = server.counts();
        (counts.live_interfaces, counts.open_connections, counts.live_tunnels) == (0, 0, 1)
    });
}

#[test]
fn a_node_that_reads_nothing_holds_up_nobody() {
    let server = Server::with(1, 1000, "100.97.0.1/16");
    let (mut stuck, _) = server.node(7);
    stuck.shake();
    let handle = stuck.connect(80);
    stuck.say(handle, "send 10000000\n");
    let (mut client, _) = server.node(8);
    client.shake();
    assert_eq!(client.ask("send 100000\n"), pattern(100_000));
}

#[test]
fn a_service_that_fails_ends_one_connection() {
    let server = Server::with(1, 1000, "100.97.0.1/16");
    let (mut client, _) = server.node(7);
    client.shake();
    assert_eq!(client.ask("fail\n"), b"");
    assert_eq!(client.ask("who\n"), node_id(7).to_string().as_bytes());
}

#[test]
fn after_a_restart_a_node_that_shakes_hands_is_served() {
    let mut server = Server::start();
    let (mut client, _) = server.node(7);
    client.shake();
    client.ask("who\n");
    server.restart();
    let before = client.heard;
    let handle = client.connect(80);
    server.until("its old keys are unknown", |counts| counts.unknown_sessions > 0);
    client.rest(Duration::from_millis(20));
    assert_eq!(client.heard, before);
    client.shake();
    // The packet that opens the connection is sent once more.
    client.say(handle, "who\n");
    assert_eq!(client.read_to_end(handle), node_id(7).to_string().as_bytes());
}

#[test]
fn an_engine_that_is_drained_delivers_what_was_written_before_it_stops() {
    let mut server = Server::start();
    let (mut node, _) = server.node(1);
    let connection = node.connect(80);
    node.say(connection, "send 30000\n");
    let mut all = Vec::new();
    // All of it fits what may be on its way, so with the first bytes the service has left.
    node.until("something is heard", |node| {
        all.extend(node.take(connection));
        !all.is_empty()
    });
    let running = server.running.take().unwrap();
    let draining = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let is_drained = runtime.block_on(running.drain(PATIENCE));
        running.stop();
        is_drained
    });
    all.extend(node.read_to_end(connection));
    assert!(draining.join().unwrap());
    assert!(all == pattern(30_000), "{} bytes", all.len());
}

#[test]
fn a_node_that_does_not_take_its_answer_is_not_waited_for_when_the_engine_ends() {
    let server = Server::start();
    let (mut node, _) = server.node(1);
    let connection = node.connect(80);
    node.say(connection, "hold\n");
    server.until("the connection is open", |counts| counts.open_connections == 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    assert!(!runtime.block_on(server.running.as_ref().unwrap().drain(Duration::from_millis(20))));
}

#[test]
fn a_datagram_that_no_node_has_reason_to_send_is_dropped_before_it_is_handed_on() {
    let server = Server::start();
    let (mut node, _) = server.node(1);
    let mut datagram = vec![0; 60_000];
    datagram[0] = 4;
    // For a tunnel of either shard.
    for upper in [0, 0x20] {
        datagram[7] = upper;
        node.send_raw(&datagram);
    }
    server.until("both are counted", |counts| counts.malformed == 2);
    assert_eq!(server.counts().unknown_sessions, 0);
}

#[test]
fn the_address_that_is_taken_is_named() {
    let server = Server::start();
    let settings = EngineSettings {
        listen: server.address,
        private_key: server.key.clone(),
        network: server.network,
        ports: vec![80],
        shards: 2,
        max_handshakes_per_second: 1,
    };
    let message = Engine::bind(settings, Arc::default()).unwrap_err().to_string();
    assert!(message.contains(&server.address.to_string()) && message.contains("choose another port"), "{message}");
}

/// A server, and a node of it, that go through all the cases of a test.
fn hardened() -> &'static Mutex<(Server, Client)> {
    static BOTH: OnceLock<Mutex<(Server, Client)>> = OnceLock::new();
    BOTH.get_or_init(|| {
        let server = Server::start();
        let (mut client, _) = server.node(7);
        client.shake();
        Mutex::new((server, client))
    })
}

fn mutated(mut bytes: Vec<u8>, changes: &[(u16, u8)], length: u16) -> Vec<u8> {
    for (at, to) in changes {
        let at = usize::from(*at) % bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(at) {
            *byte = *to;
        }
    }
    bytes.truncate(usize::from(length));
    bytes
}

/// A packet that opens a connection.
fn syn() -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 44, 0, 0, 0x40, 0, 64, 6, 0, 0, 100, 97, 0, 7, 100, 97, 0, 1];
    packet.extend([0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 0b10, 0xff, 0xff, 0, 0, 0, 0, 2, 4, 5, 0x64]);
    packet
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_datagram_and_no_packet_in_a_tunnel_harms_the_server(
        noise in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..8),
        kind in 0_u8..6,
        changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..6),
        length in 0_u16..200,
        counter in any::<u64>(),
        session in any::<u32>(),
    ) {
        let mut both = hardened().lock().unwrap_or_else(PoisonError::into_inner);
        let (server, client) = &mut *both;
        let initiation = client.initiations[0].clone();
        client.send_raw(&mutated(initiation, &changes, length));
        for mut datagram in noise {
            client.send_raw(&datagram);
            client.send_packet(&datagram);
            if let Some(first) = datagram.get_mut(..4) {
                first.copy_from_slice(&[kind, 0, 0, 0]);
                client.send_raw(&datagram);
            }
        }
        let mut data = vec![4, 0, 0, 0];
        data.extend(session.to_le_bytes());
        data.extend(counter.to_le_bytes());
        data.extend([0; 32]);
        client.send_raw(&data);
        client.send_packet(&mutated(syn(), &changes, length));
        prop_assert_eq!(client.ask("send 3000\n"), pattern(3000));
        prop_assert_eq!(server.counts().restarts, 0);
    }
}
