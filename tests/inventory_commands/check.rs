//! `mds inventory check`: every rule, how much it matters, and the age of the inventory.

use insta::assert_snapshot;
use serde_json::json;

use crate::cli_support::{SETTINGS, Sandbox};
use crate::smd_support::FakeSmd;
use crate::support::{assert_said, run, undated};

const CHECK: [&str; 4] = ["inventory", "check", "--site", "site"];

/// A site whose inventory has everything that can be wrong with a file.
fn odd() -> Sandbox {
    let sandbox = Sandbox::new();
    let node = |id: &str, nid: u32, groups: &str, mac: u8, address: &str| {
        format!(
            "{{\"id\":\"{id}\",\"nid\":{nid},\"groups\":[{groups}],\"interfaces\":[{{\"name\":\"eth0\",\
             \"mac\":\"02:00:00:00:00:{mac:02x}\",\"addresses\":[{address}]}}]}}"
        )
    };
    let at = |ip: &str, network: &str| format!("{{\"ip\":\"{ip}\",\"network\":\"{network}\"}}");
    let nodes = [
        node("x1c0s0b0n0", 1, "\"compute\"", 1, &at("10.252.0.1", "HMN")),
        node("x1c0s0b0n1", 1, "\"compute\"", 2, &at("10.252.0.2", "HMN")),
        node("x1c0s0b0n2", 3, "\"compute\"", 3, &at("10.252.0.1", "HMN")),
        node("x1c0s0b0n3", 4, "\"compute\"", 3, &at("10.252.0.4", "HMN")),
        node("login01", 5, "\"special\"", 5, &format!("{},{}", at("10.252.0.5", "HMN"), at("192.168.7.5", "SAN"))),
        "{\"id\":\"x1c0s0b0n6\"}".to_owned(),
    ];
    sandbox.write("site/inventory.json", &format!("{{\"format\":1,\"nodes\":[{}]}}", nodes.join(",\n")));
    sandbox.write("site/nodes/x1c0s0b0n2.yaml", "hostname: same\n");
    sandbox.write("site/nodes/x1c0s0b0n3.yaml", "hostname: same\n");
    sandbox
}

fn severities(sandbox: &Sandbox, text: &str) {
    sandbox.write("site/mds.toml", &format!("{SETTINGS}[check.severity]\n{text}"));
}

#[test]
fn everything_odd_about_a_file_is_told() {
    assert_snapshot!(odd().run(&CHECK), @r#"
    exit code 1
    --- stdout
    checked the inventory of 6 nodes: 5 errors, 3 warnings, 3 notes
    --- stderr
    reading the site
    error[duplicate-address]: inventory.json:1:28: the address 10.252.0.1 belongs to x1c0s0b0n0 and x1c0s0b0n2
      hint: mend the inventory, or allow it with allow_duplicate = ["address"] in [inventory] of mds.toml
      concerns 2 nodes: x1c0s0b0n0, x1c0s0b0n2
    error[duplicate-mac]: inventory.json:3:7: the MAC address 02:00:00:00:00:03 belongs to x1c0s0b0n2 and x1c0s0b0n3
      hint: mend the inventory, or allow it with allow_duplicate = ["mac"] in [inventory] of mds.toml
      concerns 2 nodes: x1c0s0b0n2, x1c0s0b0n3
    error[duplicate-hostname]: inventory.json:3:7: the hostname same belongs to x1c0s0b0n2 and x1c0s0b0n3
      hint: mend the inventory, or allow it with allow_duplicate = ["hostname"] in [inventory] of mds.toml
      concerns 2 nodes: x1c0s0b0n2, x1c0s0b0n3
    error[duplicate-hostname]: inventory.json:1:28: the hostname tc0001 belongs to x1c0s0b0n0 and x1c0s0b0n1
      hint: mend the inventory, or allow it with allow_duplicate = ["hostname"] in [inventory] of mds.toml
      concerns 2 nodes: x1c0s0b0n0, x1c0s0b0n1
    error[duplicate-nid]: inventory.json:1:28: the NID 1 belongs to x1c0s0b0n0 and x1c0s0b0n1
      hint: mend the inventory, or allow it with allow_duplicate = ["nid"] in [inventory] of mds.toml
      concerns 2 nodes: x1c0s0b0n0, x1c0s0b0n1
    warning[node-without-address]: inventory.json:6:7: without an address, nobody can be known as the node, so it gets no documents
      hint: add the addresses that it asks from to the inventory
      concerns 1 node: x1c0s0b0n6
    warning[address-outside-networks]: mds.toml: addresses of network `SAN`, such as 192.168.7.5, lie in no network of the table and are left out of network-config
      hint: add their prefix to a [networks.<label>] table, with method = "none" if that is meant
      concerns 1 node: login01
    warning[group-without-member]: groups/green: no node of the inventory is in this group
      hint: see whether its label is written as in the inventory
    note[node-without-nid]: inventory.json:6:7: a node without NID is called by its id
      hint: give it a NID in the inventory, or a hostname in nodes/<id>.yaml
      concerns 1 node: x1c0s0b0n6
    note[not-an-xname]: inventory.json:5:7: the node's id is not the xname of a node; tools that expect one will not know it
      hint: leave it if that is meant
      concerns 1 node: login01
    note[group-without-folder]: inventory.json:5:7: the group `special` has no folder, so it shows in meta-data only
      hint: add groups/special/cloud-config.yaml, if nodes need it
      concerns 1 node: login01
    5 errors, 3 warnings, 3 notes
    "#);
}

#[test]
fn everything_odd_about_smd_is_told() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    smd.change(|inventory| {
        inventory.interfaces[1]["IPAddresses"] = json!([{"IPAddress": "not an address"}, {"IPAddress": "10.252.0.28"}]);
        inventory.components[1]["NID"] = (-1).into();
    });
    let url = smd.url();
    let arguments = [&CHECK[..], &["--smd-url", &url]].concat();
    assert_snapshot!(run(&sandbox, &smd.url(), &arguments), @r#"
    exit code 1
    --- stdout
    checked the inventory of 3 nodes: 1 error, 2 warnings, 5 notes
    left out: 2 interfaces of BMCs and the like, 1 interface of nodes that are not listed, 1 interface of nothing
    --- stderr
    pulling the inventory
    reading the site
    error[duplicate-address]: the address 10.252.0.28 belongs to x1000c0s0b0n1 and x1000c0s1b0n0
      hint: mend the inventory, or allow it with allow_duplicate = ["address"] in [inventory] of mds.toml
      concerns 2 nodes: x1000c0s0b0n1, x1000c0s1b0n0
    warning[invalid-address]: an address is none that a node can have: `not an address`
      concerns 1 node: x1000c0s0b0n1
    warning[invalid-nid]: a node has a NID that is no number of a node: `x1000c0s0b0n1`
      concerns 1 node: x1000c0s0b0n1
    note[interface-without-owner]: an interface belongs to a node that SMD does not list: `b4:2e:99:be:1a:f1 of x1000c9s9b9n9`
    note[interface-without-owner]: an interface belongs to no component: `b4:2e:99:be:1a:f2`
    note[node-without-nid]: a node without NID is called by its id
      hint: give it a NID in the inventory, or a hostname in nodes/<id>.yaml
      concerns 1 node: x1000c0s0b0n1
    note[group-without-folder]: the group `blue` has no folder, so it shows in meta-data only
      hint: add groups/blue/cloud-config.yaml, if nodes need it
      concerns 1 node: x1000c0s0b0n1
    note[group-without-folder]: the group `storage` has no folder, so it shows in meta-data only
      hint: add groups/storage/cloud-config.yaml, if nodes need it
      concerns 1 node: x1000c0s1b0n0
    1 error, 2 warnings, 5 notes
    "#);
    let output = sandbox.command(&[&arguments[..], &["--format", "json"]].concat()).output().unwrap();
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), value["nodes"].as_u64()), (Some(1), Some(3)));
    assert_eq!(value["left_out"]["hardware_interfaces"], 2);
    let rules: Vec<&str> =
        value["findings"].as_array().unwrap().iter().map(|one| one["rule"].as_str().unwrap()).collect();
    for rule in ["invalid-address", "interface-without-owner", "invalid-nid", "duplicate-address"] {
        assert!(rules.contains(&rule), "{rule} is not in {rules:?}");
    }
}

#[test]
fn templates_do_not_matter_to_an_inventory() {
    let sandbox = Sandbox::new();
    sandbox.write("site/groups/compute/cloud-config.yaml", "#cloud-config\n{{ nothing }} {% if %}\n");
    let said = sandbox.run(&[&CHECK[..], &["--mock-smd"]].concat());
    assert_said(&said, 0, &["checked the inventory of 3 nodes: 0 errors, 0 warnings, 2 notes"]);
}

#[test]
fn a_site_says_how_much_a_rule_matters() {
    let sandbox = odd();
    let clean = "duplicate-nid = \"warning\"\nduplicate-mac = \"note\"\nduplicate-hostname = \"off\"\n\
                 duplicate-address = \"warning\"\n";
    severities(&sandbox, clean);
    let said = sandbox.run(&CHECK);
    assert_said(
        &said,
        0,
        &["warning[duplicate-nid]", "note[duplicate-mac]", "warning[duplicate-address]", ": 0 errors"],
    );
    assert!(!said.contains("[duplicate-hostname]"), "{said}");
    severities(&sandbox, &format!("{clean}not-an-xname = \"error\"\n"));
    assert_said(&sandbox.run(&CHECK), 1, &["error[not-an-xname]", ": 1 error,"]);
}

#[test]
fn severities_count_for_a_build_too() {
    let sandbox = Sandbox::new();
    let build = ["build", "--site", "site", "--mock-smd", "--tree", "tree"];
    severities(&sandbox, "group-without-folder = \"error\"\n");
    assert_said(&sandbox.run(&build), 1, &["error[group-without-folder]: the group `blue` has no folder"]);
    severities(&sandbox, "group-without-folder = \"warning\"\n");
    assert_said(&sandbox.run(&build), 0, &["warning[group-without-folder]", "published release"]);
    severities(&sandbox, "group-without-folder = \"off\"\n");
    let said = sandbox.run(&build);
    assert!(said.starts_with("exit code 0\n") && !said.contains("without-folder"), "{said}");
}

#[test]
fn severities_of_rules_that_are_not_there_or_never_change_are_refused() {
    let sandbox = Sandbox::new();
    severities(&sandbox, "duplicate-nids = \"off\"\ntemplate = \"note\"\n");
    assert_snapshot!(sandbox.run(&[&CHECK[..], &["--mock-smd"]].concat()), @"
    exit code 1
    --- stdout
    --- stderr
    reading the site
    error[unreadable-site]: mds.toml: [check.severity] names the rule `duplicate-nids`, which there is not
      hint: did you mean `duplicate-nid`?
    error[unreadable-site]: mds.toml: [check.severity] makes `template` less than an error, which it always is
      hint: nodes would get documents that harm them; remove the line
    2 errors, 0 warnings
    ");
    let said = sandbox.run(&["build", "--check", "--site", "site", "--mock-smd"]);
    assert_said(&said, 1, &["names the rule `duplicate-nids`", "makes `template` less than an error"]);
    severities(&sandbox, "duplicate-nid = \"of\"\n");
    assert_said(&sandbox.run(&[&CHECK[..], &["--mock-smd"]].concat()), 1, &["mds.toml:13:", "did you mean `off`?"]);
}

/// A site whose inventory was pulled long ago.
fn old() -> Sandbox {
    let sandbox = Sandbox::new();
    let text = undated(&sandbox.stdout(&["inventory", "pull", "--mock-smd"]));
    sandbox.write("site/inventory.json", &text.replace("[DATE]", "2020-02-29"));
    sandbox
}

#[test]
fn the_age_of_the_inventory_is_told_when_a_flag_or_the_site_asks() {
    let sandbox = old();
    assert!(!sandbox.run(&CHECK).contains("old-lock"), "nobody has asked");
    let old = "warning[old-lock]: inventory.json: the inventory was pulled on 2020-02-29, ";
    assert_said(&sandbox.run(&[&CHECK[..], &["--max-lock-age", "7"]].concat()), 0, &[old, "and 7 are allowed"]);
    assert!(!sandbox.run(&[&CHECK[..], &["--max-lock-age", "100000"]].concat()).contains("old-lock"));
    let check = ["build", "--check", "--site", "site"];
    assert_said(&sandbox.run(&[&check[..], &["--max-lock-age", "7"]].concat()), 0, &[old, "no errors, 1 warning"]);
    let settings = format!("{SETTINGS}[inventory]\nmax_lock_age = 30\n");
    sandbox.write("site/mds.toml", &settings);
    assert_said(&sandbox.run(&CHECK), 0, &[old, "and 30 are allowed"]);
    assert_said(&sandbox.run(&check), 0, &[old, "and 30 are allowed"]);
    assert!(!sandbox.run(&[&check[..], &["--max-lock-age", "100000"]].concat()).contains("old-lock"), "a flag wins");
    // It is about the site's own file.
    assert!(!sandbox.run(&[&CHECK[..], &["--mock-smd"]].concat()).contains("old-lock"));
    sandbox.write("site/mds.toml", &format!("{settings}[check.severity]\nold-lock = \"error\"\n"));
    assert_said(&sandbox.run(&CHECK), 1, &["error[old-lock]"]);
    assert_said(&sandbox.run(&check), 1, &["error[old-lock]"]);
}

#[test]
fn an_inventory_without_a_date_has_an_unknown_age_and_one_of_today_is_new() {
    let sandbox = old();
    let text = std::fs::read_to_string(sandbox.path("site/inventory.json")).unwrap();
    sandbox.write("site/inventory.json", &text.replace("\"pulled\":\"2020-02-29\",", ""));
    assert_said(&sandbox.run(&[&CHECK[..], &["--max-lock-age", "7"]].concat()), 0, &["its age is not known"]);
    sandbox.stdout(&["inventory", "pull", "--mock-smd", "--out", "site/inventory.json"]);
    assert!(!sandbox.run(&[&CHECK[..], &["--max-lock-age", "1"]].concat()).contains("old-lock"));
}

#[test]
fn what_smd_says_does_nothing_to_a_terminal() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let evil = "\u{1b}]0;evil\u{7}\u{1b}[2J";
    smd.change(|inventory| {
        let addresses = serde_json::json!([{"IPAddress": "192.0.2.1", "Network": evil}, {"IPAddress": evil}]);
        inventory.interfaces[0]["IPAddresses"] = addresses;
        inventory.interfaces[1]["ComponentID"] = "".into();
        inventory.interfaces[1]["MACAddress"] = evil.into();
        inventory.components[1]["ID"] = evil.into();
        inventory.memberships[2]["groupLabels"] = serde_json::json!([evil]);
    });
    let said = sandbox.run(&["inventory", "check", "--site", "site", "--smd-url", &smd.url()]);
    for rule in ["address-outside-networks", "invalid-address", "invalid-node-id", "invalid-group-label"] {
        assert!(said.contains(rule), "{rule}: {said}");
    }
    assert!(!said.contains(|character: char| character.is_control() && character != '\n'), "{said:?}");
    let remark = format!("{{\"rule\":\"invalid-mac\",\"message\":{},\"nodes\":[]}}", serde_json::json!(evil));
    let lock =
        sandbox.stdout(&["inventory", "pull", "--mock-smd"]).replace("\n]}", &format!("\n],\"remarks\":[{remark}]}}"));
    sandbox.write("site/inventory.json", &lock);
    let said = sandbox.run(&["inventory", "check", "--site", "site"]);
    assert!(said.contains("warning[invalid-mac]") && !said.contains('\u{1b}'), "{said:?}");
}
