use super::super::fixture::{problems_of_nodes, rules_of};
use super::*;
use crate::check::document::Document;
use crate::render::fixture::site;
use crate::types::DocumentName;

/// What is said about a document by itself.
fn remarks(text: &str) -> Vec<Remark> {
    let mut document = Document::new(DocumentName::NetworkConfig, text.to_owned());
    document.read();
    of_document(&Rulebook::new(&site(&[])).0, &document)
}

fn rules(text: &str) -> Vec<String> {
    remarks(text).iter().map(|remark| remark.rule.to_string()).collect()
}

/// A document of version 2 with one interface that has these lines.
fn two(lines: &str) -> String {
    format!(
        "version: 2\nethernets:\n  eth0:\n{}\n",
        lines.lines().map(|line| format!("    {line}\n")).collect::<String>()
    )
}

/// A document of version 1 with one interface that has these subnets.
fn one(subnets: &str) -> String {
    format!("version: 1\nconfig:\n  - {{type: physical, name: eth0, subnets: [{subnets}]}}\n")
}

#[test]
fn documents_that_work_and_documents_that_do_nothing_are_fine() {
    for text in [
        "",
        "{}",
        "network: {}",
        "config: disabled",
        "network: {config: disabled}",
        "version: 2",
        "network: {version: 2, ethernets: {e0: {dhcp4: yes}}}",
        "version: 1\nconfig: []\n",
        &two("dhcp4: true\naddresses: [10.0.0.5/24]\nmtu: 9000\nroutes: [{to: default, via: 10.0.0.1}]"),
        &two("addresses: [10.0.0.5/24: {label: a}]\ngateway4: 10.0.0.1\nnameservers: {addresses: [10.0.0.2]}"),
        &one("{type: static, address: 10.0.0.5/24, gateway: 10.0.0.1}, {type: dhcp6}"),
        &one("{type: static, address: 10.0.0.5, netmask: 255.255.0.0, gateway: 10.0.1.1}"),
    ] {
        assert_eq!(rules(text), [""; 0], "{text}");
    }
}

#[test]
fn what_cloud_init_or_netplan_does_not_take_is_said() {
    for (text, place, words) in [
        ("ethernets: {}\n", (1, 1), "has no `version`"),
        ("version: '2'\n", (1, 10), "neither the number"),
        ("version: 3\n", (1, 10), "neither the number"),
        ("network: {version: 2}\nversion: 2\n", (2, 1), "beside `network`"),
        ("version: 2\nethernet: {}\n", (2, 1), "has no key `ethernet`"),
        (&two("adresses: [10.0.0.5/24]"), (4, 5), "an interface has no key `adresses`"),
        (&two("addresses: [10.0.0.5]"), (4, 17), "an address with the length of its prefix"),
        (&two("addresses: 10.0.0.5/24"), (4, 16), "a list is expected"),
        (&two("dhcp4: maybe"), (4, 12), "`dhcp4` does not do"),
        (&two("mtu: large"), (4, 10), "a whole number"),
        (&two("match: {macaddress: x}"), (4, 25), "a MAC address"),
        (&two("set-name: lan0"), (4, 15), "without `match`"),
        (&two("routes: [{to: default, via: 'fd00::1'}, {via: 10.0.0.1}]"), (4, 45), "a route has no `to`"),
        (&two("routes: [{to: 10.0.0.0/8, via: 'fd00::1'}]"), (4, 36), "one IP version via one of the other"),
        ("version: 2\nvlans: {v: {id: 5, link: eth0}}\n", (2, 26), "does not define"),
        ("version: 2\nbonds: {b: {interfaces: [eth0]}}\n", (2, 26), "does not define"),
        (&two("routes: [{to: default}]"), (4, 14), "the default route has no `via`"),
        (&two("dhcp4: true\ndhcp6: true\ndhcp4-overrides: {use-dns: no}"), (6, 22), "both kinds of DHCP"),
        ("version: 1\nconfig: [{type: wifi, name: a}]\n", (2, 17), "no `type` that cloud-init knows"),
        ("version: 1\nconfig: [{type: physical}]\n", (2, 10), "an interface has no `name`"),
        (&one("{type: static}"), (3, 44), "has no `address`"),
        (&one("{type: static, address: 10.0.0.300/24}"), (3, 68), "cannot be read"),
        (&one("{address: 10.0.0.5/24}"), (3, 44), "a subnet has no `type`"),
        (&one("{type: dhcp4, routes: [{gateway: 10.0.0.1}]}"), (3, 67), "neither `network` nor `destination`"),
    ] {
        let said = remarks(text);
        let found = said.iter().find(|remark| remark.rule == SCHEMA && remark.message.contains(words));
        assert_eq!(found.and_then(|remark| remark.at), Some(place), "{text}: {said:?}");
    }
}

#[test]
fn slips_get_hints() {
    let hint = |text: &str| remarks(text)[0].hint.clone().unwrap_or_default().into_owned();
    assert_eq!(hint(&two("adresses: []")), "did you mean `addresses`?");
    assert_eq!(hint("version: 2\nethernets: {eth0: {}}\nvlans: {v: {id: 5, link: eht0}}\n"), "did you mean `eth0`?");
}

#[test]
fn gateways_must_be_reachable() {
    let outside = "addresses: [10.0.0.5/24]\nroutes: [{to: default, via: 10.0.1.1}]";
    assert_eq!(rules(&two(outside)), [GATEWAY]);
    assert_eq!(rules(&two("addresses: [10.0.0.5/24]\ngateway4: 10.0.1.1")), [GATEWAY]);
    assert_eq!(rules(&two("addresses: [10.0.0.5/24]\ngateway4: 10.0.0.5")), [GATEWAY]);
    assert_eq!(rules(&two("gateway4: 10.0.0.1")), [GATEWAY]);
    assert_eq!(rules(&two(&outside.replace("}]", ", on-link: true}]"))), [""; 0]);
    assert_eq!(rules(&two(&format!("{outside}\ndhcp4: true"))), [""; 0]);
    assert_eq!(rules(&two("addresses: ['fd00::5/64']\nroutes: [{to: default, via: 'fe80::1'}]")), [""; 0]);
    assert_eq!(rules(&one("{type: static, address: 10.0.0.5/24, gateway: 10.0.1.1}")), [DEFAULT_ROUTE]);
}

#[test]
fn there_is_one_default_route_of_a_metric_and_table() {
    let routes = |routes: &str| rules(&two(&format!("addresses: [10.0.0.5/24]\nroutes: [{routes}]")));
    assert_eq!(routes("{to: default, via: 10.0.0.1}, {to: 0.0.0.0/0, via: 10.0.0.2}"), [DEFAULT_ROUTE]);
    assert_eq!(routes("{to: default, via: 10.0.0.1}, {to: default, via: 10.0.0.2, metric: 9}"), [""; 0]);
    assert_eq!(routes("{to: default, via: 10.0.0.1}, {to: default, via: 10.0.0.2, table: 9}"), [""; 0]);
}

#[test]
fn values_have_bounds() {
    for lines in [
        "addresses: [10.0.0.0/24]",
        "addresses: [10.0.0.255/24]",
        "addresses: [0.0.0.0/24]",
        "addresses: [224.0.0.1/24]",
        "mtu: 60",
        "mtu: 70000",
        "dhcp6: true\nmtu: 1000",
        "match: {name: e*}\nset-name: a-name-that-is-too-long",
    ] {
        assert_eq!(rules(&two(lines)), [VALUE], "{lines}");
    }
    for lines in ["addresses: [10.0.0.0/31]", "addresses: [10.0.0.1/32]", "mtu: 1000", "addresses: ['fd00::/64']"] {
        assert_eq!(rules(&two(lines)), [""; 0], "{lines}");
    }
    let named =
        "version: 2\nethernets:\n  a: {match: {name: x}, set-name: lan0}\n  b: {match: {name: y}, set-name: lan0}\n";
    assert_eq!(rules(named), [VALUE]);
    assert_eq!(rules("version: 2\nethernets: {e: {}}\nvlans: {v: {id: 0, link: e}}\n"), [VALUE]);
}

#[test]
fn an_address_stands_once() {
    assert_eq!(rules(&two("addresses: [10.0.0.5/24, 10.0.0.5/16]")), [VALUE]);
    let links = "version: 2\nethernets:\n  a: {addresses: ['fe80::1/64']}\n  b: {addresses: ['fe80::1/64']}\n";
    assert_eq!(rules(links), [""; 0]);
    assert_eq!(rules(&links.replace("fe80", "fd00")), [VALUE]);
}

const NODES: &str = r#"
    {"id": "x1", "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:0a", "addresses": [{"ip": "10.0.0.1"}]}]},
    {"id": "x2", "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:0b", "addresses": [{"ip": "10.0.0.2"}]}]}"#;

/// What is said about two nodes with this template: the rules, the hints, and what is said of all together.
fn of_nodes(settings: &str, template: &str) -> (Vec<String>, Vec<String>, Vec<String>) {
    let (problems, of_all) =
        problems_of_nodes(&[("mds.toml", settings), ("templates/network-config", template)], NODES);
    let hints = problems.iter().filter_map(|problem| problem.problem.hint.clone()).collect();
    let of_all = of_all.into_iter().map(|finding| finding.problem.message).collect();
    let mut rules: Vec<String> = problems.iter().map(|problem| problem.rule.to_string()).collect();
    rules.sort_unstable();
    (rules, hints, of_all)
}

const FINE: &str = "version: 2\nethernets:\n  eth0: {match: {macaddress: '{{ mac }}'}, addresses: ['{{ ip }}/24']}\n";

#[test]
fn a_mac_address_is_one_of_the_node() {
    assert_eq!(of_nodes("", FINE).0, [""; 0]);
    let (rules, hints, _) = of_nodes("", &FINE.replace("{{ mac }}", "02:00:00:00:00:0a"));
    assert_eq!(rules, ["boot-interface", UNMATCHED_MAC]);
    assert!(hints.iter().any(|hint| hint.contains("it is of node x1")), "{hints:?}");
    let named = FINE.replace("addresses", "set-name: lan0, addresses");
    assert_eq!(of_nodes("", &named).0, [""; 0]);
    assert_eq!(of_nodes("", &named.replace("{{ mac }}", "02:00:00:00:00:0a")).0, ["boot-interface", UNKNOWN_MAC]);
    assert_eq!(of_nodes("", &named.replace("{{ mac }}", "{{ mac | upper }}")).0, [UNKNOWN_MAC; 2]);
    let one = "version: 1\nconfig:\n  - {type: physical, name: eth0, mac_address: '02:00:00:00:00:0c', subnets: [{type: dhcp}]}\n";
    assert_eq!(of_nodes("", one).0, ["boot-interface", "boot-interface", UNKNOWN_MAC, UNKNOWN_MAC]);
}

#[test]
fn an_address_is_of_one_node() {
    let (rules, hints, of_all) = of_nodes("", &FINE.replace("['", "['10.0.0.1/24', '"));
    assert_eq!(rules, [DUPLICATE_ADDRESS, VALUE], "of another node, and twice in one document");
    assert!(hints.iter().any(|hint| hint.contains("it is of node x1")) && of_all.is_empty(), "{hints:?} {of_all:?}");
    let shared = FINE.replace("['", "['10.1.0.9/24', '");
    let (rules, _, of_all) = of_nodes("", &shared);
    assert_eq!((rules.len(), of_all.len()), (0, 1));
    assert_eq!(of_all[0], "network-config gives the address 10.1.0.9 to x1 and x2");
    assert!(of_nodes("[inventory]\nallow_duplicate = [\"address\"]\n", &shared).2.is_empty());
    assert!(of_nodes("", &FINE.replace("['", "['10.1.0.{{ id | replace(from='x', to='') }}/24', '")).2.is_empty());
    let anycast = format!("{FINE}dummy-devices: {{any: {{addresses: [10.1.0.9/32]}}}}\n");
    assert!(of_nodes("", &anycast).2.is_empty());
}

#[test]
fn a_document_of_the_sites_own_has_the_boot_interface() {
    let rules = |text: &str| rules_of(&[("templates/network-config", text)], "x1");
    for text in [
        "",
        "config: disabled\n",
        "version: 2\nethernets: {e: {dhcp4: true}}\n",
        "version: 2\nethernets: {e: {match: {macaddress: '02:00:00:00:00:01'}, addresses: [10.0.0.1/8]}}\n",
        "version: 2\nethernets: {e: {match: {name: e*}}}\nbonds: {b: {interfaces: [e], dhcp4: true}}\n",
        "version: 1\nconfig: [{type: physical, name: eth0, subnets: [{type: static, address: 10.0.0.1/8}]}]\n",
    ] {
        assert_eq!(rules(text), [""; 0], "{text}");
    }
    for text in [
        "version: 2\n",
        "version: 2\nethernets: {e: {}}\n",
        "version: 2\nethernets: {e: {dhcp6: true}}\n",
        "version: 2\nethernets: {e: {addresses: [10.0.0.77/8]}}\n",
    ] {
        assert_eq!(rules(text), ["boot-interface"], "{text}");
    }
}
