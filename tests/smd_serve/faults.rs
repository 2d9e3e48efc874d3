//! Everything that can happen to SMD while a server follows it. Nodes notice nothing, `/health` says what is wrong, and
//! the server recovers by itself.

use std::time::Duration;

use serde_json::json;

use crate::cli_support::{SETTINGS, Sandbox, Server};
use crate::smd_support::{Endpoint, FakeSmd, Fault};
use crate::support::{
    NODE, SOON, is_green, leave_green, releases, serve, smd_at, wait_for_health, wait_for_reason,
    while_nodes_notice_nothing,
};

/// A fault of an endpoint, and a part of what is said of it.
type Case = (&'static str, Endpoint, Fault, &'static str);

/// Brings the faults about one after the other, and waits for each to be told and to be got over.
fn get_over(server: &Server, smd: &FakeSmd, cases: Vec<Case>) {
    let release = server.health()["release"].clone();
    while_nodes_notice_nothing(server, || {
        for (name, endpoint, fault, part) in cases {
            smd.set_fault(endpoint, fault);
            wait_for_reason(server, "the inventory cannot be pulled");
            wait_for_reason(server, part);
            let health = server.health();
            assert_eq!((&health["release"], health["status"].as_str()), (&release, Some("healthy")), "{name}");
            assert_eq!(server.get("/health", NODE).0, 200, "{name}");
            smd.clear_faults();
            wait_for_health(server);
        }
    });
}

#[test]
fn answers_that_are_none_are_got_over() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let server = serve(&sandbox, &smd, &[]);
    let (components, interfaces, memberships) = (Endpoint::Components, Endpoint::Interfaces, Endpoint::Memberships);
    let status = |status: u16| Fault::Status(status, "s3cr3t <b>".to_owned(), None);
    let cases = vec![
        ("garbage", components, Fault::Garbage, "what SMD sent for /State/Components?type=Node cannot be used"),
        ("half of JSON", interfaces, Fault::TruncatedJson, "/Inventory/EthernetInterfaces cannot be used"),
        ("nothing at all", memberships, Fault::EmptyBody, "/memberships?type=Node cannot be used"),
        ("another object", components, Fault::WrongShape(json!({"Things": []})), "cannot be used"),
        ("a list of texts", interfaces, Fault::WrongShape(json!(["a", "b"])), "cannot be used"),
        ("an object for a list", memberships, Fault::WrongShape(json!({"id": 1})), "cannot be used"),
        ("null", components, Fault::WrongShape(json!(null)), "cannot be used"),
        ("brackets without end", components, Fault::DeepNesting, "cannot be used"),
        ("a false encoding", interfaces, Fault::BrokenGzip, "the inventory cannot be pulled"),
        ("a redirect", memberships, Fault::Redirect("http://127.0.0.1:1/".to_owned()), "a redirect (status 302)"),
        ("unauthorised", memberships, status(401), "status 401: it wants a valid token"),
        ("forbidden", memberships, status(403), "status 403: the token is valid and not allowed to read"),
        ("not found", components, status(404), "status 404: there is no such resource"),
        ("a teapot", interfaces, status(418), "with status 418"),
        ("no nodes", components, Fault::EmptyArray, "SMD lists no node"),
        ("no interfaces", interfaces, Fault::EmptyArray, "SMD lists 3 nodes and no address of any of them"),
    ];
    get_over(&server, &smd, cases);
    assert_eq!(releases(&sandbox), 1, "nothing of all that was published");
    assert!(!server.log().contains("s3cr3t"), "what SMD says is not repeated");
    smd.change(leave_green);
    server.wait(SOON, |server| !is_green(server));
}

#[test]
fn connections_that_break_and_statuses_that_pass_are_got_over() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let server = serve(&sandbox, &smd, &[]);
    let status = |status: u16| Fault::Status(status, String::new(), Some("1".to_owned()));
    let cases = vec![
        ("down", Endpoint::Memberships, Fault::Down, "SMD cannot be reached"),
        ("cut off", Endpoint::Interfaces, Fault::Truncated, "the inventory cannot be pulled"),
        ("broken", Endpoint::Components, status(500), "with status 500"),
        ("away", Endpoint::Interfaces, status(503), "with status 503"),
        ("a gateway", Endpoint::Components, status(502), "with status 502"),
        ("too much", Endpoint::Memberships, status(429), "with status 429: it is asked too often"),
    ];
    get_over(&server, &smd, cases);
    assert_eq!(releases(&sandbox), 1);
}

#[test]
fn an_smd_that_is_slow_is_got_over() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    sandbox.write("site/mds.toml", &format!("{SETTINGS}[inventory.smd]\ntimeout = 1\n"));
    let server = serve(&sandbox, &smd, &[]);
    let a_bit = Duration::from_millis(20);
    let cases = vec![
        ("silent", Endpoint::Components, Fault::Stall, "did not send /State/Components?type=Node within 1 s"),
        ("silent in the middle", Endpoint::Interfaces, Fault::StallInBody, "the inventory cannot be pulled"),
        ("dripping", Endpoint::Memberships, Fault::Drip(a_bit), "did not send /memberships?type=Node within 6 s"),
        ("dripping in the head", Endpoint::Components, Fault::DripHead(a_bit), "the inventory cannot be pulled"),
    ];
    get_over(&server, &smd, cases);
    assert_eq!(releases(&sandbox), 1);
}

#[test]
fn a_short_trouble_is_bridged_by_asking_again() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    smd.set_fault_everywhere(&Fault::FailTimes(1, 503));
    let server = serve(&sandbox, &smd, &[]);
    assert_eq!(server.get("/meta-data", NODE).0, 200);
    assert!(!server.log().contains("degraded"), "{}", server.log());
}

#[test]
fn an_smd_that_ends_and_starts_again_is_followed_again() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let server = serve(&sandbox, &smd, &[]);
    let address = smd.server().address();
    while_nodes_notice_nothing(&server, || {
        drop(smd);
        wait_for_reason(&server, "SMD cannot be reached");
    });
    let smd = smd_at(address);
    smd.change(leave_green);
    server.wait(SOON, |server| !is_green(server));
    wait_for_health(&server);
}

#[test]
fn the_reason_may_change_and_the_time_stays_that_of_the_first() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let server = serve(&sandbox, &smd, &[]);
    smd.set_fault(Endpoint::Components, Fault::Garbage);
    wait_for_reason(&server, "cannot be used");
    let since = server.health()["degraded"][0]["since"].clone();
    std::thread::sleep(Duration::from_secs(2));
    smd.set_fault(Endpoint::Components, Fault::EmptyArray);
    wait_for_reason(&server, "SMD lists no node");
    assert_eq!(server.health()["degraded"][0]["since"], since);
    smd.clear_faults();
    wait_for_health(&server);
}
