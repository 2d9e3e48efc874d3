//! Tunnels of Debian's own WireGuard, and of the real cloud-init client, to a running `mds` that has no privileges.
//!
//! Needs root, `/dev/net/tun`, wireguard-go and wireguard-tools; elsewhere the tests skip themselves, loudly, unless
//! `MDS_TESTS_MUST_RUN=1`. The first of them takes longer than all others together, which run beside it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

#[allow(unused_imports)]
#[path = "real_client/mod.rs"]
mod harness;
#[path = "wireguard_peer/mod.rs"]
mod tunnels;

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness::site::{Machine, SERVER_ADDRESS, put};
use harness::{Client, FIRST, PLAIN, Root, SECOND};
use serde_json::{Value, json};
use tunnels::{Cluster, Key, Peer, Relay, SERVER_IN_TUNNEL, Terms, Weather, tunnels_can_be_made, wait_until};

/// The documents of the first machine.
const DOCUMENTS: [&str; 6] = ["meta-data", "user-data", "vendor-data", "network-config", "base.yaml", "compute.yaml"];
/// What makes a document as large as a document may be without a warning.
const MEBIBYTE: usize = 1 << 20;
/// How long a tunnel that ends may go on, so that the last answer arrives.
const END: Duration = Duration::from_secs(30);
/// How long a peer asks a server that is silent before it is clear that it is not answered, in seconds.
const SILENCE: u32 = 4;

/// Fails unless the peer has its own documents through the tunnel.
fn assert_has_tunnel(peer: &Peer) {
    let answer = peer.get("/meta-data");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.text().contains(peer.machine().hostname), "{answer:?}");
}

/// WireGuard makes a new key for a session after two minutes, and does not use one for more than three.
#[test]
fn a_key_is_renewed_after_two_minutes_and_nothing_is_lost() {
    if !tunnels_can_be_made() {
        return;
    }
    let cluster = Cluster::start();
    let peer = cluster.peer(&FIRST);
    peer.up();
    let first = peer.last_handshake();
    let (begin, mut renewed) = (Instant::now(), None);

    while begin.elapsed() < Duration::from_secs(131) {
        assert_has_tunnel(&peer);
        let last = peer.last_handshake();
        if last != first && renewed.is_none() {
            renewed = Some(begin.elapsed());
        }
        thread::sleep(Duration::from_secs(2));
    }

    let renewed = renewed.expect("there was a second handshake");
    assert!(renewed > Duration::from_secs(100), "after {renewed:?}");
    assert_has_tunnel(&peer);
}

#[test]
fn all_documents_come_through_the_tunnel_byte_for_byte_and_none_outside() {
    if !tunnels_can_be_made() {
        return;
    }
    let cluster = Cluster::start();
    let peer = cluster.peer(&FIRST);

    let said = peer.up();

    assert!(said.contains("its documents are at http://100.97.0.1/"), "{said}");
    for name in DOCUMENTS {
        let expected = cluster.document(&FIRST, name);
        assert!(!expected.is_empty(), "{name}");
        for base in ["", "/cloud-init", "/metadata-service", ":8080", ":8080/cloud-init"] {
            let answer = peer.get(&format!("{base}/{name}"));
            assert_eq!((answer.status, &answer.body), (200, &expected), "{base}/{name}");
        }
        for path in [format!("/{name}"), format!("/cloud-init/{name}")] {
            let outside = peer.get_outside(&path, &[]);
            assert_eq!(outside.status, 403, "{path}: {outside:?}");
            assert!(outside.text().split_whitespace().count() > 3, "a sentence says why: {outside:?}");
        }
    }
    assert_eq!(peer.get_outside("/health", &[]).status, 200);
    let seed = peer.run("cat /run/wireguard-tunnel/seed.cfg");
    assert!(seed.contains("seedfrom: http://100.97.0.1/"), "{seed}");
    assert!(peer.up().contains("wg0 is up and working"), "a second time changes nothing");
    peer.down();
    assert!(!peer.run("ip link show").contains("wg0"));
}

#[test]
fn the_server_has_no_privileges() {
    if !tunnels_can_be_made() {
        return;
    }
    let cluster = Cluster::start();
    let peer = cluster.peer(&FIRST);

    peer.up();

    assert_has_tunnel(&peer);
    let server = cluster.server();
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(server.status(name), "0000000000000000", "{name}");
    }
    assert_eq!(server.status("Uid"), "65534 65534 65534 65534");
    assert_eq!(server.status("Gid"), "65534 65534 65534 65534");
    assert_eq!(server.status("Groups"), "");
    assert_eq!(server.status("NoNewPrivs"), "1");
    // No device either: there is none but the bridge, its ports and the loopback interface.
    let links = cluster.namespace().try_ip("-oneline link show").unwrap();
    assert!(links.lines().all(|line| ["lo:", "bridge:", "port"].iter().any(|name| line.contains(name))), "{links}");
}

#[test]
fn a_network_of_ipv6_works_as_well() {
    if !tunnels_can_be_made() {
        return;
    }
    let cluster = Cluster::with(Terms { network: "fd00:97::1/64", ..Terms::default() }, |_| {});
    let peer = cluster.peer(&FIRST);

    let said = peer.up();

    assert!(said.contains("its documents are at http://[fd00:97::1]/"), "{said}");
    for name in DOCUMENTS {
        let answer = peer.ask(30, &["--globoff", &format!("http://[fd00:97::1]/{name}")]).unwrap();
        assert_eq!((answer.status, answer.body), (200, cluster.document(&FIRST, name)), "{name}");
    }
}

mod client_22 {
    #[test]
    fn the_real_client_boots_through_a_tunnel_that_ends_with_phone_home() {
        super::boots_through_a_tunnel(super::Client::Bookworm);
    }
}

mod client_25 {
    #[test]
    fn the_real_client_boots_through_a_tunnel_that_ends_with_phone_home() {
        super::boots_through_a_tunnel(super::Client::Trixie);
    }
}

fn boots_through_a_tunnel(client: Client) {
    if !tunnels_can_be_made() {
        return;
    }
    let Some(root) = Root::of(client) else { return };
    let cluster = Cluster::start();
    let mut node = cluster.node(&root, &FIRST);
    node.install("usr/local/sbin/wireguard-tunnel", include_str!("../site/image/wireguard-tunnel"), 0o755);
    let server = format!("root=/dev/ram0 ochami_wg_ip={SERVER_ADDRESS}");
    let command_line = match client {
        // The address of the kernel command line gives way to the tunnel.
        Client::Bookworm => format!("{server} ds=nocloud-net;s=http://{SERVER_ADDRESS}:8080/"),
        Client::Trixie => {
            node.install("etc/cloud/cloud.cfg.d/90_of_the_image.cfg", "datasource_list: [NoCloud]\n", 0o644);
            server
        }
    };

    let boot = node.boot_with(&command_line);

    boot.assert_clean();
    assert_eq!(boot.tunnels(), (1, 1));
    let network_config = client.asks_for_network_config().then_some("network-config");
    let others = ["meta-data", "user-data", "vendor-data", "base.yaml", "compute.yaml", "phone-home/i-first/"];
    assert_eq!(boot.requests(), network_config.into_iter().chain(others).collect::<Vec<_>>());
    assert_eq!(boot.hostname(), FIRST.hostname);
    assert_eq!(node.read("etc/tundra/compute"), "nid001000 of tundra is instance i-first\n");
    assert!(fs::symlink_metadata(node.path("etc/cloud/cloud.cfg.d/99-wireguard-tunnel.cfg")).is_err());
    let boots = cluster.boots(&FIRST);
    assert_eq!((boots.len(), &boots[0]["through_tunnel"]), (1, &Value::Bool(true)), "{boots:?}");
    let said = &boots[0]["said"];
    assert_eq!((&said["instance_id"], &said["hostname"]), (&json!("i-first"), &json!(FIRST.hostname)), "{said}");
    let key = node.read("etc/ssh/ssh_host_ed25519_key.pub");
    assert_eq!(said["pub_key_ed25519"], key.trim());
    wait_until("phone_home ends the tunnel", END, || cluster.count_peers() == 0);
}

/// The units have their places among those of the real client: with a circle, systemd would leave one of them out.
#[test]
fn the_units_of_the_image_make_no_circle() {
    for client in [Client::Bookworm, Client::Trixie] {
        let Some(root) = Root::of(client) else { return };
        let said = tunnels::verify_units(&root, "");
        assert!(!said.contains("wireguard") && !said.contains("cycle"), "{said}");
        // That a circle is found shows that one would be.
        let said = tunnels::verify_units(&root, "After=network-online.target");
        assert!(said.contains("ordering cycle"), "{said}");
    }
}

#[test]
fn phone_home_ends_the_tunnel_and_its_key_until_it_is_brought_again() {
    if !tunnels_can_be_made() {
        return;
    }
    let cluster = Cluster::start();
    let (peer, other) = (cluster.peer(&FIRST), cluster.peer(&SECOND));
    let key = Key::fresh();
    let terms = peer.up_with(&key);
    other.up();
    assert_has_tunnel(&peer);
    assert_eq!(cluster.count_peers(), 2);

    let url = format!("http://{SERVER_IN_TUNNEL}/phone-home/{}/", FIRST.id);
    let answer = peer.ask(10, &["--data", "hostname=nid001000&instance_id=i-first", &url]).unwrap();

    assert_eq!(answer.status, 200, "{answer:?}");
    wait_until("phone_home ends the tunnel", END, || cluster.count_peers() == 1);
    assert!(!cluster.peers().contains(&key.public));
    assert!(!peer.has_tunnel(SILENCE), "the session ends with the tunnel");
    peer.use_key(&key, &terms);
    assert!(!peer.has_tunnel(SILENCE), "the key is refused");
    assert_eq!(peer.last_handshake(), 0);
    assert_has_tunnel(&other);

    let again = peer.up_with(&key);

    assert_eq!(again["client-vpn-ip"], terms["client-vpn-ip"]);
    assert_has_tunnel(&peer);
}

#[test]
fn a_node_that_roams_keeps_its_tunnel() {
    if !tunnels_can_be_made() {
        return;
    }
    let cluster = Cluster::start();
    let peer = cluster.peer(&FIRST);
    peer.up();
    let first = peer.last_handshake();

    peer.run("wg set wg0 listen-port 40123");
    assert_has_tunnel(&peer);
    assert!(cluster.peers().contains("10.252.0.26:40123"), "{}", cluster.peers());
    assert_eq!(peer.last_handshake(), first, "no new handshake was needed");

    peer.run("ip address del 10.252.0.26/17 dev eth0");
    peer.run("ip address add 10.252.77.1/17 dev eth0");
    peer.run("ip route replace default via 10.252.0.1");
    assert_has_tunnel(&peer);
    assert!(cluster.peers().contains("10.252.77.1:40123"), "{}", cluster.peers());
    // Out here it is nobody now.
    assert_eq!(peer.bring(&Key::fresh()).status, 404);
}

#[test]
fn a_server_that_is_killed_and_started_again_has_the_tunnels_it_had() {
    if !tunnels_can_be_made() {
        return;
    }
    let mut cluster = Cluster::start();
    let (peer, other) = (cluster.peer(&FIRST), cluster.peer(&SECOND));
    peer.up();
    other.up();
    let before: BTreeMap<&str, String> =
        [(FIRST.id, peer.run("wg show wg0")), (SECOND.id, other.run("wg show wg0"))].into();
    assert!(before.values().all(|said| said.contains("latest handshake")), "{before:?}");

    cluster.kill();
    cluster.restart();

    assert_eq!(cluster.count_peers(), 2);
    // Nobody touches the nodes. They find out that their sessions are gone after 15 seconds without an answer.
    thread::scope(|scope| {
        scope.spawn(|| assert_has_tunnel(&peer));
        assert_has_tunnel(&other);
    });
}

#[test]
fn a_node_that_reboots_takes_its_address_over_with_a_fresh_key() {
    if !tunnels_can_be_made() {
        return;
    }
    let cluster = Cluster::start();
    let peer = cluster.peer(&FIRST);
    let (old, new) = (Key::fresh(), Key::fresh());
    let before = peer.up_with(&old);
    assert_has_tunnel(&peer);

    let after = peer.bring(&new);

    assert_eq!(after.status, 202, "{after:?}");
    let after = after.json();
    assert_eq!(after["client-vpn-ip"], before["client-vpn-ip"]);
    assert!(!peer.has_tunnel(SILENCE), "the old key ends at once");
    peer.use_key(&old, &before);
    assert!(!peer.has_tunnel(SILENCE), "the old key is refused");
    peer.use_key(&new, &after);
    assert_has_tunnel(&peer);
    assert_eq!(cluster.count_peers(), 1);
    // The same key once more is the same tunnel, and does no harm to it.
    let again = peer.bring(&new);
    assert_eq!((again.status, &again.json()["client-vpn-ip"]), (202, &after["client-vpn-ip"]));
    assert_has_tunnel(&peer);
}

/// A site whose first machine has user-data of a mebibyte, no two lines of which are alike.
fn with_large_user_data(site: &std::path::Path) {
    let mut text = "#cloud-config\n".to_owned();
    let mut random = fastrand::Rng::with_seed(4);
    while text.len() < MEBIBYTE {
        text.push_str(&format!("# {:016x}{:016x}\n", random.u64(..), random.u64(..)));
    }
    text.truncate(MEBIBYTE - 1);
    text.push('\n');
    put(site, &format!("user-data/{}.yaml", FIRST.id), &text);
}

/// Fails unless the large document comes through the tunnel whole.
fn assert_large_document_arrives(cluster: &Cluster, peer: &Peer) {
    let expected = cluster.document(&FIRST, "user-data");
    assert_eq!(expected.len(), MEBIBYTE);
    let answer = peer.get("/user-data");
    assert_eq!((answer.status, answer.body.len()), (200, MEBIBYTE));
    assert!(answer.body == expected, "the document came, but not as it is");
}

#[test]
fn a_large_document_arrives_whole_where_packets_are_lost_doubled_and_overtaken() {
    if !tunnels_can_be_made() {
        return;
    }
    let cluster = Cluster::with(Terms { endpoint: Relay::ENDPOINT, ..Terms::default() }, with_large_user_data);
    let peer = cluster.peer(&FIRST);
    let weather = Weather { lost: 0.05, doubled: 0.05, overtaken: 0.1 };
    let relay = Relay::start(cluster.namespace(), &peer, weather, 7);

    peer.up();

    assert_large_document_arrives(&cluster, &peer);
    assert!(relay.harmed() > 0);
    for name in ["meta-data", "vendor-data", "base.yaml", "compute.yaml"] {
        assert_eq!(peer.get(&format!("/{name}")).body, cluster.document(&FIRST, name), "{name}");
    }
}

#[test]
fn a_large_document_arrives_whole_where_packets_are_small() {
    if !tunnels_can_be_made() {
        return;
    }
    let cluster = Cluster::with(Terms::default(), with_large_user_data);
    let peer = cluster.peer(&FIRST);
    cluster.namespace().ip(&format!("link set dev port{} mtu 1280", FIRST.nid));
    peer.run("ip link set dev eth0 mtu 1280");
    peer.up();

    // What the tunnel sends is cut in pieces outside, then it fits.
    for mtu in [1420, 1280, 1200] {
        peer.run(&format!("ip link set dev wg0 mtu {mtu}"));
        assert_large_document_arrives(&cluster, &peer);
    }
}

#[test]
fn spoof_the_inner_source_of_another_node_gets_nothing() {
    if !tunnels_can_be_made() {
        return;
    }
    let cluster = Cluster::start();
    let (peer, victim) = (cluster.peer(&FIRST), cluster.peer(&SECOND));
    peer.up();
    let terms = victim.up_with(&Key::fresh());
    let address = terms["client-vpn-ip"].as_str().unwrap();

    peer.run(&format!("ip address add {address}/32 dev wg0"));
    let meta_data = format!("http://{SERVER_IN_TUNNEL}/meta-data");
    let answer = peer.ask(SILENCE, &["--interface", address, &meta_data]);

    assert!(answer.is_err(), "{answer:?}");
    assert_has_tunnel(&peer);
    assert_has_tunnel(&victim);
}

#[test]
fn spoof_forwarding_headers_change_nothing_in_a_tunnel_and_outside() {
    if !tunnels_can_be_made() {
        return;
    }
    let cluster = Cluster::start();
    let (peer, victim) = (cluster.peer(&FIRST), cluster.peer(&SECOND));
    peer.up();
    let terms = victim.up_with(&Key::fresh());
    let own = cluster.document(&FIRST, "meta-data");

    for address in [SECOND.address, terms["client-vpn-ip"].as_str().unwrap(), "127.0.0.1", SERVER_IN_TUNNEL] {
        let headers = [
            format!("X-Forwarded-For: {address}"),
            format!("X-Real-IP: {address}"),
            format!("True-Client-IP: {address}"),
            format!("Forwarded: for={address}"),
        ];
        for header in &headers {
            let inside = peer.ask(30, &["--header", header, &format!("http://{SERVER_IN_TUNNEL}/meta-data")]).unwrap();
            assert_eq!((inside.status, &inside.body), (200, &own), "{header}");
            let outside = peer.get_outside("/meta-data", &["--header", header]);
            assert_eq!(outside.status, 403, "{header}: {outside:?}");
        }
    }
    // The key of whoever asks would become the victim's.
    for name in ["X-Forwarded-For: ", "X-Real-IP: ", "True-Client-IP: ", "Forwarded: for="] {
        let lie = json!({"public_key": Key::fresh().public}).to_string();
        let header = format!("{name}{}", SECOND.address);
        let answer = peer.get_outside("/wg-init", &["--header", &header, "--data", &lie]);
        assert_ne!(answer.json()["client-vpn-ip"], terms["client-vpn-ip"], "{header}: {answer:?}");
    }
    assert_has_tunnel(&victim);
}

#[test]
fn spoof_the_key_of_another_node_is_refused() {
    if !tunnels_can_be_made() {
        return;
    }
    let cluster = Cluster::start();
    let (peer, victim) = (cluster.peer(&FIRST), cluster.peer(&SECOND));
    let key = Key::fresh();
    victim.up_with(&key);

    let answer = peer.bring(&key);

    assert!((400..500).contains(&answer.status), "{answer:?}");
    assert_has_tunnel(&victim);
    assert_eq!(cluster.count_peers(), 1);
}

#[test]
fn spoof_what_was_heard_on_the_way_and_is_sent_again_changes_nothing() {
    if !tunnels_can_be_made() {
        return;
    }
    let cluster = Cluster::with(Terms { endpoint: Relay::ENDPOINT, ..Terms::default() }, |_| {});
    let (peer, spy) = (cluster.peer(&FIRST), cluster.peer(&SECOND));
    let relay = Relay::start(cluster.namespace(), &peer, Weather::default(), 0);
    peer.up();
    assert_has_tunnel(&peer);
    let heard = relay.heard();
    // WireGuard's types of messages: 1 asks for a handshake, 4 carries data.
    assert!(heard.iter().any(|packet| packet[0] == 1) && heard.iter().any(|packet| packet[0] == 4));

    let socket = spy.namespace().enter(|| UdpSocket::bind((SECOND.address, 0)).unwrap());
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    for packet in heard.iter().chain(&heard) {
        socket.send_to(packet, (SERVER_ADDRESS, 51820)).unwrap();
    }

    let answer = socket.recv_from(&mut [0; 2048]);
    assert!(answer.is_err(), "the spy is answered: {answer:?}");
    assert!(!cluster.peers().contains(SECOND.address), "{}", cluster.peers());
    let before = peer.last_handshake();
    assert_has_tunnel(&peer);
    assert_eq!(peer.last_handshake(), before, "the session goes on");
}

#[test]
fn spoof_phone_home_for_another_node_ends_nothing() {
    if !tunnels_can_be_made() {
        return;
    }
    let cluster = Cluster::start();
    let (peer, victim) = (cluster.peer(&FIRST), cluster.peer(&SECOND));
    peer.up();
    let key = Key::fresh();
    let terms = victim.up_with(&key);
    let uid = terms["peer-uid"].as_str().unwrap();

    for id in [SECOND.id, uid, SECOND.hostname] {
        for slash in ["", "/"] {
            let path = format!("/phone-home/{id}{slash}");
            let form = ["--data", "hostname=nid001001"];
            let inside = peer.ask(30, &[&form[..], &[&format!("http://{SERVER_IN_TUNNEL}{path}")]].concat()).unwrap();
            assert!((400..500).contains(&inside.status), "{path}: {inside:?}");
            let outside = peer.get_outside(&path, &[&form[..], &["--header", "X-Forwarded-For: 10.252.0.27"]].concat());
            assert!((400..500).contains(&outside.status), "{path}: {outside:?}");
        }
    }

    // Longer than a tunnel goes on after the answer.
    thread::sleep(Duration::from_secs(8));
    assert_eq!(cluster.count_peers(), 2);
    assert!(cluster.peers().contains(&key.public));
    assert_has_tunnel(&victim);
    assert_has_tunnel(&peer);
}

#[test]
fn spoof_a_node_field_that_lies_is_refused() {
    if !tunnels_can_be_made() {
        return;
    }
    let cluster = Cluster::start();
    let peer = cluster.peer(&FIRST);
    let register = |node: &str| {
        let body = json!({"pubkey": Key::fresh().public, "node": node}).to_string();
        peer.get_outside("/v1/register", &["--header", "Content-Type: application/json", "--data", &body])
    };

    for lie in [SECOND.id, SECOND.hostname, "nobody", ""] {
        let answer = register(lie);
        assert_eq!(answer.status, 403, "{lie}: {answer:?}");
    }
    assert_eq!(cluster.count_peers(), 0);
    for truth in [FIRST.id, FIRST.hostname] {
        let answer = register(truth);
        assert_eq!(answer.status, 202, "{truth}: {answer:?}");
    }
    assert_eq!(cluster.count_peers(), 1);
}

#[test]
fn what_a_stranger_brings_is_refused() {
    if !tunnels_can_be_made() {
        return;
    }
    let cluster = Cluster::start();
    let stranger = cluster.peer(&Machine::numbered(1));
    let answer = stranger.bring(&Key::fresh());
    assert_eq!(answer.status, 404, "{answer:?}");
    assert_eq!(cluster.count_peers(), 0);
    // Nor does a key help that the server has never seen.
    let known = cluster.peer(&PLAIN);
    let terms = known.bring(&Key::fresh()).json();
    stranger.use_key(&Key::fresh(), &terms);
    assert!(stranger.ask(SILENCE, &[&format!("http://{SERVER_IN_TUNNEL}/meta-data")]).is_err());
}

/// How many machines bring their keys while the server is killed.
const MANY: u32 = 40;

#[test]
fn every_key_that_was_answered_works_after_a_kill_in_the_middle() {
    if !tunnels_can_be_made() {
        return;
    }
    let mut cluster = Cluster::with(Terms::default(), |site| {
        let nodes: Vec<Value> = (1..=MANY).map(|number| Machine::numbered(number).inventory_entry()).collect();
        put(site, "inventory.json", &json!({"format": 1, "nodes": nodes}).to_string());
        fs::remove_dir_all(site.join("nodes")).unwrap();
        fs::remove_dir_all(site.join("user-data")).unwrap();
        for group in ["all", "more"] {
            put(site, &format!("groups/{group}/group.yaml"), "description: of the many\n");
        }
        for group in ["base", "compute", "spare"] {
            fs::remove_dir_all(site.join("groups").join(group)).unwrap();
        }
        let settings = fs::read_to_string(site.join("mds.toml")).unwrap();
        put(site, "mds.toml", &settings.replace("order = [\"base\"]", ""));
    });
    let machines: Vec<Machine> = (1..=MANY).map(Machine::numbered).collect();
    // One machine with all their addresses plays them all.
    let peer = cluster.peer(&machines[0]);
    for machine in &machines[1..] {
        peer.run(&format!("ip address add {}/17 dev eth0", machine.address));
    }
    let keys: Vec<Key> = machines.iter().map(|_| Key::fresh()).collect();
    let (answers, done) = (std::sync::Mutex::new(Vec::new()), AtomicBool::new(false));
    let bring = |number: usize| {
        let body = json!({"public_key": keys[number].public}).to_string();
        let url = format!("http://{SERVER_ADDRESS}:8080/wg-init");
        let answer = peer.ask(10, &["--interface", machines[number].address, "--data", &body, &url]);
        if let Some(answer) = answer.ok().filter(|answer| answer.status == 202) {
            answers.lock().unwrap().push((number, answer.json()));
        }
    };

    thread::scope(|scope| {
        for first in 0..4 {
            let (bring, done) = (&bring, &done);
            scope.spawn(move || {
                let mut numbers = (first..MANY as usize).step_by(4);
                while let Some(number) = numbers.next().filter(|_| !done.load(Ordering::Acquire)) {
                    bring(number);
                }
            });
        }
        wait_until("some have been answered", Duration::from_secs(60), || answers.lock().unwrap().len() >= 12);
        cluster.kill();
        done.store(true, Ordering::Release);
    });
    cluster.restart();

    let answers = answers.into_inner().unwrap();
    assert!(answers.len() < machines.len(), "the server was killed too late");
    let mut given: Vec<&str> = answers.iter().map(|(_, terms)| terms["client-vpn-ip"].as_str().unwrap()).collect();
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), answers.len(), "every node has an address of its own");
    for (number, terms) in &answers {
        peer.use_key(&keys[*number], terms);
        let answer = peer.get("/meta-data");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.text().contains(machines[*number].hostname), "{number}: {answer:?}");
    }
}
