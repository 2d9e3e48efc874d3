//! Waivers: what they do to findings, exit codes, reports, and to what is published.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli_support;

use std::fs;

use cli_support::{SETTINGS, Sandbox};
use insta::assert_snapshot;
use serde_json::Value;

const CHECK: [&str; 5] = ["build", "--check", "--site", "site", "--mock-smd"];

/// A site with an error that can be waived on two nodes, and these waivers.
fn sandbox(waivers: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("site/groups/compute/cloud-config.yaml", "# cloud-config\na: 1\n");
    sandbox.write("site/mds.toml", &format!("{SETTINGS}\n{waivers}"));
    sandbox
}

fn waiver(more: &str) -> String {
    let until = if more.contains("until") { "" } else { "until = 9999-12-31\n" };
    let rule = if more.contains("rule") { "" } else { "rule = \"unknown-header\"\n" };
    format!("[[check.waivers]]\n{rule}reason = \"the image is replaced soon\"\n{until}{more}")
}

fn code(sandbox: &Sandbox, arguments: &[&str]) -> i32 {
    sandbox.command(arguments).output().unwrap().status.code().unwrap()
}

fn report(sandbox: &Sandbox, format: &str) -> String {
    let output = sandbox.command(&[&CHECK[..], &["--report", format]].concat()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_is_waived_is_listed_and_does_not_count() {
    assert_eq!(code(&sandbox(""), &CHECK), 1);
    let sandbox = sandbox(&waiver("file = \"groups/*/cloud-config.yaml\"\n"));
    assert_snapshot!(sandbox.run(&CHECK), @"
    exit code 0
    --- stdout
    checked 3 nodes with 15 documents: no errors, 0 warnings, 2 notes (see `mds inventory check`)
    --- stderr
    reading the site
    rendering 3 nodes
    1 finding of unknown-header waived until 9999-12-31: the image is replaced soon
    ");
    assert_eq!(code(&sandbox, &[&CHECK[..], &["--fail-on", "warnings"]].concat()), 0);
    let json: Value = serde_json::from_str(&report(&sandbox, "json")).unwrap();
    assert_eq!(json["counts"]["errors"], 0);
    let waived = &json["waived"][0];
    assert_eq!(waived["rule"], "unknown-header");
    assert_eq!(waived["nodes"].as_array().unwrap().len(), 2);
    assert_eq!((&waived["reason"], &waived["until"]), (&"the image is replaced soon".into(), &"9999-12-31".into()));
    let printed = sandbox.json(&CHECK);
    assert_eq!(printed["waived"][0], *waived);
}

#[test]
fn every_format_has_what_is_waived() {
    let sandbox = sandbox(&waiver(""));
    let sentence = "1 finding of unknown-header waived until 9999-12-31: the image is replaced soon";
    assert!(report(&sandbox, "text").contains(sentence));
    assert!(report(&sandbox, "markdown").replace("&#58;", ":").contains(sentence));
    let junit = report(&sandbox, "junit");
    let document = roxmltree::Document::parse(&junit).unwrap();
    let skipped = document.descendants().find(|node| node.has_tag_name("skipped")).unwrap();
    assert_eq!(skipped.attribute("message"), Some("1 finding waived: the image is replaced soon"));
    let name = skipped.parent().unwrap().attribute("name");
    assert_eq!(name, Some("unknown-header (waived until 9999-12-31)"));
    let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
    assert_eq!((suite.attribute("skipped"), suite.attribute("failures")), (Some("1"), Some("0")));
    let cases = document.descendants().filter(|node| node.has_tag_name("testcase")).count().to_string();
    assert_eq!(suite.attribute("tests"), Some(&*cases));
    let sarif: Value = serde_json::from_str(&report(&sandbox, "sarif")).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let waived = results.iter().find(|result| result["ruleId"] == "unknown-header").unwrap();
    assert_eq!(waived["suppressions"][0]["kind"], "external");
    assert_eq!(waived["suppressions"][0]["justification"], "the image is replaced soon (until 9999-12-31)");
    assert!(!report(&sandbox, "github").contains("unknown-header"));
}

#[test]
fn a_release_is_published_when_its_errors_are_waived() {
    let build = ["build", "--site", "site", "--mock-smd", "--tree", "tree"];
    let for_one = sandbox(&waiver("nodes = [\"x1000c0s0b0n0\"]\n"));
    assert_snapshot!(for_one.run(&build), @"
    exit code 1
    --- stdout
    --- stderr
    reading the site
    rendering 3 nodes
    error[unknown-header]: groups/compute/cloud-config.yaml:1:1: the document begins with no header that cloud-init knows, so that nodes ignore all of it
      hint: did you mean `#cloud-config`?
      concerns 1 node: x1000c0s0b0n1
    1 finding of unknown-header waived until 9999-12-31: the image is replaced soon
    1 error, 0 warnings
    ");
    let sandbox = sandbox(&waiver("groups = [\"compute\"]\n"));
    assert_snapshot!(sandbox.run(&build), @"
    exit code 0
    --- stdout
    published release [DIGEST]
    3 nodes, 15 documents
    the first release of this tree
    --- stderr
    reading the site
    rendering 3 nodes
    publishing
    1 finding of unknown-header waived until 9999-12-31: the image is replaced soon
    ");
    let release = fs::read_to_string(sandbox.path("tree/current/release.json")).unwrap();
    let release: Value = serde_json::from_str(&release).unwrap();
    assert_eq!(release["findings"]["errors"], 0);
    assert_eq!(code(&sandbox, &["build", "--site", "site", "--mock-smd", "--tree", "tree", "--dry-run"]), 0);
}

#[test]
fn a_waiver_that_is_over_counts_no_longer_and_is_told() {
    let sandbox = sandbox(&waiver("until = 2020-01-31\n"));
    assert_snapshot!(sandbox.run(&CHECK), @r#"
    exit code 1
    --- stdout
    --- stderr
    reading the site
    rendering 3 nodes
    error[unknown-header]: groups/compute/cloud-config.yaml:1:1: the document begins with no header that cloud-init knows, so that nodes ignore all of it
      hint: did you mean `#cloud-config`?
      concerns 2 nodes: x1000c0s0b0n0, x1000c0s0b0n1
    warning[expired-waiver]: mds.toml:14:8: the waiver of `unknown-header` ended on 2020-01-31; its reason was: the image is replaced soon
       |
    14 | rule = "…
       |        ^
      hint: mend what it was about and remove it, or give it another end
    1 error, 1 warning
    "#);
    assert_eq!(code(&sandbox, &["build", "--site", "site", "--mock-smd", "--tree", "tree"]), 1);
}

#[test]
fn a_waiver_of_no_use_is_a_note() {
    let sandbox = sandbox(&(waiver("") + &waiver("rule = \"unknown-node\"\n") + &waiver("rule = \"invalid-mac\"\n")));
    let rules = |arguments: &[&str]| -> Vec<String> {
        let value = sandbox.json(arguments);
        let findings = value["findings"].as_array().unwrap().iter();
        let notes = findings.filter(|finding| finding["rule"] == "unused-waiver");
        notes.map(|note| note["message"].as_str().unwrap().split('`').nth(1).unwrap().to_owned()).collect()
    };
    assert_eq!(rules(&CHECK), ["unknown-node", "invalid-mac"]);
    // Only rules that look at the inventory are run.
    assert_eq!(rules(&["inventory", "check", "--site", "site", "--mock-smd"]), ["invalid-mac"]);
    assert!(rules(&["build", "--site", "site", "--mock-smd", "--tree", "tree"]).is_empty());
}

#[test]
fn the_inventory_has_waivers_too() {
    let check = ["inventory", "check", "--site", "site", "--inventory", "nodes.json"];
    let sandbox = sandbox(&waiver("rule = \"duplicate-nid\"\nnodes = [\"[ab]\"]\n"));
    sandbox.write("nodes.json", r#"{"format": 1, "nodes": [{"id": "a", "nid": 1}, {"id": "b", "nid": 1}]}"#);
    sandbox.write("site/nodes/a.yaml", "hostname: one\n");
    assert_snapshot!(sandbox.run(&check), @r#"
    exit code 1
    --- stdout
    checked the inventory of 2 nodes: 1 error, 3 warnings, 1 note
    --- stderr
    reading the site
    error[duplicate-hostname]: the hostname tc0001 belongs to a and b
      hint: mend the inventory, or allow it with allow_duplicate = ["hostname"] in [inventory] of mds.toml
      concerns 2 nodes: a, b
    warning[node-without-address]: without an address, nobody can be known as the node, so it gets no documents
      hint: add the addresses that it asks from to the inventory
      concerns 2 nodes: a, b
    warning[group-without-member]: groups/compute: no node of the inventory is in this group
      hint: see whether its label is written as in the inventory
    warning[group-without-member]: groups/green: no node of the inventory is in this group
      hint: see whether its label is written as in the inventory
    note[not-an-xname]: the node's id is not the xname of a node; tools that expect one will not know it
      hint: leave it if that is meant
      concerns 2 nodes: a, b
    1 finding of duplicate-nid waived until 9999-12-31: the image is replaced soon
    1 error, 3 warnings, 1 note
    "#);
}

#[test]
fn waivers_that_cannot_be_are_refused() {
    let sandbox = sandbox(&(waiver("rule = \"template\"\n") + &waiver("rule = \"unknown-headr\"\n")));
    assert_snapshot!(sandbox.run(&CHECK), @r#"
    exit code 1
    --- stdout
    --- stderr
    reading the site
    error[unreadable-site]: mds.toml:16:8: [[check.waivers]] waives `template`, which always is an error
       |
    16 | rule = "…
       |        ^
      hint: nodes would get documents that harm them, or none; remove the waiver
    error[unreadable-site]: mds.toml:20:8: [[check.waivers]] names the rule `unknown-headr`, which there is not
       |
    20 | rule = "…
       |        ^
      hint: did you mean `unknown-header`?
    2 errors, 0 warnings
    "#);
    assert_eq!(code(&sandbox, &["build", "--site", "site", "--mock-smd", "--tree", "tree"]), 2);
}
