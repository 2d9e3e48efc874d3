//! `mds build`: what it prints, what it refuses, and with which exit code.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli_support;

use std::fs;

use cli_support::{COMPUTE, Sandbox, git};
use insta::assert_snapshot;
use mds::release::Tree;

const BUILD: [&str; 6] = ["build", "--site", "site", "--mock-smd", "--tree", "tree"];

#[test]
fn a_first_build_a_second_one_and_a_change() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.run(&BUILD), @"
    exit code 0
    --- stdout
    published release [DIGEST]
    3 nodes, 15 documents
    the first release of this tree
    --- stderr
    reading the site
    rendering 3 nodes
    publishing
    ");
    assert_snapshot!(sandbox.run(&BUILD), @"
    exit code 0
    --- stdout
    published release [DIGEST]
    3 nodes, 15 documents
    nothing changed since the current release
    --- stderr
    reading the site
    no node has changed
    publishing
    ");
    sandbox.write("site/groups/compute/cloud-config.yaml", &COMPUTE.replace("role", "hostname"));
    fs::remove_file(sandbox.path("site/groups/green/cloud-config.yaml")).unwrap();
    assert_snapshot!(sandbox.run(&BUILD), @"
    exit code 0
    --- stdout
    published release [DIGEST]
    3 nodes, 14 documents
    changes since [DIGEST]:
      0 documents added, 4 documents changed, 1 document removed; 2 nodes concerned
      meta-data        ~1  x1000c0s0b0n0
      vendor-data      ~1  x1000c0s0b0n0
      compute.yaml     ~2  x1000c0s0b0n0, x1000c0s0b0n1
      green.yaml       -1  x1000c0s0b0n0
    --- stderr
    reading the site
    rendering 3 nodes
    publishing
    ");
}

#[test]
fn a_dry_run_writes_nothing() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.run(&[&BUILD[..], &["--dry-run"]].concat()), @"
    exit code 0
    --- stdout
    would publish release [DIGEST]
    3 nodes, 15 documents
    the first release of this tree
    --- stderr
    reading the site
    rendering 3 nodes
    ");
    assert!(!sandbox.path("tree").exists());
    let published = sandbox.build();
    sandbox.write("site/groups/green/cloud-config.yaml", "#cloud-config\n");
    let would = sandbox.json(&[&BUILD[..], &["--dry-run"]].concat());
    assert_eq!(would["published"], false);
    assert_eq!(would["previous"], published);
    assert_eq!(would["changes"]["documents_changed"], 1);
    assert_eq!(Tree::open(sandbox.path("tree")).unwrap().releases().unwrap().len(), 1);
}

#[test]
fn a_check_needs_no_tree_and_writes_none() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.run(&["build", "--check", "--site", "site", "--mock-smd"]), @"
    exit code 0
    --- stdout
    checked 3 nodes with 15 documents: no errors, 0 warnings, 2 notes (see `mds inventory check`)
    --- stderr
    reading the site
    rendering 3 nodes
    ");
    sandbox.write("site/nodes/x9.yaml", "meta: {hostname: mine}\n");
    assert_snapshot!(sandbox.run(&["build", "--check", "--site", "site", "--mock-smd"]), @"
    exit code 0
    --- stdout
    checked 3 nodes with 15 documents: no errors, 2 warnings, 2 notes (see `mds inventory check`)
    --- stderr
    reading the site
    rendering 3 nodes
    warning[unknown-node]: nodes/x9.yaml: the inventory has no node of this id
    warning[hidden-name]: nodes/x9.yaml:1:8: the meta key `hostname` hides the node's own `hostname` from templates
      |
    1 | meta: {hostname: …
      |        ^^^^^^^^
      hint: choose another name for the key
    0 errors, 2 warnings
    ");
    assert!(!sandbox.path(".mds").exists());
}

#[test]
fn an_undefined_name_is_one_message_with_the_count_of_nodes() {
    let sandbox = Sandbox::new();
    sandbox.write("site/groups/compute/cloud-config.yaml", "#cloud-config\nhostname: {{ hostnme }}\n");
    assert_snapshot!(sandbox.run(&BUILD), @"
    exit code 1
    --- stdout
    --- stderr
    reading the site
    rendering 3 nodes
    error[template]: groups/compute/cloud-config.yaml:2:14: Variable `hostnme` is not defined
      |
    2 | hostname: {{ hostnme }}
      |              ^^^^^^^
      hint: did you mean `hostname`?
      concerns 2 nodes: x1000c0s0b0n0, x1000c0s0b0n1
    1 error, 0 warnings
    ");
    assert!(Tree::open(sandbox.path("tree")).unwrap().current().unwrap().is_none());
}

#[test]
fn broken_templates_are_all_reported() {
    let sandbox = Sandbox::new();
    sandbox
        .write("site/groups/compute/cloud-config.yaml", "#cloud-config\nhostname: {{ hostname | default(\"x\") }}\n");
    sandbox.write("site/groups/green/cloud-config.yaml", "#cloud-config\n{% if %}\n");
    sandbox.write("site/user-data/default", "{{ hostname | uper }}");
    assert_snapshot!(sandbox.run(&BUILD), @r#"
    exit code 1
    --- stdout
    --- stderr
    reading the site
    rendering 3 nodes
    error[template]: groups/compute/cloud-config.yaml:2:33: Found string but expected identifier
      |
    2 | hostname: {{ hostname | default("…") }}
      |                                 ^
      hint: arguments of filters stand in brackets, as in `default(value="x")`
      concerns 2 nodes: x1000c0s0b0n0, x1000c0s0b0n1
    error[template]: groups/green/cloud-config.yaml:2:7: Found `%}` but expected one of: integer, float, string, bool, ident, `-`, `not`, `<`, `{`, `[` or `(`
      |
    2 | {% if %}
      |       ^
      concerns 1 node: x1000c0s0b0n0
    error[template]: user-data/default:1:15: Unknown filter `uper`
      |
    1 | {{ hostname | uper }}
      |               ^^^^
      hint: did you mean `upper`?
      concerns 3 nodes: x1000c0s0b0n0, x1000c0s0b0n1, x1000c0s1b0n0
    3 errors, 0 warnings
    "#);
}

#[test]
fn rendered_text_that_is_not_yaml_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("site/groups/compute/cloud-config.yaml", "#cloud-config\nkey: [{{ nid }}\nother: {{ role }}\n");
    assert_snapshot!(sandbox.run(&BUILD), @"
    exit code 1
    --- stdout
    --- stderr
    reading the site
    rendering 3 nodes
    error[yaml-syntax]: groups/compute/cloud-config.yaml:3:6: the document is not YAML: did not find expected ',' or ']'
      |
    3 | other: {{ role }}
      |      ^
      concerns 2 nodes: x1000c0s0b0n0, x1000c0s0b0n1
    1 error, 0 warnings
    ");
}

#[test]
fn broken_toml_yaml_and_json_have_file_line_and_column() {
    let sandbox = Sandbox::new();
    sandbox.write("site/mds.toml", "[cluster]\nname = \"demo\nshort_name = \"tc\"\n");
    assert_snapshot!(sandbox.run(&BUILD), @r#"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: mds.toml:2:13: invalid basic string, expected `"`
    "#);
    let sandbox = Sandbox::new();
    sandbox.write("site/groups/compute/group.yaml", "meta:\n  a: [1,\n  b: 2\n");
    sandbox.write("site/nodes/x1000c0s0b0n0.yaml", "hostnam: x\n");
    assert_snapshot!(sandbox.run(&BUILD), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: groups/compute/group.yaml:4:1: did not find expected ',' or ']'
    error: nodes/x1000c0s0b0n0.yaml:1:1: unknown field `hostnam`, expected one of `description`, `instance_id`, `hostname`, `local_hostname`, `cloud_init_base_url`, `public_keys`, `meta`
      hint: did you mean `hostname`?
    ");
    let sandbox = Sandbox::new();
    sandbox.write("site/inventory.json", "{\"format\": 1,\n \"nodes\": [{\"id\": \"x1\",}]}\n");
    assert_snapshot!(sandbox.run(&["build", "--site", "site", "--tree", "tree"]), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: inventory.json:2:24: trailing comma
    ");
}

#[test]
fn unknown_settings_get_a_suggestion() {
    let sandbox = Sandbox::new();
    sandbox.write("site/mds.toml", "[cluster]\nname = \"demo\"\n\n[vendor_dta]\ndelivery = \"inline\"\n");
    assert_snapshot!(sandbox.run(&BUILD), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: mds.toml:4:2: unknown field `vendor_dta`, expected one of `cluster`, `inventory`, `networks`, `network_config`, `groups`, `vendor_data`, `documents`, `render`, `check`, `serve`, `wireguard`
      hint: did you mean `vendor_data`?
    ");
    sandbox.write("site/mds.toml", "[vendor_data]\ndelivery = \"inlined\"\n");
    assert_snapshot!(sandbox.run(&BUILD), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: mds.toml:2:12: unknown variant `inlined`, expected `include` or `inline`
      hint: did you mean `inline`?
    ");
}

#[test]
fn a_schema_of_cloud_config_that_is_none_is_refused_with_its_place() {
    let sandbox = Sandbox::new();
    sandbox.write("site/mds.toml", "[check]\ncloud_config_schema = \"schemas/node.json\"\n");
    sandbox.write("site/schemas/node.json", "{\n  \"properties\": {,}\n}\n");
    assert_snapshot!(sandbox.run(&BUILD), @r#"
    exit code 1
    --- stdout
    --- stderr
    reading the site
    rendering 3 nodes
    error[unreadable-site]: schemas/node.json:2:18: this is not JSON, so no schema of cloud-config can be read from it
    error[template]: mds.toml: vendor-data cannot name the groups' URLs: the site has no base URL
      hint: set [cluster] base_url to where nodes reach this server, or [vendor_data] delivery = "inline"
      concerns 2 nodes: x1000c0s0b0n0, x1000c0s0b0n1
    2 errors, 0 warnings
    "#);
    sandbox.write("site/schemas/node.json", "{\"properties\": {\"hostname\": {\"type\": \"text\"}}}\n");
    assert_snapshot!(sandbox.run(&BUILD), @r#"
    exit code 1
    --- stdout
    --- stderr
    reading the site
    rendering 3 nodes
    error[unreadable-site]: schemas/node.json: `/properties/hostname/type` in it is nothing that a schema may have there
      hint: take schema-cloud-config-v1.json of the cloud-init that the nodes have
    error[template]: mds.toml: vendor-data cannot name the groups' URLs: the site has no base URL
      hint: set [cluster] base_url to where nodes reach this server, or [vendor_data] delivery = "inline"
      concerns 2 nodes: x1000c0s0b0n0, x1000c0s0b0n1
    2 errors, 0 warnings
    "#);
}

#[test]
fn an_illegal_group_label_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("site/groups/two words/cloud-config.yaml", "#cloud-config\n");
    assert_snapshot!(sandbox.run(&BUILD), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: groups/two words: `two words` is not a group label: 1 to 255 letters, digits or `._:+@=~,-`, not starting with `.` or `-`
      hint: rename the folder
    ");
}

#[test]
fn an_inventory_id_that_is_not_safe_in_a_path_is_refused() {
    let sandbox = Sandbox::new();
    let inventory = "{\"format\":1,\"nodes\":[\n  {\"id\":\"../../../etc/cron.d/x\"}\n]}\n";
    assert_snapshot!(sandbox.run_with_input(&["build", "--site", "site", "--inventory", "-", "--tree", "tree"], inventory), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: standard input:2:32: `../../../etc/cron.d/x` is not a node id that is safe in a path: 1 to 128 letters, digits, `.`, `_`, `:` or `-`, starting with a letter or digit
    ");
}

#[test]
fn an_inventory_comes_from_standard_input_too() {
    let sandbox = Sandbox::new();
    let inventory = "{\"format\":1,\"nodes\":[{\"id\":\"n1\",\"nid\":1,\"groups\":[\"green\"],\"interfaces\":[{\"mac\":\"52:54:00:12:34:56\",\"addresses\":[{\"ip\":\"10.252.0.9\"}]}]}]}";
    assert_snapshot!(sandbox.run_with_input(&["build", "--site", "site", "--inventory", "-", "--tree", "tree"], inventory), @"
    exit code 0
    --- stdout
    published release [DIGEST]
    1 node, 5 documents
    the first release of this tree
    --- stderr
    reading the site
    rendering 1 node
    publishing
    warning[group-without-member]: groups/compute: no node of the inventory is in this group
      hint: see whether its label is written as in the inventory
    0 errors, 1 warning
    ");
    assert_snapshot!(sandbox.stdout(&["render", "10.252.0.9", "network-config", "--tree", "tree"]), @r#"
    version: 2
    ethernets:
      eth0:
        match:
          macaddress: "52:54:00:12:34:56"
        addresses:
          - 10.252.0.9/17
        routes:
          - to: 0.0.0.0/0
            via: 10.252.0.1
    "#);
}

#[test]
fn two_nodes_that_share_something_are_both_named() {
    let sandbox = Sandbox::new();
    let interface = |mac: &str, ip: &str| {
        format!("{{\"mac\":\"52:54:00:00:00:{mac}\",\"addresses\":[{{\"ip\":\"10.252.0.{ip}\"}}]}}")
    };
    let inventory = format!(
        "{{\"format\":1,\"nodes\":[{{\"id\":\"a\",\"nid\":1,\"interfaces\":[{}]}},{{\"id\":\"b\",\"nid\":1,\"interfaces\":[{}]}}]}}",
        interface("01", "9"),
        interface("01", "9")
    );
    sandbox.write("inventory.json", &inventory);
    let build = ["build", "--site", "site", "--inventory", "inventory.json", "--tree", "tree"];
    assert_snapshot!(sandbox.run(&build), @r#"
    exit code 1
    --- stdout
    --- stderr
    reading the site
    rendering 2 nodes
    error[duplicate-address]: the address 10.252.0.9 belongs to a and b
      hint: mend the inventory, or allow it with allow_duplicate = ["address"] in [inventory] of mds.toml
      concerns 2 nodes: a, b
    error[duplicate-mac]: the MAC address 52:54:00:00:00:01 belongs to a and b
      hint: mend the inventory, or allow it with allow_duplicate = ["mac"] in [inventory] of mds.toml
      concerns 2 nodes: a, b
    error[duplicate-hostname]: the hostname tc0001 belongs to a and b
      hint: mend the inventory, or allow it with allow_duplicate = ["hostname"] in [inventory] of mds.toml
      concerns 2 nodes: a, b
    error[duplicate-nid]: the NID 1 belongs to a and b
      hint: mend the inventory, or allow it with allow_duplicate = ["nid"] in [inventory] of mds.toml
      concerns 2 nodes: a, b
    warning[group-without-member]: groups/compute: no node of the inventory is in this group
      hint: see whether its label is written as in the inventory
    warning[group-without-member]: groups/green: no node of the inventory is in this group
      hint: see whether its label is written as in the inventory
    4 errors, 2 warnings
    "#);
    let allow = format!(
        "[inventory]\nallow_duplicate = [\"address\", \"mac\", \"hostname\", \"nid\"]\n{}",
        cli_support::SETTINGS
    );
    sandbox.write("site/mds.toml", &allow);
    assert!(sandbox.run(&build).starts_with("exit code 0\n"));
}

#[test]
fn a_boot_interface_outside_every_network_is_one_finding() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "site/mds.toml",
        &cli_support::SETTINGS.replace("10.252.0.0/17", "10.253.0.0/17").replace("gateway = \"10.252.0.1\"", ""),
    );
    assert_snapshot!(sandbox.run(&BUILD), @r#"
    exit code 1
    --- stdout
    --- stderr
    reading the site
    rendering 3 nodes
    error[boot-interface]: mds.toml: network-config would leave out the boot interface: its address lies in no network of the table
      hint: add its prefix to a [networks.<label>] table, or give the network of its label method = "dhcp"
      concerns 3 nodes: x1000c0s0b0n0, x1000c0s0b0n1, x1000c0s1b0n0
    warning[address-outside-networks]: mds.toml: addresses of network `HMN`, such as 10.252.0.26, lie in no network of the table and are left out of network-config
      hint: add their prefix to a [networks.<label>] table, with method = "none" if that is meant
      concerns 3 nodes: x1000c0s0b0n0, x1000c0s0b0n1, x1000c0s1b0n0
    1 error, 1 warning
    "#);
}

#[test]
fn a_tree_of_a_newer_format_is_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.build();
    sandbox.write("tree/format", "mds-tree 2\n");
    assert_snapshot!(sandbox.run(&BUILD), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: tree has tree format 2, and this mds knows formats up to 1; use the mds that wrote it, or a newer one
    ");
    assert_snapshot!(sandbox.run(&["releases", "--tree", "tree"]), @"
    exit code 2
    --- stdout
    --- stderr
    error: tree has tree format 2, and this mds knows formats up to 1; use the mds that wrote it, or a newer one
    ");
}

#[test]
fn a_folder_with_other_things_in_it_is_not_taken_for_a_tree() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/holiday.jpg", "");
    assert_snapshot!(sandbox.run(&BUILD), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: tree is neither empty nor a tree of mds (it holds `holiday.jpg`); choose another folder for the tree
    ");
}

#[test]
fn a_second_writer_is_told_who_the_first_is() {
    let sandbox = Sandbox::new();
    sandbox.build();
    let tree = Tree::open(sandbox.path("tree")).unwrap();
    let lock = tree.lock().unwrap();
    let message = sandbox.run(&BUILD).replace(&std::process::id().to_string(), "[PID]");
    drop(lock);
    assert_snapshot!(message, @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: another mds (process [PID]) is writing to tree; wait until it is done, then try again
    ");
    assert!(sandbox.run(&BUILD).starts_with("exit code 0\n"));
}

#[test]
fn a_site_or_an_inventory_that_is_not_there_is_named() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.run(&["build", "--site", "nowhere", "--tree", "tree"]), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: the site `nowhere` cannot be opened: No such file or directory (os error 2)
      hint: name a folder with an mds.toml in it, or make one with `mds init DIR`
    ");
    assert_snapshot!(sandbox.run(&["build", "--site", "site", "--tree", "tree"]), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: inventory.json: the site has no inventory, so there are no nodes to build for
      hint: add the file, name one with --inventory FILE or SMD with --smd-url URL, or try --mock-smd
    ");
    assert_snapshot!(sandbox.run(&["build", "--site", "site", "--inventory", "gone.json", "--tree", "tree"]), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: the inventory gone.json cannot be read: No such file or directory (os error 2)
    ");
    assert_snapshot!(sandbox.run(&["build"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: no site is named
      hint: name a folder with --site DIR or a repository with --repo URL
    ");
    assert_snapshot!(sandbox.run(&["build", "--site", "site", "--mock-smd", "--tree", "site/mds.toml/tree"]), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: cannot create site/mds.toml/tree: Not a directory (os error 20)
    ");
}

#[test]
fn a_repository_is_read_at_a_commit_and_never_from_its_checkout() {
    let sandbox = Sandbox::new();
    let site = sandbox.path("site");
    git(&site, &["init", "--quiet"]);
    git(&site, &["add", "."]);
    git(&site, &["commit", "--quiet", "-m", "first"]);
    let commit = git(&site, &["rev-parse", "HEAD"]);
    sandbox.write("site/groups/compute/cloud-config.yaml", "#cloud-config\n{{ broken\n");
    let build = ["build", "--repo", "site", "--mock-smd", "--tree", "tree"];
    let release = sandbox.json(&build)["release"].clone();
    let record =
        fs::read_to_string(sandbox.path(&format!("tree/releases/{}/release.json", release.as_str().unwrap()))).unwrap();
    assert!(record.contains(&commit), "{record}");
    // A commit that changes no document is told of too.
    git(&site, &["commit", "--quiet", "--allow-empty", "-m", "second"]);
    let second = git(&site, &["rev-parse", "HEAD"]);
    assert_eq!(sandbox.json(&build)["release"], release);
    assert_eq!(sandbox.json(&["releases", "--tree", "tree"])["releases"][0]["record"]["site"]["commit"], second);
    assert!(sandbox.run(&["verify", "--tree", "tree"]).starts_with("exit code 0\n"));
    assert_snapshot!(sandbox.run(&[&build[..], &["--rev", "no-such-branch"]].concat()), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: `no-such-branch` is no commit of site: revspec 'no-such-branch' not found
      hint: name a branch, a tag or a commit with --rev
    ");
    assert_snapshot!(sandbox.run(&["build", "--repo", "tree", "--mock-smd", "--tree", "tree"]), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: `tree` cannot be opened as a Git repository: could not find repository at 'tree'
      hint: a folder that is not a repository is read with --site
    ");
    assert!(sandbox.run(&BUILD).starts_with("exit code 1\n"), "the folder itself is broken");
}

#[test]
fn json_says_what_the_text_says() {
    let sandbox = Sandbox::new();
    let value = sandbox.json(&BUILD);
    assert_eq!(value["nodes"], 3);
    assert_eq!(value["documents"], 15);
    assert_eq!(value["changes"]["nodes_added"].as_array().unwrap().len(), 3);
    sandbox.write("site/groups/compute/cloud-config.yaml", "{{ nope }}");
    let output = sandbox.command(&[&BUILD[..], &["--format", "json"]].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["findings"][0]["rule"], "template");
    assert_eq!(value["findings"][0]["place"]["line"], 1);
    assert_eq!(value["findings"][0]["nodes"].as_array().unwrap().len(), 2);
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_inventory_without_nodes_is_not_published() {
    let sandbox = Sandbox::new();
    let build = ["build", "--site", "site", "--inventory", "-", "--tree", "tree"];
    assert_snapshot!(sandbox.run_with_input(&build, "{\"format\":1,\"nodes\":[]}"), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: standard input: the inventory lists no node
      hint: see why its source is empty; nothing is published
    ");
}

#[test]
fn the_command_line_wins_over_the_environment() {
    let sandbox = Sandbox::new();
    let with = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        command.envs(variables.iter().copied()).output().unwrap().status.code()
    };
    let from_site = ["build", "--check", "--site", "site", "--mock-smd"];
    assert_eq!(with(&[("MDS_REPO", "nowhere"), ("MDS_REV", "x"), ("MDS_INVENTORY", "gone")], &from_site), Some(0));
    assert_eq!(with(&[("MDS_SITE", "site")], &["build", "--check", "--mock-smd"]), Some(0));
    assert_eq!(with(&[("MDS_SITE", "site")], &["build", "--check", "--repo", "nowhere", "--mock-smd"]), Some(2));
    assert_eq!(with(&[("MDS_SITE", "a"), ("MDS_REPO", "b")], &["build", "--check"]), Some(64));
    assert_eq!(with(&[], &["build", "--site", "site", "--rev", "x", "--mock-smd"]), Some(64));
    sandbox.build();
    assert_eq!(with(&[("MDS_SITE", "nowhere")], &["render", "tc1000", "--tree", "tree"]), Some(0));
}

#[test]
fn what_documents_mean_to_cloud_init_alone_is_a_warning_and_stops_nothing() {
    let sandbox = Sandbox::new();
    let text =
        "#cloud-config\nruncmd: [date]\nlocale: C\npower_state:\n  mode: reboot\n  timeout: 0644\nruncmd: [id]\n";
    sandbox.write("site/groups/compute/cloud-config.yaml", text);
    for arguments in [&["build", "--check", "--site", "site", "--mock-smd"][..], &[&BUILD[..], &["--dry-run"]].concat()]
    {
        let said = sandbox.run(arguments);
        assert!(said.starts_with("exit code 0"), "{said}");
        assert!(
            said.contains("warning[yaml-ambiguous-value]") && said.contains("warning[yaml-duplicate-key]"),
            "{said}"
        );
    }
    assert_snapshot!(sandbox.run(&BUILD), @"
    exit code 0
    --- stdout
    published release [DIGEST]
    3 nodes, 15 documents
    the first release of this tree
    --- stderr
    reading the site
    rendering 3 nodes
    publishing
    warning[yaml-ambiguous-value]: groups/compute/cloud-config.yaml:6:12: the value is a number in base 8 to cloud-init, which reads YAML 1.1
      |
    6 |   timeout: 0644
      |            ^^^^
      hint: put it in quotes if a text is meant, else write it another way
      concerns 2 nodes: x1000c0s0b0n0, x1000c0s0b0n1
    warning[yaml-duplicate-key]: groups/compute/cloud-config.yaml:7:1: the key `runcmd` stands 5 lines above already, and only what is last counts
      |
    7 | runcmd: […
      | ^^^^^^
      hint: take one out, or put together what they say
      concerns 2 nodes: x1000c0s0b0n0, x1000c0s0b0n1
    0 errors, 2 warnings
    ");
    // Documents that are taken over are not looked at again.
    let again = sandbox.run(&BUILD);
    assert!(again.contains("no node has changed") && !again.contains("warning"), "{again}");
    let anew = sandbox.run(&[&BUILD[..], &["--anew"]].concat());
    assert!(anew.contains("warning[yaml-duplicate-key]"), "{anew}");
    assert_eq!(sandbox.json(&[&BUILD[..], &["--anew"]].concat())["findings"].as_array().map(Vec::len), Some(4));
}

#[test]
fn a_document_that_nodes_would_ignore_stops_the_build_unless_the_site_says_otherwise() {
    let sandbox = Sandbox::new();
    sandbox.write("site/groups/compute/cloud-config.yaml", "#cloud-confg\nruncmd: [date]\n");
    assert_snapshot!(sandbox.run(&BUILD), @"
    exit code 1
    --- stdout
    --- stderr
    reading the site
    rendering 3 nodes
    error[unknown-header]: groups/compute/cloud-config.yaml:1:1: the document begins with no header that cloud-init knows, so that nodes ignore all of it
      hint: did you mean `#cloud-config`?
      concerns 2 nodes: x1000c0s0b0n0, x1000c0s0b0n1
    1 error, 0 warnings
    ");
    let settings = cli_support::SETTINGS;
    sandbox.write("site/mds.toml", &format!("{settings}\n[check.severity]\nunknown-header = \"warning\"\n"));
    assert!(sandbox.run(&BUILD).contains("warning[unknown-header]"));
    sandbox.write("site/groups/compute/cloud-config.yaml", "#cloud-config\na: 1\na: 2\n");
    sandbox.write("site/mds.toml", &format!("{settings}\n[check.severity]\nyaml-duplicate-key = \"error\"\n"));
    let said = sandbox.run(&BUILD);
    assert!(said.starts_with("exit code 1") && said.contains("error[yaml-duplicate-key]"), "{said}");
}

#[test]
fn what_cloud_init_cannot_read_stops_the_build_though_other_readers_can() {
    let sandbox = Sandbox::new();
    let text = "#cloud-config\nusers:\n  - name: x\n    expiredate: 2029-02-30\n    uid:\t1000\n";
    sandbox.write("site/groups/compute/cloud-config.yaml", text);
    assert_snapshot!(sandbox.run(&BUILD), @"
    exit code 1
    --- stdout
    --- stderr
    reading the site
    rendering 3 nodes
    error[yaml-syntax]: groups/compute/cloud-config.yaml:4:17: cloud-init's YAML reader fails on the value
      |
    4 |     expiredate: …
      |                 ^
      hint: it looks like a date or number, and is none; put it in quotes
      concerns 2 nodes: x1000c0s0b0n0, x1000c0s0b0n1
    error[yaml-syntax]: groups/compute/cloud-config.yaml:5:9: cloud-init's YAML reader refuses the tab
      |
    5 |     uid:    1000
      |         ^
      hint: write spaces; tabs may stand in quotes and in block scalars only
      concerns 2 nodes: x1000c0s0b0n0, x1000c0s0b0n1
    2 errors, 0 warnings
    ");
}
