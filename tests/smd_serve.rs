//! `mds serve` in step with SMD: changes are followed, and whatever happens to SMD, nodes notice nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli_support;
#[path = "smd_serve/drops.rs"]
mod drops;
#[path = "smd_serve/faults.rs"]
mod faults;
#[path = "smd_serve/notifications.rs"]
mod notifications;
mod smd_support;
#[path = "smd_serve/start.rs"]
mod start;
#[path = "smd_serve/support.rs"]
mod support;
#[path = "smd_serve/tokens.rs"]
mod tokens;

use cli_support::{COMPUTE, SETTINGS, Sandbox};
use smd_support::{Endpoint, FakeSmd};
use support::{
    A_WHILE, NODE, SOON, builds, following, is_green, leave_green, reasons, releases, serve, wait_for_health,
    wait_for_reason,
};

#[test]
fn a_change_in_smd_is_followed() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let server = serve(&sandbox, &smd, &[]);
    assert_eq!((server.summary["nodes"].as_u64(), server.summary["documents"].as_u64()), (Some(3), Some(15)));
    assert!(is_green(&server));
    smd.change(leave_green);
    server.wait(SOON, |server| !is_green(server));
    assert_eq!(reasons(&server), "");
    smd.change(|inventory| inventory.add_node("x1000c0s2b0n0", 1003, "Compute", &["compute"]));
    smd.change(|inventory| {
        let address = [("10.252.0.29", "HMN")];
        inventory.add_interface("x1000c0s2b0n0", "Node", "", "b4:2e:99:be:1a:9d", &address);
    });
    server.wait(SOON, |server| server.get("/meta-data", "10.252.0.29").1.contains("local-hostname: tc1003"));
    assert_eq!(server.health()["nodes"], 4);
}

#[test]
fn what_has_not_changed_is_not_built_again() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    // The order in which SMD lists things is none.
    smd.set_shuffle(Some(7));
    let server = serve(&sandbox, &smd, &[]);
    let release = server.health()["release"].clone();
    let pulls = smd.count(Endpoint::Memberships);
    server.wait(SOON, |_| smd.count(Endpoint::Memberships) >= pulls + 4);
    assert_eq!((builds(&server), releases(&sandbox)), (1, 1), "{}", server.log());
    assert_eq!(server.health()["release"], release);
    // That it would have been noticed.
    smd.change(leave_green);
    server.wait(SOON, |server| !is_green(server));
    assert_eq!((builds(&server), releases(&sandbox)), (2, 2), "{}", server.log());
    let listed = sandbox.json(&["releases"]);
    assert_eq!(listed.as_array().or(listed["releases"].as_array()).unwrap().len(), 2, "{listed}");
}

#[test]
fn a_server_pulls_once_when_sync_is_switched_off() {
    let off = [
        (vec!["--smd-sync-enabled=false"], vec![], ""),
        (vec![], vec![("SMD_SYNC_ENABLED", "false")], ""),
        (vec![], vec![], "[inventory.smd]\nsync_enabled = false\n"),
    ];
    for (flags, environment, table) in off {
        let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
        sandbox.write("site/mds.toml", &format!("{SETTINGS}{table}"));
        let server = sandbox.serve_with(&following(&smd.url(), &flags), &environment);
        assert_eq!(server.get("/meta-data", NODE).0, 200);
        std::thread::sleep(A_WHILE);
        assert_eq!(smd.count(Endpoint::Components), 1, "{flags:?} {environment:?} {table}");
        assert_eq!(reasons(&server), "");
    }
}

#[test]
fn a_pull_that_fails_is_tried_again_although_sync_is_switched_off() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    smd.set_fault(Endpoint::Components, smd_support::Fault::Garbage);
    let server = serve(&sandbox, &smd, &["--smd-sync-enabled=false"]);
    assert_eq!(server.get("/meta-data", NODE).0, 503);
    smd.clear_faults();
    server.wait(SOON, |server| server.get("/meta-data", NODE).0 == 200);
    wait_for_health(&server);
}

#[test]
fn the_interval_is_a_flag_a_variable_or_a_setting() {
    let long = "[inventory.smd]\nsync_interval = 3600\n";
    let short = "[inventory.smd]\nsync_interval = 1\n";
    let cases = [
        (vec!["--smd-sync-interval=1"], vec![("SMD_SYNC_INTERVAL", "3600")], long, true),
        (vec!["--smd-sync-interval=3600"], vec![("SMD_SYNC_INTERVAL", "1")], short, false),
        (vec![], vec![("SMD_SYNC_INTERVAL", "1")], long, true),
        (vec![], vec![("SMD_SYNC_INTERVAL", "3600")], short, false),
        (vec![], vec![], short, true),
        (vec![], vec![], long, false),
    ];
    for (flags, environment, table, is_short) in cases {
        let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
        sandbox.write("site/mds.toml", &format!("{SETTINGS}{table}"));
        let url = smd.url();
        let arguments = [&["--site", "site", "--smd-url", &url], &flags[..]].concat();
        let server = sandbox.serve_with(&arguments, &environment);
        if is_short {
            server.wait(SOON, |_| smd.count(Endpoint::Components) >= 3);
        } else {
            std::thread::sleep(A_WHILE);
            assert_eq!(smd.count(Endpoint::Components), 1, "{flags:?} {environment:?} {table}");
        }
    }
}

#[test]
fn an_interval_of_nothing_is_refused() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let said = sandbox.run(&["serve", "--site", "site", "--smd-url", &smd.url(), "--smd-sync-interval", "0"]);
    assert!(said.starts_with("exit code 64\n") && said.contains("--smd-sync-interval"), "{said}");
    assert_eq!(smd.total(), 0);
}

#[test]
fn a_broken_template_and_a_change_in_smd_may_come_together() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let server = serve(&sandbox, &smd, &[]);
    support::while_nodes_notice_nothing(&server, || {
        sandbox.write("site/groups/compute/cloud-config.yaml", "#cloud-config\n{{ nothing }}\n");
        smd.change(leave_green);
        wait_for_reason(&server, "groups/compute/cloud-config.yaml:2:4");
        let pulls = smd.count(Endpoint::Components);
        server.wait(SOON, |_| smd.count(Endpoint::Components) >= pulls + 3);
        assert!(is_green(&server), "what does not build changes nothing");
        assert!(reasons(&server).contains("groups/compute/cloud-config.yaml:2:4"), "a good pull does not hide it");
    });
    sandbox.write("site/groups/compute/cloud-config.yaml", &COMPUTE.replace("{{ role }}", "mended"));
    server.wait(SOON, |server| server.get("/compute.yaml", NODE).1.contains("mended") && !is_green(server));
    wait_for_health(&server);
}

#[test]
fn the_site_and_smd_may_both_be_in_trouble_and_each_is_told() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let server = serve(&sandbox, &smd, &[]);
    smd.set_fault_everywhere(&smd_support::Fault::Garbage);
    wait_for_reason(&server, "the inventory cannot be pulled");
    sandbox.write("site/groups/compute/cloud-config.yaml", "#cloud-config\n{{ nothing }}\n");
    wait_for_reason(&server, "the site does not build");
    assert_eq!(server.health()["degraded"].as_array().unwrap().len(), 2);
    sandbox.write("site/groups/compute/cloud-config.yaml", COMPUTE);
    server.wait(SOON, |server| !reasons(server).contains("the site does not build"));
    assert!(reasons(&server).contains("the inventory cannot be pulled"));
    smd.clear_faults();
    wait_for_health(&server);
}
