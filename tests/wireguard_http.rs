//! What a server with tunnels answers over HTTP. Tunnels themselves are played by a stand-in here: a list of keys.

#![allow(clippy::unwrap_used)]

mod serve_support;
#[path = "wireguard_http/spoofs.rs"]
mod spoofs;
#[path = "wireguard_http/tunnel.rs"]
mod tunnel;
#[path = "wireguard_http/tunnels_only.rs"]
mod tunnels_only;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mds::serve::{
    BootRecord, PeerReport, RegisterRefusal, Registered, Registration, ServerTerms, Settings, Shared, TrustedProxies,
    Tunnels,
};
use mds::types::{NodeId, WireguardKey};
use serde_json::{Value, json};
use serve_support::{Answer, Running, usual_release};

/// Takes every key unless it is told what to say.
#[derive(Debug)]
struct FakeTunnels {
    terms: ServerTerms,
    refusal: Mutex<Option<RegisterRefusal>>,
    seen: Mutex<Vec<(String, WireguardKey, Option<WireguardKey>)>>,
    ended: Mutex<Vec<WireguardKey>>,
    /// The live keys of `five`, each for one question, and the last for all that follow.
    live: Mutex<Vec<WireguardKey>>,
}

impl FakeTunnels {
    fn new(only: bool) -> Arc<Self> {
        let terms = ServerTerms {
            public_key: WireguardKey::new([9; 32]),
            network: "100.97.0.1/16".parse().unwrap(),
            port: 51999,
            endpoint: None,
            only,
            admins: vec!["127.0.0.9/32".parse().unwrap()],
        };
        Arc::new(Self {
            terms,
            refusal: Mutex::default(),
            seen: Mutex::default(),
            ended: Mutex::default(),
            live: Mutex::new(vec![WireguardKey::new([1; 32])]),
        })
    }
}

impl Tunnels for FakeTunnels {
    fn terms(&self) -> &ServerTerms {
        &self.terms
    }

    fn register(
        &self,
        request: Registration,
    ) -> Pin<Box<dyn Future<Output = Result<Registered, RegisterRefusal>> + Send + '_>> {
        let refusal = self.refusal.lock().unwrap().clone();
        self.seen.lock().unwrap().push((request.node.to_string(), request.key, request.through));
        let (address, expires_at) = ("100.97.0.9".parse().unwrap(), "2026-01-02T05:04:05Z".parse().unwrap());
        Box::pin(async move {
            match refusal {
                Some(refusal) => Err(refusal),
                None => Ok(Registered { key: request.key, address, expires_at }),
            }
        })
    }

    fn end_soon(&self, key: &WireguardKey) {
        self.ended.lock().unwrap().push(*key);
    }

    fn peers(&self) -> Vec<PeerReport> {
        let mut live = self.live.lock().unwrap();
        let key = if live.len() > 1 { live.remove(0) } else { live[0] };
        vec![PeerReport {
            node: NodeId::parse("five").unwrap(),
            key,
            address: "100.97.0.9".parse().unwrap(),
            since: "2026-01-02T03:04:05Z".parse().unwrap(),
            expires_at: "2026-01-02T05:04:05Z".parse().unwrap(),
            last_handshake: None,
            endpoint: None,
            received: 0,
            sent: 0,
        }]
    }
}

fn serving(tunnels: &Arc<FakeTunnels>) -> Running {
    Running::with(settings(tunnels))
}

fn settings(tunnels: &Arc<FakeTunnels>) -> Settings {
    let tunnels: Arc<dyn Tunnels> = Arc::<FakeTunnels>::clone(tunnels);
    Settings { tunnels: Some(tunnels), trusted_proxies: TrustedProxies::new([]), ..Settings::default() }
}

fn key_text(byte: u8) -> String {
    STANDARD.encode([byte; 32])
}

fn post_with(running: &Running, source: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
    let mut client = running.connect_from(source);
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    client.send(format!("POST {path} HTTP/1.1\r\nHost: mds\r\n{lines}Content-Length: {}\r\n\r\n", body.len()));
    client.send(body);
    client.read_answer(true).unwrap()
}

fn post(running: &Running, source: &str, path: &str, body: impl AsRef<[u8]>) -> Answer {
    post_with(running, source, path, &[], body.as_ref())
}

fn wg_init(running: &Running, source: &str) -> Answer {
    post(running, source, "/wg-init", format!("{{\"public_key\":\"{}\"}}", key_text(7)))
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn a_key_is_answered_with_everything_a_node_needs() {
    let tunnels = FakeTunnels::new(false);
    let running = serving(&tunnels);
    let answer = wg_init(&running, "127.0.0.1");
    assert_eq!((answer.status, answer.header("content-type")), (202, Some("application/json")));
    let expected = json!({
        "message": "WireGuard peer allocation accepted",
        "peer-uid": WireguardKey::new([7; 32]).peer_uid(),
        "client-vpn-ip": "100.97.0.9",
        "server-public-key": key_text(9),
        "server-ip": "100.97.0.1",
        "server-port": "51999",
        "endpoint": "127.0.0.1:51999",
        "expires-at": "2026-01-02T05:04:05Z",
        "allowed-ips": ["100.97.0.1/32"],
    });
    assert_eq!(json_of(&answer), expected);
    for path in ["/cloud-init/wg-init/", "/metadata-service/wg-init"] {
        assert_eq!(
            json_of(&post(&running, "127.0.0.1", path, format!("{{\"public_key\":\"{}\"}}", key_text(7)))),
            expected
        );
    }
    for path in ["/v1/register", "/cloud-init/v1/register/"] {
        let body = json!({"pubkey": key_text(7), "node": "local"}).to_string();
        assert_eq!(json_of(&post(&running, "127.0.0.1", path, body)), expected);
    }
    let nodes: Vec<String> = tunnels.seen.lock().unwrap().iter().map(|(node, ..)| node.clone()).collect();
    assert_eq!(nodes, ["local"; 5]);
}

#[test]
fn the_endpoint_of_the_settings_is_told_and_its_port_too() {
    let mut tunnels = FakeTunnels::new(false);
    Arc::get_mut(&mut tunnels).unwrap().terms.endpoint = Some("gate.example:4500".to_owned());
    let running = serving(&tunnels);
    let answer = json_of(&wg_init(&running, "127.0.0.1"));
    assert_eq!((&answer["endpoint"], &answer["server-port"]), (&json!("gate.example:4500"), &json!("4500")));
}

#[test]
fn a_host_header_does_not_say_where_the_tunnel_is() {
    let running = serving(&FakeTunnels::new(false));
    let body = json!({"public_key": key_text(7)}).to_string();
    let answer = post_with(&running, "127.0.0.1", "/wg-init", &["Host: evil.example"], body.as_bytes());
    assert!(answer.status == 400 || json_of(&answer)["endpoint"] == "127.0.0.1:51999", "{answer:?}");
}

#[test]
fn requests_that_bring_no_usable_key_are_400() {
    let tunnels = FakeTunnels::new(false);
    let running = serving(&tunnels);
    for body in ["", "{", "[]", "{}", "{\"public_key\":7}", "{\"public_key\":\"AAAA\"}", "{\"public_key\":\"?\"}"] {
        let answer = post(&running, "127.0.0.1", "/wg-init", body);
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    }
    assert!(tunnels.seen.lock().unwrap().is_empty());
    *tunnels.refusal.lock().unwrap() = Some(RegisterRefusal::UnusableKey("the key is all zero"));
    assert_eq!(wg_init(&running, "127.0.0.1").status, 400);
}

#[test]
fn every_refusal_has_its_status_and_its_wait() {
    let tunnels = FakeTunnels::new(false);
    let running = serving(&tunnels);
    let node = || NodeId::parse("local").unwrap();
    for (refusal, status, wait) in [
        (RegisterRefusal::KeyOfAnother, 403, None),
        (RegisterRefusal::NotArmed(node()), 403, None),
        (RegisterRefusal::SecondKey(node()), 403, None),
        (RegisterRefusal::ThroughTunnel, 403, None),
        (RegisterRefusal::TooOften(Duration::from_secs(7)), 429, Some("7")),
        (RegisterRefusal::TooOften(Duration::ZERO), 429, Some("1")),
        (RegisterRefusal::NoAddress("no address".to_owned()), 503, Some("8")),
        (RegisterRefusal::Unwritable, 503, Some("8")),
    ] {
        *tunnels.refusal.lock().unwrap() = Some(refusal.clone());
        let answer = wg_init(&running, "127.0.0.1");
        assert_eq!((answer.status, answer.header("retry-after")), (status, wait), "{refusal:?}");
        assert!(answer.text().contains(&refusal.to_string()), "{}", answer.text());
    }
}

#[test]
fn unknown_callers_wrong_methods_and_servers_without_tunnels_are_refused() {
    let tunnels = FakeTunnels::new(false);
    let running = serving(&tunnels);
    assert_eq!(wg_init(&running, "127.0.0.77").status, 404);
    let answer = running.get("/wg-init", &[]);
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    assert_eq!(running.connect().request("HEAD", "/v1/register", &[]).status, 405);
    let off = Running::usual();
    let answer = wg_init(&off, "127.0.0.5");
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("--wireguard-server"), "{}", answer.text());
    let empty = Running::start(&["127.0.0.1:0"], settings(&tunnels)).unwrap();
    let answer = wg_init(&empty, "127.0.0.1");
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true));
}

#[test]
fn a_body_over_4_kib_is_413_with_and_without_a_length_and_never_read_on() {
    let running = serving(&FakeTunnels::new(false));
    let body = format!("{{\"public_key\":\"{}\",\"x\":\"{}\"}}", key_text(7), "y".repeat(4096));
    let answer = post(&running, "127.0.0.1", "/wg-init", &body);
    assert_eq!((answer.status, answer.header("connection")), (413, None), "it was heard to its end");
    let mut client = running.connect();
    client.send("POST /wg-init HTTP/1.1\r\nHost: mds\r\nContent-Length: 99999999999\r\n\r\n{");
    let answer = client.read_answer(true).unwrap();
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")), "it is not waited for");
    let mut client = running.connect();
    client.send("POST /wg-init HTTP/1.1\r\nHost: mds\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..5 {
        client.send(format!("400\r\n{}\r\n", "z".repeat(1024)));
    }
    assert_eq!(client.read_answer(true).unwrap().status, 413);
    let exact = format!("{{\"public_key\":\"{}\"}}", key_text(7));
    let padded = format!("{exact}{}", " ".repeat(4096 - exact.len()));
    assert_eq!(post(&running, "127.0.0.1", "/wg-init", padded).status, 202);
}

#[test]
fn a_body_that_does_not_come_is_given_up() {
    let tunnels = FakeTunnels::new(false);
    let running = Running::with(Settings { header_timeout: Duration::from_millis(200), ..settings(&tunnels) });
    let mut client = running.connect();
    client.send("POST /wg-init HTTP/1.1\r\nHost: mds\r\nContent-Length: 100\r\n\r\n{");
    let answer = client.read_answer(true).unwrap();
    assert_eq!((answer.status, answer.header("connection")), (400, Some("close")));
    assert!(tunnels.seen.lock().unwrap().is_empty());
}

#[test]
fn random_bodies_never_make_the_server_fail() {
    let tunnels = FakeTunnels::new(false);
    let running = serving(&tunnels);
    let mut random = fastrand::Rng::with_seed(7);
    let mut client = running.connect();
    for round in 0..300 {
        let length = random.usize(0..200);
        let letters: Vec<u8> = (0..length)
            .map(|_| if round % 2 == 0 { random.u8(..) } else { *random.choice(b"{}[]\":,=&%+0aA\\u").unwrap() })
            .collect();
        for (path, expected) in [("/wg-init", 400), ("/v1/register", 400), ("/phone-home/local", 200)] {
            client.send(format!("POST {path} HTTP/1.1\r\nHost: mds\r\nContent-Length: {length}\r\n\r\n"));
            client.send(&letters);
            assert_eq!(client.read_answer(true).unwrap().status, expected, "{letters:?}");
        }
    }
    assert!(tunnels.seen.lock().unwrap().is_empty());
}

// Attacks.

#[test]
fn a_lie_in_the_node_field_is_403() {
    let tunnels = FakeTunnels::new(false);
    let running = serving(&tunnels);
    for name in ["victim", "", "LOCAL", "local/", "127.0.0.1"] {
        let body = json!({"pubkey": key_text(7), "node": name}).to_string();
        assert_eq!(post(&running, "127.0.0.1", "/v1/register", body).status, 403, "{name}");
    }
    assert!(tunnels.seen.lock().unwrap().is_empty());
}

#[test]
fn a_foreign_phone_home_is_403_and_ends_nothing() {
    let tunnels = FakeTunnels::new(false);
    let running = serving(&tunnels);
    assert_eq!(post(&running, "127.0.0.5", "/phone-home/local", "").status, 403);
    assert_eq!(post(&running, "127.0.0.77", "/phone-home/local", "").status, 404);
    let uid = WireguardKey::new([1; 32]).peer_uid();
    assert_eq!(post(&running, "127.0.0.1", &format!("/phone-home/{uid}"), "").status, 403);
    assert!(tunnels.ended.lock().unwrap().is_empty());
}

// Phone-home.

#[test]
fn a_phone_call_is_recorded_with_its_node_time_and_release() {
    for with_tunnels in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("phone-home.ndjson");
        let shared = Arc::new(Shared::new());
        let record = Some(BootRecord::open(&path, shared).unwrap());
        let base = if with_tunnels { settings(&FakeTunnels::new(true)) } else { Settings::default() };
        let running = Running::with(Settings { boot_record: record, ..base });
        let body = "pub_key_ed25519=ssh-ed25519+AAAA&instance_id=local&hostname=n1&fqdn=n1.example&nonsense=1";
        for call in ["/phone-home/local/", "/cloud-init/phone-home/local"] {
            let answer = post(&running, "127.0.0.1", call, body);
            assert_eq!((answer.status, answer.body.len()), (200, 0));
        }
        // The end of the server waits for the disk.
        drop(running);
        let boots = BootRecord::read(&path).unwrap();
        assert_eq!(boots[0].node.as_str(), "local");
        assert_eq!(boots[0].release, Some(usual_release().id()));
        assert_eq!(boots[0].said.get("fqdn"), Some("n1.example"));
        assert!(!boots[0].through_tunnel);
    }
}

#[test]
fn a_node_that_calls_without_end_does_not_fill_the_record_and_its_tunnel_ends_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phone-home.ndjson");
    let boot_record = Some(BootRecord::open(&path, Arc::new(Shared::new())).unwrap());
    let tunnels = FakeTunnels::new(true);
    let running = Running::with(Settings { boot_record, ..settings(&tunnels) });
    for _ in 0..200 {
        assert_eq!(post(&running, "127.0.0.5", "/phone-home/five", "").status, 200);
    }
    assert_eq!(post(&running, "127.0.0.1", "/phone-home/local", "").status, 200);
    drop(running);
    let boots = BootRecord::read(&path).unwrap();
    let count = |node: &str| boots.iter().filter(|boot| boot.node.as_str() == node).count();
    assert!((5..100).contains(&count("five")), "{}", count("five"));
    assert_eq!(count("local"), 1);
    assert_eq!(tunnels.ended.lock().unwrap().len(), 200);
}

#[test]
fn a_phone_call_over_64_kib_is_413_and_a_get_405() {
    let running = Running::usual();
    assert_eq!(post(&running, "127.0.0.5", "/phone-home/five", vec![b'x'; 64 * 1024 + 1]).status, 413);
    assert_eq!(post(&running, "127.0.0.5", "/phone-home/five", vec![b'x'; 64 * 1024]).status, 200);
    let answer = running.get_from("127.0.0.5", "/phone-home/five", &[]);
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
}

// Peers.

#[test]
fn peers_are_shown_to_administrators_in_the_shape_of_the_original() {
    let running = serving(&FakeTunnels::new(true));
    let answer = running.get_from("127.0.0.9", "/wireguardpeers/", &[]);
    let peers = json_of(&answer);
    assert_eq!((answer.status, &peers[0]["kind"]), (200, &json!("WireGuardPeer")));
    let uid = peers[0]["metadata"]["uid"].as_str().unwrap();
    let one = running.get_from("127.0.0.9", &format!("/metadata-service/wireguardpeers/{uid}"), &[]);
    assert_eq!(json_of(&one), peers[0]);
    assert_eq!(running.get_from("127.0.0.9", "/wireguardpeers/none", &[]).status, 404);
    assert_eq!(running.get("/wireguardpeers", &[]).status, 403);
}

// Inside a tunnel.

/// Sends requests through the tunnel of `five`, in a server that believes whatever any proxy says.
fn through_tunnel(tunnels: &Arc<FakeTunnels>, requests: &[String]) -> Vec<(u16, String)> {
    let proxies = TrustedProxies::new(["0.0.0.0/0".parse().unwrap()]);
    let settings = Settings { trusted_proxies: proxies, ..settings(tunnels) };
    tunnel::ask(settings, "five", 1, usual_release(), requests)
}

fn get_request(path: &str, header: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: mds\r\nConnection: close\r\n{header}\r\n")
}

fn post_request(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: mds\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[test]
fn through_a_tunnel_a_node_phones_home_for_itself_and_its_tunnel_ends() {
    let tunnels = FakeTunnels::new(true);
    let uid = WireguardKey::new([1; 32]).peer_uid();
    let requests = [post_request("/phone-home/victim", ""), get_request("/wireguardpeers", "")];
    let statuses: Vec<u16> = through_tunnel(&tunnels, &requests).into_iter().map(|(status, _)| status).collect();
    assert_eq!(statuses, [403, 403]);
    assert!(tunnels.ended.lock().unwrap().is_empty());
    let requests =
        [post_request("/phone-home/five/", "hostname=five"), post_request(&format!("/phone-home/{uid}"), "")];
    let answers = through_tunnel(&tunnels, &requests);
    assert_eq!(answers, vec![(200, String::new()); 2]);
    assert_eq!(*tunnels.ended.lock().unwrap(), [WireguardKey::new([1; 32]); 2]);
}

#[test]
fn what_is_left_of_a_tunnel_does_not_end_the_one_that_replaced_it() {
    // The live key of `five` is another one than this tunnel's, and `local` has none.
    let tunnels = FakeTunnels::new(true);
    for node in ["five", "local"] {
        let call = post_request(&format!("/phone-home/{node}"), "");
        let answers = tunnel::ask(settings(&tunnels), node, 2, usual_release(), &[call]);
        assert_eq!(answers, [(200, String::new())]);
    }
    assert!(tunnels.ended.lock().unwrap().is_empty());
}

#[test]
fn a_phone_call_from_outside_ends_the_tunnel_of_the_node_that_calls() {
    let tunnels = FakeTunnels::new(true);
    let running = serving(&tunnels);
    let uid = WireguardKey::new([1; 32]).peer_uid();
    for name in ["five", "five/", &uid] {
        assert_eq!(post(&running, "127.0.0.5", &format!("/phone-home/{name}"), "").status, 200, "{name}");
    }
    assert_eq!(post(&running, "127.0.0.5", "/phone-home/wireguardpeer-0", "").status, 403);
    assert_eq!(*tunnels.ended.lock().unwrap(), [WireguardKey::new([1; 32]); 3]);
}

#[test]
fn a_key_that_is_brought_during_a_phone_call_is_not_ended_by_it() {
    let (before, after) = (WireguardKey::new([1; 32]), WireguardKey::new([2; 32]));
    for is_inside in [false, true] {
        let tunnels = FakeTunnels::new(true);
        // Whoever looks a second time sees the new one.
        *tunnels.live.lock().unwrap() = vec![before, after];
        let status = if is_inside {
            through_tunnel(&tunnels, &[post_request("/phone-home/five", "")])[0].0
        } else {
            post(&serving(&tunnels), "127.0.0.5", "/phone-home/five", "").status
        };
        assert_eq!(status, 200);
        assert_eq!(*tunnels.ended.lock().unwrap(), [before]);
    }
}

#[test]
fn through_a_tunnel_a_key_is_brought_with_the_tunnels_own_key_told() {
    let tunnels = FakeTunnels::new(true);
    let body = json!({"public_key": key_text(7)}).to_string();
    let answers = through_tunnel(&tunnels, &[post_request("/wg-init", &body)]);
    assert_eq!(answers[0].0, 202);
    let seen: BTreeMap<String, Option<WireguardKey>> =
        tunnels.seen.lock().unwrap().iter().map(|(node, _, through)| (node.clone(), *through)).collect();
    assert_eq!(seen, BTreeMap::from([("five".to_owned(), Some(WireguardKey::new([1; 32])))]));
}
