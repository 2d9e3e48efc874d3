//! How a server starts: without SMD, without a site that can be read, and from where it is told about SMD.

use std::time::Duration;

use crate::cli_support::{SETTINGS, Sandbox, Server};
use crate::smd_support::{Endpoint, FakeSmd, Fault, Inventory};
use crate::support::{
    NODE, SOON, exchange, following, free_address, is_green, leave_green, reasons, releases, serve, smd_at,
    wait_for_health, wait_for_reason,
};

#[test]
fn a_first_start_without_smd_tells_nodes_to_wait_and_recovers_by_itself() {
    let sandbox = Sandbox::new();
    let address = free_address();
    let server = sandbox.serve(&following(&format!("http://{address}"), &[]));
    assert!(server.summary["release"].is_null(), "{}", server.summary);
    let refusal = exchange(&server, &format!("GET /meta-data HTTP/1.1\r\nX-Forwarded-For: {NODE}"), b"");
    assert!(refusal.starts_with("HTTP/1.1 503 "), "{refusal}");
    let wait = refusal.to_lowercase().split_once("retry-after: ").unwrap().1.split("\r\n").next().unwrap().to_owned();
    assert!((1.0..=10.0).contains(&wait.parse::<f64>().unwrap()), "{refusal}");
    wait_for_reason(&server, "the inventory cannot be pulled: SMD cannot be reached");
    let (status, body) = server.get("/health", NODE);
    assert_eq!(status, 503, "{body}");
    let health = server.health();
    assert_eq!(health["status"], "unhealthy");
    assert!(health["reason"].as_str().unwrap().contains("SMD cannot be reached"), "{health}");
    let _smd = smd_at(address);
    server.wait(SOON, |server| server.get("/meta-data", NODE).0 == 200);
    wait_for_health(&server);
    assert_eq!((server.get("/health", NODE).0, server.health()["nodes"].as_u64()), (200, Some(3)));
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_first_start_with_an_empty_smd_waits_for_nodes() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::start(Inventory::empty()));
    let server = serve(&sandbox, &smd, &[]);
    wait_for_reason(&server, "SMD lists no node");
    assert_eq!((server.get("/meta-data", NODE).0, server.get("/health", NODE).0), (503, 503));
    smd.set_inventory(Inventory::mock_nodes());
    server.wait(SOON, |server| server.get("/meta-data", NODE).0 == 200);
    wait_for_health(&server);
}

#[test]
fn a_first_start_with_a_site_that_does_not_build_waits_for_either_to_be_mended() {
    // Whether the first pull is there before the server says that it listens, or long after.
    for asked_to_wait in [None, Some("9")] {
        let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
        if let Some(seconds) = asked_to_wait {
            smd.set_fault(Endpoint::Components, Fault::Status(503, String::new(), Some(seconds.to_owned())));
        }
        sandbox.write("site/groups/compute/cloud-config.yaml", "#cloud-config\n{{ nothing }}\n");
        let server = serve(&sandbox, &smd, &[]);
        assert!(server.summary["release"].is_null(), "{}", server.summary);
        smd.clear_faults();
        wait_for_reason(&server, "Variable `nothing` is not defined");
        assert_eq!((server.get("/meta-data", NODE).0, server.get("/health", NODE).0), (503, 503));
        sandbox.write("site/groups/compute/cloud-config.yaml", "#cloud-config\n{}\n");
        server.wait(SOON, |server| server.get("/meta-data", NODE).0 == 200);
        wait_for_health(&server);
    }
}

#[test]
fn a_first_start_with_nodes_that_do_not_fit_together_waits_for_smd_to_be_mended() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    smd.change(|inventory| inventory.components[1]["NID"] = inventory.components[0]["NID"].clone());
    let server = serve(&sandbox, &smd, &[]);
    wait_for_reason(&server, "the site does not build: 2 errors");
    smd.set_inventory(Inventory::mock_nodes());
    server.wait(SOON, |server| server.get("/meta-data", NODE).0 == 200);
    wait_for_health(&server);
}

#[test]
fn a_restart_without_smd_builds_a_changed_site_with_the_nodes_that_were_pulled_last() {
    let sandbox = Sandbox::new();
    let smd = FakeSmd::mock_nodes();
    run_before(&sandbox, &smd);
    let url = smd.url();
    drop(smd);
    sandbox.write("site/groups/green/cloud-config.yaml", "#cloud-config\nfinal_message: urgent\n");
    let server = sandbox.serve(&following(&url, &[]));
    server.wait(SOON, |server| server.get("/green.yaml", NODE).1.contains("urgent"));
    wait_for_reason(&server, "SMD cannot be reached");
}

/// Builds a release in the tree of the sandbox's server, and returns its id.
fn run_before(sandbox: &Sandbox, smd: &FakeSmd) -> serde_json::Value {
    let server = serve(sandbox, smd, &[]);
    let release = server.health()["release"].clone();
    assert_eq!(server.terminate(), Some(0));
    release
}

#[test]
fn a_restart_without_smd_serves_what_there_was_and_says_that_it_is_old() {
    let sandbox = Sandbox::new();
    let smd = FakeSmd::mock_nodes();
    let release = run_before(&sandbox, &smd);
    let address = smd.server().address();
    drop(smd);
    let server = sandbox.serve(&following(&format!("http://{address}"), &[]));
    server.wait(SOON, |server| server.get("/meta-data", NODE).0 == 200);
    assert_eq!(server.health()["release"], release);
    wait_for_reason(&server, "SMD cannot be reached");
    assert_eq!((server.get("/health", NODE).0, server.health()["status"].as_str()), (200, Some("healthy")));
    let since = |server: &Server| server.health()["degraded"][0]["since"].clone();
    let first = since(&server);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(since(&server), first, "it is the same trouble all the time");
    let smd = smd_at(address);
    wait_for_health(&server);
    smd.change(leave_green);
    server.wait(SOON, |server| !is_green(server));
}

#[test]
fn a_restart_serves_before_smd_has_answered() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let release = run_before(&sandbox, &smd);
    smd.set_fault_everywhere(&Fault::Stall);
    let server = serve(&sandbox, &smd, &[]);
    server.wait(SOON, |server| server.get("/meta-data", NODE).0 == 200);
    assert_eq!(server.health()["release"], release);
    // It has not answered since.
    wait_for_reason(&server, "SMD did not send");
    assert_eq!((server.get("/meta-data", NODE).0, releases(&sandbox)), (200, 1));
}

#[test]
fn a_restart_with_broken_settings_follows_the_smd_of_the_last_start() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let table = format!("[inventory.smd]\nurl = \"{}\"\nsync_interval = 1\n", smd.url());
    sandbox.write("site/mds.toml", &format!("{SETTINGS}{table}"));
    let server = sandbox.serve(&["--site", "site"]);
    assert_eq!(server.get("/meta-data", NODE).0, 200);
    assert_eq!(server.terminate(), Some(0));
    sandbox.write("site/mds.toml", &format!("{SETTINGS}{table}oops = ["));
    smd.reset_counts();
    let server = sandbox.serve(&["--site", "site"]);
    server.wait(SOON, |server| server.get("/meta-data", NODE).0 == 200);
    wait_for_reason(&server, "the site does not build: 1 error, the first: mds.toml:");
    server.wait(SOON, |_| smd.count(Endpoint::Components) >= 3);
    assert!(server.log().contains("those of the last start count"), "{}", server.log());
    smd.change(leave_green);
    sandbox.write("site/mds.toml", &format!("{SETTINGS}{table}"));
    server.wait(SOON, |server| !is_green(server));
    wait_for_health(&server);
}

#[test]
fn the_site_says_where_smd_is() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    sandbox.write("site/mds.toml", &format!("{SETTINGS}[inventory.smd]\nurl = \"{}/\"\n", smd.url()));
    let server = sandbox.serve(&["--site", "site"]);
    assert_eq!((server.get("/meta-data", NODE).0, smd.count(Endpoint::Components)), (200, 1));
}

#[test]
fn a_settings_file_beside_the_site_says_where_smd_is() {
    let (sandbox, smd, other) = (Sandbox::new(), FakeSmd::mock_nodes(), FakeSmd::mock_nodes());
    sandbox.write("site/mds.toml", &format!("{SETTINGS}[inventory.smd]\nurl = \"{}\"\n", other.url()));
    sandbox.write("etc/mds.toml", &format!("[inventory.smd]\nurl = \"{}\"\nsync_interval = 1\n", smd.url()));
    let server = sandbox.serve(&["--site", "site", "--config", "etc/mds.toml"]);
    assert_eq!(server.get("/meta-data", NODE).0, 200);
    server.wait(SOON, |_| smd.count(Endpoint::Components) >= 2);
    assert_eq!(other.total(), 0, "the file takes the place of what the site says");
    // Without a word on SMD it leaves that to the site.
    drop(server);
    sandbox.write("etc/mds.toml", "[serve]\npoll = 7\n");
    let server = sandbox.serve_with(&["--site", "site"], &[("MDS_CONFIG", "etc/mds.toml")]);
    server.wait(SOON, |server| server.get("/meta-data", NODE).0 == 200);
    server.wait(SOON, |_| other.count(Endpoint::Components) == 1);
    assert_eq!(reasons(&server), "");
}

#[test]
fn a_server_with_a_locked_inventory_asks_no_smd() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    sandbox.stdout(&["inventory", "pull", "--mock-smd", "--out", "site/inventory.json"]);
    let server = sandbox.serve_with(&["--site", "site", "--locked"], &[("SMD_URL", &smd.url())]);
    assert_eq!((server.get("/meta-data", NODE).0, smd.total()), (200, 0));
}
