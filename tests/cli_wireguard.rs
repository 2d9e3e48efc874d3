//! Looking at tunnels, ending them, opening windows and showing the server's key from the command line.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli_support;

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::time::Duration;

use cli_support::Sandbox;
use insta::assert_snapshot;
use mds::settings::Arming;
use mds::types::{NodeId, WireguardKey};
use mds::wireguard::peers::{Newcomer, PeerStore, StoreSettings};
use mds::wireguard::{Clock, SystemClock};

/// A sandbox whose journal has a peer.
fn with_peer() -> Sandbox {
    let sandbox = Sandbox::empty();
    let settings =
        StoreSettings { arm: Arming::Always, idle: Duration::from_secs(600), max_age: Duration::from_secs(7200) };
    let now = SystemClock::new().unwrap().now();
    let mut store = PeerStore::open(&sandbox.path(".mds/wireguard"), settings, now).unwrap();
    let node = NodeId::parse("x1000c0s0b0n0").unwrap();
    let newcomer = Newcomer { node: &node, groups: &[], key: WireguardKey::new([7; 32]) };
    store.register(newcomer, ["100.97.0.2".parse().unwrap()], now).unwrap();
    assert!(store.commit().fault.is_none());
    sandbox
}

/// Replaces times, which differ between runs.
fn without_times(text: &str) -> String {
    let mut masked = String::new();
    for line in text.lines() {
        let is_time = |word: &str| word.len() == 20 && word.ends_with('Z') && word.contains('T');
        let words: Vec<&str> = line.split(' ').map(|word| if is_time(word) { "[TIME]" } else { word }).collect();
        masked.push_str(&words.join(" "));
        masked.push('\n');
    }
    masked
}

#[test]
fn peers_are_listed_from_the_journal_when_no_server_runs() {
    let sandbox = with_peer();
    assert_snapshot!(without_times(&sandbox.run(&["wireguard", "peers"])), @"
    exit code 0
    --- stdout
    no server runs with the state folder .mds; its journal tells:
    NODE           ADDRESS     KEY                                           SINCE                 LAST HANDSHAKE  ENDPOINT  RECEIVED  SENT  EXPIRES
    x1000c0s0b0n0  100.97.0.2  BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=  [TIME]  -               -         0         0     [TIME]
    --- stderr
    ");
    let value = sandbox.json(&["wireguard", "peers"]);
    assert_eq!(value["server"], false);
    assert_eq!(value["peers"][0]["uid"], WireguardKey::new([7; 32]).peer_uid());
    assert_snapshot!(Sandbox::empty().run(&["wireguard", "peers", "--state-dir", "none"]), @"
    exit code 0
    --- stdout
    no server runs with the state folder none; its journal tells:
    no live tunnels
    --- stderr
    ");
}

#[test]
fn a_peer_is_removed_by_each_of_its_names_and_no_other() {
    let key = WireguardKey::new([7; 32]);
    for name in ["x1000c0s0b0n0".to_owned(), key.to_string(), key.peer_uid()] {
        let sandbox = with_peer();
        let said = sandbox.run(&["wireguard", "remove", &name]);
        assert!(said.starts_with("exit code 0\n"), "{said}");
        assert!(sandbox.json(&["wireguard", "peers"])["peers"].as_array().unwrap().is_empty());
    }
    let sandbox = with_peer();
    assert_snapshot!(sandbox.run(&["wireguard", "remove", "x1000c0s0b0n1"]), @"
    exit code 2
    --- stdout
    --- stderr
    error: there is no live tunnel of `x1000c0s0b0n1`
      hint: `mds wireguard peers` lists them
    ");
    assert_snapshot!(sandbox.run(&["wireguard", "remove", "x1000c0s0b0n0"]), @"
    exit code 0
    --- stdout
    ended the tunnel of x1000c0s0b0n0, 100.97.0.2
    no server runs; the journal says so from now on
    --- stderr
    ");
    assert_snapshot!(Sandbox::empty().run(&["wireguard", "remove", "x"]), @"
    exit code 2
    --- stdout
    --- stderr
    error: there is no live tunnel of `x`
      hint: `mds wireguard peers` lists them
    ");
}

#[test]
fn the_key_is_made_once_and_only_its_public_half_is_shown() {
    let sandbox = Sandbox::empty();
    let shown = sandbox.stdout(&["wireguard", "key"]);
    assert!(WireguardKey::parse(&shown).is_ok(), "{shown}");
    assert_eq!(sandbox.stdout(&["wireguard", "key"]), shown);
    assert_eq!(sandbox.json(&["wireguard", "key"])["public_key"], shown.trim());
    let file = sandbox.path(".mds/wireguard/private.key");
    assert_ne!(fs::read_to_string(&file).unwrap(), shown);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert_snapshot!(sandbox.run(&["wireguard", "key"]), @"
    exit code 2
    --- stdout
    --- stderr
    error: .mds/wireguard/private.key may be read by others than its owner (mode 0644); run `chmod 600 .mds/wireguard/private.key`, and think about making a new key: without the file, mds does
    ");
}

#[test]
fn windows_are_opened_and_listed() {
    let sandbox = Sandbox::empty();
    assert_snapshot!(sandbox.run(&["arm", "--list"]), @"
    exit code 0
    --- stdout
    no server runs with the state folder .mds; its journal tells:
    no window is open
    --- stderr
    ");
    assert_snapshot!(sandbox.run(&["arm", "compute", "--for", "2h"]), @"
    exit code 0
    --- stdout
    compute may bring a key for the next 2 h
    no server runs; the window is in the journal and open from now on
    --- stderr
    ");
    let listed = sandbox.stdout(&["arm", "--list"]);
    assert!(listed.contains("compute: open for 1 h 59 min more, used by 0 nodes"), "{listed}");
    assert_eq!(sandbox.json(&["arm", "--list"])["windows"][0]["name"], "compute");
}

#[test]
fn what_cannot_be_armed_is_said() {
    let sandbox = Sandbox::empty();
    assert_snapshot!(sandbox.run(&["arm", "../x"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: `../x` is neither a node nor a group
    ");
    assert_snapshot!(sandbox.run(&["arm", "compute", "--for", "soon"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: invalid value 'soon' for '--for <TIME>': a number with `s`, `m`, `h` or `d` such as 30m is expected, 7d at most

    For more information, try '--help'.
    ");
    assert_snapshot!(sandbox.run(&["arm"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: the following required arguments were not provided:
      <NODE|GROUP>

    Usage: mds arm <NODE|GROUP>

    For more information, try '--help'.
    ");
}

#[test]
fn a_damaged_journal_is_named_with_what_to_do() {
    let sandbox = with_peer();
    let path = sandbox.path(".mds/wireguard/peers.journal");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("journal", "JOURNAL", 1)).unwrap();
    assert_snapshot!(sandbox.run(&["wireguard", "peers"]), @"
    exit code 2
    --- stdout
    --- stderr
    error: .mds/wireguard/peers.journal is damaged: line 1 is not what was written, and sound lines follow it. Restore the file, or move it away: mds then starts without peers, and every node has to ask for a tunnel again
    ");
}

#[test]
fn another_user_than_the_servers_is_told_whom_to_be() {
    let sandbox = with_peer();
    let set_mode =
        |path: &str, mode| fs::set_permissions(sandbox.path(path), fs::Permissions::from_mode(mode)).unwrap();
    for folder in [".", ".mds"] {
        set_mode(folder, 0o755);
    }
    set_mode(".mds/wireguard", 0o000);
    for arguments in [&["wireguard", "peers"][..], &["arm", "compute"]] {
        let mut command = sandbox.command(arguments);
        // To root, everything is permitted.
        if rustix::process::geteuid().is_root() {
            command.uid(65534).gid(65534);
        }
        let output = match command.output() {
            // The binary itself may be where nobody else may look.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => break,
            output => output.unwrap(),
        };
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(".mds/wireguard/control.sock may be used by its owner only"), "{said}");
        assert!(said.contains("run this as the user that runs `mds serve`"), "{said}");
    }
    set_mode(".mds/wireguard", 0o700);
}

#[test]
fn a_running_server_is_asked_itself_and_keeps_its_state_folder() {
    let sandbox = Sandbox::new();
    let arguments =
        ["--site", "site", "--mock-smd", "--wireguard-server", "100.97.0.1/16", "--wireguard-listen", "127.0.0.1:0"];
    let server = sandbox.serve(&arguments);
    let value = sandbox.json(&["wireguard", "peers"]);
    assert_eq!((&value["server"], value["peers"].as_array().map(Vec::len)), (&true.into(), Some(0)));
    assert_snapshot!(sandbox.run(&["arm", "compute"]), @"
    exit code 0
    --- stdout
    compute may bring a key for the next 30 min
    --- stderr
    ");
    assert_eq!(sandbox.json(&["arm", "--list"])["windows"][0]["name"], "compute");
    let second = sandbox.run(&[&["serve", "--listen", "127.0.0.1:0"][..], &arguments].concat());
    assert!(second.starts_with("exit code 2\n") && second.contains("one server at a time"), "{second}");
    assert_eq!(server.terminate(), Some(0));
    let value = sandbox.json(&["arm", "--list"]);
    assert_eq!((&value["server"], &value["windows"][0]["name"]), (&false.into(), &"compute".into()));
}
