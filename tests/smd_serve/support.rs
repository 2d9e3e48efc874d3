//! What the tests of a server in step with SMD share.

#![allow(unreachable_pub)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::cli_support::{Sandbox, Server};
use crate::smd_support::{FakeSmd, Inventory, Options};

/// A node that is in the groups `compute` and `green`.
pub const NODE: &str = "10.252.0.26";
/// The same node as SMD and the release call it.
pub const NODE_ID: &str = "x1000c0s0b0n0";
/// A generous limit for what takes a second or two on a quiet machine.
pub const SOON: Duration = Duration::from_secs(60);
/// Long enough for several pulls or looks of a second each; waited for where nothing may happen.
pub const A_WHILE: Duration = Duration::from_secs(4);

/// The arguments that make a server follow the SMD, with more arguments behind.
pub fn following<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["--site", "site", "--smd-url", url, "--smd-sync-interval", "1"], more].concat()
}

/// A server that builds the site and pulls every second.
pub fn serve(sandbox: &Sandbox, smd: &FakeSmd, more: &[&str]) -> Server {
    sandbox.serve(&following(&smd.url(), more))
}

/// A fake at an address of its own choice: nobody listens there until then.
pub fn smd_at(address: SocketAddr) -> FakeSmd {
    FakeSmd::with(Options { address: Some(address), ..Options::default() }, Inventory::mock_nodes())
}

/// An address at which nobody listens.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Takes the node out of the group `green`.
pub fn leave_green(inventory: &mut Inventory) {
    let mut memberships = inventory.memberships.iter_mut();
    memberships.find(|entry| entry["id"] == NODE_ID).unwrap()["groupLabels"] = serde_json::json!(["compute"]);
}

/// Whether the node is still in the group `green`.
pub fn is_green(server: &Server) -> bool {
    server.get("/green.yaml", NODE).0 == 200
}

/// What `/health` says is wrong; nothing when nothing is.
pub fn reasons(server: &Server) -> String {
    match &server.health()["degraded"] {
        serde_json::Value::Null => String::new(),
        entries => entries.to_string(),
    }
}

/// Waits until `/health` gives a reason with this in it, and sees that it says since when.
pub fn wait_for_reason(server: &Server, part: &str) {
    server.wait(SOON, |server| reasons(server).contains(part));
    let health = server.health();
    // Whatever else may be wrong by now, each entry has a time.
    for entry in health["degraded"].as_array().into_iter().flatten() {
        let since = entry["since"].as_str().unwrap();
        assert!(since.parse::<jiff::Timestamp>().is_ok(), "{health}");
    }
}

/// Waits until nothing is wrong.
pub fn wait_for_health(server: &Server) {
    server.wait(SOON, |server| server.health()["status"] == "healthy" && reasons(server).is_empty());
}

/// How many releases the tree of the sandbox's server holds.
pub fn releases(sandbox: &Sandbox) -> usize {
    std::fs::read_dir(sandbox.path(".mds/tree/releases")).unwrap().count()
}

/// How often the server has said that it built the site.
pub fn builds(server: &Server) -> usize {
    server.log().matches("the site is built").count()
}

/// Ends the thread that asks, also when the test fails meanwhile.
struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Acts while a node asks on and on: every answer has to be what it was before.
pub fn while_nodes_notice_nothing(server: &Server, act: impl FnOnce()) {
    let before = server.get("/meta-data", NODE);
    assert_eq!(before.0, 200, "{}", before.1);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _end = EndOnDrop(&done);
        let asking = scope.spawn(|| {
            let mut asked = 0;
            while !done.load(Ordering::Relaxed) {
                assert_eq!(server.get("/meta-data", NODE), before);
                asked += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            asked
        });
        act();
        done.store(true, Ordering::Relaxed);
        assert!(asking.join().unwrap() > 0);
    });
}

/// Sends a request as it is and returns everything that comes back until the connection ends.
pub fn exchange(server: &Server, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(format!("{head}\r\nHost: test\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// As [`exchange`], for a POST with a body of known length.
pub fn post(server: &Server, path: &str, body: &[u8]) -> String {
    let head = format!("POST {path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}", body.len());
    exchange(server, &head, body)
}
