//! Losing much at once while a server follows SMD.

use serde_json::json;

use crate::cli_support::{SETTINGS, Sandbox};
use crate::smd_support::{Endpoint, FakeSmd, Fault, Inventory};
use crate::support::{
    NODE, NODE_ID, SOON, reasons, releases, serve, wait_for_health, wait_for_reason, while_nodes_notice_nothing,
};

/// The other nodes keep theirs.
fn delete_interfaces(inventory: &mut Inventory) {
    inventory.interfaces.retain(|interface| interface["ComponentID"] != NODE_ID);
}

#[test]
fn interfaces_that_are_deleted_and_added_again_are_not_followed_in_between() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let server = serve(&sandbox, &smd, &[]);
    let release = server.health()["release"].clone();
    let whole = smd.inventory();
    while_nodes_notice_nothing(&server, || {
        smd.change(delete_interfaces);
        wait_for_reason(&server, "would take away 2 of 5 addresses of nodes, and 10 % is the most at once");
        assert_eq!(server.health()["status"], "healthy");
        let pulls = smd.count(Endpoint::Components);
        server.wait(SOON, |_| smd.count(Endpoint::Components) >= pulls + 3);
        assert!(reasons(&server).contains("what is published stays"), "{}", reasons(&server));
        smd.set_inventory(whole);
        wait_for_health(&server);
    });
    assert_eq!((server.health()["release"].clone(), releases(&sandbox)), (release, 1));
}

#[test]
fn a_drop_is_published_by_whoever_accepts_it_and_the_server_follows() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let server = serve(&sandbox, &smd, &[]);
    smd.change(delete_interfaces);
    wait_for_reason(&server, "would take away 2 of 5 addresses");
    let build = ["build", "--site", "site", "--smd-url", &smd.url()];
    let refused = sandbox.run(&build);
    assert!(refused.starts_with("exit code 2\n") && refused.contains("build with --accept-drop"), "{refused}");
    assert_eq!((server.get("/meta-data", NODE).0, releases(&sandbox)), (200, 1));
    sandbox.stdout(&[&build[..], &["--accept-drop"]].concat());
    server.wait(SOON, |server| server.get("/meta-data", NODE).0 == 404);
    assert_eq!(server.get("/meta-data", "10.252.0.27").0, 200);
    // It tries again by itself, and there is nothing to be taken away any more.
    wait_for_health(&server);
}

#[test]
fn groups_that_are_all_gone_are_a_drop_too() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let server = serve(&sandbox, &smd, &[]);
    while_nodes_notice_nothing(&server, || {
        smd.set_fault(Endpoint::Memberships, Fault::EmptyArray);
        wait_for_reason(&server, "3 of 3 nodes with groups");
        smd.clear_faults();
        wait_for_health(&server);
    });
}

#[test]
fn the_site_says_how_much_may_go_at_once() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    sandbox.write("site/mds.toml", &format!("{SETTINGS}[inventory]\nmax_removed = 50\n"));
    let server = serve(&sandbox, &smd, &[]);
    smd.change(delete_interfaces);
    server.wait(SOON, |server| server.get("/meta-data", NODE).0 == 404);
    assert_eq!(reasons(&server), "");
}

#[test]
fn a_server_that_is_told_so_accepts_one_drop_at_its_start() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    drop(serve(&sandbox, &smd, &[]));
    smd.change(delete_interfaces);
    let server = serve(&sandbox, &smd, &[]);
    wait_for_reason(&server, "would take away 2 of 5 addresses");
    assert_eq!(server.get("/meta-data", NODE).0, 200);
    drop(server);
    let server = serve(&sandbox, &smd, &["--accept-drop"]);
    server.wait(SOON, |server| server.get("/meta-data", NODE).0 == 404);
    wait_for_health(&server);
    // Once and not for ever.
    smd.change(|inventory| {
        let is_gone = |entry: &serde_json::Value| entry["ComponentID"] == json!("x1000c0s0b0n1");
        inventory.interfaces.retain(|interface| !is_gone(interface));
    });
    wait_for_reason(&server, "would take away 2 of 3 addresses");
    assert_eq!(server.get("/meta-data", "10.252.0.27").0, 200);
}

#[test]
fn interfaces_that_are_deleted_one_by_one_are_noticed_too() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    sandbox.write("site/mds.toml", &format!("{SETTINGS}[inventory]\nmax_removed = 50\n"));
    let server = serve(&sandbox, &smd, &[]);
    // Each of them is at most a third of what there is.
    let delete = |address: &str| {
        smd.change(|inventory| {
            inventory.interfaces.retain(|interface| interface["IPAddresses"][0]["IPAddress"] != address);
        });
    };
    for (number, address) in ["10.100.0.26", "10.100.0.27"].into_iter().enumerate() {
        delete(address);
        server.wait(SOON, |_| releases(&sandbox) == number + 2);
    }
    let whole = smd.inventory();
    delete("10.252.0.28");
    wait_for_reason(&server, "would take away 3 of 5 addresses");
    assert_eq!(server.get("/meta-data", "10.252.0.28").0, 200);
    // Somebody accepts it, and with that a new beginning.
    sandbox.stdout(&["build", "--site", "site", "--smd-url", &smd.url(), "--accept-drop"]);
    server.wait(SOON, |server| server.get("/meta-data", "10.252.0.28").0 == 404);
    wait_for_health(&server);
    smd.set_inventory(whole);
    server.wait(SOON, |server| server.get("/meta-data", "10.252.0.28").0 == 200);
    delete("10.252.0.28");
    server.wait(SOON, |server| server.get("/meta-data", "10.252.0.28").0 == 404);
}
