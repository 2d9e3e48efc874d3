//! State change notifications: hints to pull now, and nothing else.

use std::time::Duration;

use serde_json::json;

use crate::cli_support::{SETTINGS, Sandbox, Server};
use crate::smd_support::{Endpoint, FakeSmd};
use crate::support::{A_WHILE, NODE, SOON, exchange, is_green, leave_green, post, reasons};

/// What SMD sends.
const NOTIFICATION: &str = r#"{"Components":["x1000c0s0b0n0"],"State":"Ready"}"#;

/// A server that pulls every hour, and at notifications.
fn serve_hourly(sandbox: &Sandbox, smd: &FakeSmd, more: &[&str]) -> Server {
    let arguments = ["--site", "site", "--smd-url", &smd.url(), "--smd-sync-interval", "3600"];
    sandbox.serve(&[&arguments[..], more].concat())
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap()
}

#[test]
fn a_notification_brings_a_change_within_seconds_although_the_interval_is_an_hour() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let server = serve_hourly(&sandbox, &smd, &["--smd-notifications"]);
    smd.change(leave_green);
    std::thread::sleep(Duration::from_secs(2));
    assert!(is_green(&server), "nobody has said anything yet");
    assert_eq!(status(&post(&server, "/smd-notification", NOTIFICATION.as_bytes())), "200");
    server.wait(SOON, |server| !is_green(server));
    assert_eq!(reasons(&server), "");
}

#[test]
fn notifications_are_answered_with_200_whatever_is_in_them() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let server = serve_hourly(&sandbox, &smd, &["--smd-notifications"]);
    // A hundred thousand nodes.
    let nodes: Vec<String> = (0..100_000).map(|index| format!("x{index}c0s0b0n0")).collect();
    let large = json!({"Components": nodes, "State": "Off"}).to_string();
    assert!(large.len() > 1_000_000);
    for path in [
        "/smd-notification",
        "/smd-notification/",
        "/cloud-init/smd-notification",
        "/metadata-service/smd-notification/",
        "/smd-notification?from=smd",
    ] {
        for body in [NOTIFICATION, "", "{", "\u{1}\u{2}", &large] {
            let answer = post(&server, path, body.as_bytes());
            assert_eq!(status(&answer), "200", "{path} {} bytes: {answer}", body.len());
        }
    }
    let chunked = "POST /smd-notification HTTP/1.1\r\nTransfer-Encoding: chunked";
    assert_eq!(status(&exchange(&server, chunked, b"4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n")), "200");
}

#[test]
fn a_body_larger_than_any_notification_does_no_harm() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let server = serve_hourly(&sandbox, &smd, &["--smd-notifications"]);
    let pulls = smd.count(Endpoint::Components);
    let head = "POST /smd-notification HTTP/1.1\r\nContent-Length: 1099511627776\r\nHost: test\r\n\r\n";
    let mut stream = std::net::TcpStream::connect(server.address).unwrap();
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    let piece = vec![b' '; 1 << 20];
    let sent = (0..256).take_while(|_| std::io::Write::write_all(&mut stream, &piece).is_ok()).count();
    assert!(sent < 256, "it was read without end");
    assert_eq!(server.get("/meta-data", NODE).0, 200);
    server.wait(SOON, |_| smd.count(Endpoint::Components) > pulls);
}

#[test]
fn a_body_that_never_comes_holds_no_connection_for_ever() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let server = serve_hourly(&sandbox, &smd, &["--smd-notifications"]);
    let mut stream = std::net::TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let head = "POST /smd-notification HTTP/1.1\r\nContent-Length: 100\r\nHost: test\r\n\r\n{";
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).expect("the server ends the connection");
    assert_eq!(status(&answer), "200");
}

#[test]
fn many_notifications_are_few_pulls() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let server = serve_hourly(&sandbox, &smd, &["--smd-notifications=true"]);
    server.wait(SOON, |_| smd.count(Endpoint::Components) == 1);
    let start = std::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(status(&post(&server, "/smd-notification", NOTIFICATION.as_bytes())), "200");
    }
    server.wait(SOON, |_| smd.count(Endpoint::Components) >= 2);
    std::thread::sleep(A_WHILE);
    // One for every five seconds that it took, and the last one that was still owed.
    let most = 3 + usize::try_from(start.elapsed().as_secs() / 5).unwrap();
    assert!(smd.count(Endpoint::Components) <= most, "{} pulls", smd.count(Endpoint::Components));
}

#[test]
fn what_a_notification_says_is_never_believed() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let server = serve_hourly(&sandbox, &smd, &["--smd-notifications"]);
    let release = server.health()["release"].clone();
    let pulls = smd.count(Endpoint::Components);
    let interface = json!({"mac": "02:00:00:00:00:01", "addresses": [{"ip": "10.252.0.77"}]});
    let lies = json!({
        "Components": ["x1000c0s0b0n0"], "State": "Off", "Enabled": false, "Role": "Storage", "NID": 7,
        "nodes": [{"id": "x9c0s0b0n0", "interfaces": [interface]}],
        "format": 1, "url": "http://127.0.0.1:1",
    });
    assert_eq!(status(&post(&server, "/smd-notification", lies.to_string().as_bytes())), "200");
    server.wait(SOON, |_| smd.count(Endpoint::Components) > pulls);
    // A pull that brings something is noticed, and this one did not.
    smd.change(leave_green);
    post(&server, "/smd-notification", lies.to_string().as_bytes());
    server.wait(SOON, |server| !is_green(server));
    assert_eq!(server.get("/meta-data", "10.252.0.77").0, 404);
    assert_ne!(server.health()["release"], release);
    assert_eq!((crate::support::releases(&sandbox), crate::support::builds(&server)), (2, 2), "{}", server.log());
}

#[test]
fn notifications_are_off_by_default_and_can_be_switched_on_everywhere() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let server = serve_hourly(&sandbox, &smd, &[]);
    for path in ["/smd-notification", "/cloud-init/smd-notification/"] {
        assert_eq!(status(&post(&server, path, NOTIFICATION.as_bytes())), "404");
    }
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(smd.count(Endpoint::Components), 1);
    drop(server);
    let server = sandbox.serve_with(&["--site", "site", "--smd-url", &smd.url()], &[("SMD_NOTIFICATIONS", "true")]);
    server.wait(SOON, |server| status(&post(server, "/smd-notification", b"")) == "200");
    drop(server);
    sandbox.write("site/mds.toml", &format!("{SETTINGS}[inventory.smd]\nnotifications = true\n"));
    let server = serve_hourly(&sandbox, &smd, &[]);
    server.wait(SOON, |server| status(&post(server, "/smd-notification", b"")) == "200");
    drop(server);
    let server = serve_hourly(&sandbox, &smd, &["--smd-notifications=false"]);
    server.wait(SOON, |server| server.get("/meta-data", NODE).0 == 200);
    assert_eq!(status(&post(&server, "/smd-notification", b"")), "404");
    drop(server);
    let server = sandbox.serve(&["--site", "site", "--mock-smd", "--smd-notifications"]);
    assert_eq!(status(&post(&server, "/smd-notification", b"")), "404", "there is nothing to pull");
}

#[test]
fn other_methods_are_told_that_notifications_are_posted() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let server = serve_hourly(&sandbox, &smd, &["--smd-notifications"]);
    for method in ["GET", "PUT", "DELETE"] {
        let answer = exchange(&server, &format!("{method} /smd-notification HTTP/1.1"), b"").to_lowercase();
        assert!(answer.starts_with("http/1.1 405 ") && answer.contains("\r\nallow: post\r\n"), "{answer}");
    }
    let answer = post(&server, "/meta-data", b"").to_lowercase();
    assert!(answer.starts_with("http/1.1 405 ") && answer.contains("\r\nallow: get, head\r\n"), "{answer}");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(smd.count(Endpoint::Components), 1, "only a POST makes it pull");
}

#[test]
fn notifications_are_followed_where_sync_is_switched_off() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let server = serve_hourly(&sandbox, &smd, &["--smd-notifications", "--smd-sync-enabled=false"]);
    smd.change(leave_green);
    post(&server, "/smd-notification", NOTIFICATION.as_bytes());
    server.wait(SOON, |server| !is_green(server));
}
