//! `mds inventory diff`: what moved since the inventory of the site was pulled.

use insta::assert_snapshot;

use crate::cli_support::{SETTINGS, Sandbox};
use crate::smd_support::FakeSmd;
use crate::support::{DISCOVER, NODE, assert_said, run, undated};

/// A site with what SMD says now as its inventory.
fn pulled(smd: &FakeSmd) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.stdout(&["inventory", "pull", "--smd-url", &smd.url(), "--out", "site/inventory.json"]);
    sandbox
}

fn diff(sandbox: &Sandbox, smd: &FakeSmd, more: &[&str]) -> String {
    run(sandbox, &smd.url(), &[&["inventory", "diff", "--site", "site", "--smd-url", &smd.url()], more].concat())
}

#[test]
fn when_nothing_moved_that_is_said_and_no_failure() {
    let smd = FakeSmd::mock_nodes();
    let sandbox = pulled(&smd);
    smd.set_shuffle(Some(5));
    assert_snapshot!(diff(&sandbox, &smd, &["--fail-on-changes"]), @"
    exit code 0
    --- stdout
    since inventory.json, pulled on [DATE]:
      nothing moved
    --- stderr
    pulling the inventory
    reading the site
    ");
}

#[test]
fn what_moved_is_told_and_fails_only_when_asked_to() {
    let smd = FakeSmd::mock_nodes();
    let sandbox = pulled(&smd);
    smd.change(|inventory| {
        inventory.components[0]["NID"] = 7.into();
        inventory.components.retain(|component| component["ID"] != "x1000c0s1b0n0");
        inventory.add_node("x1000c0s2b0n0", 1003, "Compute", &["compute"]);
        for membership in inventory.memberships.iter_mut().take(2) {
            membership["groupLabels"] = serde_json::json!(["compute", "gpu"]);
        }
        inventory.interfaces[0]["IPAddresses"][0]["IPAddress"] = "10.252.0.126".into();
    });
    assert_snapshot!(diff(&sandbox, &smd, &[]), @"
    exit code 0
    --- stdout
    since inventory.json, pulled on [DATE]:
      1 node added: x1000c0s2b0n0
      1 node removed: x1000c0s1b0n0
      2 nodes each: joins group gpu: x1000c0s0b0n0, x1000c0s0b0n1
      x1000c0s0b0n0 changes NID from `1000` to `7`
      x1000c0s0b0n1 leaves group blue
      x1000c0s0b0n0 leaves group green
      x1000c0s0b0n0 address 10.252.0.26 (HMN) moves away from b4:2e:99:be:1a:6d
      x1000c0s0b0n0 address 10.252.0.126 (HMN) moves to b4:2e:99:be:1a:6d
    --- stderr
    pulling the inventory
    reading the site
    ");
    assert_said(&diff(&sandbox, &smd, &["--fail-on-changes"]), 1, &["1 node added: x1000c0s2b0n0"]);
    let value = sandbox.json(&["inventory", "diff", "--site", "site", "--smd-url", &smd.url()]);
    assert_eq!(undated(value["pulled"].as_str().unwrap()), "[DATE]");
    assert_eq!(value["changes"]["nodes_added"], serde_json::json!(["x1000c0s2b0n0"]));
    assert_eq!(value["changes"]["nodes_removed"], serde_json::json!(["x1000c0s1b0n0"]));
    let changed = &value["changes"]["nodes_changed"][0];
    assert_eq!(changed["id"], NODE);
    let nid = serde_json::json!({"change": "nid", "from": 1000, "to": 7});
    assert!(changed["changes"].as_array().unwrap().contains(&nid), "{value}");
    // Nothing was written.
    assert_said(&diff(&sandbox, &smd, &["--fail-on-changes"]), 1, &["1 node added"]);
}

#[test]
fn the_other_side_may_be_any_source() {
    let smd = FakeSmd::mock_nodes();
    let sandbox = pulled(&smd);
    sandbox.write("nodes.yaml", DISCOVER);
    let said = sandbox.run(&["inventory", "diff", "--site", "site", "--inventory", "nodes.yaml"]);
    assert_said(&said, 0, &["1 node added: x3000c0s0b0n0", "3 nodes removed: x1000c0s0b0n0, "]);
    let said = sandbox.run_with_input(&["inventory", "diff", "--site", "site", "--inventory", "-"], DISCOVER);
    assert_said(&said, 0, &["1 node added: x3000c0s0b0n0"]);
    let said = sandbox.run(&["inventory", "diff", "--site", "site", "--mock-smd"]);
    assert_said(&said, 0, &["Redfish"]);
    sandbox.write("site/mds.toml", &format!("{SETTINGS}[inventory.smd]\nurl = \"{}\"\n", smd.url()));
    assert_said(&sandbox.run(&["inventory", "diff", "--site", "site"]), 0, &["  nothing moved\n"]);
}

#[test]
fn nothing_to_compare_with_is_wrong_usage_and_a_site_that_cannot_be_read_is_told_as_such() {
    let sandbox = pulled(&FakeSmd::mock_nodes());
    let said = sandbox.run(&["inventory", "diff", "--site", "site"]);
    assert_said(&said, 64, &["nothing is named to compare the inventory of the site with"]);
    assert_said(&sandbox.run(&["inventory", "diff", "--mock-smd"]), 64, &["no site is named"]);
    sandbox.write("site/mds.toml", &format!("{SETTINGS}[inventory.smd]\nurl = 1\n"));
    assert_said(&sandbox.run(&["inventory", "diff", "--site", "site"]), 2, &["mds.toml:13:7: "]);
}

#[test]
fn a_site_without_an_inventory_has_nothing_to_compare() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    assert_said(&diff(&sandbox, &smd, &[]), 2, &["inventory.json", "the site has no inventory"]);
}
