//! `mds check`.

use insta::assert_snapshot;
use mds::check::RULES;

use super::Sandbox;

#[test]
fn every_rule_is_explained() {
    let sandbox = Sandbox::empty();
    assert_snapshot!(sandbox.run(&["check", "--explain", "boot-interface"]), @r#"
    exit code 0
    --- stdout
    boot-interface (error): The network-config would cut the node off

    The network-config of a node would leave out the address it boots from. cloud-init applies the
    document in its network stage, before it fetches what vendor-data includes, and takes down an
    interface that the document does not have: the node loses its way to the server in the middle of
    its boot. Give the network of that address a table with its prefix and method = "static" or "dhcp".

    it stays an error, whatever a site says
    --- stderr
    "#);
    assert_snapshot!(sandbox.run(&["check", "--explain", "invalid-mac"]), @r#"
    exit code 0
    --- stdout
    invalid-mac (warning): An interface has no MAC address of its own

    SMD lists an interface whose MAC address is none, or one that is not a single card's, such as all
    zeros or a multicast address. The interface is left out with its addresses, since cloud-init
    matches interfaces by MAC address and stops at one that the machine does not have. Mend the entry
    in SMD and pull the inventory again.

    [check.severity] of mds.toml may say otherwise: invalid-mac = "error", "warning", "note" or "off"
    --- stderr
    "#);
    let list = sandbox.stdout(&["check", "--list"]);
    assert_eq!(list.lines().count(), RULES.len());
    assert_snapshot!("list", list);
    let rules = sandbox.json(&["check", "--list"]);
    assert_eq!(rules["rules"].as_array().unwrap().len(), RULES.len());
    assert_eq!(sandbox.json(&["check", "--explain", "template"])["may_be_changed"], false);
}

#[test]
fn wrong_usage_of_check() {
    let sandbox = Sandbox::empty();
    assert_snapshot!(sandbox.run(&["check"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: `mds check` explains rules and checks nothing itself
      hint: check a site with `mds build --check --site DIR`; see the rules with --list and --explain ID
    ");
    assert_snapshot!(sandbox.run(&["check", "--explain", "boot-interfaec"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: there is no rule `boot-interfaec`
      hint: did you mean `boot-interface`?
    ");
    assert_snapshot!(sandbox.run(&["check", "--explain", "everything"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: there is no rule `everything`
      hint: see all of them with `mds check --list`
    ");
}
