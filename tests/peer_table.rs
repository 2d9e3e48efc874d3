//! Peers, journal and restarts against a model: one address one peer, one node one peer, no answered peer lost before
//! its limit, none past it, and the same question has the same answer, whatever clocks, crashes and reboots do.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use mds::serve::{RegisterRefusal, Registered};
use mds::settings::Arming;
use mds::types::{NodeId, WireguardKey};
use mds::wireguard::peers::{Change, EndReason, Newcomer, PeerStore, StoreSettings};
use mds::wireguard::{BootId, Moment};
use proptest::prelude::*;

const IDLE: u64 = 600;
const MAX_AGE: u64 = 3600;
const SETTINGS: StoreSettings =
    StoreSettings { arm: Arming::Always, idle: Duration::from_secs(IDLE), max_age: Duration::from_secs(MAX_AGE) };
const NODES: u8 = 5;
const KEYS: u8 = 8;

#[derive(Clone, Debug)]
enum Step {
    Register {
        node: u8,
        key: u8,
    },
    End {
        key: u8,
    },
    Handshake {
        key: u8,
    },
    Pass {
        seconds: u64,
    },
    /// The wall clock is set, forward or back.
    Jump {
        seconds: i64,
    },
    Sweep,
    Commit,
    WriteAges,
    /// The process dies, with what of the pending group had reached the disk, cut anywhere, and starts again.
    Crash {
        written: u16,
    },
    /// The machine starts again: the wall clock goes on, or does not.
    Reboot {
        away: u64,
        jump: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..NODES, 0..KEYS).prop_map(|(node, key)| Step::Register { node, key }),
        1 => (0..KEYS).prop_map(|key| Step::End { key }),
        3 => (0..KEYS).prop_map(|key| Step::Handshake { key }),
        4 => (0..900_u64).prop_map(|seconds| Step::Pass { seconds }),
        2 => (-100_000..100_000_i64).prop_map(|seconds| Step::Jump { seconds }),
        2 => Just(Step::Sweep),
        6 => Just(Step::Commit),
        2 => Just(Step::WriteAges),
        2 => any::<u16>().prop_map(|written| Step::Crash { written }),
        1 => (1..900_u64, prop_oneof![Just(0), -100_000..100_000_i64])
            .prop_map(|(away, jump)| Step::Reboot { away, jump }),
    ]
}

/// A peer that the store must know, written as plainly as possible. Times are in seconds.
#[derive(Clone, Debug)]
struct Known {
    node: u8,
    answer: Registered,
    age: u64,
    silent: u64,
    /// When its age was last written down, by the wall clock, and the age then: all that is left of it after a reboot.
    stamp: (i64, u64),
}

struct World {
    folder: tempfile::TempDir,
    store: Option<PeerStore>,
    now: Moment,
    /// By key: what is on disk, and so was answered.
    durable: BTreeMap<u8, Known>,
    /// By key: with what is not committed yet.
    current: BTreeMap<u8, Known>,
}

fn key(number: u8) -> WireguardKey {
    WireguardKey::new([number + 1; 32])
}

fn node(number: u8) -> NodeId {
    NodeId::parse(&format!("n{number}")).unwrap()
}

/// Few addresses, which all nodes want in another order, so that they are in each other's way.
fn addresses(node: u8) -> Vec<IpAddr> {
    (0..NODES + 1).map(|step| IpAddr::from([10, 0, 0, 2 + (node / 2 + step) % (NODES + 1)])).collect()
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = Moment {
            wall: Timestamp::from_second(1_800_000_000).unwrap(),
            boot: BootId::new(1),
            uptime: Duration::from_secs(100),
        };
        let store = Some(PeerStore::open(folder.path(), SETTINGS, now).unwrap());
        Self { folder, store, now, durable: BTreeMap::new(), current: BTreeMap::new() }
    }

    fn store(&mut self) -> &mut PeerStore {
        self.store.as_mut().unwrap()
    }

    fn jump(&mut self, seconds: i64) {
        self.now.wall = Timestamp::from_second(self.now.wall.as_second() + seconds).unwrap();
    }

    fn pass(&mut self, seconds: u64) {
        self.jump(i64::try_from(seconds).unwrap());
        self.now.uptime += Duration::from_secs(seconds);
        for known in self.durable.values_mut().chain(self.current.values_mut()) {
            known.age += seconds;
            known.silent += seconds;
        }
    }

    fn is_over(known: &Known) -> bool {
        known.age >= MAX_AGE || known.silent >= IDLE
    }

    fn register(&mut self, by: u8, with: u8) {
        let now = self.now;
        let name = node(by);
        let newcomer = Newcomer { node: &name, groups: &[], key: key(with) };
        let result = self.store().register(newcomer, addresses(by), now);
        if self.current.get(&with).is_some_and(Self::is_over) {
            self.current.remove(&with);
        }
        match self.current.get_mut(&with) {
            Some(known) if known.node == by => {
                assert_eq!(result.as_ref(), Ok(&known.answer), "the same question has the same answer");
                known.silent = 0;
            }
            Some(_) => assert_eq!(result, Err(RegisterRefusal::KeyOfAnother)),
            None => {
                let answer = result.unwrap();
                let others = self.current.values().filter(|known| known.node != by && !Self::is_over(known));
                let taken: BTreeSet<IpAddr> = others.map(|known| known.answer.address).collect();
                let expected = addresses(by).into_iter().find(|address| !taken.contains(address));
                assert_eq!(Some(answer.address), expected, "the first that no live peer has");
                let limit = self.now.wall.as_second() + i64::try_from(MAX_AGE).unwrap();
                assert_eq!(answer.expires_at.as_second(), limit);
                self.current.retain(|_, known| {
                    known.node != by && !(Self::is_over(known) && known.answer.address == answer.address)
                });
                let stamp = (self.now.wall.as_second(), 0);
                self.current.insert(with, Known { node: by, answer, age: 0, silent: 0, stamp });
            }
        }
    }

    fn commit(&mut self) {
        assert!(self.store().commit().fault.is_none());
        self.durable = self.current.clone();
    }

    /// Ages are written down; never with what is not committed, of which nobody was told.
    fn write_ages(&mut self) {
        self.commit();
        let now = self.now;
        self.store().write_ages(now).unwrap();
        for known in self.durable.values_mut().chain(self.current.values_mut()) {
            known.stamp = (now.wall.as_second(), known.age);
        }
    }

    /// The process dies while it writes: any part of what was pending is on disk then, though nobody was told of it.
    fn crash(&mut self, written: u16) {
        let path = self.store().path();
        let before = fs::read(&path).unwrap().len();
        let committed = self.store().commit();
        assert!(committed.fault.is_none());
        let after = fs::read(&path).unwrap();
        let kept = before + usize::from(written) % (after.len() - before + 1);
        let lines = after[before..kept].iter().filter(|byte| **byte == b'\n').count();
        self.store = None;
        let tail = if written.is_multiple_of(3) { &[0; 17][..] } else { &[] };
        fs::write(&path, [&after[..kept], tail].concat()).unwrap();
        for change in committed.changes.into_iter().take(lines) {
            match change {
                Change::Added { peer, .. } => {
                    let number = peer.key.as_bytes()[0] - 1;
                    let stamp = (peer.since.as_second(), 0);
                    let by = peer.node.as_str()[1..].parse().unwrap();
                    let age = peer.age.elapsed(&self.now).as_secs();
                    self.durable.insert(number, Known { node: by, answer: peer.registered(), age, silent: 0, stamp });
                }
                Change::Ended { peer, .. } => {
                    self.durable.remove(&(peer.key.as_bytes()[0] - 1));
                }
                Change::Armed(_) | Change::Used { .. } => unreachable!("nothing is armed here"),
            }
        }
        self.start();
    }

    /// The power is cut: the wall clock goes on, or is wrong afterwards.
    fn reboot(&mut self, away: u64, jump: i64) {
        self.store = None;
        self.jump(i64::try_from(away).unwrap() + jump);
        let boot = BootId::new(u128::from_str_radix(&self.now.boot.to_string(), 16).unwrap() + 1);
        self.now = Moment { boot, uptime: Duration::from_secs(5), ..self.now };
        let wall = self.now.wall.as_second();
        for known in self.durable.values_mut() {
            let (at, age) = known.stamp;
            known.age = age + u64::try_from(wall - at).unwrap_or(0).max(self.now.uptime.as_secs());
        }
        self.start();
    }

    fn start(&mut self) {
        for known in self.durable.values_mut() {
            known.silent = 0;
            known.stamp = (self.now.wall.as_second(), known.age);
        }
        self.current = self.durable.clone();
        self.store = Some(PeerStore::open(self.folder.path(), SETTINGS, self.now).unwrap());
    }

    fn step(&mut self, step: &Step) {
        let now = self.now;
        match *step {
            Step::Register { node, key } => self.register(node, key),
            Step::End { key: number } => {
                let was_live = self.store().end(&key(number), EndReason::PhonedHome);
                assert_eq!(was_live, self.current.remove(&number).is_some());
            }
            Step::Handshake { key: number } => {
                self.store().touch(&key(number), now);
                if let Some(known) = self.current.get_mut(&number) {
                    known.silent = 0;
                }
                if let Some(known) = self.durable.get_mut(&number) {
                    known.silent = 0;
                }
            }
            Step::Pass { seconds } => self.pass(seconds),
            Step::Jump { seconds } => self.jump(seconds),
            Step::Sweep => {
                self.store().expire(now);
                self.current.retain(|_, known| !Self::is_over(known));
            }
            Step::Commit => self.commit(),
            Step::WriteAges => self.write_ages(),
            Step::Crash { written } => self.crash(written),
            Step::Reboot { away, jump } => self.reboot(away, jump),
        }
    }

    /// The store knows what the model knows; that no node and no address is there twice follows, and is checked
    /// nevertheless.
    fn check(&self) {
        let table = self.store.as_ref().unwrap().table();
        let told: BTreeMap<WireguardKey, (NodeId, Registered)> =
            table.iter().map(|peer| (peer.key, (peer.node.clone(), peer.registered()))).collect();
        let expected: BTreeMap<WireguardKey, (NodeId, Registered)> = self
            .current
            .iter()
            .map(|(number, known)| (key(*number), (node(known.node), known.answer.clone())))
            .collect();
        assert_eq!(told, expected);
        let nodes: BTreeSet<_> = table.iter().map(|peer| &peer.node).collect();
        let addresses: BTreeSet<_> = table.iter().map(|peer| peer.address).collect();
        assert_eq!((nodes.len(), addresses.len()), (table.len(), table.len()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn peers_are_what_a_model_says_whatever_clocks_crashes_and_reboots_do(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            world.check();
        }
        world.commit();
        world.reboot(1, 0);
        world.check();
        world.step(&Step::Sweep);
        world.check();
    }
}
