//! Node files of the tool in both forms, and what is said of those that cannot be right.

use std::fmt::Write;

use super::*;

const TODAY: &str = "\
bmcs:
- {name: bmc01, xname: x1000c0s0b0, mac: 'de:ca:fc:0f:ee:ee', ip: 172.16.0.101, fqdn: bmc01.cluster}
nodes:
- name: node01
  nid: 1
  xname: x1000c0s0b0n0
  bmc: bmc01
  groups: [slurm, compute, slurm]
  interfaces:
  - mac_addr: de:ad:be:ee:ee:f2
    ip_addrs:
    - {name: external, ip_addr: 10.15.3.100}
    - {name: external, ip_addr: '2001:db8::1'}
  - mac_addr: DE-AD-BE-EE-EE-F1
    ip_addrs:
    - {name: internal, ip_addr: 172.16.0.1}
";

fn parse(text: &str) -> Result<Inventory, String> {
    parse_discover("nodes.yaml", text.as_bytes()).map_err(|problems| problems.to_string())
}

fn message(text: &str) -> String {
    parse(text).unwrap_err()
}

/// What is said of a node with these lines after its xname, each indented as a key of it.
fn of_node(lines: &str) -> Result<Inventory, String> {
    parse(&format!("nodes:\n- xname: x1\n{lines}"))
}

fn labels(inventory: &Inventory) -> Vec<&str> {
    inventory.nodes()[0].groups.iter().map(crate::types::GroupLabel::as_str).collect()
}

#[test]
fn a_file_of_today_becomes_an_inventory_without_its_bmcs() {
    let inventory = parse(TODAY).unwrap();
    let [node] = inventory.nodes() else { panic!("one node is expected") };
    assert_eq!((node.id.as_str(), node.nid, node.role.as_str()), ("x1000c0s0b0n0", Some(1), ""));
    assert_eq!(labels(&inventory), ["compute", "slurm"]);
    let seen: Vec<String> = node
        .interfaces
        .iter()
        .flat_map(|interface| {
            let of = |address: &InterfaceAddress| {
                format!("{} {} {} {}", interface.name, interface.mac, address.ip, address.network)
            };
            interface.addresses.iter().map(of)
        })
        .collect();
    assert_eq!(
        seen,
        [
            "eth0 de:ad:be:ee:ee:f2 10.15.3.100 external",
            "eth0 de:ad:be:ee:ee:f2 2001:db8::1 external",
            "eth1 de:ad:be:ee:ee:f1 172.16.0.1 internal",
        ]
    );
}

#[test]
fn json_says_the_same_as_yaml() {
    let value: serde_json::Value = serde_yaml::from_str(TODAY).unwrap();
    assert_eq!(parse(&value.to_string()), parse(TODAY));
    assert_eq!(parse(&format!("\u{feff}{value:#}")), parse(TODAY));
}

#[test]
fn the_older_form_is_read_too() {
    let inventory = of_node(
        "  bmc_mac: de:ca:fc:0f:ee:ee\n  bmc_ip: 172.16.0.101\n  bmc_fqdn: a.b\n  group: compute\n  groups: [gpu]\n  \
           interfaces:\n  - mac_addr: 123456789012\n    ip_addrs:\n    - {network: HMN, ip_addr: 10.0.0.1}\n",
    )
    .unwrap();
    assert_eq!(labels(&inventory), ["compute", "gpu"]);
    let interface = &inventory.nodes()[0].interfaces[0];
    assert_eq!((interface.mac.to_string().as_str(), &*interface.addresses[0].network), ("12:34:56:78:90:12", "HMN"));
}

#[test]
fn what_may_be_left_out_may_be_empty_and_keys_of_others_are_passed_over() {
    let inventory =
        of_node("  name:\n  nid: 0\n  bmc: ~\n  group: ''\n  groups:\n  interfaces:\n  rack: {a: [1]}\n  Nid: -5\n")
            .unwrap();
    let node = &inventory.nodes()[0];
    assert_eq!((node.nid, node.groups.len(), node.interfaces.len()), (None, 0, 0));
    assert_eq!(of_node("  groups: compute\n").as_ref().map(labels), Ok(vec!["compute"]));
    assert_eq!(of_node("  interfaces: [{mac_addr: '02:00:00:00:00:01', ip_addrs: }]\n").unwrap().nodes().len(), 1);
    assert_eq!(parse("bmcs: []\n"), Ok(Inventory::default()));
    assert_eq!(parse("bmcs:\nnodes: []\n"), Ok(Inventory::default()));
}

#[test]
fn a_node_without_its_xname_is_refused_with_its_place() {
    let text = message("nodes:\n- xname: x1\n- name: node02\n  nid: 2\n");
    assert!(text.starts_with("nodes.yaml:3:3: nodes[1]: missing field `xname`"), "{text}");
    assert!(message("nodes:\n- xname:\n").starts_with("nodes.yaml:2:"));
}

#[test]
fn a_value_that_is_not_what_it_should_be_is_refused_at_its_own_place() {
    let interface =
        |rest: &str| format!("  interfaces:\n  - mac_addr: 02:00:00:00:00:01\n    ip_addrs:\n    - {rest}\n");
    for (lines, place, said) in [
        ("  nid: one\n".to_owned(), "3:8", "expected a number from 1 to"),
        ("  nid: '1'\n".to_owned(), "3:8", "invalid type: string, expected a number"),
        ("  nid: -1\n".to_owned(), "3:8", "-1 is not the number of a node"),
        ("  nid: 4294967296\n".to_owned(), "3:8", "4294967296 is not the number of a node"),
        ("  groups: [a, b/c]\n".to_owned(), "3:15", "`b/c` is not a group label"),
        ("  group: b c\n".to_owned(), "3:10", "`b c` is not a group label"),
        ("  groups: {a: b}\n".to_owned(), "3:11", "expected a group label or a list of them"),
        ("  name: [a]\n".to_owned(), "3:9", "expected a text"),
        ("  interfaces: none\n".to_owned(), "3:15", "invalid type: string, expected a sequence"),
        ("  interfaces:\n  - mac_addr: 02:00\n".to_owned(), "4:15", "`02:00` is not a MAC address"),
        ("  interfaces:\n  - ip_addrs: []\n".to_owned(), "4:5", "missing field `mac_addr`"),
        (interface("ip_addr: 10.0.0.1/24"), "6:16", "`10.0.0.1/24` is not an IP address"),
        (interface("name: a"), "6:7", "missing field `ip_addr`"),
        ("  xname: x2\n".to_owned(), "2:3", "duplicate"),
    ] {
        let text = of_node(&lines).unwrap_err();
        assert!(text.starts_with(&format!("nodes.yaml:{place}: nodes[0]")) && text.contains(said), "{lines}: {text}");
    }
    let text = message("{\"nodes\":[\n{\"xname\":\"x1\",\"nid\":\"one\"}]}");
    assert!(text.starts_with("nodes.yaml:2:") && text.contains("a number from 1"), "{text}");
}

#[test]
fn a_value_of_the_wrong_type_is_not_repeated() {
    for text in ["nodes: hunter2\n", "hunter2\n", "bmcs: [hunter2]\nnodes: []\n", "nodes: [{xname: x1, nid: hunter2}]"]
    {
        assert!(!message(text).contains("hunter2"), "{}", message(text));
    }
}

#[test]
fn a_node_that_stands_twice_or_is_a_bmc_is_refused_by_name() {
    let text = message("bmcs: [{xname: x1}]\nnodes: [{xname: x1}, {xname: x2}, {xname: x2}]\n");
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("nodes.yaml: node `x1` has the xname of an entry of `bmcs`"), "{text}");
    assert!(text.contains("nodes.yaml: the inventory lists node `x2` more than once"), "{text}");
}

#[test]
fn aliases_and_merge_keys_are_followed() {
    let text = "common: &common {groups: &g [compute, gpu], nid: 7}\nnodes:\n- {<<: *common, xname: x1, nid: 1}\n";
    let inventory = parse(text).unwrap();
    assert_eq!((labels(&inventory), inventory.nodes()[0].nid), (vec!["compute", "gpu"], Some(1)));
    let inventory = parse("a: &g [compute, gpu]\nnodes: [{xname: x1, groups: *g}]\n").unwrap();
    assert_eq!(labels(&inventory), ["compute", "gpu"]);
    assert!(message("nodes: [{<<: {groups: [a/b]}, xname: x1}]\n").contains("`a/b` is not a group label"));
}

#[test]
fn aliases_that_repeat_without_measure_are_refused_soon() {
    let interfaces = "{mac_addr: 020000000001},".repeat(5_000);
    let mut text = format!("bmcs:\nall: &all [{interfaces}]\nnodes:\n");
    for number in 0..5_000 {
        let _ = writeln!(text, "- {{xname: x{number}, interfaces: *all}}");
    }
    assert!(message(&text).contains("aliases of the file repeat too much"));
    assert!(message("nodes: &a [*a, *a]\n").contains("have no end"));
}
