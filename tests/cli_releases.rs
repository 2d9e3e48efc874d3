//! Looking at a tree and changing what is current: releases, render, diff, rollback, pin, gc, verify, export.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli_support;

use std::fs;
use std::io::Read as _;
use std::process::Stdio;

use cli_support::{COMPUTE, Sandbox};
use insta::assert_snapshot;

/// A sandbox whose tree has two releases; the second changes compute's document.
fn with_two_releases() -> (Sandbox, String, String) {
    let sandbox = Sandbox::new();
    let first = sandbox.build();
    sandbox.write("site/groups/compute/cloud-config.yaml", &COMPUTE.replace("role", "hostname"));
    let second = sandbox.build();
    (sandbox, first, second)
}

#[test]
fn releases_are_listed_with_the_current_one_marked() {
    let (sandbox, first, second) = with_two_releases();
    sandbox.stdout(&["pin", &first, "--tree", "tree"]);
    let listed = sandbox.stdout(&["releases", "--tree", "tree"]);
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with(&format!("* {}", &second[..12])), "{listed}");
    assert!(lines[1].starts_with(&format!("  {}", &first[..12])) && lines[1].ends_with("pinned"), "{listed}");
    let value = sandbox.json(&["releases", "--tree", "tree"]);
    assert_eq!(value["releases"][0]["id"], second);
    assert_eq!(value["releases"][1]["pinned"], true);
    assert_eq!(value["releases"][0]["record"]["documents"], 15);
}

#[test]
fn rollback_goes_back_and_forth() {
    let (sandbox, first, second) = with_two_releases();
    assert_snapshot!(sandbox.run(&["rollback", "--tree", "tree"]), @"
    exit code 0
    --- stdout
    current is now release [DIGEST], before it was [DIGEST]
    --- stderr
    ");
    assert_eq!(sandbox.json(&["releases", "--tree", "tree"])["releases"][1]["current"], true);
    assert_snapshot!(sandbox.run(&["rollback", "--tree", "tree"]), @"
    exit code 2
    --- stdout
    --- stderr
    error: cannot roll back from release [DIGEST]: it was the first release of the tree; name the release to go to, see `mds releases`
    ");
    assert_eq!(sandbox.json(&["rollback", &second[..8], "--tree", "tree"])["previous"], first);
    assert_snapshot!(sandbox.run(&["rollback", "beefbeef", "--tree", "tree"]), @"
    exit code 2
    --- stdout
    --- stderr
    error: there is no release beefbeef in tree; `mds releases` lists them
    ");
    assert_snapshot!(sandbox.run(&["rollback", "../..", "--tree", "tree"]), @"
    exit code 2
    --- stdout
    --- stderr
    error: `../..` is not a release: 4 to 64 hexadecimal digits of its id are expected, see `mds releases`
    ");
}

#[test]
fn a_difference_is_counted_by_document_and_node() {
    let (sandbox, first, second) = with_two_releases();
    assert_snapshot!(sandbox.run(&["diff", "--tree", "tree"]), @r#"
    exit code 0
    --- stdout
    from [DIGEST]
    to   [DIGEST]
    changes from release [DIGEST] to release [DIGEST]: 0 documents added, 2 changed, 0 removed; 2 nodes concerned
      Names in angle brackets stand for what is another on every node; secrets are not shown.

    compute.yaml: +2 −2, 2 nodes (groups compute, blue, green), e.g. x1000c0s0b0n0
    @@ -1,4 +1,4 @@
     #cloud-config
     write_files:
    -  - path: /etc/node-role
    -    content: "compute <nid> slurm"
    +  - path: /etc/node-hostname
    +    content: "<hostname> <nid> slurm"
    --- stderr
    "#);
    assert_eq!(sandbox.json(&["diff", &first, &second, "--tree", "tree"])["changes"]["documents_changed"], 2);
    assert_snapshot!(sandbox.run(&["diff", &second, &second, "--tree", "tree"]), @"
    exit code 0
    --- stdout
    from [DIGEST]
    to   [DIGEST]
    nothing changes from release [DIGEST] to release [DIGEST]
    --- stderr
    ");
}

#[test]
fn a_pinned_release_survives_collection() {
    let (sandbox, first, _) = with_two_releases();
    assert_snapshot!(sandbox.run(&["pin", &first, "--tree", "tree"]), @"
    exit code 0
    --- stdout
    release [DIGEST] is now pinned
    --- stderr
    ");
    assert_snapshot!(sandbox.run(&["gc", "--keep", "1", "--tree", "tree"]), @"
    exit code 0
    --- stdout
    removed 0 releases and 0 objects (0 bytes less); 2 releases left
    --- stderr
    ");
    assert_snapshot!(sandbox.run(&["unpin", &first, "--tree", "tree"]), @"
    exit code 0
    --- stdout
    release [DIGEST] is now not pinned
    --- stderr
    ");
    assert!(sandbox.stdout(&["gc", "--keep", "1", "--tree", "tree"]).starts_with("removed 1 release and "));
    assert_eq!(sandbox.json(&["releases", "--tree", "tree"])["releases"].as_array().unwrap().len(), 1);
    assert!(sandbox.run(&["verify", "--tree", "tree"]).starts_with("exit code 0\n"));
}

#[test]
fn verify_names_the_document_of_a_flipped_byte() {
    let (sandbox, _, _) = with_two_releases();
    assert_snapshot!(sandbox.run(&["verify", "--tree", "tree"]), @"
    exit code 0
    --- stdout
    read 2 releases, 2 packs and 15 objects: the tree is whole
    --- stderr
    ");
    let pack = fs::read_dir(sandbox.path("tree/packs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.extension().is_some_and(|extension| extension == "pack")
                && String::from_utf8_lossy(&fs::read(path).unwrap()).contains("final_message: green")
        })
        .unwrap();
    let mut bytes = fs::read(&pack).unwrap();
    let place = String::from_utf8_lossy(&bytes).find("final_message: green").unwrap();
    bytes[place] ^= 1;
    fs::remove_file(&pack).unwrap();
    fs::write(&pack, bytes).unwrap();
    let said = sandbox.run(&["verify", "--tree", "tree"]);
    assert!(said.starts_with("exit code 1\n") && said.contains("green.yaml of x1000c0s0b0n0"), "{said}");
}

#[test]
fn a_node_is_named_by_id_hostname_nid_ip_or_mac() {
    let sandbox = Sandbox::new();
    sandbox.build();
    let expected = sandbox.stdout(&["render", "x1000c0s0b0n1", "meta-data", "--tree", "tree"]);
    for name in ["tc1001", "1001", "10.252.0.27", "10.100.0.27", "b4:2e:99:be:1a:7d", "B42E99BE1A7E"] {
        assert_eq!(sandbox.stdout(&["render", name, "meta-data", "--tree", "tree"]), expected, "{name}");
        let from_site = ["render", name, "meta-data", "--site", "site", "--mock-smd"];
        assert_eq!(sandbox.stdout(&from_site), expected, "{name}");
    }
    assert_snapshot!(sandbox.run(&["render", "tc9", "--tree", "tree"]), @"
    exit code 2
    --- stdout
    --- stderr
    error: no node has the id, hostname, NID, IP or MAC address `tc9`
    ");
    assert_snapshot!(sandbox.run(&["render", "tc1001", "green.yaml", "--tree", "tree"]), @"
    exit code 2
    --- stdout
    --- stderr
    error: node x1000c0s0b0n1 has no document green.yaml
      hint: it has meta-data, user-data, vendor-data, network-config, compute.yaml
    ");
    assert_snapshot!(sandbox.run(&["render", "tc1001", "passwd", "--tree", "tree"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: invalid value 'passwd' for '[DOCUMENT]': `passwd` is not a document: meta-data, user-data, vendor-data, network-config or GROUP.yaml is expected

    For more information, try '--help'.
    ");
}

#[test]
fn render_shows_every_document_of_a_node() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.stdout(&["render", "tc1002", "--site", "site", "--mock-smd"]), @r#"
    ==> x1000c0s1b0n0 meta-data <==
    instance-id: x1000c0s1b0n0
    local-hostname: tc1002
    hostname: tc1002
    cluster-name: demo
    instance_data:
      v1:
        cloud_name: OpenCHAMI
        instance_id: x1000c0s1b0n0
        local_hostname: tc1002
        hostname: tc1002
        local_ipv4: 10.252.0.28
        cloud_provider: OpenCHAMI
        vendor_data:
          version: "1.0"
          cloud_init_base_url: http://10.252.0.1:8080
          cluster_name: demo
          nid: 1002
          role: storage
          mac: b4:2e:99:be:1a:8d
          interfaces:
            - description: Node Management Network
              enabled: true
              ip: 10.252.0.28
              mac: b4:2e:99:be:1a:8d
              name: eth0
              network: HMN
              redfishid: "1"
          groups:
            storage: {}

    ==> x1000c0s1b0n0 user-data <==
    #cloud-config
    {}

    ==> x1000c0s1b0n0 vendor-data <==
    #include

    ==> x1000c0s1b0n0 network-config <==
    version: 2
    ethernets:
      eth0:
        match:
          macaddress: b4:2e:99:be:1a:8d
        addresses:
          - 10.252.0.28/17
        routes:
          - to: 0.0.0.0/0
            via: 10.252.0.1
    "#);
    let value = sandbox.json(&["render", "tc1002", "--site", "site", "--mock-smd"]);
    assert_eq!(value["documents"]["user-data"], "#cloud-config\n{}\n");
}

#[test]
fn an_export_is_plain_folders() {
    let sandbox = Sandbox::new();
    sandbox.build();
    assert_snapshot!(sandbox.run(&["export", "--tree", "tree", "www"]), @"
    exit code 0
    --- stdout
    wrote 15 documents of 3 nodes to www
    --- stderr
    ");
    let read = |path: &str| fs::read_to_string(sandbox.path(path)).unwrap();
    let expected = sandbox.stdout(&["render", "tc1000", "compute.yaml", "--tree", "tree"]);
    assert_eq!(read("www/by-address/10.252.0.26/compute.yaml"), expected);
    assert_eq!(read("www/by-address/10.100.0.26/compute.yaml"), expected);
    assert_eq!(read("www/by-name/x1000c0s0b0n0/compute.yaml"), expected);
    assert_eq!(read("www/by-hostname/tc1000/compute.yaml"), expected);
    sandbox.write("other/file", "");
    assert_snapshot!(sandbox.run(&["export", "--tree", "tree", "other"]), @"
    exit code 2
    --- stdout
    --- stderr
    error: [FOLDER]/other is not empty and not an export of mds (it has no `.mds-export`); choose an empty or a new folder
    ");
}

#[test]
fn a_tree_that_is_not_there_is_named() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.run(&["releases", "--tree", "nowhere"]), @"
    exit code 2
    --- stdout
    --- stderr
    error: nowhere is not a tree of mds: it has no `format` file; `mds build --tree nowhere` makes one
    ");
    assert_snapshot!(sandbox.run(&["render", "tc1000"]), @"
    exit code 2
    --- stdout
    --- stderr
    error: .mds/tree is not a tree of mds: it has no `format` file; `mds build --tree .mds/tree` makes one
      hint: name a site with --site DIR, or a tree with --tree DIR
    ");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let sandbox = Sandbox::new();
    sandbox.build();
    let mut command = sandbox.command(&["completions", "bash"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[test]
fn render_prints_nothing_where_a_server_answers_nothing() {
    let sandbox = Sandbox::new();
    sandbox.build();
    for source in [&["--tree", "tree"][..], &["--site", "site", "--mock-smd"]] {
        assert_eq!(sandbox.stdout(&[&["render", "tc1001", "blue.yaml"], source].concat()), "");
    }
    assert!(sandbox.run(&["render", "tc1000", "blue.yaml", "--tree", "tree"]).starts_with("exit code 2\n"));
}

#[test]
fn render_reports_findings_as_a_build_does() {
    let sandbox = Sandbox::new();
    sandbox.write("site/groups/green/cloud-config.yaml", "#cloud-config\n{{ nothing }}\n");
    let said = sandbox.run(&["render", "tc1000", "--site", "site", "--mock-smd"]);
    assert!(said.starts_with("exit code 1\n") && said.contains("groups/green/cloud-config.yaml:2:4"), "{said}");
    assert!(sandbox.run(&["render", "tc1002", "--site", "site", "--mock-smd"]).starts_with("exit code 0\n"));
}

#[test]
fn a_tree_whose_link_is_broken_still_lists_its_releases() {
    let sandbox = Sandbox::new();
    let release = sandbox.build();
    fs::remove_file(sandbox.path("tree/current")).unwrap();
    std::os::unix::fs::symlink("nowhere", sandbox.path("tree/current")).unwrap();
    assert_eq!(sandbox.json(&["releases", "--tree", "tree"])["releases"][0]["id"], release);
    assert!(sandbox.run(&["gc", "--keep", "0", "--tree", "tree"]).starts_with("exit code 2\n"), "nothing is removed");
    assert_eq!(sandbox.json(&["rollback", &release, "--tree", "tree"])["release"], release);
}
