//! The same site and inventory give the same release, whoever builds it, where, when, and how often.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli_support;
mod git_support;

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use cli_support::{Sandbox, git};
use git_support::{is_root, repository_of, skip};
use serde_json::{Value, json};

const SETTINGS: &str = "\
[cluster]
name = \"demo\"
short_name = \"tc\"
base_url = \"http://10.252.0.1:8080\"
public_keys = [\"ssh-ed25519 AAAA cluster\"]

[networks.HMN]
prefixes = [\"10.252.0.0/17\"]
gateway = \"10.252.0.1\"
dns = [\"10.252.0.2\", \"10.252.0.3\"]

[networks.HSN]
prefixes = [\"10.100.0.0/16\"]
routes = [{ to = \"10.101.0.0/16\", via = \"10.100.0.1\" }]
";

/// Meta with maps in maps, whose keys are in no order.
const META: &str = "\
meta:
  zeta: {y: 1, b: {z: [3, 1, 2], c: null, a: true}, m: 1.5, d: text}
  mounts: {/scratch: lustre, /home: nfs, /apps: nfs, /var/tmp: tmpfs, /opt: nfs, /a: b, /c: d, /e: f}
  alpha: {k9: 9, k3: 3, k7: 7, k1: 1, k5: 5, k2: 2, k8: 8, k4: 4, k6: 6}
";

/// A template that turns maps into text in every way there is.
const COMPUTE: &str = "\
#cloud-config
# {{ hostname }} of {{ cluster_name }}: {{ groups | join(sep=\" \") }}
mounts:
{% for path, kind in mounts %}  - [{{ path }}, {{ kind }}]
{% endfor %}write_files:
  - path: /etc/json
    content: '{{ zeta | json }} {{ alpha | json }} {{ ds | json }}'
  - path: /etc/yaml
    content: |
      {{ zeta | yaml(indent=6) }}
  - path: /etc/everything
    content: |
      {{ ds | yaml(indent=6) }}
  - path: /etc/interfaces
    content: |
{% for interface in interfaces %}{% for key, value in interface %}      {{ key }}: {{ value | json }}
{% endfor %}{% endfor %}";

/// Two dozen nodes with two interfaces each.
fn inventory() -> Value {
    let node = |number: usize| {
        let mac = |network: usize| format!("b4:2e:99:00:{network:02x}:{number:02x}");
        let roles = ["compute", "green", "login", "storage"];
        json!({
            "id": format!("x1000c0s{number}b0n0"),
            "nid": 1000 + number,
            "role": "Compute",
            "groups": roles[..=number % 4],
            "interfaces": [
                {"name": "eth0", "mac": mac(0), "description": "Management",
                 "addresses": [{"ip": format!("10.252.0.{}", number + 10), "network": "HMN"}]},
                {"name": "hsn0", "mac": mac(1), "description": "High speed",
                 "addresses": [{"ip": format!("10.100.0.{}", number + 10), "network": "HSN"}]},
            ],
        })
    };
    json!({"format": 1, "nodes": (0..24).map(node).collect::<Vec<Value>>()})
}

/// A sandbox with a repository of a site in `origin/`.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write("origin/mds.toml", SETTINGS);
    sandbox.write("origin/inventory.json", &inventory().to_string());
    sandbox.write("origin/groups/compute/group.yaml", META);
    sandbox.write("origin/groups/compute/cloud-config.yaml", COMPUTE);
    sandbox.write("origin/groups/green/group.yaml", "meta: {beta: {q: 1, p: 2, o: 3}, alpha: {other: 1}}\n");
    sandbox.write(
        "origin/groups/green/cloud-config.yaml",
        "#cloud-config\nwrite_files:\n  - path: /etc/beta\n    content: |\n      {{ beta | yaml(indent=6) }}\n",
    );
    sandbox.write("origin/groups/storage/cloud-config.yaml", "{% include \"groups/storage/format.sh\" %}");
    sandbox.write("origin/groups/storage/format.sh", "#!/bin/sh\necho {{ nid }}\n");
    sandbox.write("origin/nodes/x1000c0s3b0n0.yaml", "instance_id: i-3\nmeta: {rack: {row: 2, column: 1}}\n");
    sandbox.write("origin/user-data/x1000c0s4b0n0", "#cloud-config\nfinal_message: four\n");
    repository_of(&sandbox.path("origin"));
    sandbox
}

/// Gives every file of a checkout another time.
fn set_times(folder: &Path, time: SystemTime) {
    for entry in walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.unwrap()) {
        if entry.file_type().is_file() && !entry.path().components().any(|part| part.as_os_str() == ".git") {
            File::options().write(true).open(entry.path()).unwrap().set_modified(time).unwrap();
        }
    }
}

/// The id that a finished build printed.
fn release_of(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}{said}", String::from_utf8_lossy(&output.stdout));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    value["release"].as_str().unwrap().to_owned()
}

fn manifest(tree: &Path, release: &str) -> Vec<u8> {
    fs::read(tree.join("releases").join(release).join("manifest.ndjson")).unwrap()
}

/// Every pack by name: the names are digests of the bytes.
fn packs(tree: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(tree.join("packs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".pack"))
        .collect();
    names.sort();
    names
}

#[test]
fn two_clones_in_different_surroundings_give_the_same_release() {
    let sandbox = sandbox();
    let (one, other) = (sandbox.path("one/site"), sandbox.path("a longer way/to the other/clone of the site"));
    for clone in [&one, &other] {
        fs::create_dir_all(clone.parent().unwrap()).unwrap();
        git(&sandbox.path(""), &["clone", "--quiet", "origin", clone.to_str().unwrap()]);
    }
    set_times(&one, SystemTime::UNIX_EPOCH + Duration::from_secs(86_400));
    set_times(&other, SystemTime::now() + Duration::from_secs(86_400 * 3_000));
    let surroundings = [
        ("022", "UTC", "C", "root", "one", vec!["--site", "site"]),
        ("077", "Pacific/Auckland", "tr_TR.UTF-8", "somebody", "a longer way", vec!["--repo", other.to_str().unwrap()]),
    ];
    let results = surroundings.map(|(umask, zone, locale, user, folder, site)| {
        let mut command = Command::new("sh");
        command.args(["-c", "umask \"$0\"; exec \"$@\"", umask]);
        if folder != "one" {
            // Fewer threads too.
            command.args(["taskset", "--cpu-list", "0"]);
        }
        command.arg(env!("CARGO_BIN_EXE_mds")).arg("build").args(site).args(["--tree", "tree", "--format", "json"]);
        command.current_dir(sandbox.path(folder)).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        let home = sandbox.path(&format!("home of {user}"));
        fs::create_dir_all(&home).unwrap();
        command.env("HOME", home).env("USER", user).env("LOGNAME", user).env("HOSTNAME", user);
        command.env("TZ", zone).env("LC_ALL", locale).env("LANG", locale).env("COLUMNS", user.len().to_string());
        let release = release_of(&mut command);
        let tree = sandbox.path(folder).join("tree");
        (manifest(&tree, &release), packs(&tree), release)
    });
    let [(manifest, packs, release), other] = results;
    assert_eq!(release, other.2);
    assert_eq!(manifest, other.0);
    assert_eq!(packs, other.1);
    let text = String::from_utf8(manifest).unwrap();
    assert_eq!(text.lines().count(), 25, "the manifest is one of 24 nodes");
    assert!(!text.contains(sandbox.path("").to_str().unwrap()), "no path of this machine is in it");
}

#[test]
fn another_user_builds_the_same_release() {
    const SOMEBODY: u32 = 65_534;
    if !is_root() {
        return skip("to build as another user needs root");
    }
    let sandbox = sandbox();
    let ours = release_of(&mut sandbox.command(&["build", "--site", "origin", "--tree", "tree", "--format", "json"]));
    let theirs = sandbox.path("theirs");
    git(&sandbox.path(""), &["clone", "--quiet", "origin", "theirs"]);
    // The program may lie where only we can go.
    fs::copy(env!("CARGO_BIN_EXE_mds"), sandbox.path("mds")).unwrap();
    fs::set_permissions(sandbox.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    for entry in walkdir::WalkDir::new(&theirs) {
        chown(entry.unwrap().path(), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    }
    let build = |site: &[&str], tree: &str| {
        let mut command = Command::new("setpriv");
        let id = SOMEBODY.to_string();
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"]);
        command.arg(sandbox.path("mds")).arg("build").args(site).args(["--tree", tree, "--format", "json"]);
        let release = release_of(command.current_dir(&theirs).env_clear().env("HOME", "/nonexistent"));
        assert_eq!(manifest(&theirs.join(tree), &release), manifest(&sandbox.path("tree"), &ours));
        release
    };
    assert_eq!(build(&["--repo", "."], ".git/one"), ours);
    assert_eq!(build(&["--site", "."], ".git/other"), ours);
}

#[test]
fn the_order_of_the_inventory_file_does_not_matter() {
    let sandbox = sandbox();
    let build = |inventory: &Value, text: fn(&Value) -> String| {
        sandbox.write("inventory.json", &text(inventory));
        let site = ["build", "--site", "origin", "--inventory", "inventory.json"];
        sandbox.json(&[&site[..], &["--dry-run"]].concat())["release"].as_str().unwrap().to_owned()
    };
    let plain = |value: &Value| value.to_string();
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap();
    let mut inventory = inventory();
    let release = build(&inventory, plain);
    assert_eq!(build(&inventory, pretty), release, "blanks do not matter");
    inventory["nodes"].as_array_mut().unwrap().rotate_left(7);
    assert_eq!(build(&inventory, plain), release, "the order of nodes does not matter");
    let nodes = |inventory: &mut Value, change: fn(&mut Vec<Value>), list: &str| {
        for node in inventory["nodes"].as_array_mut().unwrap() {
            change(node[list].as_array_mut().unwrap());
        }
    };
    nodes(&mut inventory, |groups| groups.reverse(), "groups");
    assert_eq!(build(&inventory, plain), release, "the order of groups does not matter");
    nodes(&mut inventory, |interfaces| interfaces.reverse(), "interfaces");
    assert_eq!(build(&inventory, pretty), release, "the order of named interfaces does not matter");
    inventory["nodes"][3]["interfaces"][0]["addresses"][0]["ip"] = json!("10.100.1.1");
    assert_ne!(build(&inventory, plain), release, "another address does matter");
}

#[test]
fn twenty_processes_agree() {
    let sandbox = sandbox();
    let build = ["build", "--repo", "origin", "--dry-run", "--format", "json"];
    let releases: Vec<String> = (0..20).map(|_| release_of(&mut sandbox.command(&build))).collect();
    assert!(releases.iter().all(|release| *release == releases[0]), "{releases:?}");
    let text = sandbox.stdout(&["render", "x1000c0s0b0n0", "compute.yaml", "--repo", "origin"]);
    for part in ["  - [/a, b]\n  - [/apps, nfs]\n", "{\"k1\":1,\"k2\":2,\"k3\":3,", "{\"b\":{\"a\":true,\"c\":null,"] {
        assert!(text.contains(part), "maps are written in the order of their keys: {part:?} is not in\n{text}");
    }
}
