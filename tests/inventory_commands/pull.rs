//! `mds inventory pull`: a file that is reviewed like any other.

use std::fs;
use std::os::unix::fs::MetadataExt;

use insta::assert_snapshot;
use serde_json::Value;

use crate::cli_support::{SETTINGS, Sandbox};
use crate::smd_support::{Endpoint, FakeSmd, Fault};
use crate::support::{DEAD, DISCOVER, assert_said, delete_interfaces, run, run_with, undated};

const FILE: &str = "site/inventory.json";

/// What tells whether a file was written again.
fn identity(sandbox: &Sandbox, file: &str) -> (Vec<u8>, u64, i64, i64) {
    let metadata = fs::metadata(sandbox.path(file)).unwrap();
    (fs::read(sandbox.path(file)).unwrap(), metadata.ino(), metadata.mtime(), metadata.mtime_nsec())
}

fn pull(smd: &FakeSmd) -> [String; 6] {
    ["inventory", "pull", "--smd-url", &smd.url(), "--out", FILE].map(str::to_owned)
}

/// Runs a pull from the SMD into the file.
fn pull_into(sandbox: &Sandbox, smd: &FakeSmd, more: &[&str]) -> String {
    let arguments = pull(smd);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
    run(sandbox, &smd.url(), &arguments)
}

/// No half of a file may stay behind.
fn assert_tidy(sandbox: &Sandbox, folder: &str) {
    let names = fs::read_dir(sandbox.path(folder)).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().ends_with(".new")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_file_has_a_node_on_each_line() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    assert_snapshot!(pull_into(&sandbox, &smd, &[]), @"
    exit code 0
    --- stdout
    site/inventory.json written: 3 nodes
      3 nodes added: x1000c0s0b0n0, x1000c0s0b0n1, x1000c0s1b0n0
    --- stderr
    pulling the inventory
    note[interface-without-owner]: an interface belongs to a node that SMD does not list: `b4:2e:99:be:1a:f1 of x1000c9s9b9n9`
    note[interface-without-owner]: an interface belongs to no component: `b4:2e:99:be:1a:f2`
    0 errors, 0 warnings, 2 notes
    left out: 2 interfaces of BMCs and the like, 1 interface of nodes that are not listed, 1 interface of nothing
    ");
    assert_snapshot!(undated(&fs::read_to_string(sandbox.path(FILE)).unwrap()), @r#"
    {"format":1,"pulled":"[DATE]","nodes":[
      {"id":"x1000c0s0b0n0","nid":1000,"role":"compute","groups":["compute","green"],"interfaces":[{"name":"eth0","mac":"b4:2e:99:be:1a:6d","description":"Node Management Network","enabled":true,"addresses":[{"ip":"10.252.0.26","network":"HMN"}]},{"name":"eth1","mac":"b4:2e:99:be:1a:6e","description":"High Speed Network","enabled":true,"addresses":[{"ip":"10.100.0.26","network":"HSN"}]}]},
      {"id":"x1000c0s0b0n1","nid":1001,"role":"compute","groups":["blue","compute"],"interfaces":[{"name":"eth0","mac":"b4:2e:99:be:1a:7d","description":"Node Management Network","enabled":true,"addresses":[{"ip":"10.252.0.27","network":"HMN"}]},{"name":"eth1","mac":"b4:2e:99:be:1a:7e","description":"High Speed Network","enabled":true,"addresses":[{"ip":"10.100.0.27","network":"HSN"}]}]},
      {"id":"x1000c0s1b0n0","nid":1002,"role":"storage","groups":["storage"],"interfaces":[{"name":"eth0","mac":"b4:2e:99:be:1a:8d","description":"Node Management Network","enabled":true,"addresses":[{"ip":"10.252.0.28","network":"HMN"}]}]}
    ]}
    "#);
    assert_tidy(&sandbox, "site");
}

#[test]
fn a_file_that_says_the_same_is_left_alone() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    pull_into(&sandbox, &smd, &[]);
    let before = identity(&sandbox, FILE);
    // The order in which SMD lists things is none.
    smd.set_shuffle(Some(3));
    for _ in 0..3 {
        let said = pull_into(&sandbox, &smd, &[]);
        assert_said(&said, 0, &["site/inventory.json is as it was: 3 nodes\n  nothing moved\n"]);
        assert_eq!(identity(&sandbox, FILE), before);
    }
    let value = sandbox.json(&["inventory", "pull", "--smd-url", &smd.url(), "--out", FILE]);
    assert_eq!((value["written"].as_bool(), value["nodes"].as_u64()), (Some(false), Some(3)));
}

#[test]
fn a_link_stays_and_what_it_leads_to_is_replaced() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    sandbox.write("elsewhere/nodes.json", "{\"format\":1,\"nodes\":[]}");
    std::os::unix::fs::symlink("../elsewhere/nodes.json", sandbox.path(FILE)).unwrap();
    assert_said(&pull_into(&sandbox, &smd, &[]), 0, &["written: 3 nodes\n"]);
    assert!(sandbox.path(FILE).is_symlink());
    assert!(fs::read_to_string(sandbox.path("elsewhere/nodes.json")).unwrap().contains("x1000c0s1b0n0"));
}

#[test]
fn a_new_day_changes_the_header_only() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    pull_into(&sandbox, &smd, &[]);
    let today = fs::read_to_string(sandbox.path(FILE)).unwrap();
    let (header, nodes) = today.split_once('\n').unwrap();
    let schema = "{\"$schema\":\"../schemas/inventory.schema.json\",\"format\":1,\"pulled\":\"2026-01-02\",\"nodes\":[";
    sandbox.write(FILE, &format!("{schema}\n{nodes}"));
    assert_said(&pull_into(&sandbox, &smd, &[]), 0, &["written: 3 nodes\n  nothing moved\n"]);
    let written = fs::read_to_string(sandbox.path(FILE)).unwrap();
    let date = header.split('"').nth(5).unwrap();
    assert_eq!(written, format!("{}\n{nodes}", schema.replace("2026-01-02", date)), "the schema is kept");
}

#[test]
fn a_change_is_told_and_written() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    pull_into(&sandbox, &smd, &[]);
    smd.change(|inventory| {
        inventory.components[0]["NID"] = 7.into();
        inventory.add_node("x1000c0s2b0n0", 1003, "Compute", &["compute"]);
    });
    assert_snapshot!(pull_into(&sandbox, &smd, &[]), @"
    exit code 0
    --- stdout
    site/inventory.json written: 4 nodes
      1 node added: x1000c0s2b0n0
      x1000c0s0b0n0 changes NID from `1000` to `7`
    --- stderr
    pulling the inventory
    note[interface-without-owner]: an interface belongs to a node that SMD does not list: `b4:2e:99:be:1a:f1 of x1000c9s9b9n9`
    note[interface-without-owner]: an interface belongs to no component: `b4:2e:99:be:1a:f2`
    0 errors, 0 warnings, 2 notes
    left out: 2 interfaces of BMCs and the like, 1 interface of nodes that are not listed, 1 interface of nothing
    ");
    assert_eq!(fs::read_to_string(sandbox.path(FILE)).unwrap().lines().count(), 6);
}

#[test]
fn without_a_file_to_write_the_inventory_is_printed() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    pull_into(&sandbox, &smd, &[]);
    let printed = sandbox.stdout(&["inventory", "pull", "--smd-url", &smd.url()]);
    assert_eq!(undated(&printed), undated(&fs::read_to_string(sandbox.path(FILE)).unwrap()));
}

#[test]
fn a_file_that_is_something_else_is_not_overwritten() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    for text in ["", "precious: true\n", "{\"nodes\":[]}\n", "{\"format\":2,\"nodes\":[]}\n", "[]\n", DISCOVER] {
        sandbox.write(FILE, text);
        let said = pull_into(&sandbox, &smd, &["--accept-drop"]);
        let part = "site/inventory.json is not an inventory of mds, so it is not overwritten\n  hint: choose another";
        assert_said(&said, 2, &[part]);
        assert_eq!(fs::read_to_string(sandbox.path(FILE)).unwrap(), text);
    }
    assert_tidy(&sandbox, "site");
}

#[test]
fn a_drop_keeps_the_file_until_it_is_accepted() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    pull_into(&sandbox, &smd, &[]);
    let before = identity(&sandbox, FILE);
    smd.change(delete_interfaces);
    assert_snapshot!(pull_into(&sandbox, &smd, &[]), @"
    exit code 2
    --- stdout
    --- stderr
    pulling the inventory
    note[interface-without-owner]: an interface belongs to a node that SMD does not list: `b4:2e:99:be:1a:f1 of x1000c9s9b9n9`
    note[interface-without-owner]: an interface belongs to no component: `b4:2e:99:be:1a:f2`
    0 errors, 0 warnings, 2 notes
    left out: 2 interfaces of BMCs and the like, 1 interface of nodes that are not listed, 1 interface of nothing
    error: site/inventory.json is kept: the inventory would take away 2 of 5 addresses of nodes, and 10 % is the most at once (max_removed)
      hint: see what happened to the source; if that is meant, pull with --accept-drop
    ");
    assert_eq!(identity(&sandbox, FILE), before);
    assert_said(&pull_into(&sandbox, &smd, &["--accept-drop"]), 0, &["written: 3 nodes"]);
    assert_ne!(identity(&sandbox, FILE), before);
}

#[test]
fn the_site_says_how_much_a_file_may_lose() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    pull_into(&sandbox, &smd, &[]);
    smd.change(delete_interfaces);
    sandbox.write("site/mds.toml", &format!("{SETTINGS}[inventory]\nmax_removed = 39\n"));
    assert_said(&pull_into(&sandbox, &smd, &["--site", "site"]), 2, &["2 of 5 addresses", "39 % is the most"]);
    sandbox.write("site/mds.toml", &format!("{SETTINGS}[inventory]\nmax_removed = 40\n"));
    assert_said(&pull_into(&sandbox, &smd, &["--site", "site"]), 0, &["written: 3 nodes"]);
}

#[test]
fn the_inventory_comes_from_wherever_the_arguments_say() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    sandbox.write("nodes.yaml", DISCOVER);
    let from_file = sandbox.stdout(&["inventory", "pull", "--inventory", "nodes.yaml"]);
    let nodes: Value = serde_json::from_str(&from_file).unwrap();
    assert_eq!(nodes["nodes"][0]["id"], "x3000c0s0b0n0");
    assert_eq!(nodes["nodes"][0]["interfaces"][0]["addresses"][0]["ip"], "10.252.0.41");
    let said = sandbox.run_with_input(&["inventory", "pull", "--inventory", "-"], DISCOVER);
    assert_eq!(undated(&said), undated(&format!("exit code 0\n--- stdout\n{from_file}--- stderr\n")));
    let count = |arguments: &[&str]| sandbox.stdout(&[&["inventory", "pull"], arguments].concat()).lines().count() - 2;
    assert_eq!((count(&["--mock-smd"]), count(&["--mock-smd=1"]), count(&["--mock-smd=500"])), (3, 1, 500));
    assert_eq!(smd.total(), 0);
    // An inventory of mds becomes one again.
    pull_into(&sandbox, &smd, &[]);
    let copy = sandbox.stdout(&["inventory", "pull", "--inventory", FILE]);
    assert_eq!(undated(&copy), undated(&fs::read_to_string(sandbox.path(FILE)).unwrap()));
}

#[test]
fn the_site_says_where_smd_is() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    sandbox.write("site/mds.toml", &format!("{SETTINGS}[inventory.smd]\nurl = \"{}\"\n", smd.url()));
    let said = run(&sandbox, &smd.url(), &["inventory", "pull", "--site", "site", "--out", FILE]);
    assert_said(&said, 0, &["written: 3 nodes"]);
    drop(smd);
    let said = sandbox.run(&["inventory", "pull", "--site", "site", "--out", FILE]);
    assert_said(&said, 2, &["SMD cannot be reached", "/hsm/v2 (from mds.toml)"]);
}

#[test]
fn nothing_to_pull_from_is_wrong_usage() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.run(&["inventory", "pull"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: nothing says where the inventory is to be pulled from
      hint: name SMD with --smd-url URL or in [inventory.smd] of mds.toml, or a file with --inventory
    ");
    // The inventory of a site is what is to be written.
    assert_said(&sandbox.run(&["inventory", "pull", "--site", "site", "--locked"]), 64, &["pulled from"]);
}

#[test]
fn a_site_that_cannot_be_read_is_told_as_such() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    pull_into(&sandbox, &smd, &[]);
    let before = identity(&sandbox, FILE);
    sandbox.write("site/mds.toml", &format!("{SETTINGS}[inventory]\nmax_removed = 0\noops\n"));
    smd.change(delete_interfaces);
    for more in [vec![], vec!["--smd-url", DEAD], vec!["--inventory", "nodes.yaml"]] {
        let said = sandbox.run(&[&["inventory", "pull", "--site", "site", "--out", FILE], &more[..]].concat());
        assert_said(&said, 2, &["mds.toml:14:5: "]);
    }
    assert_said(&sandbox.run(&["inventory", "pull", "--site", "nowhere"]), 2, &["nowhere"]);
    assert_eq!(identity(&sandbox, FILE), before);
}

#[test]
fn a_file_that_cannot_be_written_is_told_and_nothing_is_left_behind() {
    let sandbox = Sandbox::new();
    for path in ["nowhere/inventory.json", "site/mds.toml/inventory.json", "site"] {
        let said = sandbox.run(&["inventory", "pull", "--mock-smd", "--out", path]);
        assert_said(&said, 2, &[&format!("error: {path} cannot be ")]);
    }
    assert_eq!(fs::read_to_string(sandbox.path("site/mds.toml")).unwrap(), SETTINGS);
    assert_tidy(&sandbox, "site");
    assert_tidy(&sandbox, "");
}

#[test]
fn a_pull_that_fails_keeps_the_file() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    pull_into(&sandbox, &smd, &[]);
    let before = identity(&sandbox, FILE);
    for (endpoint, fault, part) in [
        (Endpoint::Components, Fault::EmptyArray, "SMD lists no node"),
        (Endpoint::Interfaces, Fault::EmptyArray, "no address of any of them"),
        (Endpoint::Interfaces, Fault::TruncatedJson, "cannot be used"),
        (Endpoint::Memberships, Fault::Garbage, "cannot be used"),
    ] {
        smd.set_fault(endpoint, fault);
        // Accepting a drop is not accepting nothing.
        assert_said(&pull_into(&sandbox, &smd, &["--accept-drop"]), 2, &[part, "[SMD]/hsm/v2"]);
        smd.clear_faults();
        assert_eq!(identity(&sandbox, FILE), before);
    }
}

#[test]
fn what_smd_says_and_cannot_be_used_is_told_beside_the_file() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    smd.change(|inventory| {
        inventory.components[1]["NID"] = Value::from(-5);
        inventory.interfaces[0]["IPAddresses"][0]["IPAddress"] = "10.252.0.260".into();
    });
    assert_snapshot!(pull_into(&sandbox, &smd, &[]), @"
    exit code 0
    --- stdout
    site/inventory.json written: 3 nodes
      3 nodes added: x1000c0s0b0n0, x1000c0s0b0n1, x1000c0s1b0n0
    --- stderr
    pulling the inventory
    warning[invalid-address]: an address is none that a node can have: `10.252.0.260`
      concerns 1 node: x1000c0s0b0n0
    warning[invalid-nid]: a node has a NID that is no number of a node: `x1000c0s0b0n1`
      concerns 1 node: x1000c0s0b0n1
    note[interface-without-owner]: an interface belongs to a node that SMD does not list: `b4:2e:99:be:1a:f1 of x1000c9s9b9n9`
    note[interface-without-owner]: an interface belongs to no component: `b4:2e:99:be:1a:f2`
    0 errors, 2 warnings, 2 notes
    left out: 2 interfaces of BMCs and the like, 1 interface of nodes that are not listed, 1 interface of nothing
    ");
    let value = sandbox.json(&["inventory", "pull", "--smd-url", &smd.url(), "--out", FILE]);
    assert_eq!(value["left_out"]["hardware_interfaces"], 2, "{value}");
    assert!(value["findings"].as_array().unwrap().len() >= 2, "{value}");
}

#[test]
fn a_drop_may_be_accepted_by_the_environment() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    pull_into(&sandbox, &smd, &[]);
    smd.change(delete_interfaces);
    let arguments = pull(&smd);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_said(&run_with(&sandbox, &[("MDS_ACCEPT_DROP", "false")], &arguments), 2, &["is kept"]);
    assert_said(&run_with(&sandbox, &[("MDS_ACCEPT_DROP", "true")], &arguments), 0, &["written"]);
}
