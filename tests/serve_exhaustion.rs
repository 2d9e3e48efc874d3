//! Running out of files. A process of its own, because the limit counts for all of a process.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod serve_support;

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serve_support::{Client, Running};
use socket2::{Domain, Socket, Type};

#[test]
fn a_server_out_of_files_goes_on_when_it_has_some_again() {
    let server = Running::usual();
    assert_eq!(server.get("/meta-data", &[]).status, 200);
    let before = getrlimit(Resource::Nofile);
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    setrlimit(Resource::Nofile, Rlimit { current: Some(open + 40), ..before }).unwrap();
    // Client and server share the limit: once the clients' sockets have used it up, the kernel completes their
    // connections, and the server cannot accept a single one.
    let mut sockets = Vec::new();
    // Twice, because the server may still be closing the connection of the request above.
    for _ in 0..2 {
        while let Ok(socket) = Socket::new(Domain::IPV4, Type::STREAM, None) {
            sockets.push(socket);
            assert!(sockets.len() < 100, "the limit does not hold");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let mut clients: Vec<Client> = Vec::new();
    for socket in sockets {
        socket.connect(&server.addresses[0].into()).unwrap();
        clients.push(Client::new(socket.into()));
    }
    assert!(clients.len() > 20);
    for client in &mut clients {
        client.send("GET /meta-data HTTP/1.1\r\nHost: mds\r\nConnection: close\r\n\r\n");
    }
    assert!(!clients[0].is_answered_within(Duration::from_millis(300)), "there was a file left");
    clients.truncate(clients.len() / 2);
    for mut client in clients {
        assert_eq!(client.read_answer(true).unwrap().text(), "meta of local\n");
    }
    setrlimit(Resource::Nofile, before).unwrap();
    assert_eq!(server.get("/meta-data", &[]).status, 200);
}
