//! Building from SMD and from a locked inventory, and refusing to publish what loses too much.

use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use crate::cli_support::{SETTINGS, Sandbox};
use crate::smd_support::FakeSmd;
use crate::support::{DEAD, NODE, assert_said, delete_interfaces, run, run_with};

const BUILD: [&str; 5] = ["build", "--site", "site", "--tree", "tree"];

fn build<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&BUILD[..], more].concat()
}

/// The current release, and how many there are.
fn published(sandbox: &Sandbox) -> (std::path::PathBuf, usize) {
    let releases = fs::read_dir(sandbox.path("tree/releases")).unwrap().count();
    (fs::read_link(sandbox.path("tree/current")).unwrap(), releases)
}

#[test]
fn a_build_from_smd_is_published() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    assert_snapshot!(run(&sandbox, &smd.url(), &build(&["--smd-url", &smd.url()])), @"
    exit code 0
    --- stdout
    published release [DIGEST]
    3 nodes, 15 documents
    the first release of this tree
    --- stderr
    pulling the inventory
    reading the site
    rendering 3 nodes
    publishing
    ");
    assert_said(&run_with(&sandbox, &[("SMD_URL", &smd.url())], &BUILD), 0, &["nothing changed since"]);
}

/// All documents of a node, without what SMD does not know.
fn documents(sandbox: &Sandbox, node: &str, source: &[&str]) -> Value {
    let value = sandbox.json(&[&["render", node, "--site", "site"], source].concat());
    let known = |text: &str| {
        let lines = text.lines().filter(|line| !line.contains("redfishid"));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let documents = value["documents"].as_object().unwrap();
    documents.iter().map(|(name, text)| (name.clone(), Value::from(known(text.as_str().unwrap())))).collect()
}

#[test]
fn documents_from_smd_are_those_of_the_mock_nodes() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    sandbox.write(
        "site/groups/compute/cloud-config.yaml",
        "#cloud-config\nall: {{ ip }} {{ mac }} {{ role }} {{ nid }} {{ groups }} {{ interfaces[0].description }}\n",
    );
    for node in [NODE, "x1000c0s0b0n1", "x1000c0s1b0n0"] {
        let mock = documents(&sandbox, node, &["--mock-smd"]);
        assert!(mock.as_object().unwrap().len() >= 4, "{mock}");
        assert_eq!(documents(&sandbox, node, &["--smd-url", &smd.url()]), mock, "{node}");
    }
    let rendered = run_with(&sandbox, &[("SMD_URL", &smd.url())], &["render", "tc1000", "meta-data", "--site", "site"]);
    assert_said(&rendered, 0, &["local-hostname: tc1000"]);
    let down = sandbox.run(&["render", NODE, "--site", "site", "--smd-url", DEAD]);
    assert_said(&down, 2, &["SMD cannot be reached", DEAD]);
}

#[test]
fn a_locked_build_needs_no_smd() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let settings = format!("{SETTINGS}[inventory.smd]\nurl = \"{DEAD}\"\n");
    sandbox.write("site/mds.toml", &settings);
    sandbox.stdout(&["inventory", "pull", "--smd-url", &smd.url(), "--out", "site/inventory.json"]);
    let dead = [("SMD_URL", DEAD), ("SMD_JWT", "s3cr3t"), ("TOKENSMITH_URL", "nonsense")];
    assert_said(&run_with(&sandbox, &dead, &build(&["--locked"])), 0, &["3 nodes, 15 documents"]);
    let checked = run_with(&sandbox, &dead, &["build", "--check", "--site", "site", "--locked"]);
    assert_said(&checked, 0, &["checked 3 nodes with 15 documents: no errors"]);
    // The release is that of SMD.
    assert_said(&sandbox.run(&build(&["--smd-url", &smd.url()])), 0, &["nothing changed since the current release"]);
    fs::remove_file(sandbox.path("site/inventory.json")).unwrap();
    assert_said(&sandbox.run(&build(&["--locked"])), 2, &["the site has no inventory"]);
}

#[test]
fn a_drop_is_not_published_until_it_is_accepted() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let from_smd = build(&["--smd-url", &smd.url()]).iter().map(|&part| part.to_owned()).collect::<Vec<_>>();
    let with = |more: &[&'static str]| {
        let arguments: Vec<&str> = from_smd.iter().map(String::as_str).chain(more.iter().copied()).collect();
        run(&sandbox, &smd.url(), &arguments)
    };
    assert_said(&with(&[]), 0, &["published"]);
    let before = published(&sandbox);
    smd.change(delete_interfaces);
    assert_snapshot!(with(&[]), @"
    exit code 2
    --- stdout
    --- stderr
    pulling the inventory
    reading the site
    error: the inventory would take away 2 of 5 addresses of nodes, and 10 % is the most at once (max_removed); what is published stays
      hint: see what happened to the inventory; if that is meant, build with --accept-drop, or raise max_removed in [inventory] of mds.toml
    ");
    assert_eq!(published(&sandbox), before);
    let dry = with(&["--dry-run"]);
    let refused = "publishing would be refused: the inventory would take away 2 of 5 addresses of nodes";
    assert_said(&dry, 0, &["would publish release", refused]);
    let accepted = with(&["--dry-run", "--accept-drop"]);
    assert!(accepted.starts_with("exit code 0\n") && !accepted.contains("refused"), "{accepted}");
    assert_said(&with(&["--check"]), 0, &["checked 3 nodes"]);
    assert_eq!(published(&sandbox), before);
    assert_said(&with(&["--accept-drop"]), 0, &["published release", "the drop is accepted"]);
    assert_eq!(published(&sandbox).1, 2);
    assert_said(&with(&[]), 0, &["nothing changed since the current release"]);
}

#[test]
fn the_site_says_how_much_a_build_may_take_away() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    assert_said(&sandbox.run(&build(&["--smd-url", &smd.url()])), 0, &["published"]);
    smd.change(delete_interfaces);
    for (percent, code) in [(39, 2), (40, 0)] {
        sandbox.write("site/mds.toml", &format!("{SETTINGS}[inventory]\nmax_removed = {percent}\n"));
        assert_said(&sandbox.run(&build(&["--smd-url", &smd.url()])), code, &[]);
    }
    sandbox.write("site/mds.toml", &format!("{SETTINGS}[inventory]\nmax_removed = 101\n"));
    assert_said(&sandbox.run(&build(&["--mock-smd"])), 2, &["max_removed is a percentage, from 0 to 100"]);
}

#[test]
fn a_file_from_outside_is_held_against_what_is_published_and_the_site_s_own_is_not() {
    let sandbox = Sandbox::new();
    let pull = |count: &str, file: &str| {
        sandbox.stdout(&["inventory", "pull", count, "--accept-drop", "--out", file]);
    };
    pull("--mock-smd=10", "ten.json");
    pull("--mock-smd=5", "five.json");
    assert_said(&sandbox.run(&build(&["--inventory", "ten.json"])), 0, &["10 nodes"]);
    let before = published(&sandbox);
    let refused = "the inventory would take away 5 of 10 nodes";
    assert_said(&sandbox.run(&build(&["--inventory", "five.json"])), 2, &[refused]);
    let text = fs::read_to_string(sandbox.path("five.json")).unwrap();
    assert_said(&sandbox.run_with_input(&build(&["--inventory", "-"]), &text), 2, &[refused]);
    assert_said(&run_with(&sandbox, &[("MDS_INVENTORY", "five.json")], &BUILD), 2, &[refused]);
    assert_eq!(published(&sandbox), before);
    // Reviewed, and so believed.
    pull("--mock-smd=5", "site/inventory.json");
    assert_said(&sandbox.run(&BUILD), 0, &["5 nodes"]);
    assert_said(&sandbox.run(&build(&["--inventory", "ten.json"])), 0, &["10 nodes"]);
    let accepted = run_with(&sandbox, &[("MDS_ACCEPT_DROP", "true")], &build(&["--inventory", "five.json"]));
    assert_said(&accepted, 0, &["5 nodes"]);
}

#[test]
fn a_first_build_has_nothing_to_lose() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    smd.change(delete_interfaces);
    assert_said(&sandbox.run(&build(&["--smd-url", &smd.url()])), 0, &["the first release of this tree"]);
}

#[test]
fn made_up_nodes_do_not_take_the_place_of_real_ones() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    smd.change(|inventory| inventory.add_node("x1000c0s2b0n0", 1003, "Compute", &["compute"]));
    assert_said(&run(&sandbox, &smd.url(), &build(&["--smd-url", &smd.url()])), 0, &["4 nodes"]);
    let before = published(&sandbox);
    let said = sandbox.run(&build(&["--mock-smd"]));
    assert_said(&said, 2, &["would take away 1 of 4 nodes", "what is published stays"]);
    assert_eq!(published(&sandbox), before);
    let value = sandbox.json(&build(&["--mock-smd", "--dry-run"]));
    assert!(value["refused"]["message"].as_str().unwrap().contains("1 of 4 nodes"), "{value}");
}
