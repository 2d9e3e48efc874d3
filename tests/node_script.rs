//! The script of the example site that opens a node's tunnel, against a server that answers as it is told. Programs that
//! need a network are played by small scripts, which note how they were called; `curl` is real outside the tunnel.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

#[path = "node_script/bench.rs"]
mod bench;
#[path = "node_script/fake_server.rs"]
mod fake_server;

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bench::{Bench, PRIVATE_KEY, PUBLIC_KEY, SCRIPT, finish, program};
use fake_server::{Answer, FakeServer};

/// The server's key.
const SERVER_KEY: &str = "pD0mGCDQnKkQFgOiuAlYGBWtBV8TzSYSxDfkjR9UaTo=";

/// Says so past the test runner where a program is missing; fails where every test must run.
fn is_there(name: &str) -> bool {
    let there = program(name).is_some();
    assert!(there || std::env::var_os("MDS_TESTS_MUST_RUN").is_none_or(|value| value != "1"), "there is no {name}");
    if !there {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let line = format!("\nSKIPPED: {test}: there is no {name} here\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
    there
}

/// The answer of `mds`, with some texts for others.
fn answer(changes: &[(&str, &str)]) -> String {
    let mut text = format!(
        "{{\"message\":\"WireGuard peer allocation accepted\",\"peer-uid\":\"wireguardpeer-1f2e3d4c5b6a7988\",\
         \"client-vpn-ip\":\"100.97.0.2\",\"server-public-key\":\"{SERVER_KEY}\",\"server-ip\":\"100.97.0.1\",\
         \"server-port\":\"51820\",\"endpoint\":\"head.example:51821\",\"expires-at\":\"2026-12-01T03:00:00Z\",\
         \"allowed-ips\":[\"100.97.0.1/32\"]}}\n"
    );
    for (before, after) in changes {
        assert_eq!(text.matches(before).count(), 1, "{before}");
        text = text.replace(before, after);
    }
    text
}

/// What the kernel command line says of a server.
fn words(server: &FakeServer) -> String {
    format!("ochami_wg_ip={} ochami_wg_port={}", server.address.ip(), server.address.port())
}

/// A server that always answers alike, and a place whose kernel command line names it.
fn meeting(answer: Answer) -> (FakeServer, Bench) {
    let server = FakeServer::start(vec![answer]);
    let bench = Bench::new(&words(&server));
    (server, bench)
}

fn contract(shell: Vec<PathBuf>) {
    let server = FakeServer::start(vec![Answer::new(202, &answer(&[]))]);
    let bench = Bench::with_shell(&words(&server), shell);

    let outcome = bench.run("up");

    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.said.contains("wg0 is up: this node is 100.97.0.2"), "{outcome:?}");
    let asked = server.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].line, "POST /cloud-init/wg-init");
    assert_eq!(asked[0].body, format!("{{\"public_key\":\"{PUBLIC_KEY}\"}}"));
    assert!(asked[0].head.contains("content-type: application/json"), "{asked:?}");
    assert_eq!(
        bench.logged("ip|"),
        [
            "ip|link|show|dev|wg0",
            "ip|link|add|dev|wg0|type|wireguard",
            "ip|address|add|100.97.0.2/32|dev|wg0",
            "ip|link|set|dev|wg0|mtu|1420|up",
            "ip|route|replace|100.97.0.1/32|dev|wg0",
        ]
    );
    let peer = format!("wg|set|wg0|peer|{SERVER_KEY}");
    let rest = "|endpoint|head.example:51821|allowed-ips|100.97.0.1/32|persistent-keepalive|25";
    assert_eq!(
        bench.logged("wg|set"),
        ["wg|set|wg0|private-key|/proc/self/fd/0".to_owned(), format!("{peer}|remove"), format!("{peer}{rest}")]
    );
    assert_eq!(bench.get("taken").trim(), PRIVATE_KEY);
    assert_eq!(bench.get("given").trim(), PRIVATE_KEY);
    let seed: serde_json::Value = serde_yaml::from_str(&bench.seed().unwrap()).unwrap();
    let expected = serde_json::json!({
        "datasource_list": ["NoCloud"],
        "datasource": {"NoCloud": {"seedfrom": "http://100.97.0.1/"}},
    });
    assert_eq!(seed, expected);

    let outcome = bench.run("down");

    assert_eq!((outcome.code, outcome.said.as_str()), (Some(0), ""));
    bench.assert_nothing_left();
}

#[test]
fn the_contract_is_kept_in_the_shell_of_this_machine() {
    if is_there("curl") {
        contract(vec!["/bin/sh".into()]);
    }
}

#[test]
fn the_contract_is_kept_in_bash() {
    if is_there("curl") && is_there("bash") {
        contract(vec![program("bash").unwrap(), "--posix".into()]);
    }
}

#[test]
fn the_contract_is_kept_in_the_shell_of_busybox() {
    if is_there("curl") && is_there("busybox") {
        contract(vec![program("busybox").unwrap(), "sh".into()]);
    }
}

#[test]
fn the_private_key_is_in_no_argument_no_environment_and_no_file() {
    if !is_there("curl") {
        return;
    }
    let (_server, bench) = meeting(Answer::new(202, &answer(&[])));

    // Not even a variable that was in the environment before makes it known to programs.
    let outcome = finish(bench.command(&["up"]).env("private_key", "of somebody else"));

    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(bench.get("taken").trim(), PRIVATE_KEY);
    assert!(!bench.get("log").contains(PRIVATE_KEY), "{:#?}", bench.log());
    assert!(!bench.get("environment").contains(PRIVATE_KEY));
    assert!(!outcome.said.contains(PRIVATE_KEY), "{outcome:?}");
    assert_eq!(bench.get("found"), "", "it was in a file while the interface was set up");
    for folder in ["state", "cloud.cfg.d"] {
        for entry in walkdir::WalkDir::new(bench.path(folder)) {
            let entry = entry.unwrap();
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            assert!(!text.contains(PRIVATE_KEY), "{}", entry.path().display());
        }
    }
}

#[test]
fn every_success_of_old_and_new_servers_counts() {
    if !is_there("curl") {
        return;
    }
    let old = format!(
        "{{\n  \"message\" : \"WireGuard tunnel created successfully\",\n  \"client-vpn-ip\" : \"10.89.0.7\",\r\n\t\
         \"server-public-key\":\"{SERVER_KEY}\", \"server-ip\": \"10.89.0.1/16\", \"server-port\": \"58036\"\n}}"
    );
    for status in [200, 201, 202] {
        let (server, bench) = meeting(Answer::new(status, &old));

        let outcome = bench.run("up");

        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        assert_eq!(bench.logged("ip|route"), ["ip|route|replace|10.89.0.1/32|dev|wg0"]);
        assert_eq!(bench.endpoints(), [format!("{}:58036", server.address.ip())]);
        assert!(bench.seed().unwrap().contains("http://10.89.0.1/\n"));
    }
}

#[test]
fn a_server_without_the_prefix_is_asked_at_its_root() {
    if !is_there("curl") {
        return;
    }
    let server = FakeServer::start(vec![Answer::new(404, "404 page not found"), Answer::new(202, &answer(&[]))]);
    let bench = Bench::new(&words(&server));

    assert_eq!(bench.run("up").code, Some(0));

    assert_eq!(server.lines(), ["POST /cloud-init/wg-init", "POST /wg-init"]);
}

#[test]
fn a_whole_url_wins_over_address_and_port() {
    if !is_there("curl") {
        return;
    }
    let server = FakeServer::start(vec![Answer::new(202, &answer(&[]))]);
    let url = format!("ochami_wg_url=http://{}/metadata-service/ ochami_wg_ip=192.0.2.1", server.address);
    let bench = Bench::new(&url);

    assert_eq!(bench.run("up").code, Some(0));

    assert_eq!(server.lines(), ["POST /metadata-service/wg-init"]);
}

#[test]
fn a_proxy_of_the_environment_is_passed_by() {
    if !is_there("curl") {
        return;
    }
    let (server, bench) = meeting(Answer::new(202, &answer(&[])));

    let outcome =
        finish(bench.command(&["up"]).env("http_proxy", "http://127.0.0.1:9").env("ALL_PROXY", "http://127.0.0.1:9"));

    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn addresses_of_ipv6_get_their_whole_length_and_brackets_in_urls() {
    if !is_there("curl") {
        return;
    }
    let text = answer(&[("\"100.97.0.2\"", "\"fd00:97::2\""), ("\"100.97.0.1\"", "\"fd00:97::1/64\"")]);
    let (_server, bench) = meeting(Answer::new(202, &text));

    assert_eq!(bench.run("up").code, Some(0));

    assert_eq!(bench.logged("ip|address"), ["ip|address|add|fd00:97::2/128|dev|wg0"]);
    assert_eq!(bench.logged("ip|route"), ["ip|route|replace|fd00:97::1/128|dev|wg0"]);
    assert!(bench.logged("wg|set").last().unwrap().contains("|allowed-ips|fd00:97::1/128|"));
    assert!(bench.seed().unwrap().contains("http://[fd00:97::1]/\n"));
}

#[test]
fn a_server_with_an_address_of_ipv6_is_found() {
    if !is_there("curl") || TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let text = answer(&[("\"endpoint\":\"head.example:51821\",", "")]);
    for brackets in [false, true] {
        let server = FakeServer::start_at("[::1]:0".parse().unwrap(), vec![Answer::new(202, &text)]);
        let address = if brackets { "[::1]" } else { "::1" };
        let bench = Bench::new(&format!("ochami_wg_ip={address} ochami_wg_port={}", server.address.port()));

        assert_eq!(bench.run("up").code, Some(0));

        assert_eq!(server.asked().len(), 1);
        assert_eq!(bench.endpoints(), ["[::1]:51820"]);
    }
}

#[test]
fn an_endpoint_that_leads_nowhere_gives_way_to_the_address_of_the_server() {
    if !is_there("curl") {
        return;
    }
    let (server, bench) = meeting(Answer::new(202, &answer(&[])));
    bench.set("dead-endpoint", "head.example");

    assert_eq!(bench.run("up").code, Some(0));

    assert_eq!(bench.endpoints(), ["head.example:51821".to_owned(), format!("{}:51820", server.address.ip())]);
}

#[test]
fn a_busy_server_says_how_long_to_wait() {
    if !is_there("curl") {
        return;
    }
    let busy = |status, header: &str| Answer::new(status, "ask again").with(header);
    let server = FakeServer::start(vec![
        busy(429, "Retry-After: 7"),
        busy(503, "retry-after:  11  "),
        busy(429, "X-Nothing: 5"),
        // After any other refusal the pauses grow by themselves.
        busy(500, "Retry-After: 13"),
        Answer::new(202, &answer(&[])),
    ]);
    let bench = Bench::new(&words(&server));

    let outcome = bench.run("up");

    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(bench.logged("sleep|"), ["sleep|7", "sleep|11", "sleep|4", "sleep|8"]);
    assert!(outcome.said.contains("the answer is 429: ask again; next attempt in 7 s"), "{outcome:?}");
}

#[test]
fn what_is_no_number_of_seconds_is_not_waited_for() {
    if !is_there("curl") {
        return;
    }
    for value in
        ["$(: >pwned)", "`: >pwned`", "-5", "0", "99999999999", "007", "5;:>pwned", "Wed, 21 Oct 2026 07:28:00 GMT"]
    {
        let busy = Answer::new(429, "ask again").with(&format!("Retry-After: {value}"));
        let server = FakeServer::start(vec![busy, Answer::new(202, &answer(&[]))]);
        let bench = Bench::new(&words(&server));

        assert_eq!(bench.run("up").code, Some(0), "{value}");

        assert_eq!(bench.logged("sleep|"), ["sleep|1"], "{value}");
        assert!(!bench.path("pwned").exists(), "{value}");
    }
}

#[test]
fn a_server_that_is_away_at_first_is_waited_for() {
    if !is_there("curl") {
        return;
    }
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bench = Bench::new(&format!("ochami_wg_ip={} ochami_wg_port={}", address.ip(), address.port()));
    bench.set("time", "passes");
    let script = bench.command(&["up"]).spawn().unwrap();
    let begin = Instant::now();
    while bench.logged("sleep|").is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(30), "it does not wait: {:#?}", bench.log());
        std::thread::sleep(Duration::from_millis(10));
    }

    let server = FakeServer::start_at(address, vec![Answer::new(202, &answer(&[]))]);
    let output = script.wait_with_output().unwrap();

    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no answer"), "{output:?}");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn patience_ends_with_a_sentence_and_leaves_nothing() {
    if !is_there("curl") {
        return;
    }
    let (server, bench) = meeting(Answer::new(404, "no node has the address 127.0.0.1\u{1b}[2J\nand more\n"));

    let outcome = bench.up_within("0");

    assert_eq!(outcome.code, Some(1));
    let expected = format!(
        "wireguard-tunnel: http://{}/wg-init: the answer is 404: no node has the address 127.0.0.1[2J; given up after 0 s, \
         and cloud-init goes without a tunnel\n",
        server.address
    );
    assert_eq!(outcome.said, expected);
    bench.assert_nothing_left();
}

#[test]
fn a_tunnel_without_answers_is_taken_down_and_made_again() {
    if !is_there("curl") {
        return;
    }
    let (_server, bench) = meeting(Answer::new(202, &answer(&[])));
    bench.set("dead", "");

    let outcome = bench.up_within("2");

    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome
            .said
            .contains("the server does not answer through the tunnel, by way of head.example:51821 127.0.0.1:51820")
    );
    assert!(bench.logged("ip|link|add").len() > 1, "{:#?}", bench.log());
    assert_eq!(bench.logged("ip|link|delete").len(), bench.logged("ip|link|add").len());
    bench.assert_nothing_left();
}

#[test]
fn what_the_system_refuses_leaves_nothing() {
    if !is_there("curl") {
        return;
    }
    for refused in ["no-address", "no-route"] {
        let (_server, bench) = meeting(Answer::new(202, &answer(&[])));
        bench.set(refused, "");

        let outcome = bench.up_within("0");

        assert_eq!(outcome.code, Some(1), "{refused}");
        assert!(outcome.said.contains("wg0 cannot be set up"), "{outcome:?}");
        bench.assert_nothing_left();
    }
}

#[test]
fn hostile_answers_are_refused_whole() {
    if !is_there("curl") {
        return;
    }
    let key = format!("\"{SERVER_KEY}\"");
    let bodies = [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "\0\u{1}\u{2}".to_owned(),
        "$(: >pwned)".to_owned(),
        "'; : >pwned; '".to_owned(),
        "<html>404</html>".to_owned(),
        // Cut short.
        answer(&[])[..300].to_owned(),
        answer(&[("\"100.97.0.2\"", "\"$(: >pwned)\"")]),
        answer(&[("\"100.97.0.2\"", "\"`: >pwned`\"")]),
        answer(&[("\"100.97.0.2\"", "\"100.97.0.2; : >pwned\"")]),
        answer(&[("\"100.97.0.2\"", "\"100.97.0.2 dev eth0\"")]),
        answer(&[("\"100.97.0.2\"", "\"100.97.0.2\\n100.97.0.3\"")]),
        answer(&[("\"100.97.0.2\"", "\"100.97.0.256\"")]),
        answer(&[("\"100.97.0.2\"", "\"100.97.2\"")]),
        answer(&[("\"100.97.0.2\"", "\"100.97.0.2.3\"")]),
        answer(&[("\"100.97.0.2\"", "\"-4\"")]),
        answer(&[("\"100.97.0.2\"", "\"\"")]),
        answer(&[("\"100.97.0.2\"", "\"*\"")]),
        answer(&[("\"100.97.0.2\"", "null")]),
        answer(&[("\"100.97.0.2\"", "[\"100.97.0.2\"]")]),
        answer(&[("\"100.97.0.2\"", "{\"a\": \"100.97.0.2\"}")]),
        answer(&[("\"100.97.0.1\"", "1677721601")]),
        answer(&[("\"100.97.0.1\"", "\"::g\"")]),
        answer(&[("\"100.97.0.1\"", "\"/0\"")]),
        answer(&[("\"100.97.0.1\"", "\"100.97.0.1\",\"server-ip\":\"100.97.0.3\"")]),
        // The packets of the tunnel would go round in circles.
        answer(&[("\"100.97.0.1\"", "\"127.0.0.1\"")]),
        answer(&[("\"51820\"", "51820")]),
        answer(&[("\"51820\"", "\"0\"")]),
        answer(&[("\"51820\"", "\"65536\"")]),
        answer(&[("\"51820\"", "\"080\"")]),
        answer(&[("\"51820\"", "\"1e3\"")]),
        answer(&[("\"51820\"", "\"99999999999999999999\"")]),
        answer(&[("\"51820\"", "true")]),
        answer(&[(&key, "\"\"")]),
        answer(&[(&key, "\"pD0m...=\"")]),
        answer(&[(&key, "\"$(: >pwned)AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"")]),
        answer(&[(&key, "\"-D0mGCDQnKkQFgOiuAlYGBWtBV8TzSYSxDfkjR9UaTo=\"")]),
        // Of the right length, but of 32 bytes and a bit.
        answer(&[(&key, "\"pD0mGCDQnKkQFgOiuAlYGBWtBV8TzSYSxDfkjR9UaTp=\"")]),
        answer(&[("\"server-public-key\"", "\"server_public_key\"")]),
    ];
    for body in bodies {
        let (_server, bench) = meeting(Answer::new(202, &body));

        let outcome = bench.up_within("0");

        assert_eq!(outcome.code, Some(1), "{body}");
        assert!(outcome.said.contains("given up after"), "{body}: {outcome:?}");
        assert_eq!(bench.logged("wg|set"), Vec::<String>::new(), "{body}");
        assert_eq!(bench.logged("ip|link|add"), Vec::<String>::new(), "{body}");
        bench.assert_nothing_left();
    }
}

#[test]
fn a_text_that_looks_like_a_member_is_no_member() {
    if !is_there("curl") {
        return;
    }
    let text = answer(&[("allocation accepted", "\\\",\\\"server-ip\\\":\\\"6.6.6.6\\\",$(: >pwned)")]);
    let (_server, bench) = meeting(Answer::new(202, &text));

    assert_eq!(bench.run("up").code, Some(0));

    assert_eq!(bench.logged("ip|route"), ["ip|route|replace|100.97.0.1/32|dev|wg0"]);
    assert!(!bench.path("pwned").exists());
}

#[test]
fn a_hostile_endpoint_counts_as_none() {
    if !is_there("curl") {
        return;
    }
    for endpoint in
        ["$(: >pwned):1", "-x:1", "head:0", "head", ":51820", "a b:1", "[::1", "[x]:5", "*:1", "head:1 peer x"]
    {
        let (server, bench) = meeting(Answer::new(202, &answer(&[("head.example:51821", endpoint)])));

        assert_eq!(bench.run("up").code, Some(0), "{endpoint}");

        assert_eq!(bench.endpoints(), [format!("{}:51820", server.address.ip())], "{endpoint}");
        assert!(!bench.path("pwned").exists(), "{endpoint}");
    }
}

#[test]
fn an_answer_without_end_is_cut_off() {
    if !is_there("curl") {
        return;
    }
    for body in [answer(&[]).trim_end().trim_end_matches('}').to_owned(), answer(&[])] {
        let (_server, bench) = meeting(Answer::endless(&body));
        let begin = Instant::now();

        let outcome = bench.up_within("0");

        // Cut off by its length, long before the time is over. If all of the answer was there, so much the better.
        assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
        assert_eq!(outcome.code == Some(0), body.ends_with("}\n"), "{outcome:?}");
        if outcome.code != Some(0) {
            bench.assert_nothing_left();
        }
    }
}

#[test]
fn a_tunnel_that_works_is_left_alone() {
    if !is_there("curl") {
        return;
    }
    let (server, bench) = meeting(Answer::new(202, &answer(&[])));
    assert_eq!(bench.run("up").code, Some(0));
    bench.set("allowed-ips", &format!("{SERVER_KEY}\t100.97.0.1/32\n"));
    let before = bench.logged("wg|set");

    let outcome = bench.run("up");

    assert_eq!(outcome.code, Some(0));
    assert!(outcome.said.contains("wg0 is up and working"), "{outcome:?}");
    assert_eq!(server.asked().len(), 1);
    assert_eq!(bench.logged("wg|set"), before);
    assert_eq!(bench.logged("wg|genkey").len(), 1);
}

#[test]
fn a_key_that_is_not_taken_gives_way_to_a_fresh_one() {
    if !is_there("curl") {
        return;
    }
    for (status, keys) in [(403, 2), (400, 2), (503, 1)] {
        let server = FakeServer::start(vec![Answer::new(status, "no"), Answer::new(202, &answer(&[]))]);
        let bench = Bench::new(&words(&server));

        assert_eq!(bench.run("up").code, Some(0));

        assert_eq!(bench.logged("wg|genkey").len(), keys, "{status}");
    }
}

#[test]
fn a_tunnel_that_has_died_is_made_anew_with_another_key() {
    if !is_there("curl") {
        return;
    }
    let (server, bench) = meeting(Answer::new(202, &answer(&[])));
    assert_eq!(bench.run("up").code, Some(0));
    // There is nothing that the interface could be asked through.
    bench.set("allowed-ips", &format!("{SERVER_KEY}\t(none)\n"));

    assert_eq!(bench.run("up").code, Some(0));

    assert_eq!(server.asked().len(), 2);
    assert_eq!(bench.logged("wg|genkey").len(), 2);
    assert_eq!(bench.logged("ip|link|delete"), ["ip|link|delete|dev|wg0"]);
    assert!(bench.has_interface() && bench.seed().is_some());
}

#[test]
fn down_may_come_twice_or_without_up() {
    if !is_there("curl") {
        return;
    }
    let (_server, bench) = meeting(Answer::new(202, &answer(&[])));
    assert_eq!(bench.run("down").code, Some(0));
    assert_eq!(bench.run("up").code, Some(0));
    assert_eq!(bench.run("down").code, Some(0));
    let outcome = bench.run("down");
    assert_eq!((outcome.code, outcome.said.as_str()), (Some(0), ""));
    assert_eq!(bench.logged("ip|link|delete").len(), 1);
    bench.assert_nothing_left();
}

#[test]
fn an_interface_of_somebody_else_stays_as_it_is() {
    if !is_there("curl") {
        return;
    }
    let (server, bench) = meeting(Answer::new(202, &answer(&[])));
    bench.set("interface", "");

    let outcome = bench.run("up");

    assert_eq!(outcome.code, Some(1));
    assert!(outcome.said.contains("there is an interface wg0 that is not ours"), "{outcome:?}");
    assert_eq!(bench.run("down").code, Some(0));
    assert!(bench.has_interface());
    assert_eq!(server.asked().len(), 0);
}

#[test]
fn the_settings_of_somebody_else_stay_as_they_are() {
    let bench = Bench::new("quiet");
    std::fs::write(bench.path("cloud.cfg.d/99-wireguard-tunnel.cfg"), "datasource_list: [None]\n").unwrap();
    assert_eq!(bench.run("down").code, Some(0));
    assert_eq!(bench.seed().as_deref(), Some("datasource_list: [None]\n"));
}

#[test]
fn without_wireguard_in_the_kernel_there_is_wireguard_go() {
    if !is_there("curl") {
        return;
    }
    let (_server, bench) = meeting(Answer::new(202, &answer(&[])));
    bench.set("no-kernel", "");
    assert_eq!(bench.run("up").code, Some(0));
    assert_eq!(bench.logged("wireguard-go"), ["wireguard-go|wg0"]);

    let (_server, bench) = meeting(Answer::new(202, &answer(&[])));
    bench.set("no-kernel", "");
    std::fs::remove_file(bench.path("programs/wireguard-go")).unwrap();
    let outcome = bench.up_within("0");
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.said.contains("this kernel has no WireGuard, and wireguard-go is not installed"), "{outcome:?}");
    bench.assert_nothing_left();
}

#[test]
fn in_an_initrd_the_link_is_left_to_the_image() {
    if !is_there("curl") {
        return;
    }
    let (_server, bench) = meeting(Answer::new(202, &answer(&[])));
    std::fs::remove_dir(bench.path("cloud.cfg.d")).unwrap();

    let outcome = bench.run("up");

    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.said.contains("be a link to"), "{outcome:?}");
    assert!(std::fs::read_to_string(bench.path("state/seed.cfg")).unwrap().contains("http://100.97.0.1/"));
}

#[test]
fn a_kernel_command_line_that_makes_no_sense_is_named() {
    for (words, expected) in [
        ("quiet", "add ochami_wg_ip=HOST"),
        ("ochami_wg_ip=", "add ochami_wg_ip=HOST"),
        ("ochami_wg_ip=$(:>pwned)", "neither an address nor a name"),
        ("ochami_wg_ip=-x", "neither an address nor a name"),
        ("ochami_wg_ip=10.0.0.1/cloud-init", "neither an address nor a name"),
        ("ochami_wg_ip=10.0.0.1 ochami_wg_port=80a", "no port from 1 to 65535"),
        ("ochami_wg_ip=10.0.0.1 ochami_wg_port=70000", "no port from 1 to 65535"),
        ("ochami_wg_url=ftp://10.0.0.1/", "no URL such as"),
        ("ochami_wg_url=file:///etc/passwd", "no URL such as"),
        ("ochami_wg_url=http://head/$(:>pwned)", "no URL such as"),
        ("ochami_wg_url=http://me:secret@head/", "no URL such as"),
        ("ochami_wg_url=http://", "no URL such as"),
    ] {
        let bench = Bench::new(words);

        let outcome = bench.run("up");

        assert_eq!(outcome.code, Some(1), "{words}: {outcome:?}");
        assert!(outcome.said.contains(expected), "{words}: {outcome:?}");
        assert_eq!(bench.logged("curl|"), Vec::<String>::new(), "{words}");
        bench.assert_nothing_left();
    }
}

#[test]
fn an_end_from_outside_leaves_nothing() {
    if !is_there("curl") {
        return;
    }
    let (_server, bench) = meeting(Answer::new(503, "later"));
    bench.set("time", "passes");
    let script = bench.command(&["up"]).spawn().unwrap();
    let begin = Instant::now();
    while bench.logged("sleep|").is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(30), "it does not wait: {:#?}", bench.log());
        std::thread::sleep(Duration::from_millis(10));
    }

    let process = rustix::process::Pid::from_child(&script);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    let output = script.wait_with_output().unwrap();

    assert_eq!(output.status.code(), Some(1), "{output:?}");
    bench.assert_nothing_left();
}

#[test]
fn anything_but_up_and_down_is_a_mistake() {
    let bench = Bench::new("");
    for argument in ["", "sideways"] {
        let outcome = bench.run(argument);
        assert_eq!(
            (outcome.code, outcome.said.as_str()),
            (Some(64), "wireguard-tunnel: usage: wireguard-tunnel up|down\n")
        );
    }
}

#[test]
fn shellcheck_has_nothing_to_say() {
    if !is_there("shellcheck") {
        return;
    }
    let folder = Path::new(SCRIPT).parent().unwrap();
    let output =
        Command::new("shellcheck").args(["--shell=sh", "wireguard-tunnel"]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_programs_that_an_initrd_needs_are_listed() {
    let readme = std::fs::read_to_string(Path::new(SCRIPT).with_file_name("README.md")).unwrap();
    let listed = readme.lines().find_map(|line| line.trim().strip_prefix("inst_multiple ")).unwrap();
    // These, and those that are played, are all that the other tests have.
    let mut expected = bench::TOOLS.to_vec();
    expected.extend(["wg", "ip", "curl", "sleep"]);
    expected.sort_unstable();
    let mut listed: Vec<&str> = listed.split(' ').collect();
    listed.sort_unstable();
    assert_eq!(listed, expected);
}
