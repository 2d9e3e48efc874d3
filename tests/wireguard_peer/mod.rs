//! Real WireGuard peers in network namespaces, with tunnels to a running `mds`.
//!
//! A [`Cluster`] is a bridge, a site and a server that has no privileges. It makes [`Peer`]s: namespaces of network,
//! mounts and processes, in which `wireguard-go` runs and the node's script brings up its tunnel. A [`Relay`] stands in
//! between where the network is to be a bad one. All of it goes away when dropped, and with the thread that made it.

mod bad_network;
mod cluster;
mod key;
mod peer;
mod server;
mod units;

pub(crate) use bad_network::{Relay, Weather};
pub(crate) use cluster::{Cluster, SERVER_IN_TUNNEL, Terms};
pub(crate) use key::Key;
pub(crate) use peer::Peer;
pub(crate) use units::verify_units;

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::programs::try_run;

/// Whether tunnels can be made here; where not, says so past the test runner, or fails where every test must run.
///
/// # Panics
/// When they cannot, and `MDS_TESTS_MUST_RUN` is `1`.
pub(crate) fn tunnels_can_be_made() -> bool {
    let Err(reason) = try_all() else { return true };
    let must_run = std::env::var_os("MDS_TESTS_MUST_RUN").is_some_and(|value| value == "1");
    assert!(!must_run, "the tests of tunnels must run here and cannot: {reason}");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("\nSKIPPED: {test}: no tunnel was made: {reason}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    false
}

fn try_all() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("network namespaces need root".to_owned());
    }
    if !Path::new("/dev/net/tun").exists() {
        return Err("there is no /dev/net/tun, which wireguard-go needs".to_owned());
    }
    for program in ["wg", "wireguard-go", "curl", "nsenter", "setpriv"] {
        try_run(Command::new("sh").args(["-c", "command -v \"$0\"", program]))
            .map_err(|_| format!("there is no {program}; tests/run installs it"))?;
    }
    try_run(Command::new("ip").args(["netns", "list"])).map(drop)
}

/// Waits until something holds.
///
/// # Panics
/// When it does not in time.
pub(crate) fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
