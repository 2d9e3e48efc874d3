//! Network namespaces: one with the server and a bridge, one per node.

use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::programs::{ip, is_alive, run, try_run};
use super::site::{Machine, SERVER_ADDRESS};

/// What the names of all namespaces begin with; the process id follows.
const PREFIX: &str = "mds-client-";
/// The length of the test network's prefix.
const PREFIX_LENGTH: u8 = 17;

/// A named network namespace, removed when dropped.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes an empty namespace with the loopback interface up.
    pub(crate) fn new() -> Self {
        static SWEEP: Once = Once::new();
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        SWEEP.call_once(remove_abandoned);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        ip(&format!("netns add {name}"));
        let namespace = Self { name };
        namespace.ip("link set lo up");
        namespace
    }

    /// Runs `ip` inside.
    pub(crate) fn ip(&self, arguments: &str) {
        ip(&format!("-n {} {arguments}", self.name));
    }

    /// As [`Namespace::ip`], with the failure as a sentence.
    pub(crate) fn try_ip(&self, arguments: &str) -> Result<String, String> {
        try_run(Command::new("ip").args(["-n", &self.name]).args(arguments.split_whitespace()))
    }

    /// Runs something on a thread that is inside. Sockets that it makes stay inside.
    pub(crate) fn enter<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> T {
        let place = std::path::Path::new("/run/netns").join(&self.name);
        let place = std::fs::File::open(place).expect("a namespace that was made is there");
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                move_into_link_name_space(place.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may go inside");
                inside()
            });
            thread.join().expect("what runs inside does not panic")
        })
    }

    /// The arguments that start a program inside.
    pub(crate) fn entry(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.name]
    }

    /// Asks the server for a path from inside, and returns the head and the body of the answer.
    pub(crate) fn fetch(&self, path: &str) -> Result<(String, String), String> {
        // bash can open a connection, so that no HTTP client need be installed.
        let script = format!(
            "exec 3<>/dev/tcp/{SERVER_ADDRESS}/8080
             printf 'GET {path} HTTP/1.1\\r\\nHost: {SERVER_ADDRESS}:8080\\r\\nConnection: close\\r\\n\\r\\n' >&3
             cat <&3"
        );
        let [program, arguments @ ..] = self.entry();
        let answer = try_run(Command::new(program).args(arguments).args(["timeout", "10", "bash", "-euc", &script]))?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("not an HTTP answer: {answer:?}"))?;
        Ok((head.to_owned(), body.to_owned()))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // A panic here, during another one, would hide the first.
        let _ = try_run(Command::new("ip").args(["netns", "delete", &self.name]));
    }
}

/// Removes the namespaces of runs that were killed.
fn remove_abandoned() {
    for line in run(Command::new("ip").args(["netns", "list"])).lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|process| !is_alive(process)) {
            let _ = try_run(Command::new("ip").args(["netns", "delete", name]));
        }
    }
}

/// Makes the namespace of the server: a bridge that has the server's address.
pub(crate) fn server_namespace() -> Namespace {
    let namespace = Namespace::new();
    namespace.ip("link add bridge type bridge");
    namespace.ip(&format!("address add {SERVER_ADDRESS}/{PREFIX_LENGTH} dev bridge"));
    namespace.ip("link set bridge up");
    namespace
}

/// Makes the namespace of a machine, with its interface plugged into the server's bridge.
///
/// The interface has its address already: on a real node the boot firmware or DHCP put it there.
pub(crate) fn machine_namespace(server: &Namespace, machine: &Machine) -> Namespace {
    let namespace = Namespace::new();
    let Machine { nid, mac, address, .. } = machine;
    server.ip(&format!("link add port{nid} type veth peer name eth0 address {mac} netns {}", namespace.name));
    server.ip(&format!("link set port{nid} master bridge up"));
    namespace.ip(&format!("address add {address}/{PREFIX_LENGTH} dev eth0"));
    namespace.ip("link set eth0 up");
    namespace.ip(&format!("route add default via {SERVER_ADDRESS}"));
    namespace
}
