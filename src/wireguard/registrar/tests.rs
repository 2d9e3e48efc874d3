//! The registrar as the server and the command line meet it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use super::super::administration::{Answer, Request, administer};
use super::super::clock::{BootId, Moment};
use super::super::peers::faulty_disk::Faulty;
use super::super::{PrivateKey, RegistrarSettings};
use super::*;
use crate::release::{Disk, Manifest, MappedRelease, NodeEntry, TunnelTerms};
use crate::serve::Gravity;
use crate::types::GroupLabel;

#[derive(Debug)]
struct TestClock(Mutex<u64>);

impl TestClock {
    fn pass(&self, seconds: u64) {
        *self.0.lock().unwrap() += seconds;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Moment {
        let seconds = *self.0.lock().unwrap();
        let wall = Timestamp::from_second(1_800_000_000 + i64::try_from(seconds).unwrap()).unwrap();
        Moment { wall, boot: BootId::new(1), uptime: Duration::from_secs(seconds) }
    }
}

const NETWORK: &str = "100.97.0.1/16";

fn release(network: Option<&str>) -> Arc<MappedRelease> {
    let entry = |number: u8| NodeEntry {
        id: NodeId::parse(&format!("n{number}")).unwrap(),
        hostname: format!("n{number}"),
        nid: None,
        instance_id: format!("n{number}"),
        macs: vec![],
        addresses: vec![],
        tunnel_address: network.map(|_| [100, 97, 0, number + 1].into()),
        groups: vec![GroupLabel::parse("compute").unwrap()],
        documents: BTreeMap::new(),
    };
    let network = network.map(|network| network.parse().unwrap());
    let manifest = Manifest::new((1..=3).map(entry).collect());
    let manifest = manifest.with_tunnels(TunnelTerms { network, ..TunnelTerms::default() });
    let id = Manifest::id_of(&manifest.to_bytes().unwrap());
    Arc::new(MappedRelease::new(id, &manifest, |_| None).unwrap())
}

struct Bench {
    folder: tempfile::TempDir,
    clock: Arc<TestClock>,
    roster: Arc<Roster>,
    registrar: Arc<Registrar>,
    server: WireguardKey,
    shared: Arc<Shared>,
}

fn fresh_key() -> WireguardKey {
    PrivateKey::generate().unwrap().public()
}

fn settings(arm: Arming, server: WireguardKey, network: &str) -> RegistrarSettings {
    let terms = ServerTerms {
        public_key: server,
        network: network.parse().unwrap(),
        port: 51820,
        endpoint: None,
        only: false,
        admins: vec![],
    };
    RegistrarSettings {
        terms,
        arm,
        idle: Duration::from_secs(600),
        max_age: Duration::from_secs(7200),
        max_asks_per_minute: 20,
    }
}

fn start(
    folder: &Path,
    clock: &Arc<TestClock>,
    arm: Arming,
    server: WireguardKey,
    network: &str,
) -> (Arc<Roster>, Arc<Registrar>, Arc<Shared>) {
    let (roster, shared) = (Arc::new(Roster::new()), Arc::new(Shared::new()));
    let (settings, clock) = (settings(arm, server, network), Arc::<TestClock>::clone(clock));
    let registrar = Registrar::open(folder, settings, Arc::clone(&roster), clock, Arc::clone(&shared)).unwrap();
    (roster, registrar, shared)
}

impl Bench {
    fn new(arm: Arming) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, server) = (Arc::new(TestClock(Mutex::new(1000))), fresh_key());
        let (roster, registrar, shared) = start(folder.path(), &clock, arm, server, NETWORK);
        Self { folder, clock, roster, registrar, server, shared }
    }

    fn on_disk(disk: Arc<dyn Disk>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, server) = (Arc::new(TestClock(Mutex::new(1000))), fresh_key());
        let (roster, shared) = (Arc::new(Roster::new()), Arc::new(Shared::new()));
        let settings = settings(Arming::Always, server, NETWORK);
        let of_store = StoreSettings { arm: settings.arm, idle: settings.idle, max_age: settings.max_age };
        let store = PeerStore::open_on(disk, folder.path(), of_store, clock.now()).unwrap();
        let same_clock = Arc::<TestClock>::clone(&clock);
        let registrar =
            Registrar::with_store(folder.path(), store, settings, Arc::clone(&roster), same_clock, Arc::clone(&shared));
        Self { folder, clock, roster, registrar: registrar.unwrap(), server, shared }
    }

    /// What `/health` says of keys.
    fn complaint(&self) -> Option<(Gravity, String)> {
        let state = self.shared.snapshot();
        state.degraded().get("wireguard-keys").map(|entry| (entry.gravity, entry.reason.clone()))
    }

    fn restart(self, arm: Arming, network: &str) -> Self {
        let Self { folder, clock, registrar, server, .. } = self;
        drop(registrar);
        let (roster, registrar, shared) = start(folder.path(), &clock, arm, server, network);
        Self { folder, clock, roster, registrar, server, shared }
    }

    async fn ask(&self, number: u8, key: WireguardKey) -> Result<Registered, RegisterRefusal> {
        self.ask_of(number, key, None, release(Some(NETWORK))).await
    }

    async fn ask_of(
        &self,
        number: u8,
        key: WireguardKey,
        through: Option<WireguardKey>,
        release: Arc<MappedRelease>,
    ) -> Result<Registered, RegisterRefusal> {
        let node = NodeId::parse(&format!("n{number}")).unwrap();
        self.registrar.register(Registration { node, release, key, through }).await
    }

    fn administer(&self, request: &Request) -> Answer {
        let administered = administer(self.folder.path(), request, &*self.clock).unwrap();
        assert!(administered.by_server);
        administered.answer
    }
}

#[tokio::test]
async fn the_tunnel_works_when_the_answer_is_there_and_after_a_restart() {
    let bench = Bench::new(Arming::Always);
    let key = fresh_key();
    let answer = bench.ask(1, key).await.unwrap();
    let peer = bench.roster.get(&key).unwrap();
    assert_eq!((peer.address, peer.node.as_str()), (answer.address, "n1"));
    assert_eq!(answer.address.to_string(), "100.97.0.2");
    bench.clock.pass(60);
    let bench = bench.restart(Arming::Always, NETWORK);
    assert_eq!(bench.roster.get(&key).unwrap().address, answer.address);
    assert_eq!(bench.ask(1, key).await.unwrap(), answer);
    let reports = bench.registrar.peers();
    assert_eq!((reports.len(), reports[0].expires_at), (1, answer.expires_at));
}

#[tokio::test]
async fn another_key_of_the_node_ends_the_one_before_at_once() {
    let bench = Bench::new(Arming::Always);
    let (before, after) = (fresh_key(), fresh_key());
    bench.ask(1, before).await.unwrap();
    let peer = bench.roster.get(&before).unwrap();
    bench.ask(1, after).await.unwrap();
    assert!(peer.has_ended() && bench.roster.get(&before).is_none() && bench.roster.get(&after).is_some());
    assert_eq!(bench.ask(2, after).await, Err(RegisterRefusal::KeyOfAnother));
    assert_eq!(bench.ask(2, bench.server).await.unwrap_err().to_string().matches("the server's own").count(), 1);
    assert!(matches!(bench.ask(2, WireguardKey::new([0; 32])).await, Err(RegisterRefusal::UnusableKey(_))));
}

#[tokio::test]
async fn through_a_tunnel_only_its_own_key_is_taken() {
    let bench = Bench::new(Arming::Always);
    let (own, other) = (fresh_key(), fresh_key());
    let answer = bench.ask(1, own).await.unwrap();
    let release = release(Some(NETWORK));
    assert_eq!(bench.ask_of(1, own, Some(own), Arc::clone(&release)).await.unwrap(), answer);
    let refused = Err(RegisterRefusal::ThroughTunnel);
    assert_eq!(bench.ask_of(1, other, Some(own), Arc::clone(&release)).await, refused);
    assert_eq!(bench.ask_of(2, other, Some(other), release).await, refused, "no such tunnel is live");
}

#[tokio::test]
async fn a_release_without_the_servers_network_gives_no_address() {
    let bench = Bench::new(Arming::Always);
    for network in [None, Some("100.98.0.1/16")] {
        let refusal = bench.ask_of(1, fresh_key(), None, release(network)).await.unwrap_err();
        assert!(refusal.to_string().contains("same `server` in [wireguard]"), "{refusal}");
    }
    let refusal = bench.ask_of(9, fresh_key(), None, release(Some(NETWORK))).await.unwrap_err();
    assert!(refusal.to_string().contains("node n9"), "{refusal}");
    // A tunnel that is live needs nothing of a release.
    let key = fresh_key();
    let answer = bench.ask(1, key).await.unwrap();
    assert_eq!(bench.ask_of(1, key, None, release(None)).await.unwrap(), answer);
}

#[tokio::test]
async fn an_address_that_is_still_in_use_makes_way_for_a_spare_one() {
    let bench = Bench::new(Arming::Always);
    bench.ask(1, fresh_key()).await.unwrap();
    // In this release, the address of n1 is that of n2.
    let mut nodes: Vec<NodeEntry> = Vec::new();
    for (number, last) in [(1, 3), (2, 2)] {
        nodes.push(NodeEntry {
            id: NodeId::parse(&format!("n{number}")).unwrap(),
            hostname: String::new(),
            nid: None,
            instance_id: String::new(),
            macs: vec![],
            addresses: vec![],
            tunnel_address: Some([100, 97, 0, last].into()),
            groups: vec![],
            documents: BTreeMap::new(),
        });
    }
    let terms = TunnelTerms { network: Some(NETWORK.parse().unwrap()), ..TunnelTerms::default() };
    let manifest = Manifest::new(nodes).with_tunnels(terms);
    let id = Manifest::id_of(&manifest.to_bytes().unwrap());
    let moved = Arc::new(MappedRelease::new(id, &manifest, |_| None).unwrap());
    let spare = bench.ask_of(2, fresh_key(), None, Arc::clone(&moved)).await.unwrap().address;
    for taken in ["100.97.0.1", "100.97.0.2", "100.97.0.3"] {
        assert_ne!(spare.to_string(), taken, "the server's, n1's live one, and n1's in the release");
    }
    assert_eq!(bench.ask_of(1, fresh_key(), None, moved).await.unwrap().address.to_string(), "100.97.0.3");
}

#[tokio::test]
async fn a_node_that_asks_too_often_has_to_wait() {
    let bench = Bench::new(Arming::Always);
    let key = fresh_key();
    for _ in 0..20 {
        bench.ask(1, key).await.unwrap();
    }
    assert_eq!(bench.ask(1, key).await, Err(RegisterRefusal::TooOften(Duration::from_secs(3))));
    assert!(bench.ask(2, fresh_key()).await.is_ok());
    bench.clock.pass(3);
    assert!(bench.ask(1, key).await.is_ok());
}

#[tokio::test]
async fn keys_that_cannot_be_used_are_counted_too() {
    let bench = Bench::new(Arming::Always);
    let zero = WireguardKey::new([0; 32]);
    for _ in 0..20 {
        assert!(matches!(bench.ask(1, zero).await, Err(RegisterRefusal::UnusableKey(_))));
    }
    for key in [zero, fresh_key()] {
        assert!(matches!(bench.ask(1, key).await, Err(RegisterRefusal::TooOften(_))), "{key}");
    }
    assert!(bench.ask(2, fresh_key()).await.is_ok());
}

#[tokio::test]
async fn phoning_home_ends_the_tunnel_a_little_later_unless_the_node_asks_again() {
    let bench = Bench::new(Arming::Always);
    let (home, again) = (fresh_key(), fresh_key());
    bench.ask(1, home).await.unwrap();
    bench.ask(2, again).await.unwrap();
    for key in [home, again, fresh_key()] {
        bench.registrar.end_soon(&key);
    }
    // So that both are noted at this time of the clock.
    bench.registrar.sweep().await;
    bench.clock.pass(2);
    bench.registrar.sweep().await;
    assert_eq!(bench.roster.len(), 2);
    bench.ask(2, again).await.unwrap();
    bench.clock.pass(2);
    bench.registrar.sweep().await;
    assert!(bench.roster.get(&home).is_none() && bench.roster.get(&again).is_some());
    let bench = bench.restart(Arming::Always, NETWORK);
    assert!(bench.roster.get(&home).is_none(), "ended keys stay ended");
}

#[tokio::test]
async fn phoning_home_ends_the_tunnel_that_the_node_had_and_none_that_it_makes_then() {
    let bench = Bench::new(Arming::Always);
    let (before, after) = (fresh_key(), fresh_key());
    bench.ask(1, before).await.unwrap();
    bench.registrar.end_soon(&before);
    bench.ask(1, after).await.unwrap();
    // The call of a node whose key was replaced while it was looked at.
    bench.registrar.end_soon(&before);
    bench.registrar.sweep().await;
    bench.clock.pass(60);
    bench.registrar.sweep().await;
    assert!(bench.roster.get(&before).is_none() && bench.roster.get(&after).is_some());
}

#[tokio::test]
async fn a_disk_that_takes_no_keys_is_told_to_health_until_it_takes_them_again() {
    let disk = Arc::new(Faulty::default());
    let bench = Bench::on_disk(Arc::<Faulty>::clone(&disk));
    let (live, key) = (fresh_key(), fresh_key());
    bench.ask(1, live).await.unwrap();
    assert_eq!(bench.complaint(), None);
    disk.sync.store(true, Ordering::SeqCst);
    assert_eq!(bench.ask(2, key).await, Err(RegisterRefusal::Unwritable));
    // So that what was to be said of the group has been said.
    bench.registrar.sweep().await;
    let (gravity, reason) = bench.complaint().unwrap();
    assert!(gravity == Gravity::Degraded && reason.contains("keys cannot be written down"), "{reason}");
    assert!(!reason.contains(bench.folder.path().to_str().unwrap()), "{reason}");
    assert!(bench.ask(1, live).await.is_ok());
    disk.sync.store(false, Ordering::SeqCst);
    assert!(bench.ask(2, key).await.is_ok());
    bench.registrar.sweep().await;
    assert_eq!(bench.complaint(), None);
}

#[tokio::test]
async fn a_registrar_whose_thread_has_failed_is_told_to_health() {
    let bench = Bench::new(Arming::Always);
    let clock = Arc::clone(&bench.clock);
    // The clock cannot be read any more, and whoever tries panics.
    let poisoned = std::thread::spawn(move || {
        let _held = clock.0.lock().unwrap();
        panic!("the clock is broken, as the test wants it");
    });
    assert!(poisoned.join().is_err());
    assert_eq!(bench.ask(1, fresh_key()).await, Err(RegisterRefusal::Unwritable));
    while bench.complaint().is_none() {
        std::thread::yield_now();
    }
    let (gravity, reason) = bench.complaint().unwrap();
    assert!(gravity == Gravity::Unhealthy && reason.contains("start the server anew"), "{reason}");
}

#[tokio::test]
async fn a_caller_that_goes_away_harms_nobody_and_may_come_back() {
    let bench = Bench::new(Arming::Always);
    let key = fresh_key();
    for _ in 0..19 {
        let mut asking = Box::pin(bench.ask(1, key));
        // Once: the request is sent, and nobody waits for what comes of it. On a busy machine it may have come already.
        std::future::poll_fn(|context| {
            let _ = asking.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
    }
    bench.registrar.sweep().await;
    assert_eq!(bench.registrar.key_of(&NodeId::parse("n1").unwrap()), Some(key), "written, although nobody was told");
    let answer = bench.ask(1, key).await.unwrap();
    assert_eq!(bench.roster.get(&key).unwrap().address, answer.address);
    assert!(matches!(bench.ask(1, key).await, Err(RegisterRefusal::TooOften(_))), "who goes away is counted, once");
    assert!(bench.ask(2, fresh_key()).await.is_ok());
    bench.clock.pass(60);
    bench.registrar.sweep().await;
    for _ in 0..20 {
        bench.ask(1, key).await.unwrap();
    }
}

#[tokio::test]
async fn a_handshake_keeps_a_tunnel_alive_and_silence_ends_it() {
    let bench = Bench::new(Arming::Always);
    let (speaking, silent) = (fresh_key(), fresh_key());
    bench.ask(1, speaking).await.unwrap();
    bench.ask(2, silent).await.unwrap();
    bench.clock.pass(599);
    bench.roster.get(&speaking).unwrap().note_handshake(Instant::now());
    bench.registrar.sweep().await;
    bench.clock.pass(2);
    bench.registrar.sweep().await;
    assert!(bench.roster.get(&speaking).is_some() && bench.roster.get(&silent).is_none());
    let reports = bench.registrar.peers();
    assert!(reports.len() == 1 && reports[0].last_handshake.is_some());
}

#[tokio::test]
async fn a_server_with_another_network_ends_what_was_live_in_the_old_one() {
    let bench = Bench::new(Arming::Always);
    bench.ask(1, fresh_key()).await.unwrap();
    let bench = bench.restart(Arming::Always, "10.9.0.1/24");
    assert!(bench.roster.is_empty() && bench.registrar.peers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_reaches_the_running_server() {
    let bench = Bench::new(Arming::Window);
    let (first, second) = (fresh_key(), fresh_key());
    assert!(matches!(bench.ask(1, first).await, Err(RegisterRefusal::NotArmed(_))));
    let Answer::Armed { window } = bench.administer(&Request::Arm { name: "compute".to_owned(), seconds: 1800 }) else {
        panic!("not armed");
    };
    assert_eq!((window.name.as_str(), window.seconds_left), ("compute", 1800));
    bench.ask(1, first).await.unwrap();
    assert!(matches!(bench.ask(1, second).await, Err(RegisterRefusal::SecondKey(_))));
    let Answer::Windows { windows, second_keys } = bench.administer(&Request::Windows) else { panic!("no windows") };
    assert_eq!(windows[0].used.values().collect::<Vec<_>>(), [&first]);
    assert_eq!((second_keys.len(), second_keys[0].key), (1, second));
    let Answer::Peers { peers, .. } = bench.administer(&Request::Peers) else { panic!("no peers") };
    assert_eq!((peers.len(), peers[0].key), (1, first));
    for (peer, removed) in [("n7".to_owned(), 0), (first.peer_uid(), 1), (first.to_string(), 0)] {
        let Answer::Removed { peers } = bench.administer(&Request::Remove { peer }) else { panic!("not removed") };
        assert_eq!(peers.len(), removed);
    }
    assert!(bench.roster.is_empty());
    let bench = bench.restart(Arming::Window, NETWORK);
    assert!(matches!(bench.ask(1, second).await, Err(RegisterRefusal::SecondKey(_))), "windows survive");
}

#[tokio::test]
async fn the_journal_answers_when_no_server_runs() {
    let bench = Bench::new(Arming::Always);
    let key = fresh_key();
    bench.ask(1, key).await.unwrap();
    let Bench { folder, clock, registrar, server, .. } = bench;
    drop(registrar);
    let ask = |request: &Request| {
        let administered = administer(folder.path(), request, &*clock).unwrap();
        assert!(!administered.by_server);
        administered.answer
    };
    let Answer::Peers { peers, .. } = ask(&Request::Peers) else { panic!("no peers") };
    assert_eq!(peers[0].key, key);
    let Answer::Removed { peers } = ask(&Request::Remove { peer: "n1".to_owned() }) else { panic!("not removed") };
    assert_eq!(peers.len(), 1);
    assert!(matches!(ask(&Request::Arm { name: "n2".to_owned(), seconds: 60 }), Answer::Armed { .. }));
    let (roster, _registrar, _) = start(folder.path(), &clock, Arming::Window, server, NETWORK);
    assert!(roster.is_empty());
}
