//! What changes for every node: `mds build --check --base`, and `mds diff` with the texts of documents.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli_support;

use std::fs;

use cli_support::{COMPUTE, SETTINGS, Sandbox, git};
use insta::assert_snapshot;
use serde_json::Value;

const CHECK: [&str; 5] = ["build", "--check", "--site", "site", "--mock-smd"];

/// A sandbox whose site is committed to a repository around it.
fn committed() -> Sandbox {
    let sandbox = Sandbox::new();
    git(&sandbox.path("."), &["init", "--quiet"]);
    commit(&sandbox);
    sandbox
}

fn commit(sandbox: &Sandbox) {
    git(&sandbox.path("."), &["add", "site"]);
    git(&sandbox.path("."), &["commit", "--quiet", "--message", "more"]);
}

/// Runs a check with more flags, and tells what came of it.
fn check(sandbox: &Sandbox, more: &[&str]) -> String {
    sandbox.run(&[&CHECK[..], more].concat())
}

fn code(sandbox: &Sandbox, more: &[&str]) -> i32 {
    sandbox.command(&[&CHECK[..], more].concat()).output().unwrap().status.code().unwrap()
}

#[test]
fn one_change_of_a_template_is_shown_once_with_what_nodes_have_for_themselves_masked() {
    let sandbox = committed();
    let template = format!(
        "{COMPUTE}  - path: /etc/me\n    content: {{{{ hostname }}}} {{{{ ip }}}} {{{{ mac }}}} {{{{ nid }}}}\n"
    );
    sandbox.write("site/groups/compute/cloud-config.yaml", &template);
    assert_snapshot!(check(&sandbox, &["--base", "HEAD"]), @r#"
    exit code 0
    --- stdout
    checked 3 nodes with 15 documents: no errors, 0 warnings, 2 notes (see `mds inventory check`)
    changes from HEAD ([DIGEST]) to site: 0 documents added, 2 changed, 0 removed; 2 nodes concerned
      Names in angle brackets stand for what is another on every node; secrets are not shown.

    compute.yaml: +2, 2 nodes (groups compute, blue, green), e.g. x1000c0s0b0n0
    @@ -2,3 +2,5 @@
     write_files:
       - path: /etc/node-role
         content: "compute <nid> slurm"
    +  - path: /etc/me
    +    content: <hostname> <ip> <mac> <nid>
    --- stderr
    reading the site
    rendering 3 nodes
    "#);
}

#[test]
fn what_happens_to_nodes_is_called_out() {
    let sandbox = committed();
    sandbox.write("site/nodes/x1000c0s0b0n0.yaml", "instance_id: i-2\n");
    sandbox.write("site/nodes/x1000c0s0b0n1.yaml", "hostname: head\nlocal_hostname: head\n");
    sandbox.write("site/mds.toml", &SETTINGS.replace("gateway = \"10.252.0.1\"", "gateway = \"10.252.0.2\""));
    assert_snapshot!(check(&sandbox, &["--base", "HEAD"]), @"
    exit code 0
    --- stdout
    checked 3 nodes with 15 documents: no errors, 0 warnings, 2 notes (see `mds inventory check`)
    changes from HEAD ([DIGEST]) to site: 0 documents added, 5 changed, 0 removed; 3 nodes concerned
      another instance-id: 1 node, e.g. x1000c0s0b0n0 from x1000c0s0b0n0 to i-2
        re-runs everything on the node: to cloud-init it is a new one, so users, keys, files, runcmd and all else that is done once are done again at the next boot
      another hostname: 1 node, e.g. x1000c0s0b0n1 from tc1001 to head
        the node takes the name at its next boot
      Names in angle brackets stand for what is another on every node; secrets are not shown.

    network-config: +1 −1, 3 nodes (groups compute, blue, green, …), e.g. x1000c0s0b0n0
        can cut a node off: look at the addresses, routes and interfaces
    @@ -7,7 +7,7 @@
           - <ip>/17
         routes:
           - to: 0.0.0.0/0
    -        via: 10.252.0.1
    +        via: 10.252.0.2
       eth1:
         match:
           macaddress: <mac>

    meta-data: +2 −2, 1 node (groups compute, green), e.g. x1000c0s0b0n0
    @@ -1,11 +1,11 @@
    -instance-id: <id>
    +instance-id: <new instance-id>
     local-hostname: <hostname>
     hostname: <hostname>
     cluster-name: demo
     instance_data:
       v1:
         cloud_name: OpenCHAMI
    -    instance_id: <id>
    +    instance_id: <new instance-id>
         local_hostname: <hostname>
         hostname: <hostname>
         local_ipv4: <ip>

    meta-data: +4 −4, 1 node (groups blue, compute), e.g. x1000c0s0b0n1
    @@ -1,13 +1,13 @@
     instance-id: <id>
    -local-hostname: <old hostname>
    -hostname: <old hostname>
    +local-hostname: <new hostname>
    +hostname: <new hostname>
     cluster-name: demo
     instance_data:
       v1:
         cloud_name: OpenCHAMI
         instance_id: <id>
    -    local_hostname: <old hostname>
    -    hostname: <old hostname>
    +    local_hostname: <new hostname>
    +    hostname: <new hostname>
         local_ipv4: <ip>
         cloud_provider: OpenCHAMI
         vendor_data:
    --- stderr
    reading the site
    rendering 3 nodes
    ");
}

/// An inventory of nodes by id, with their group and address.
fn inventory(nodes: &[(&str, &str, &str)]) -> String {
    let node = |(id, group, ip): &(&str, &str, &str)| {
        let mac = format!("02:00:00:00:00:{}", &id[1..]);
        format!(
            r#"{{"id": "{id}", "groups": ["{group}"], "interfaces": [{{"mac": "{mac}", "addresses": [{{"ip": "{ip}", "network": "HMN"}}]}}]}}"#
        )
    };
    format!("{{\"format\": 1, \"nodes\": [{}]}}", nodes.iter().map(node).collect::<Vec<_>>().join(",\n"))
}

#[test]
fn nodes_come_go_and_move_by_the_inventories_of_both_revisions() {
    let sandbox = committed();
    let nodes =
        [("x11", "compute", "10.252.0.11"), ("x12", "compute", "10.252.0.12"), ("x13", "compute", "10.252.0.13")];
    sandbox.write("site/inventory.json", &inventory(&nodes));
    commit(&sandbox);
    let nodes = [("x12", "green", "10.252.0.12"), ("x13", "compute", "10.252.0.99"), ("x14", "green", "10.252.0.14")];
    sandbox.write("site/inventory.json", &inventory(&nodes));
    assert_snapshot!(sandbox.run(&["build", "--check", "--locked", "--site", "site", "--base", "HEAD"]), @r#"
    exit code 0
    --- stdout
    checked 3 nodes with 15 documents: no errors, 0 warnings, 2 notes (see `mds inventory check`)
    changes from HEAD ([DIGEST]) to site: 6 documents added, 4 changed, 6 removed; 4 nodes concerned
      other addresses: 1 node, e.g. x13 from 10.252.0.13 to 10.252.0.99
        the server knows a node by its address, and answers no other
      added: 1 node (group green), e.g. x14
      removed: 1 node (group compute), e.g. x11
      move from compute to green: 1 node, e.g. x12
      Names in angle brackets stand for what is another on every node; secrets are not shown.

    meta-data: +1 −2, 1 node (group green), e.g. x12
    @@ -22,6 +22,5 @@
               name: eth0
               network: HMN
           groups:
    -        compute:
    +        green:
               description: ""
    -          scheduler: slurm

    meta-data: +2 −2, 1 node (group compute), e.g. x13
    @@ -8,7 +8,7 @@
         instance_id: <id>
         local_hostname: <id>
         hostname: <id>
    -    local_ipv4: <old ip>
    +    local_ipv4: <new ip>
         cloud_provider: OpenCHAMI
         vendor_data:
           version: "1.0"
    @@ -17,7 +17,7 @@
           mac: "<mac>"
           interfaces:
             - enabled: true
    -          ip: <old ip>
    +          ip: <new ip>
               mac: "<mac>"
               name: eth0
               network: HMN

    vendor-data: +1 −1, 1 node (group green), e.g. x12
    @@ -1,2 +1,2 @@
     #include
    -http://10.252.0.1:8080/compute.yaml
    +http://10.252.0.1:8080/green.yaml

    network-config: +1 −1, 1 node (group compute), e.g. x13
        can cut a node off: look at the addresses, routes and interfaces
    @@ -4,7 +4,7 @@
         match:
           macaddress: "<mac>"
         addresses:
    -      - <old ip>/17
    +      - <new ip>/17
         routes:
           - to: 0.0.0.0/0
             via: 10.252.0.1

    compute.yaml: gone, −4, 1 node (group green), e.g. x12
    @@ -1,4 +0,0 @@
    -#cloud-config
    -write_files:
    -  - path: /etc/node-role
    -    content: "  slurm"

    green.yaml: new, +2, 1 node (group green), e.g. x12
    @@ -0,0 +1,2 @@
    +#cloud-config
    +final_message: green
    --- stderr
    reading the site
    rendering 3 nodes
    "#);
    // Another inventory is the same for both: only the site differs.
    assert!(check(&sandbox, &["--base", "HEAD"]).contains("nothing changes from HEAD"), "the inventory is the same");
}

#[test]
fn a_release_is_compared_by_its_id_or_as_the_current_one() {
    let sandbox = committed();
    let release = sandbox.build();
    sandbox.write("site/groups/green/cloud-config.yaml", "#cloud-config\nfinal_message: bye\n");
    let by_release = check(&sandbox, &["--tree", "tree", "--base", &release[..8]]);
    assert_snapshot!(by_release, @"
    exit code 0
    --- stdout
    checked 3 nodes with 15 documents: no errors, 0 warnings, 2 notes (see `mds inventory check`)
    changes from release [DIGEST] to site: 0 documents added, 1 changed, 0 removed; 1 node concerned
      Names in angle brackets stand for what is another on every node; secrets are not shown.

    green.yaml: +1 −1, 1 node (groups compute, green), e.g. x1000c0s0b0n0
    @@ -1,2 +1,2 @@
     #cloud-config
    -final_message: green
    +final_message: bye
    --- stderr
    reading the site
    rendering 3 nodes
    ");
    for base in ["current", "release:current", &format!("release:{}", &release[..6])] {
        assert_eq!(check(&sandbox, &["--tree", "tree", "--base", base]), by_release, "{base}");
    }
    let by_revision = check(&sandbox, &["--base", "HEAD"]);
    let lines = |text: &str| {
        text.lines().filter(|line| line.starts_with(['+', '-', '@'])).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&by_release), lines(&by_revision));
    // The tree is as it was.
    assert_eq!(sandbox.json(&["releases", "--tree", "tree"])["releases"].as_array().unwrap().len(), 1);
    let said = check(&sandbox, &["--tree", "tree", "--base", "beefbeef"]);
    assert!(said.starts_with("exit code 2\n") && said.contains("not found; nor is it a release of tree"), "{said}");
    git(&sandbox.path("."), &["branch", "current"]);
    assert_snapshot!(check(&sandbox, &["--tree", "tree", "--base", "current"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: `current` is a release of tree and a revision of the site
      hint: say release:current or rev:current
    ");
    assert!(check(&sandbox, &["--tree", "tree", "--base", "rev:current"]).contains("+final_message: bye"));
}

#[test]
fn secrets_are_never_shown_in_any_format() {
    let sandbox = committed();
    let user = |secret: &str, extra: &str| {
        format!(
            "#cloud-config\nusers:\n  - name: a\n    passwd: {secret}{{{{ nid }}}}\n{extra}write_files:\n  - path: /k\n    content: |\n      \
             -----BEGIN OPENSSH PRIVATE KEY-----\n      {secret}body\n      -----END OPENSSH PRIVATE KEY-----\n  - path: /u\n    content: \
             https://me:{secret}@host/\n"
        )
    };
    sandbox.write("site/groups/compute/cloud-config.yaml", &user("Planted1", ""));
    commit(&sandbox);
    sandbox.build();
    sandbox
        .write("site/groups/compute/cloud-config.yaml", &user("Planted2", "chpasswd:\n  list: |\n    root:Planted3\n"));
    assert_snapshot!(check(&sandbox, &["--base", "HEAD"]), @r#"
    exit code 0
    --- stdout
    checked 3 nodes with 15 documents: no errors, 7 warnings, 2 notes (see `mds inventory check`)
    changes from HEAD ([DIGEST]) to site: 0 documents added, 2 changed, 0 removed; 2 nodes concerned
      Names in angle brackets stand for what is another on every node; secrets are not shown.

    compute.yaml: +6 −3, 2 nodes (groups compute, blue, green), e.g. x1000c0s0b0n0
    @@ -1,12 +1,15 @@
     #cloud-config
     users:
       - name: a
    -    passwd: ‹secret, changed›
    +    passwd: ‹secret, changed›
    +chpasswd:
    +  list: |
    +    root:‹secret›
     write_files:
       - path: /k
         content: |
           -----BEGIN OPENSSH PRIVATE KEY-----
    -      ‹secret, changed›
    +      ‹secret, changed›
           -----END OPENSSH PRIVATE KEY-----
       - path: /u
    -    content: https://me:‹secret, changed›@host/
    +    content: https://me:‹secret, changed›@host/
    --- stderr
    reading the site
    rendering 3 nodes
    warning[secret-in-clear]: groups/compute/cloud-config.yaml:6:3: a password stands in clear in `chpasswd.list`
      hint: every user of the node can read it; give people SSH keys, and let programs fetch theirs from a vault
      concerns 2 nodes: x1000c0s0b0n0, x1000c0s0b0n1
    warning[secret-in-clear]: groups/compute/cloud-config.yaml:10:5: a private key stands in clear in `write_files[0].content`
      hint: every user of the node can read it; let the node fetch it from a vault when it boots
      concerns 2 nodes: x1000c0s0b0n0, x1000c0s0b0n1
    warning[secret-file-permissions]: groups/compute/cloud-config.yaml:9:5: the file of `write_files[0]` holds a private key and has no permissions of its own, so that every user of the node can read it
      hint: write `permissions: "0600"`
      concerns 2 nodes: x1000c0s0b0n0, x1000c0s0b0n1
    warning[secret-in-clear]: groups/compute/cloud-config.yaml:15:5: a URL with a password stands in clear in `write_files[1].content`
      hint: every user of the node can read it; let the node fetch it from a vault when it boots
      concerns 2 nodes: x1000c0s0b0n0, x1000c0s0b0n1
    warning[secret-file-permissions]: groups/compute/cloud-config.yaml:14:5: the file of `write_files[1]` holds a URL with a password and has no permissions of its own, so that every user of the node can read it
      hint: write `permissions: "0600"`
      concerns 2 nodes: x1000c0s0b0n0, x1000c0s0b0n1
    warning[secret-in-clear]: groups/compute/cloud-config.yaml:4:5: a password stands in clear in `users[0].passwd`
      hint: every user of the node can read it; give people SSH keys, and let programs fetch theirs from a vault
      concerns 2 nodes: x1000c0s0b0n0, x1000c0s0b0n1
    warning[cloud-config-deprecated]: groups/compute/cloud-config.yaml:6:3: `chpasswd.list` is deprecated since cloud-init 22.2
      |
    6 |   list: |
      |   ^^^^
      hint: use `users`
      concerns 2 nodes: x1000c0s0b0n0, x1000c0s0b0n1
    0 errors, 7 warnings
    "#);
    let mut told = String::new();
    for format in ["text", "json", "markdown", "github", "sarif", "junit"] {
        told.push_str(&check(&sandbox, &["--base", "HEAD", "--report", format]));
    }
    told.push_str(&check(&sandbox, &["--base", "HEAD", "--format", "json"]));
    told.push_str(&sandbox.run(&["diff", "--site", "site", "--mock-smd"]));
    told.push_str(&sandbox.run(&[
        "diff",
        "--site",
        "site",
        "--mock-smd",
        "current",
        "--tree",
        "tree",
        "--format",
        "json",
    ]));
    assert!(told.matches("compute.yaml").count() > 4 && !told.contains("Planted"), "{told}");
}

#[test]
fn a_check_fails_on_changes_where_it_is_to() {
    let sandbox = committed();
    assert_eq!(code(&sandbox, &["--base", "HEAD", "--fail-on", "changes"]), 0);
    sandbox.write("site/groups/green/cloud-config.yaml", "#cloud-config\nfinal_message: bye\n");
    assert_eq!(code(&sandbox, &["--base", "HEAD"]), 0);
    assert_eq!(code(&sandbox, &["--base", "HEAD", "--fail-on", "warnings"]), 0);
    assert_eq!(code(&sandbox, &["--base", "HEAD", "--fail-on", "changes"]), 1);
    assert_eq!(code(&sandbox, &["--base", "HEAD", "--fail-on", "warnings,changes", "--report", "junit=j.xml"]), 1);
    sandbox.write("site/nodes/x9.yaml", "description: gone\n");
    commit(&sandbox);
    assert_eq!(code(&sandbox, &["--base", "HEAD", "--fail-on", "changes"]), 0, "a warning is no change");
    assert_eq!(code(&sandbox, &["--base", "HEAD", "--fail-on", "warnings", "--fail-on", "changes"]), 1);
    for more in [&["--fail-on", "changes"][..], &["--fail-on", "errors,changes"]] {
        assert_eq!(code(&sandbox, more), 64);
    }
    assert_snapshot!(check(&sandbox, &["--fail-on", "changes"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: --fail-on changes needs something to compare with
      hint: name a revision or a release: mds build --check --base origin/main --fail-on changes
    ");
    let inventory = ["inventory", "check", "--site", "site", "--mock-smd", "--fail-on", "changes"];
    assert_eq!(sandbox.command(&inventory).output().unwrap().status.code(), Some(64));
}

#[test]
fn a_base_that_cannot_be_had_is_told_after_what_was_found() {
    let sandbox = committed();
    sandbox.write("site/nodes/x9.yaml", "description: gone\n");
    assert_snapshot!(check(&sandbox, &["--base", "nowhere", "--report", "json=report.json"]), @"
    exit code 2
    --- stdout
    checked 3 nodes with 15 documents: no errors, 1 warning, 2 notes (see `mds inventory check`)
    --- stderr
    reading the site
    rendering 3 nodes
    warning[unknown-node]: nodes/x9.yaml: the inventory has no node of this id
    0 errors, 1 warning
    error: `nowhere` is no commit of [FOLDER]: revspec 'nowhere' not found
      hint: name a branch, a tag or a commit; what a shallow clone does not have is fetched with `git fetch origin NAME`
    ");
    let report: Value = serde_json::from_slice(&fs::read(sandbox.path("report.json")).unwrap()).unwrap();
    assert_eq!((&report["counts"]["warnings"], report.get("changes")), (&Value::from(1), None));

    let good = fs::read_to_string(sandbox.path("site/groups/green/cloud-config.yaml")).unwrap();
    sandbox.write("site/groups/green/cloud-config.yaml", "#cloud-config\n{{ nothing }}\n");
    commit(&sandbox);
    sandbox.write("site/groups/green/cloud-config.yaml", &good);
    assert_snapshot!(check(&sandbox, &["--base", "HEAD"]), @"
    exit code 2
    --- stdout
    checked 3 nodes with 15 documents: no errors, 1 warning, 2 notes (see `mds inventory check`)
    --- stderr
    reading the site
    rendering 3 nodes
    warning[unknown-node]: nodes/x9.yaml: the inventory has no node of this id
    0 errors, 1 warning
    error: HEAD ([DIGEST]) cannot be rendered, so nothing can be compared with it: 1 problem, the first: groups/green/cloud-config.yaml:2:4: Variable `nothing` is not defined
      hint: name another revision or release; the files of that one are not those of the folder
    ");
    sandbox.write("site/groups/green/cloud-config.yaml", "#cloud-config\n{{ other }}\n");
    let both = check(&sandbox, &["--base", "HEAD~1"]);
    assert!(
        both.starts_with("exit code 1\n") && both.contains("1 node with documents that could not be made"),
        "{both}"
    );

    let site = sandbox.path("site");
    let mut command = sandbox.command(&["build", "--check", "--locked", "--site", "site", "--base", "HEAD"]);
    fs::write(site.join("inventory.json"), inventory(&[("x11", "compute", "10.252.0.11")])).unwrap();
    fs::write(site.join("groups/green/cloud-config.yaml"), &good).unwrap();
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("the site has no inventory"), "{said}");
}

#[test]
fn a_folder_in_no_repository_has_no_revisions() {
    let sandbox = Sandbox::new();
    assert_snapshot!(check(&sandbox, &["--base", "main"]), @"
    exit code 2
    --- stdout
    checked 3 nodes with 15 documents: no errors, 0 warnings, 2 notes (see `mds inventory check`)
    --- stderr
    reading the site
    rendering 3 nodes
    error: site lies in no Git repository, so it has no revision `main`
      hint: compare with a release of a tree instead: --tree DIR
    ");
    assert_snapshot!(sandbox.run(&["build", "--site", "site", "--base", "main"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: the following required arguments were not provided:
      --check

    Usage: mds build --check --site <DIR> --base <REV|RELEASE>

    For more information, try '--help'.
    ");
}

#[test]
fn a_repository_is_compared_with_its_own_revisions() {
    let sandbox = committed();
    sandbox.write("site/groups/green/cloud-config.yaml", "#cloud-config\nfinal_message: bye\n");
    commit(&sandbox);
    let of = ["build", "--check", "--repo", ".", "--subfolder", "site", "--mock-smd", "--base", "HEAD~1"];
    let said = sandbox.run(&of);
    assert!(said.starts_with("exit code 0\n") && said.contains("+final_message: bye"), "{said}");
    assert!(said.contains("changes from HEAD~1 ([DIGEST]) to HEAD ([DIGEST])"), "{said}");
}

#[test]
fn lines_are_coloured_where_colours_are_wanted() {
    let sandbox = committed();
    sandbox.write("site/groups/green/cloud-config.yaml", "#cloud-config\nfinal_message: bye\n");
    let printed = |environment: &[(&str, &str)], more: &[&str]| {
        let mut command = sandbox.command(&[&CHECK[..], &["--base", "HEAD"], more].concat());
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        String::from_utf8(command.envs(environment.iter().copied()).output().unwrap().stdout).unwrap()
    };
    assert!(!printed(&[], &[]).contains('\u{1b}'), "a pipe is no terminal");
    let coloured = printed(&[("CLICOLOR_FORCE", "1")], &[]);
    assert!(coloured.contains("\u{1b}[32m+final_message: bye\u{1b}[0m\n"), "{coloured:?}");
    assert!(!printed(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], &[]).contains('\u{1b}'));
    assert!(!printed(&[("CLICOLOR_FORCE", "1")], &["--format", "json"]).contains("\u{1b}"));
}

#[test]
fn two_revisions_are_compared_without_a_check() {
    let sandbox = committed();
    git(&sandbox.path("."), &["tag", "v1"]);
    sandbox.write("site/groups/green/cloud-config.yaml", "#cloud-config\nfinal_message: bye\n");
    commit(&sandbox);
    let mut said = sandbox.run(&["diff", "--site", "site", "--mock-smd", "v1", "HEAD"]);
    for name in ["v1", "HEAD"] {
        said = said.replace(&git(&sandbox.path("."), &["rev-parse", name]), &format!("[COMMIT {name}]"));
    }
    assert_snapshot!(said, @"
    exit code 0
    --- stdout
    from [COMMIT v1]
    to   [COMMIT HEAD]
    changes from v1 ([DIGEST]) to HEAD ([DIGEST]): 0 documents added, 1 changed, 0 removed; 1 node concerned
      Names in angle brackets stand for what is another on every node; secrets are not shown.

    green.yaml: +1 −1, 1 node (groups compute, green), e.g. x1000c0s0b0n0
    @@ -1,2 +1,2 @@
     #cloud-config
    -final_message: green
    +final_message: bye
    --- stderr
    ");
    assert!(sandbox.stdout(&["diff", "--site", "site", "--mock-smd"]).contains("nothing changes from HEAD"));
    sandbox.write("site/groups/green/cloud-config.yaml", "#cloud-config\nfinal_message: again\n");
    for more in [&[][..], &["HEAD"]] {
        let said = sandbox.stdout(&[&["diff", "--site", "site", "--mock-smd"], more].concat());
        assert!(said.contains("-final_message: bye\n+final_message: again\n"), "{said}");
    }
    let stat = sandbox.stdout(&["diff", "--site", "site", "--mock-smd", "--stat", "v1"]);
    assert!(stat.contains("  green.yaml: +1 −1, 1 node") && !stat.contains("final_message"), "{stat}");
    sandbox.write("site/groups/green/cloud-config.yaml", "#cloud-config\n{{ nothing }}\n");
    assert_snapshot!(sandbox.run(&["diff", "--site", "site", "--mock-smd", "v1"]), @"
    exit code 2
    --- stdout
    --- stderr
    error: site cannot be rendered, so nothing can be compared with it: 1 problem, the first: groups/green/cloud-config.yaml:2:4: Variable `nothing` is not defined
    ");
    let repository = ["diff", "--repo", ".", "--subfolder", "site", "--mock-smd"];
    assert!(sandbox.stdout(&[&repository[..], &["v1", "HEAD"]].concat()).contains("+final_message: bye"));
    assert!(sandbox.run(&repository).starts_with("exit code 64\n"));
}
