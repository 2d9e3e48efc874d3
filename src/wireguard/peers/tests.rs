//! Refusals, windows, and a journal on disks that fail or were cut.

use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;

use super::super::clock::{BootId, Moment};
use super::super::state_folder::StateError;
use super::faulty_disk::Faulty;
use super::*;
use crate::serve::{RegisterRefusal, Registered};
use crate::settings::Arming;
use crate::types::{GroupLabel, NodeId, WireguardKey};

const SETTINGS: StoreSettings =
    StoreSettings { arm: Arming::Always, idle: Duration::from_secs(600), max_age: Duration::from_secs(7200) };

fn at(seconds: u64) -> Moment {
    let wall = Timestamp::from_second(1_800_000_000 + i64::try_from(seconds).unwrap()).unwrap();
    Moment { wall, boot: BootId::new(1), uptime: Duration::from_secs(seconds) }
}

fn key(number: u8) -> WireguardKey {
    WireguardKey::new([number; 32])
}

fn node(name: &str) -> NodeId {
    NodeId::parse(name).unwrap()
}

fn addresses(last: &[u8]) -> Vec<IpAddr> {
    last.iter().map(|last| IpAddr::from([100, 97, 0, *last])).collect()
}

fn open(folder: &Path, arm: Arming, now: Moment) -> PeerStore {
    PeerStore::open(folder, StoreSettings { arm, ..SETTINGS }, now).unwrap()
}

/// Registers and commits.
fn bring(
    store: &mut PeerStore,
    name: &str,
    key: WireguardKey,
    wanted: &[u8],
    now: Moment,
) -> Result<Registered, RegisterRefusal> {
    let groups = [GroupLabel::parse("compute").unwrap()];
    let node = node(name);
    let result = store.register(Newcomer { node: &node, groups: &groups, key }, addresses(wanted), now);
    assert_eq!(store.commit().fault, None);
    result
}

#[test]
fn the_same_key_has_the_same_answer_and_another_replaces_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path(), Arming::Always, at(0));
    let first = bring(&mut store, "one", key(1), &[2], at(0)).unwrap();
    assert_eq!(bring(&mut store, "one", key(1), &[9], at(100)).unwrap(), first);
    let second = bring(&mut store, "one", key(2), &[2], at(100)).unwrap();
    assert_eq!(second.address, first.address);
    assert_eq!((store.table().get(&key(1)), store.table().len()), (None, 1));
    assert_eq!(bring(&mut store, "other", key(2), &[3], at(100)), Err(RegisterRefusal::KeyOfAnother));
}

#[test]
fn an_address_that_another_still_has_is_not_given_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path(), Arming::Always, at(0));
    bring(&mut store, "one", key(1), &[2], at(0)).unwrap();
    assert_eq!(bring(&mut store, "two", key(2), &[2, 7], at(0)).unwrap().address, addresses(&[7])[0]);
    let refusal = bring(&mut store, "three", key(3), &[2, 7], at(0)).unwrap_err();
    assert!(refusal.to_string().contains("node three"), "{refusal}");
    assert!(store.end(&key(1), EndReason::PhonedHome) && !store.end(&key(1), EndReason::PhonedHome));
    assert_eq!(bring(&mut store, "two", key(2), &[2], at(0)).unwrap().address, addresses(&[7])[0]);
    assert_eq!(bring(&mut store, "three", key(3), &[2, 7], at(0)).unwrap().address, addresses(&[2])[0]);
}

#[test]
fn tunnels_end_when_they_are_old_or_were_not_heard_of() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path(), Arming::Always, at(0));
    bring(&mut store, "old", key(1), &[2], at(0)).unwrap();
    bring(&mut store, "idle", key(2), &[3], at(0)).unwrap();
    for minute in 1..120 {
        store.touch(&key(1), at(minute * 60));
    }
    store.expire(at(599));
    assert_eq!(store.table().len(), 2);
    store.expire(at(600));
    assert_eq!(store.table().iter().map(|peer| peer.node.as_str()).collect::<Vec<_>>(), ["old"]);
    store.expire(at(7199));
    assert_eq!(store.table().len(), 1);
    // Also when nobody has looked meanwhile.
    assert_eq!(bring(&mut store, "other", key(1), &[2], at(7200)).unwrap().address, addresses(&[2])[0]);
}

#[test]
fn a_restart_or_a_reboot_keeps_peers_and_how_long_they_have_lasted() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path(), Arming::Always, at(0));
    let answer = bring(&mut store, "one", key(1), &[2], at(0)).unwrap();
    drop(store);
    let mut store = open(folder.path(), Arming::Always, at(3600));
    assert_eq!(bring(&mut store, "one", key(1), &[2], at(3601)).unwrap(), answer, "idle counts from the start");
    drop(store);
    let reboot =
        |wall: u64, uptime: u64| Moment { boot: BootId::new(2), uptime: Duration::from_secs(uptime), ..at(wall) };
    // The clock is far back after the reboot: what has passed since then is added, and nothing is forgotten.
    let mut store = open(folder.path(), Arming::Always, reboot(0, 10));
    store.touch(&key(1), reboot(0, 500));
    store.touch(&key(1), reboot(0, 1000));
    store.expire(reboot(0, 1500));
    assert_eq!(store.table().len(), 1);
    drop(store);
    let mut store = open(folder.path(), Arming::Always, reboot(0, 3599));
    store.expire(reboot(0, 3599));
    assert_eq!(store.table().len(), 1);
    store.expire(reboot(0, 3600));
    assert_eq!(store.table().len(), 0);
}

#[test]
fn without_a_window_no_key_is_taken_and_in_one_only_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path(), Arming::Window, at(0));
    let not_armed = Err(RegisterRefusal::NotArmed(node("one")));
    assert_eq!(bring(&mut store, "one", key(1), &[2], at(0)), not_armed);
    store.arm("compute", Duration::from_secs(100), at(0));
    assert!(bring(&mut store, "one", key(1), &[2], at(10)).is_ok());
    assert_eq!(bring(&mut store, "one", key(2), &[2], at(11)), Err(RegisterRefusal::SecondKey(node("one"))));
    assert!(bring(&mut store, "two", key(2), &[3], at(11)).is_ok(), "a group's window holds for every node of it");
    store.end(&key(1), EndReason::Removed);
    store.commit();
    drop(store);
    let mut store = open(folder.path(), Arming::Window, at(20));
    assert_eq!(bring(&mut store, "one", key(3), &[2], at(20)), Err(RegisterRefusal::SecondKey(node("one"))));
    assert!(bring(&mut store, "one", key(1), &[2], at(20)).is_ok(), "the same key again is fine");
    store.arm("one", Duration::from_secs(100), at(30));
    assert!(bring(&mut store, "one", key(3), &[2], at(30)).is_ok());
    assert_eq!(bring(&mut store, "one", key(1), &[2], at(31)), Err(RegisterRefusal::SecondKey(node("one"))));
    assert_eq!(bring(&mut store, "one", key(4), &[2], at(130)), not_armed, "closed");
    assert!(bring(&mut store, "one", key(3), &[2], at(131)).is_ok(), "a live tunnel needs no window");
}

#[test]
fn two_windows_do_not_let_two_keys_in() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path(), Arming::Window, at(0));
    store.arm("one", Duration::from_secs(100), at(0));
    store.arm("compute", Duration::from_secs(100), at(0));
    assert!(bring(&mut store, "one", key(1), &[2], at(1)).is_ok());
    assert_eq!(bring(&mut store, "one", key(2), &[2], at(1)), Err(RegisterRefusal::SecondKey(node("one"))));
}

#[test]
fn once_takes_the_first_key_that_a_node_ever_brings() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path(), Arming::Once, at(0));
    assert!(bring(&mut store, "one", key(1), &[2], at(0)).is_ok());
    store.end(&key(1), EndReason::PhonedHome);
    store.commit();
    drop(store);
    // The journal is made anew at each start, and must not forget it.
    drop(open(folder.path(), Arming::Once, at(1)));
    let mut store = open(folder.path(), Arming::Once, at(2));
    assert_eq!(bring(&mut store, "one", key(2), &[2], at(3)), Err(RegisterRefusal::SecondKey(node("one"))));
    assert!(bring(&mut store, "one", key(1), &[2], at(3)).is_ok());
    store.arm("one", Duration::from_secs(60), at(4));
    assert!(bring(&mut store, "one", key(2), &[2], at(5)).is_ok());
}

fn journal(folder: &Path) -> std::path::PathBuf {
    folder.join(super::journal::FILE)
}

/// A folder whose journal has three peers, each added after the file was made.
fn with_three(folder: &Path) -> Vec<u8> {
    let mut store = open(folder, Arming::Always, at(0));
    for number in 1..=3 {
        bring(&mut store, &format!("n{number}"), key(number), &[number + 1], at(0)).unwrap();
    }
    fs::read(journal(folder)).unwrap()
}

#[test]
fn a_journal_cut_anywhere_loses_nothing_but_the_line_that_was_cut() {
    let folder = tempfile::tempdir().unwrap();
    let whole = with_three(folder.path());
    let path = journal(folder.path());
    for length in 0..whole.len() {
        let cut = &whole[..length];
        let lines = cut.iter().filter(|byte| **byte == b'\n').count();
        for tail in [&b""[..], &[0; 40], b"{\"sum\":\"0"] {
            fs::write(&path, [cut, tail].concat()).unwrap();
            // What was cut and then filled with something else may end in a line that is whole.
            let (table, _) = read_journal(folder.path()).unwrap();
            assert_eq!(table.len(), lines.saturating_sub(1), "{length} {tail:?}");
        }
    }
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(open(folder.path(), Arming::Always, at(1)).table().len(), 2);
    let repaired = fs::read(&path).unwrap();
    assert!(repaired.ends_with(b"}\n") && read_journal(folder.path()).unwrap().0.len() == 2);
}

#[test]
fn a_broken_line_before_sound_ones_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let whole = with_three(folder.path());
    let path = journal(folder.path());
    let second = whole.iter().position(|byte| *byte == b'\n').unwrap() + 30;
    let mut broken = whole.clone();
    broken[second] ^= 1;
    fs::write(&path, &broken).unwrap();
    let error = PeerStore::open(folder.path(), SETTINGS, at(1)).unwrap_err();
    assert!(matches!(error, StateError::Damaged { line: 2, .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("peers.journal is damaged: line 2") && message.contains("move it away"), "{message}");
    assert_eq!(fs::read(&path).unwrap(), broken, "nothing is lost by trying");
}

#[test]
fn a_line_of_a_newer_mds_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    with_three(folder.path());
    let rest = b"\"kind\":\"dream\"}";
    let line = format!("{{\"sum\":\"{}\",", &blake3::hash(rest).to_hex()[..8]);
    let mut file = fs::OpenOptions::new().append(true).open(journal(folder.path())).unwrap();
    file.write_all(&[line.as_bytes(), rest, b"\n"].concat()).unwrap();
    let error = PeerStore::open(folder.path(), SETTINGS, at(1)).unwrap_err();
    assert!(error.to_string().contains("newer mds (line 5)"), "{error}");
}

#[test]
fn a_journal_stays_short_however_often_nodes_boot() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path(), Arming::Always, at(0));
    let mut longest = 0;
    for boot in 0..3000_u32 {
        let key = WireguardKey::new(std::array::from_fn(|index| boot.to_be_bytes()[index % 4]));
        let groups = [];
        store.register(Newcomer { node: &node("one"), groups: &groups, key }, addresses(&[2]), at(0)).unwrap();
        if boot % 100 == 0 {
            store.commit();
            let lines = fs::read(journal(folder.path())).unwrap().iter().filter(|byte| **byte == b'\n').count();
            longest = longest.max(lines);
        }
    }
    assert!(longest < 2000, "{longest} lines for one peer");
}

#[test]
fn what_cannot_be_written_is_taken_back_and_the_journal_made_anew_before_anything_counts() {
    for fault in ["write", "sync"] {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Faulty::default());
        let mut store = PeerStore::open_on(disk.clone(), folder.path(), SETTINGS, at(0)).unwrap();
        bring(&mut store, "one", key(1), &[2], at(0)).unwrap();
        let switch = if fault == "write" { &disk.write } else { &disk.sync };
        switch.store(true, Ordering::SeqCst);
        let (one, two) = (node("one"), node("two"));
        for _ in 0..2 {
            let newcomer = |node, key| Newcomer { node, groups: &[], key };
            store.register(newcomer(&one, key(9)), addresses(&[2]), at(1)).unwrap();
            store.register(newcomer(&two, key(2)), addresses(&[3]), at(1)).unwrap();
            store.arm("compute", Duration::from_secs(9), at(1));
            let committed = store.commit();
            assert!(committed.fault.unwrap().contains("peers.journal") && committed.changes.is_empty());
            assert_eq!(store.table().iter().map(|peer| peer.key).collect::<Vec<_>>(), [key(1)]);
            assert_eq!(store.windows().iter().count(), 0);
            assert_eq!(read_journal(folder.path()).unwrap().0.len(), 1, "{fault}");
        }
        switch.store(false, Ordering::SeqCst);
        assert!(store.commit().fault.is_none(), "made anew");
        bring(&mut store, "two", key(2), &[3], at(2)).unwrap();
        drop(store);
        assert_eq!(open(folder.path(), Arming::Always, at(3)).table().len(), 2);
    }
}

#[test]
fn tunnels_end_in_time_although_nothing_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(Faulty::default());
    let mut store = PeerStore::open_on(disk.clone(), folder.path(), SETTINGS, at(0)).unwrap();
    bring(&mut store, "one", key(1), &[2], at(0)).unwrap();
    disk.write.store(true, Ordering::SeqCst);
    store.expire(at(7200));
    let committed = store.commit();
    assert!(committed.fault.is_some());
    assert!(matches!(&committed.changes[..], [Change::Ended { reason: EndReason::MaxAge, .. }]));
    assert!(store.table().is_empty());
}

#[test]
fn peers_that_the_servers_network_does_not_have_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path(), Arming::Always, at(0));
    for (number, last) in [(1, 2), (2, 200), (3, 3), (4, 4)] {
        bring(&mut store, &format!("n{number}"), key(number), &[last], at(0)).unwrap();
    }
    // n1's address is the server's now, n2's is outside, n4's key is the server's.
    store.keep_to_network(&"100.97.0.2/25".parse().unwrap(), &key(4));
    assert_eq!(store.table().iter().map(|peer| peer.key).collect::<Vec<_>>(), [key(3)]);
}

#[test]
fn nobody_else_can_read_the_journal_and_nobody_else_can_write_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("wireguard");
    let store = open(&folder, Arming::Always, at(0));
    assert_eq!(fs::metadata(store.path()).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(PeerStore::open(&folder, SETTINGS, at(0)), Err(StateError::Busy { .. })));
}
