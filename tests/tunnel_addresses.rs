//! What a release says of tunnels, from the command line: networks, addresses, and documents that are for tunnels only.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli_support;

use std::fs;

use cli_support::Sandbox;
use mds::release::Tree;
use serde_json::Value;

const BUILD: [&str; 6] = ["build", "--site", "site", "--mock-smd", "--tree", "tree"];
const MARKED: &str = "meta: {scheduler: slurm}\nrequire: wireguard\n";

/// Runs a command with a network in the environment, and says its exit code and everything it prints.
fn run_with(sandbox: &Sandbox, network: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let output = sandbox.command(arguments).env("MDS_WIREGUARD_SERVER", network).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// The lines of the manifest that is current.
fn manifest(sandbox: &Sandbox) -> Vec<Value> {
    let current = Tree::open(sandbox.path("tree")).unwrap().current().unwrap().unwrap();
    let text = fs::read_to_string(sandbox.path(&format!("tree/releases/{current}/manifest.ndjson"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn network(sandbox: &Sandbox) -> Value {
    manifest(sandbox)[0]["tunnel_network"].clone()
}

/// Settings with more at the end.
fn add_settings(sandbox: &Sandbox, more: &str) {
    let settings = fs::read_to_string(sandbox.path("site/mds.toml")).unwrap();
    sandbox.write("site/mds.toml", &format!("{settings}\n{more}"));
}

#[test]
fn the_network_is_that_of_the_flag_then_the_environment_then_the_site() {
    let sandbox = Sandbox::new();
    sandbox.build();
    assert_eq!(manifest(&sandbox)[0]["format"], 1);
    assert!(manifest(&sandbox)[1].get("tunnel_address").is_none());
    add_settings(&sandbox, "[wireguard]\nserver = \"100.97.0.1/16\"\n");
    sandbox.build();
    let lines = manifest(&sandbox);
    assert_eq!((&lines[0]["format"], &lines[0]["tunnel_network"]), (&2.into(), &"100.97.0.1/16".into()));
    for node in &lines[1..] {
        assert!(node["tunnel_address"].as_str().unwrap().starts_with("100.97."), "{node}");
    }
    assert_eq!(run_with(&sandbox, "100.98.0.1/16", &BUILD).0, Some(0));
    assert_eq!(network(&sandbox), "100.98.0.1/16");
    let flag = [&BUILD[..], &["--wireguard-server", "fd00::1/64"]].concat();
    assert_eq!(run_with(&sandbox, "100.98.0.1/16", &flag).0, Some(0));
    assert_eq!(network(&sandbox), "fd00::1/64");
    sandbox.stdout(&["verify", "--tree", "tree"]);
}

#[test]
fn a_network_that_is_too_small_or_none_is_refused_with_who_named_it() {
    let sandbox = Sandbox::new();
    let (code, text) = run_with(&sandbox, "100.97.0.1/30", &BUILD);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("tunnel-network-too-small") && text.contains("a prefix of /29 or shorter"), "{text}");
    assert!(text.contains("the environment variable MDS_WIREGUARD_SERVER"), "{text}");
    let (code, text) = run_with(&sandbox, "100.97.0.0/16", &BUILD);
    assert_eq!(code, Some(64), "{text}");
    assert!(text.contains("--wireguard-server") && text.contains("the network itself"), "{text}");
}

#[test]
fn a_new_mark_or_network_shows_in_a_build_a_difference_and_a_check_against_a_release() {
    let sandbox = Sandbox::new();
    add_settings(
        &sandbox,
        "[wireguard]\nserver = \"100.97.0.1/16\"\n[check.severity]\ninclude-outside-tunnel = \"note\"\n",
    );
    sandbox.build();
    sandbox.write("site/groups/compute/group.yaml", MARKED);
    let check = ["build", "--check", "--site", "site", "--mock-smd", "--tree", "tree", "--base", "current"];
    let (code, text) = run_with(&sandbox, "100.98.0.1/16", &check);
    assert_eq!(code, Some(0), "{text}");
    for expected in [
        "tunnels had the network 100.97.0.1/16 and have 100.98.0.1/16 now",
        "for tunnels only now: `compute.yaml`",
        "another address in the tunnel: 3 nodes",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing in:\n{text}");
    }
    let built = sandbox.stdout(&BUILD);
    assert!(built.contains("for tunnels only now: `compute.yaml`"), "{built}");
    let diff = sandbox.json(&["diff", "--tree", "tree"]);
    assert_eq!(diff["changes"]["tunnels"]["only_added"][0], "compute.yaml");
    assert_eq!(diff["changes"]["of_tunnels"]["only_added"][0], "compute.yaml");
}

#[test]
fn documents_for_tunnels_only_are_not_exported_unless_that_is_said() {
    let sandbox = Sandbox::new();
    sandbox.write("site/groups/compute/group.yaml", MARKED);
    add_settings(
        &sandbox,
        "[wireguard]\nserver = \"100.97.0.1/16\"\n[check.severity]\ninclude-outside-tunnel = \"note\"\n",
    );
    sandbox.build();
    let output = sandbox.command(&["export", "--tree", "tree", "www"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && !sandbox.path("www").exists());
    assert!(text.contains(": compute.yaml; nothing was written") && text.contains("--with-tunnel-only"), "{text}");
    sandbox.stdout(&["export", "--tree", "tree", "www", "--with-tunnel-only"]);
    assert!(sandbox.path("www/by-name/x1000c0s0b0n0/compute.yaml").is_file());
}

#[test]
fn what_is_for_tunnels_only_and_the_address_are_explained() {
    let sandbox = Sandbox::new();
    sandbox.write("site/groups/compute/group.yaml", MARKED);
    let explain = ["explain", "x1000c0s0b0n0", "--site", "site", "--mock-smd", "--wireguard-server", "100.97.0.1/16"];
    let text = sandbox.stdout(&explain);
    assert!(text.contains(", with the address 100.97.") && text.contains(" in its tunnel\n"), "{text}");
    assert!(text.contains("  served through a tunnel only, by groups/compute/group.yaml:2:1\n"), "{text}");
    assert_eq!(text.matches("served through a tunnel only").count(), 1, "{text}");
    let value = sandbox.json(&explain);
    assert!(value["tunnel_address"].as_str().unwrap().starts_with("100.97."), "{value}");
}
