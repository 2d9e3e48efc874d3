//! `mds serve` as a process: what it prints, how it follows a tree and a site, and how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli_support;

use std::fs;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cli_support::{COMPUTE, Sandbox, git};
use insta::assert_snapshot;

const NODE: &str = "10.252.0.26";
/// What the issue allows between a publish and its being served, and something for a slow machine.
const SOON: Duration = Duration::from_secs(5);

/// Ends the thread that asks, also when the test fails meanwhile.
struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn compute_with(word: &str) -> String {
    COMPUTE.replace("{{ role }}", word)
}

#[test]
fn a_site_is_built_served_and_ended() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&["--site", "site", "--mock-smd"]);
    assert_eq!((server.summary["nodes"].as_u64(), server.summary["documents"].as_u64()), (Some(3), Some(15)));
    for (path, part) in [
        ("/meta-data", "local-hostname: tc1000"),
        ("/user-data", "#cloud-config"),
        ("/vendor-data", "#include\nhttp://10.252.0.1:8080/compute.yaml\n"),
        ("/network-config", "10.252.0.26/17"),
        ("/compute.yaml", "compute 1000 slurm"),
        ("/green.yaml", "green"),
        ("/cloud-init/meta-data", "local-hostname: tc1000"),
        ("/metadata-service/green.yaml/", "green"),
    ] {
        let (status, body) = server.get(path, NODE);
        assert!(status == 200 && body.contains(part), "{path}: {status} {body}");
    }
    assert_eq!(server.get("/blue.yaml", NODE).0, 404);
    assert_eq!(server.get("/blue.yaml", "10.252.0.27"), (200, String::new()));
    assert_eq!(server.get("/meta-data", "10.252.0.99").0, 404);
    assert_eq!(server.health()["status"], "healthy");
    assert!(sandbox.path(".mds/tree/current").exists(), "the tree lies in the state folder by default");
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn the_summary_for_people_has_two_commands_to_try() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["serve", "--site", "site", "--mock-smd", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut text = String::new();
    let mut reader = std::io::BufReader::new(child.stdout.take().unwrap());
    while !text.contains("/health") {
        assert!(std::io::BufRead::read_line(&mut reader, &mut text).unwrap() > 0, "{text}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let port = text.split("127.0.0.1:").nth(1).unwrap().split('\n').next().unwrap().to_owned();
    assert_snapshot!(sandbox.masked(&text).replace(&port, "[PORT]"), @"
    release   [DIGEST]
    nodes     3
    documents 15
    listening on http://127.0.0.1:[PORT]
    try it:
      curl -H 'X-Forwarded-For: 10.252.0.26' http://127.0.0.1:[PORT]/meta-data
      curl http://127.0.0.1:[PORT]/health
    ");
}

#[test]
fn publishes_and_rollbacks_of_other_processes_are_followed_without_a_failing_request() {
    let sandbox = Sandbox::new();
    let first = sandbox.build();
    let server = sandbox.serve(&["--tree", "tree"]);
    assert_eq!(server.summary["release"], first);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _end = EndOnDrop(&done);
        let asking = scope.spawn(|| {
            let mut asked = 0;
            while !done.load(Ordering::Relaxed) {
                let (status, body) = server.get("/compute.yaml", NODE);
                assert!(status == 200 && body.contains("1000 slurm"), "{status} {body}");
                asked += 1;
            }
            asked
        });
        for word in ["one", "two", "three"] {
            sandbox.write("site/groups/compute/cloud-config.yaml", &compute_with(word));
            sandbox.build();
            let took = server.wait(SOON, |server| server.get("/compute.yaml", NODE).1.contains(word));
            assert!(took < Duration::from_secs(2), "it took {took:?}");
        }
        sandbox.stdout(&["rollback", "--tree", "tree"]);
        server.wait(SOON, |server| server.get("/compute.yaml", NODE).1.contains("two"));
        sandbox.stdout(&["gc", "--keep", "1", "--tree", "tree"]);
        done.store(true, Ordering::Relaxed);
        assert!(asking.join().unwrap() > 10);
    });
}

#[test]
fn a_tree_without_a_release_gives_503_until_one_is_published() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&["--tree", "tree"]);
    assert!(server.summary["release"].is_null());
    assert_eq!(server.get("/meta-data", NODE).0, 503);
    assert_eq!(server.get("/health", NODE).0, 503);
    sandbox.build();
    server.wait(SOON, |server| server.get("/meta-data", NODE).0 == 200);
    assert_eq!(server.get("/health", NODE).0, 200);
}

#[test]
fn a_change_that_does_not_build_keeps_the_last_good_release_and_recovers() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&["--site", "site", "--mock-smd"]);
    let good = server.health()["release"].clone();
    sandbox.write("site/groups/compute/cloud-config.yaml", "#cloud-config\n{{ nothing }}\n");
    server.wait(SOON, |server| !server.health()["degraded"].is_null());
    let reason = server.health()["degraded"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("groups/compute/cloud-config.yaml:2:4") && reason.contains("nothing"), "{reason}");
    assert!(server.log().contains("groups/compute/cloud-config.yaml:2:4"));
    assert_eq!(server.get("/health", NODE).0, 200);
    assert_eq!(server.health()["release"], good);
    assert!(server.get("/compute.yaml", NODE).1.contains("compute 1000 slurm"));
    sandbox.write("site/groups/compute/cloud-config.yaml", &compute_with("mended"));
    server.wait(SOON, |server| server.get("/compute.yaml", NODE).1.contains("mended"));
    server.wait(SOON, |server| server.health()["degraded"].is_null());
}

#[test]
fn a_broken_site_does_not_keep_a_restarted_server_from_serving_what_it_has() {
    let sandbox = Sandbox::new();
    let good = sandbox.build();
    sandbox.write("site/groups/compute/cloud-config.yaml", "{{ nothing }}");
    let server = sandbox.serve(&["--site", "site", "--mock-smd", "--tree", "tree"]);
    assert_eq!(server.health()["release"], good);
    assert!(server.health()["degraded"][0]["reason"].as_str().unwrap().contains("nothing"));
    assert_eq!(server.get("/meta-data", NODE).0, 200);
}

#[test]
fn without_any_release_a_broken_site_is_a_failure_to_start() {
    let sandbox = Sandbox::new();
    sandbox.write("site/groups/compute/cloud-config.yaml", "{{ nothing }}");
    let serve = ["serve", "--site", "site", "--mock-smd", "--listen", "127.0.0.1:0"];
    let said = sandbox.run(&serve);
    assert!(said.starts_with("exit code 1\n") && said.contains("`nothing` is not defined"), "{said}");
    sandbox.write("site/mds.toml", "[serve]\nlisten = [\"everywhere\"]\n");
    let said = sandbox.run(&["serve", "--site", "site", "--mock-smd"]);
    assert!(said.starts_with("exit code 2\n") && said.contains("mds.toml:2:"), "{said}");
}

#[test]
fn a_local_repository_is_followed_by_its_commits() {
    let sandbox = Sandbox::new();
    let site = sandbox.path("site");
    git(&site, &["init", "--quiet"]);
    git(&site, &["add", "."]);
    git(&site, &["commit", "--quiet", "-m", "first"]);
    let server = sandbox.serve(&["--repo", "site", "--mock-smd"]);
    sandbox.write("site/groups/compute/cloud-config.yaml", &compute_with("committed"));
    std::thread::sleep(Duration::from_millis(1200));
    assert!(server.get("/compute.yaml", NODE).1.contains("compute 1000"), "a dirty checkout is not read");
    git(&site, &["commit", "--quiet", "-a", "-m", "second"]);
    server.wait(SOON, |server| server.get("/compute.yaml", NODE).1.contains("committed"));
}

#[test]
fn an_inventory_file_outside_the_site_is_followed_too() {
    let sandbox = Sandbox::new();
    let inventory = |ip: &str| {
        format!(
            "{{\"format\":1,\"nodes\":[{{\"id\":\"n1\",\"interfaces\":[{{\"mac\":\"52:54:00:00:00:01\",\"addresses\":[{{\"ip\":\"{ip}\"}}]}}]}}]}}"
        )
    };
    sandbox.write("nodes.json", &inventory("10.252.0.5"));
    let server = sandbox.serve(&["--site", "site", "--inventory", "nodes.json"]);
    assert_eq!(server.get("/meta-data", "10.252.0.5").0, 200);
    fs::write(sandbox.path("nodes.json"), inventory("10.252.0.6")).unwrap();
    server.wait(SOON, |server| server.get("/meta-data", "10.252.0.6").0 == 200);
    assert_eq!(server.get("/meta-data", "10.252.0.5").0, 404);
}

#[test]
fn settings_of_the_site_are_used_and_flags_win() {
    let sandbox = Sandbox::new();
    let settings =
        format!("{}[serve]\ntrusted_proxies = [\"192.0.2.1/32\"]\nprefixes = [\"/boot\"]\n", cli_support::SETTINGS);
    sandbox.write("site/mds.toml", &settings);
    let server = sandbox.serve(&["--site", "site", "--mock-smd"]);
    assert_eq!(server.get("/boot/meta-data", NODE).0, 404, "loopback is no proxy any more, and no node");
    drop(server);
    let server = sandbox.serve(&["--site", "site", "--mock-smd", "--trusted-proxy", "127.0.0.1"]);
    assert_eq!(server.get("/boot/meta-data", NODE).0, 200);
    assert_eq!(server.get("/cloud-init/meta-data", NODE).0, 404);
}

#[test]
fn a_port_in_use_is_said_with_where_the_address_comes_from() {
    let sandbox = Sandbox::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = sandbox.run(&["serve", "--site", "site", "--mock-smd", "--listen", &address]);
    assert_snapshot!(said.replace(&address, "[ADDRESS]"), @"
    exit code 2
    --- stdout
    --- stderr
    error: cannot listen on [ADDRESS]: Address already in use (os error 98) (another process has the port: find it with `ss -ltnp`, or choose another port) (the address is from the flag --listen)
    ");
}

#[test]
fn a_template_that_never_ends_does_not_end_the_server() {
    let sandbox = Sandbox::new();
    sandbox.write("site/mds.toml", &format!("[render]\nmax_seconds = 1\n{}", cli_support::SETTINGS));
    let server = sandbox.serve(&["--site", "site", "--mock-smd"]);
    // Nothing is called and nothing written in these loops, so nothing inside the template can notice the time.
    let digits = "{% for digit in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] %}";
    let endless = format!("{}{}", digits.repeat(15), "{% endfor %}".repeat(15));
    sandbox.write("site/groups/compute/cloud-config.yaml", &endless);
    server.wait(Duration::from_secs(20), |server| !server.health()["degraded"].is_null());
    let reason = server.health()["degraded"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("groups/compute/cloud-config.yaml: the document takes more than 1 seconds"), "{reason}");
    assert!(server.get("/compute.yaml", NODE).1.contains("compute 1000 slurm"));
    sandbox.write("site/groups/compute/cloud-config.yaml", &compute_with("mended"));
    server.wait(SOON, |server| server.get("/compute.yaml", NODE).1.contains("mended"));
}

#[test]
fn settings_that_break_do_not_keep_a_restarted_server_from_serving_where_it_did() {
    let sandbox = Sandbox::new();
    let settings = format!("{}[serve]\nprefixes = [\"/boot\"]\n", cli_support::SETTINGS);
    sandbox.write("site/mds.toml", &settings);
    let first = sandbox.serve(&["--site", "site", "--mock-smd"]);
    let good = first.summary["release"].clone();
    drop(first);
    sandbox.write("site/mds.toml", "[clutser]\n");
    let server = sandbox.serve(&["--site", "site", "--mock-smd"]);
    assert_eq!(server.summary["release"], good);
    assert_eq!(server.get("/boot/meta-data", NODE).0, 200, "the settings of the last start count");
    assert!(server.log().contains("did you mean `cluster`?"), "{}", server.log());
    server.wait(SOON, |server| !server.health()["degraded"].is_null());
    sandbox.write("site/mds.toml", &settings);
    server.wait(SOON, |server| server.health()["degraded"].is_null());
}

#[test]
fn health_says_what_is_wrong_and_names_no_node() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve(&["--site", "site", "--mock-smd"]);
    sandbox.write("site/nodes/x1000c0s0b0n1.yaml", "hostname: tc1000\n");
    sandbox.write("site/nodes/x1000c0s1b0n0.yaml", "hostname: tc1000\n");
    server.wait(SOON, |server| !server.health()["degraded"].is_null());
    let said = server.health()["degraded"][0]["reason"].as_str().unwrap().to_owned();
    assert_eq!(said, "the site does not build: 1 error; the log says all");
    server.wait(SOON, |server| server.log().contains("belongs to x1000c0s0b0n0 and x1000c0s0b0n1"));
}
