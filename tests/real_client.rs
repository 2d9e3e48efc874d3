//! Real cloud-init clients boot from a running `mds`.
//!
//! Needs root and the Debian roots that `tests/lib/roots` makes; elsewhere the cases skip themselves, loudly, unless
//! `MDS_TESTS_MUST_RUN=1`. `MDS_TESTS_BINARY` names another `mds` to test than the one cargo has built.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

#[path = "real_client/mod.rs"]
mod harness;

use std::collections::BTreeSet;
use std::thread;

use harness::{
    Boot, CLUSTER_KEY, Client, Delivery, EXAMPLE, FIRST, Laboratory, Machine, NODE_KEY, Node, OPERATOR_KEY, PLAIN,
    Root, SECOND,
};
use mds::check::{RULES, Severity};

/// Where the runcmds of both groups leave a line.
const RUNS: &str = "var/lib/tundra-runs";
/// Where the bootcmd of the first machine leaves a line.
const BOOTS: &str = "var/lib/boots";
/// Where the client has netplan find what network-config said.
const NETPLAN: &str = "etc/netplan/50-cloud-init.yaml";

/// Makes a test of each case for a client, which is skipped where the client cannot be booted.
macro_rules! cases {
    ($module:ident, $client:expr, [$($case:ident),+ $(,)?]) => {
        mod $module {
            $(
                #[test]
                fn $case() {
                    if let Some(root) = super::Root::of($client) {
                        super::$case(&root);
                    }
                }
            )+
        }
    };
}

cases!(
    client_22,
    super::Client::Bookworm,
    [
        the_first_boot_applies_all_that_the_site_says,
        a_second_boot_runs_nothing_again,
        a_changed_instance_id_runs_everything_again,
        include_and_inline_make_the_same_node,
        a_node_without_documents_boots_clean,
        public_keys_reach_the_default_user_without_any_group,
        two_nodes_that_boot_together_get_their_own_documents,
        a_node_of_the_example_site_boots_clean,
    ]
);

cases!(
    client_25,
    super::Client::Trixie,
    [
        the_first_boot_applies_all_that_the_site_says,
        network_config_becomes_a_netplan_file,
        a_second_boot_runs_nothing_again,
        a_changed_instance_id_runs_everything_again,
        include_and_inline_make_the_same_node,
        a_node_without_documents_boots_clean,
        public_keys_reach_the_default_user_without_any_group,
        two_nodes_that_boot_together_get_their_own_documents,
        a_node_of_the_example_site_boots_clean,
        what_a_check_calls_an_error_harms_a_node,
    ]
);

fn the_first_boot_applies_all_that_the_site_says(root: &Root) {
    let laboratory = Laboratory::start(Delivery::Include);
    let mut node = laboratory.node(root, &FIRST);

    let boot = node.boot();

    boot.assert_clean();
    assert_eq!(boot.requests(), documents(root.client, &["base.yaml", "compute.yaml"]));
    assert_named(&boot, &node, &FIRST);
    assert_has_users(&node, &[CLUSTER_KEY, NODE_KEY]);
    assert_has_both_groups(&node, &FIRST, "i-first");
    assert_eq!(node.count_lines(BOOTS), 1, "the bootcmd of user-data ran");
}

fn network_config_becomes_a_netplan_file(root: &Root) {
    let laboratory = Laboratory::start(Delivery::Include);
    let mut node = laboratory.node(root, &FIRST);

    node.boot().assert_clean();

    let netplan: serde_yaml::Value = serde_yaml::from_str(&node.read(NETPLAN)).unwrap();
    let ethernets = netplan["network"]["ethernets"].as_mapping().unwrap();
    assert_eq!(ethernets.len(), 1, "{netplan:?}");
    let interface = ethernets.values().next().unwrap();
    assert_eq!(interface["match"]["macaddress"], FIRST.mac);
    assert_eq!(interface["addresses"][0], format!("{}/17", FIRST.address));
    assert_eq!(interface["mtu"], 1400);
    assert_eq!(interface["nameservers"]["addresses"][0], "10.252.0.1");
    assert_eq!(interface["nameservers"]["search"][0], "tundra.example");
    let routes = interface["routes"].as_sequence().unwrap();
    assert!(routes.iter().any(|route| route["via"] == "10.252.0.1" && is_default(&route["to"])), "{netplan:?}");
    assert_ne!(interface["dhcp4"], true, "{netplan:?}");
}

fn a_second_boot_runs_nothing_again(root: &Root) {
    let laboratory = Laboratory::start(Delivery::Include);
    let mut node = laboratory.node(root, &FIRST);
    node.boot().assert_clean();

    let boot = node.boot();

    boot.assert_clean();
    assert_eq!(boot.requests(), documents(root.client, &["base.yaml", "compute.yaml"]), "it asks at every boot");
    assert_eq!(node.count_lines(BOOTS), 2, "there were two boots");
    assert_eq!(node.read(RUNS), "base\ncompute i-first\n");
    assert_named(&boot, &node, &FIRST);
}

fn a_changed_instance_id_runs_everything_again(root: &Root) {
    let laboratory = Laboratory::start(Delivery::Include);
    let mut node = laboratory.node(root, &FIRST);
    node.boot().assert_clean();

    laboratory.change_instance_id(&node, "i-second");
    let boot = node.boot();

    boot.assert_clean();
    assert_eq!(node.read(RUNS), "base\ncompute i-first\nbase\ncompute i-second\n");
    assert_eq!(node.read("etc/tundra/compute"), "nid001000 of tundra is instance i-second\n");
    assert!(node.wrote("var/lib/cloud/instances/i-second/boot-finished"));
}

fn include_and_inline_make_the_same_node(root: &Root) {
    let first_boot = |delivery| {
        let laboratory = Laboratory::start(delivery);
        let mut node = laboratory.node(root, &FIRST);
        let boot = node.boot();
        boot.assert_clean();
        (boot, node)
    };
    // One after the other: the bootcmd and runcmd counters must come out alike too.
    let (include_boot, include) = first_boot(Delivery::Include);
    let (inline_boot, inline) = first_boot(Delivery::Inline);

    assert_eq!(inline_boot.requests(), documents(root.client, &[]), "no group is asked for by itself");
    assert_named(&inline_boot, &inline, &FIRST);
    assert_eq!(include_boot.hostname(), inline_boot.hostname());
    assert_has_users(&inline, &[CLUSTER_KEY, NODE_KEY]);
    assert_has_both_groups(&inline, &FIRST, "i-first");
    let folders = ["etc", "home", "root", "usr", RUNS, BOOTS];
    let (include, inline) = (include.everything_below(&folders), inline.everything_below(&folders));
    for path in include.keys().chain(inline.keys()) {
        assert_eq!(include.get(path), inline.get(path), "{}", path.display());
    }
}

fn a_node_without_documents_boots_clean(root: &Root) {
    let laboratory = Laboratory::start(Delivery::Include);
    let mut node = laboratory.node(root, &PLAIN);

    let boot = node.boot();

    boot.assert_clean();
    assert_eq!(boot.requests(), documents(root.client, &[]));
    assert_named(&boot, &node, &PLAIN);
    assert!(!node.wrote("etc/tundra"), "the groups of others are not for this node");
    assert!(!node.wrote(RUNS));
}

fn public_keys_reach_the_default_user_without_any_group(root: &Root) {
    let laboratory = Laboratory::start(Delivery::Include);
    let mut node = laboratory.node(root, &PLAIN);

    node.boot();

    assert_eq!(keys_of(&node, "debian"), BTreeSet::from([CLUSTER_KEY.to_owned()]));
}

fn two_nodes_that_boot_together_get_their_own_documents(root: &Root) {
    let laboratory = Laboratory::start(Delivery::Include);
    let mut first = laboratory.node(root, &FIRST);
    let mut second = laboratory.node(root, &SECOND);

    let (first_boot, second_boot) = thread::scope(|scope| {
        let boot = scope.spawn(|| first.boot());
        let second_boot = second.boot();
        (boot.join().expect("the first node boots"), second_boot)
    });

    first_boot.assert_clean();
    second_boot.assert_clean();
    assert_named(&first_boot, &first, &FIRST);
    assert_named(&second_boot, &second, &SECOND);
    assert_has_users(&first, &[CLUSTER_KEY, NODE_KEY]);
    assert_has_users(&second, &[CLUSTER_KEY]);
    assert_has_both_groups(&first, &FIRST, "i-first");
    assert_has_both_groups(&second, &SECOND, SECOND.id);
    assert_eq!(second.count_lines(BOOTS), 0, "the user-data is for the first node only");
}

fn a_node_of_the_example_site_boots_clean(root: &Root) {
    let laboratory = Laboratory::of_the_example();
    let mut node = laboratory.node(root, &EXAMPLE);

    let boot = node.boot();

    boot.assert_clean();
    assert_eq!(boot.requests(), documents(root.client, &["storage.yaml"]));
    assert_named(&boot, &node, &EXAMPLE);
    assert_eq!(node.read("etc/node-role"), "ROLE=storage\nNID=1002\nIP=10.252.0.28\n");
    let script = include_str!("../site/groups/storage/report-disks.sh");
    assert_eq!(node.read("usr/local/sbin/report-disks"), script);
    assert!(node.wrote("var/log/node-disks"), "the script of the group ran");
    assert_eq!(node.read("var/log/node-groups"), "storage\n");
}

fn what_a_check_calls_an_error_harms_a_node(root: &Root) {
    harness::agree(root, harness::CASES);
}

#[test]
fn every_error_has_a_case_or_a_reason_for_having_none() {
    let errors: Vec<&str> = RULES.iter().filter(|rule| rule.severity == Severity::Error).map(|rule| rule.id).collect();
    let cases: BTreeSet<&str> = harness::CASES.iter().map(|case| case.rule).collect();
    let excused: BTreeSet<&str> = harness::WITHOUT_CASE.iter().map(|(rule, _)| *rule).collect();

    let forgotten: Vec<_> = errors.iter().filter(|id| !cases.contains(*id) && !excused.contains(*id)).collect();
    assert!(forgotten.is_empty(), "neither a case nor a reason: {forgotten:?}");
    let needless: Vec<_> = excused.iter().filter(|id| cases.contains(*id) || !errors.contains(id)).collect();
    assert!(needless.is_empty(), "no reason is needed: {needless:?}");
}

/// The requests of a boot without retries, in order.
fn documents(client: Client, groups: &[&'static str]) -> Vec<&'static str> {
    let network_config = client.asks_for_network_config().then_some("network-config");
    network_config.into_iter().chain(["meta-data", "user-data", "vendor-data"]).chain(groups.iter().copied()).collect()
}

/// Fails unless the running node and its disk have the machine's name.
fn assert_named(boot: &Boot, node: &Node, machine: &Machine) {
    assert_eq!(boot.hostname(), machine.hostname);
    assert_eq!(node.read("etc/hostname").trim(), machine.hostname);
}

/// Fails unless the users of both groups are there: one with the key in its template, the other with those in meta-data.
fn assert_has_users(node: &Node, keys: &[&str]) {
    let passwd = node.read("etc/passwd");
    assert!(passwd.lines().any(|line| line.starts_with("operations:") && line.ends_with(":/bin/bash")), "{passwd}");
    assert!(node.read("etc/sudoers.d/90-cloud-init-users").contains("operations ALL=(ALL) NOPASSWD:ALL"));
    assert_eq!(keys_of(node, "operations"), BTreeSet::from([OPERATOR_KEY.to_owned()]));
    assert_eq!(keys_of(node, "jobs"), keys.iter().map(ToString::to_string).collect());
}

/// Fails unless the write_files and runcmd of both groups were applied, once each.
fn assert_has_both_groups(node: &Node, machine: &Machine, instance_id: &str) {
    let Machine { hostname, address, .. } = machine;
    assert_eq!(node.read("etc/tundra/base"), format!("Welcome to {hostname} ({address}) of tundra\n"));
    assert_eq!(node.read("etc/tundra/compute"), format!("{hostname} of tundra is instance {instance_id}\n"));
    assert_eq!(node.read(RUNS), format!("base\ncompute {instance_id}\n"));
}

/// The SSH keys that a user may log in with.
fn keys_of(node: &Node, user: &str) -> BTreeSet<String> {
    node.read(&format!("home/{user}/.ssh/authorized_keys")).lines().map(ToOwned::to_owned).collect()
}

fn is_default(destination: &serde_yaml::Value) -> bool {
    *destination == "default" || *destination == "0.0.0.0/0"
}
