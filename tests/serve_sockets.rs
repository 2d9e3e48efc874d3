//! What connections may do to a server: keep on, stall, send too much, end early; and how it ends itself.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod serve_support;

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mds::serve::{Server, Settings, Shared};
use serve_support::{Client, Node, Running, localhost, release, usual_release};

const GET: &str = "GET /meta-data HTTP/1.1\r\nHost: mds\r\n\r\n";

#[test]
fn a_connection_may_ask_many_times_and_ahead() {
    let server = Running::usual();
    let mut client = server.connect();
    for _ in 0..100 {
        assert_eq!(client.get("/meta-data", &[]).text(), "meta of local\n");
    }
    client.send(GET.repeat(10));
    for _ in 0..10 {
        assert_eq!(client.read_answer(true).unwrap().text(), "meta of local\n");
    }
}

#[test]
fn old_and_closing_clients_are_answered_and_let_go() {
    let server = Running::usual();
    for request in
        ["GET /meta-data HTTP/1.0\r\n\r\n", "GET /meta-data HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"]
    {
        let mut client = server.connect();
        client.send(request);
        assert_eq!(client.read_answer(true).unwrap().text(), "meta of local\n");
        assert!(client.is_closed_within(Duration::from_secs(5)));
    }
}

#[test]
fn a_client_that_closes_its_sending_side_is_still_answered() {
    let server = Running::start(&["127.0.0.1:0"], Settings::default()).unwrap();
    let huge = "x".repeat(20_000_000);
    let documents: &[(&str, &str)] = &[("meta-data", "short"), ("user-data", &huge)];
    server.shared.publish(release(&[Node { id: "local", addresses: &["127.0.0.1"], groups: &[], documents }]));
    for (name, body) in documents {
        let mut client = server.connect();
        client.send(format!("GET /{name} HTTP/1.1\r\nHost: mds\r\n\r\n"));
        client.stream().shutdown(Shutdown::Write).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(client.read_answer(true).unwrap().body.len(), body.len());
        assert!(client.is_closed_within(Duration::from_secs(5)));
    }
}

#[test]
fn slow_and_silent_connections_do_not_stay_for_ever() {
    let settings = Settings { header_timeout: Duration::from_millis(300), ..Settings::default() };
    let server = Running::with(settings);
    let mut silent = server.connect();
    let mut idle = server.connect();
    assert_eq!(idle.get("/meta-data", &[]).status, 200);
    let mut drips = server.connect();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(600) {
        drips.send("X: y\r\n".get(..1).unwrap());
        std::thread::sleep(Duration::from_millis(50));
    }
    for client in [&mut silent, &mut idle, &mut drips] {
        assert!(client.is_closed_within(Duration::from_secs(2)));
    }
    assert_eq!(server.get("/meta-data", &[]).status, 200);
}

#[test]
fn a_head_over_the_limit_is_refused() {
    let server = Running::usual();
    let padded = |length: usize| format!("X-Padding: {}", "x".repeat(length));
    assert_eq!(server.get("/meta-data", &[&padded(12_000)]).status, 200);
    let answer = server.connect().try_request("GET", "/meta-data", &[&padded(40_000)]);
    assert!(answer.is_none_or(|answer| answer.status == 431));
    let many: Vec<String> = (0..500).map(|index| format!("X-{index}: y")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(server.get("/meta-data", &many).status, 431);
}

#[test]
fn a_small_body_is_ignored_and_a_large_or_endless_one_ends_the_connection() {
    let server = Running::usual();
    let mut small = server.connect();
    small.send("GET /meta-data HTTP/1.1\r\nHost: mds\r\nContent-Length: 11\r\n\r\nhello world");
    let answer = small.read_answer(true).unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, None));
    assert_eq!(small.get("/user-data", &[]).text(), "user of local\n", "the body is not read as a request");

    for header in ["Content-Length: 1000000", "Content-Length: 4097", "Transfer-Encoding: chunked"] {
        for method in ["GET", "POST"] {
            let mut client = server.connect();
            client.send(format!("{method} /meta-data HTTP/1.1\r\nHost: mds\r\n{header}\r\n\r\n"));
            let answer = client.read_answer(true).unwrap();
            assert_eq!(answer.status, if method == "GET" { 200 } else { 405 }, "{header}");
            assert_eq!(answer.header("connection"), Some("close"));
            assert!(client.is_closed_within(Duration::from_secs(5)));
        }
    }
}

#[test]
fn a_request_inside_a_body_is_never_answered() {
    let server = Running::usual();
    for head in [
        format!("Content-Length: {}", GET.len()),
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked", GET.len()),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {}", GET.len()),
        "Transfer-Encoding: chunked, identity".to_owned(),
        "Transfer-Encoding: x\r\nContent-Length: 0".to_owned(),
        format!("Content-Length: 0\r\nContent-Length: {}", GET.len()),
    ] {
        let mut client = server.connect();
        client.send(format!("GET /user-data HTTP/1.1\r\nHost: mds\r\n{head}\r\n\r\n{GET}"));
        let mut answers = 0;
        while let Some(answer) = client.read_answer(true) {
            assert!(!answer.text().contains("meta of local"), "{head}");
            answers += 1;
            client.stream().shutdown(Shutdown::Write).ok();
        }
        assert!(answers <= 1, "{head}");
    }
}

#[test]
fn clients_that_vanish_do_no_harm() {
    let server = Running::usual();
    for length in 0..GET.len() {
        server.connect().send(&GET[..length]);
    }
    for junk in
        ["\0\0\0\0\r\n\r\n", "\x16\x03\x01\x02", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET\r\n\r\n", "\r\n\r\n\r\n"]
    {
        server.connect().send(junk);
    }
    assert_eq!(server.get("/meta-data", &[]).status, 200);
}

#[test]
fn two_addresses_are_served_at_once() {
    let server = Running::start(&["127.0.0.1:0", "127.0.0.1:0"], Settings::default()).unwrap();
    server.shared.publish(usual_release());
    assert_ne!(server.addresses[0], server.addresses[1]);
    for address in &server.addresses {
        assert_eq!(Client::connect(*address).get("/meta-data", &[]).status, 200);
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_log_of_requests_names_the_node_and_never_a_header() {
    let server = Server::bind(&[localhost(0)]).unwrap();
    let address = server.local_addrs().unwrap()[0];
    let log = Log::default();
    let writer = log.clone();
    let client = std::thread::spawn(move || {
        let mut client = Client::connect(address);
        client.get("/meta-data?q=hidden", &["Authorization: Bearer hidden", "X-Forwarded-For: 10.0.0.1"]);
        client.get("/meta-data", &["X-Forwarded-For: 10.9.9.9, hidden"]);
    });
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    // One thread, so that the subscriber above is the one that everything is told.
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let shared = Arc::new(Shared::new());
        shared.publish(usual_release());
        let clients_done = async {
            while !client.is_finished() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        server.run(shared, Settings::default(), clients_done).await.unwrap();
    });
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("request")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    for part in
        ["caller=127.0.0.1:", "address=10.0.0.1", "node=victim", "method=GET", "path=\"/meta-data\"", "status=200"]
    {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
    assert!(lines[1].contains("status=400"), "{}", lines[1]);
    assert!(!log.contains("hidden") && !log.contains("10.9.9.9"), "{log}");
}

// Ending.

#[test]
fn ending_lets_requests_finish_and_frees_the_port() {
    let mut server = Running::start(&["127.0.0.1:0"], Settings::default()).unwrap();
    let huge = "user of release 1\n".repeat(1_000_000);
    let documents: &[(&str, &str)] = &[("user-data", &huge), ("meta-data", "meta of local\n")];
    server.shared.publish(release(&[Node { id: "local", addresses: &["127.0.0.1"], groups: &[], documents }]));
    let mut reading = server.connect();
    reading.send("GET /user-data HTTP/1.1\r\nHost: mds\r\n\r\n");
    let mut half = server.connect();
    half.send(&GET[..20]);
    let mut fresh = server.connect();
    let mut idle = server.connect();
    assert_eq!(idle.get("/meta-data", &[]).status, 200);
    std::thread::sleep(Duration::from_millis(100));

    server.stop();
    std::thread::sleep(Duration::from_millis(50));
    fresh.send(GET);
    let answer = fresh.read_answer(true).unwrap();
    assert_eq!(answer.text(), "meta of local\n", "a connection that was open before is answered");
    std::thread::sleep(Duration::from_millis(500));
    assert!(TcpStream::connect(server.addresses[0]).is_err(), "nobody is accepted any more");
    assert!(idle.is_closed_within(Duration::from_secs(1)));
    assert!(!server.has_ended(), "two requests have not ended");

    half.send(&GET[20..]);
    let answer = half.read_answer(true).unwrap();
    assert_eq!((answer.text(), answer.header("connection")), ("meta of local\n", Some("close")));
    assert_eq!(reading.read_answer(true).unwrap().body.len(), huge.len());
    server.wait();
    let again = Server::bind(&[server.addresses[0]]).unwrap();
    assert_eq!(again.local_addrs().unwrap(), server.addresses);
}

#[test]
fn ending_does_not_wait_for_ever() {
    let settings = Settings { drain_timeout: Duration::from_millis(600), ..Settings::default() };
    let mut server = Running::with(settings);
    let mut stuck = server.connect();
    stuck.send(&GET[..20]);
    std::thread::sleep(Duration::from_millis(100));
    let begin = Instant::now();
    server.stop();
    server.wait();
    assert!(begin.elapsed() >= Duration::from_millis(600), "{:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(stuck.is_closed_within(Duration::from_secs(1)));
}

#[test]
fn ending_answers_those_who_wait_in_the_queue() {
    for _ in 0..5 {
        let mut server = Running::usual();
        let mut clients: Vec<_> = (0..50).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.send(GET);
        }
        server.stop();
        for client in &mut clients {
            assert_eq!(client.read_answer(true).unwrap().status, 200);
        }
        server.wait();
    }
}

#[test]
fn a_port_in_use_is_an_error_that_helps() {
    let server = Running::usual();
    let message = Server::bind(&[localhost(server.addresses[0].port())]).unwrap_err().to_string();
    assert!(message.contains(&server.addresses[0].to_string()) && message.contains("another process"), "{message}");
}
