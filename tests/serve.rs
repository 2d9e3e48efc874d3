//! Serving over real sockets: the contract with nodes, attacks on identity and paths, and switching releases under load.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod serve_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mds::serve::{Prefixes, Settings, TrustedProxies};
use mds::types::Digest;
use serve_support::{Answer, Client, Node, Running, release};

fn trusting(networks: &[&str]) -> Settings {
    Settings {
        trusted_proxies: TrustedProxies::new(networks.iter().map(|network| network.parse().unwrap())),
        ..Settings::default()
    }
}

fn tag(body: &str) -> String {
    format!("\"{}\"", Digest::of(body.as_bytes()))
}

#[test]
fn a_node_gets_its_documents_below_every_prefix() {
    let server = Running::usual();
    for prefix in ["", "/cloud-init", "/metadata-service"] {
        for slash in ["", "/"] {
            for (name, content_type, body) in [
                ("meta-data", "application/x-yaml", "meta of local\n"),
                ("user-data", "text/cloud-config", "user of local\n"),
                ("vendor-data", "text/plain", "vendor of local\n"),
                ("network-config", "text/cloud-config", "network of local\n"),
                ("compute.yaml", "text/cloud-config", "compute of local\n"),
                ("rack:4.yaml", "text/cloud-config", "rack of local\n"),
                ("rack%3A4.yaml", "text/cloud-config", "rack of local\n"),
                ("plain.yaml", "text/cloud-config", ""),
            ] {
                let path = format!("{prefix}/{name}{slash}");
                let answer = server.get(&path, &[]);
                assert_eq!((answer.status, answer.text()), (200, body), "{path}");
                assert_eq!(answer.header("content-type"), Some(content_type));
                assert_eq!(answer.header("content-length"), Some(body.len().to_string().as_str()));
                assert_eq!(answer.header("etag"), Some(tag(body).as_str()));
            }
        }
    }
}

#[test]
fn what_a_node_lacks_is_empty_and_never_404() {
    let server = Running::usual();
    for path in ["/user-data", "/vendor-data", "/network-config", "/compute.yaml", "/cloud-init/plain.yaml/"] {
        let answer = server.get_from("127.0.0.5", path, &[]);
        assert_eq!((answer.status, answer.text(), answer.header("content-length")), (200, "", Some("0")), "{path}");
    }
    assert_eq!(server.get_from("127.0.0.5", "/storage.yaml", &[]).status, 404);
    assert_eq!(server.get_from("127.0.0.6", "/user-data", &[]).status, 404, "an unknown address");
}

#[test]
fn answers_have_the_headers_that_are_meant_and_no_others() {
    let server = Running::usual();
    let names = |answer: &Answer| {
        let mut names: Vec<&str> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.join(" ")
    };
    let document = server.get("/meta-data", &[]);
    assert_eq!(names(&document), "cache-control content-length content-type date etag");
    let unchanged = server.get("/meta-data", &[&format!("If-None-Match: {}", tag("meta of local\n"))]);
    assert_eq!((unchanged.status, names(&unchanged).as_str()), (304, "cache-control date etag"));
    let refused = server.connect().request("POST", "/meta-data", &[]);
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(names(&refused), "allow cache-control content-length content-type date");
    assert_eq!(names(&server.get("/x", &[])), "cache-control content-length content-type date");
}

#[test]
fn head_has_the_headers_of_get_and_the_connection_goes_on() {
    let server = Running::usual();
    let mut client = server.connect();
    for path in ["/meta-data", "/plain.yaml", "/health", "/x", "/"] {
        let head = client.request("HEAD", path, &[]);
        let get = client.request("GET", path, &[]);
        let without_date = |answer: &Answer| {
            let mut headers: Vec<_> = answer.headers.iter().filter(|(name, _)| name != "date").cloned().collect();
            headers.sort();
            headers
        };
        assert_eq!((head.status, without_date(&head)), (get.status, without_date(&get)), "{path}");
    }
}

#[test]
fn if_none_match_over_several_lines_is_one_list() {
    let server = Running::usual();
    let second = format!("If-None-Match: W/{}", tag("meta of local\n"));
    let mut client = server.connect();
    assert_eq!(client.get("/meta-data", &["If-None-Match: \"a\", \"b\"", &second]).status, 304);
    assert_eq!(client.get("/meta-data", &["If-None-Match: \"a\", \"b\""]).status, 200, "the connection goes on");
}

#[test]
fn before_the_first_release_clients_are_told_when_to_come_back() {
    let server = Running::start(&["127.0.0.1:0"], Settings::default()).unwrap();
    for path in ["/meta-data", "/health"] {
        let answer = server.get(path, &[]);
        assert_eq!(answer.status, 503);
        let wait: f64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1.0..3.0).contains(&wait), "{wait}");
    }
    server.shared.publish(serve_support::usual_release());
    assert_eq!(server.get("/meta-data", &[]).status, 200);
    assert_eq!(server.get("/health", &[]).status, 200);
}

#[test]
fn other_prefixes_take_the_place_of_the_usual_ones() {
    let settings = Settings { prefixes: Prefixes::parse(["/boot"]).unwrap(), ..Settings::default() };
    let server = Running::with(settings);
    assert_eq!(server.get("/boot/meta-data", &[]).status, 200);
    assert_eq!(server.get("/cloud-init/meta-data", &[]).status, 404);
}

// Identity.

#[test]
fn a_header_from_an_untrusted_peer_changes_nothing() {
    let server = Running::with(trusting(&["127.0.0.1/32"]));
    for header in
        ["X-Forwarded-For: 10.0.0.1", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: junk", "X-Forwarded-For:"]
    {
        let answer = server.get_from("127.0.0.5", "/meta-data", &[header]);
        assert_eq!((answer.status, answer.text()), (200, "meta of five\n"), "{header}");
    }
}

#[test]
fn a_trusted_proxy_speaks_for_a_node() {
    let server = Running::usual();
    for header in [
        "X-Forwarded-For: 10.0.0.1",
        "x-forwarded-for:10.0.0.1:4711",
        "X-FORWARDED-FOR: ::ffff:10.0.0.1",
        "X-Forwarded-For: [2001:db8::1]:80",
        "X-Forwarded-For: 2001:db8::1",
        "X-Forwarded-For: 10.0.0.1, 127.0.0.1",
    ] {
        assert_eq!(server.get("/meta-data", &[header]).text(), "meta of victim\n", "{header}");
    }
}

#[test]
fn the_leftmost_forwarded_address_is_not_believed() {
    let server = Running::usual();
    let answer = server.get("/meta-data", &["X-Forwarded-For: 10.0.0.1, 10.0.0.2"]);
    assert_eq!(answer.text(), "meta of other\n");
    let answer = server.get("/meta-data", &["X-Forwarded-For: 10.0.0.1, 10.9.9.9"]);
    assert_eq!(answer.status, 404, "an unknown client behind the proxy does not become the node it names");
    assert!(answer.text().contains("10.9.9.9") && !answer.text().contains("10.0.0.1"));
}

#[test]
fn x_real_ip_true_client_ip_and_forwarded_are_ignored() {
    let server = Running::usual();
    for header in [
        "X-Real-IP: 10.0.0.1",
        "True-Client-IP: 10.0.0.1",
        "Forwarded: for=10.0.0.1",
        "X-Forwarded: 10.0.0.1",
        "X-Client-IP: 10.0.0.1",
        "X-Cluster-Client-IP: 10.0.0.1",
        "CF-Connecting-IP: 10.0.0.1",
        "X-Forwarded-Host: 10.0.0.1",
        "X-Original-Forwarded-For: 10.0.0.1",
        "Via: 1.1 10.0.0.1",
        "Host: 10.0.0.1",
        "X_Forwarded_For: 10.0.0.1",
    ] {
        assert_eq!(server.get("/meta-data", &[header]).text(), "meta of local\n", "{header}");
    }
}

#[test]
fn a_smuggled_second_header_line_does_not_win() {
    let server = Running::usual();
    // The client's line comes first; the proxy adds its own after it.
    let answer = server.get("/meta-data", &["X-Forwarded-For: 10.0.0.1", "X-Forwarded-For: 10.0.0.2"]);
    assert_eq!(answer.text(), "meta of other\n");
    let answer = server.get("/meta-data", &["X-Forwarded-For: 10.0.0.1", "Accept: */*", "x-forwarded-for: 10.9.9.9"]);
    assert_eq!(answer.status, 404);
    // A line that is continued on the next one is no longer HTTP.
    let answer = server.get("/meta-data", &["X-Forwarded-For: 10.0.0.2", " , 10.0.0.1"]);
    assert_eq!(answer.status, 400);
}

#[test]
fn an_unreadable_entry_is_refused_rather_than_skipped() {
    let server = Running::usual();
    for entry in ["10.0.0.1, unknown", "10.0.0.1, ", "10.0.0.1, _secret", "10.0.0.1, 127.1", "10.0.0.1;10.0.0.2"] {
        let answer = server.get("/meta-data", &[&format!("X-Forwarded-For: {entry}")]);
        if entry.ends_with(", ") {
            assert_eq!(answer.text(), "meta of victim\n", "an empty element is no entry");
        } else {
            assert_eq!(answer.status, 400, "{entry}");
            assert!(answer.text().ends_with('\n') && !answer.text().contains("10.0.0.1"), "{}", answer.text());
        }
    }
}

#[test]
fn an_address_in_the_request_target_or_host_identifies_nobody() {
    let server = Running::usual();
    for target in ["http://10.0.0.1/meta-data", "http://victim@10.0.0.1/meta-data", "/meta-data?ip=10.0.0.1"] {
        assert_eq!(server.get(target, &[]).text(), "meta of local\n", "{target}");
    }
}

#[test]
fn a_mapped_ipv4_peer_is_that_ipv4() {
    // One socket for both families: IPv4 clients arrive as ::ffff:127.0.0.x.
    let Some(mut server) = Running::start(&["[::]:0"], trusting(&["127.0.0.1/32"])) else { return };
    server.shared.publish(serve_support::usual_release());
    server.addresses[0].set_ip([127, 0, 0, 1].into());
    assert_eq!(server.get("/meta-data", &[]).text(), "meta of local\n");
    assert_eq!(server.get_from("127.0.0.5", "/meta-data", &[]).text(), "meta of five\n");
    let spoofed = ["X-Forwarded-For: 10.0.0.1"];
    assert_eq!(server.get("/meta-data", &spoofed).text(), "meta of victim\n", "the proxy is known in its IPv4 form");
    assert_eq!(server.get_from("127.0.0.5", "/meta-data", &spoofed).text(), "meta of five\n");
}

#[test]
fn an_ipv6_peer_is_a_node_too() {
    let Some(server) = Running::start(&["[::1]:0"], Settings::default()) else { return };
    server.shared.publish(serve_support::usual_release());
    assert_eq!(server.get("/meta-data", &[]).text(), "meta of local\n");
    assert_eq!(server.get("/meta-data", &["X-Forwarded-For: 2001:DB8:0::1"]).text(), "meta of victim\n");
}

// Paths.

#[test]
fn an_encoded_slash_does_not_leave_the_namespace() {
    let server = Running::usual();
    for path in [
        "/..%2f..%2fetc%2fpasswd",
        "/cloud-init%2fmeta-data",
        "/%2e%2e%2fcompute.yaml",
        "/x%2fcompute.yaml",
        "/%2fcompute.yaml",
        "/compute%252eyaml",
        "/..%5ccompute.yaml",
    ] {
        assert_eq!(server.get(path, &[]).status, 404, "{path}");
    }
}

#[test]
fn traversal_and_odd_paths_find_nothing() {
    let server = Running::usual();
    for path in [
        "/../meta-data",
        "/../../etc/passwd",
        "/%2e%2e/meta-data",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/cloud-init/../meta-data",
        "/cloud-init/%2e%2e/meta-data",
        "/./meta-data",
        "//meta-data",
        "/meta-data//",
        "/meta-data/../user-data",
        "/..yaml",
        "/%2e%2e.yaml",
        "/%00.yaml",
        "/compute%00.yaml",
        "/compute.yaml%00",
        "/compute.yaml%0d%0aX-Injected:%201",
        "/%c0%af.yaml",
        "/current",
        "/packs/",
        "/releases/",
        "/META-DATA",
    ] {
        let answer = server.get(path, &[]);
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("x-injected"), None);
        assert!(answer.text().starts_with("there is no such path"), "{path}: {}", answer.text());
    }
    let raw_nul = server.get("/a\0b.yaml", &[]);
    assert!([400, 404].contains(&raw_nul.status), "{}", raw_nul.status);
}

#[test]
fn very_long_paths_are_refused_and_the_server_goes_on() {
    let server = Running::usual();
    let long = |length: usize| format!("/{}.yaml", "g".repeat(length));
    assert_eq!(server.get(&long(8_000), &[]).status, 404);
    for length in [20_000, 100_000] {
        let answer = server.connect().try_request("GET", &long(length), &[]);
        // The client may still be writing when the connection is closed; then the answer is lost, not given.
        assert!(answer.is_none_or(|answer| [414, 431].contains(&answer.status)));
    }
    assert_eq!(server.get("/meta-data", &[]).status, 200);
}

// Switching.

/// Release `number` has as many nodes as its number says, and each of its documents says the number again and again.
fn numbered(number: usize) -> Arc<mds::release::MappedRelease> {
    let body = |name: &str, times: usize| format!("{name} of release {number}\n").repeat(times);
    let (meta, user, group) = (body("meta", 1), body("user", 10_000), body("group", 50));
    let others: Vec<String> = (1..number).map(|other| format!("other-{other}")).collect();
    let documents: &[(&str, &str)] = &[("meta-data", &meta), ("user-data", &user), ("compute.yaml", &group)];
    let mut nodes = vec![Node { id: "local", addresses: &["127.0.0.1"], groups: &["compute"], documents }];
    nodes.extend(others.iter().map(|id| Node { id, addresses: &[], groups: &[], documents: &[] }));
    release(&nodes)
}

/// The release that an answer comes from, after checking that all of it does.
fn release_of(answer: &Answer, name: &str) -> usize {
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("etag"), Some(tag(answer.text()).as_str()), "the tag is the body's");
    let mut lines = answer.text().lines();
    let first = lines.next().unwrap();
    assert!(lines.all(|line| line == first), "lines of two releases in one body");
    first.strip_prefix(name).unwrap().strip_prefix(" of release ").unwrap().parse().unwrap()
}

#[test]
fn one_hundred_publishes_during_requests_never_fail_or_mix() {
    const RELEASES: usize = 20;
    const PUBLISHES: usize = 100;
    let releases: Vec<_> = (1..=RELEASES).map(numbered).collect();
    let ids: Vec<String> = releases.iter().map(|release| release.id().to_string()).collect();
    let server = Running::start(&["127.0.0.1:0"], Settings::default()).unwrap();
    server.shared.publish(Arc::clone(&releases[0]));
    let done = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for reuse in [true, true, false, false] {
            let (server, done, answered, ids) = (&server, &done, &answered, &ids);
            scope.spawn(move || {
                let mut kept = server.connect();
                while !done.load(Ordering::Acquire) {
                    for (path, name) in [("/meta-data", "meta"), ("/user-data", "user"), ("/compute.yaml", "group")] {
                        let answer = if reuse { kept.get(path, &[]) } else { server.get(path, &[]) };
                        assert!((1..=RELEASES).contains(&release_of(&answer, name)));
                    }
                    let health: serde_json::Value = serde_json::from_slice(&kept.get("/health", &[]).body).unwrap();
                    let nodes = health["nodes"].as_u64().unwrap() as usize;
                    assert_eq!(health["release"], ids[nodes - 1], "the id and the count are of one release");
                    answered.fetch_add(4, Ordering::Relaxed);
                }
            });
        }
        for publish in 0..PUBLISHES {
            // Forward, and every third time back to the first.
            let next = if publish % 3 == 2 { 0 } else { publish % RELEASES };
            server.shared.publish(Arc::clone(&releases[next]));
            let served = release_of(&server.get("/meta-data", &[]), "meta");
            assert_eq!(served, next + 1, "a publish shows in the next request");
            std::thread::sleep(Duration::from_millis(5));
        }
        done.store(true, Ordering::Release);
    });
    assert!(answered.into_inner() > PUBLISHES, "the clients were busy meanwhile");
}

#[test]
fn a_client_that_reads_slowly_gets_the_release_it_began_with() {
    let server = Running::start(&["127.0.0.1:0"], Settings::default()).unwrap();
    let huge = "user of release 1\n".repeat(1_000_000);
    let user_data = |body: &str| {
        let documents: &[(&str, &str)] = &[("user-data", body)];
        release(&[Node { id: "local", addresses: &["127.0.0.1"], groups: &[], documents }])
    };
    server.shared.publish(user_data(&huge));
    let mut client: Client = server.connect();
    client.send("GET /user-data HTTP/1.1\r\nHost: mds\r\n\r\n");
    std::thread::sleep(Duration::from_millis(100));
    server.shared.publish(user_data("user of release 2\n"));
    let answer = client.read_answer(true).unwrap();
    assert_eq!(release_of(&answer, "user"), 1);
    assert_eq!(answer.body.len(), huge.len());
    assert_eq!(release_of(&client.get("/user-data", &[]), "user"), 2);
}
