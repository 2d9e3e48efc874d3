//! The site that the nodes boot from.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// The address of the server on the test network, which is the gateway too.
pub(crate) const SERVER_ADDRESS: &str = "10.252.0.1";
/// Where nodes find the server.
pub(crate) const BASE_URL: &str = "http://10.252.0.1:8080/";
/// The SSH key for every node of the cluster.
pub(crate) const CLUSTER_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB7bdIKAmA/qfZ4JqTDeWRwL+0MrJGru7hBxwIYlmjDV cluster@tundra.example";
/// The SSH key for the first machine.
pub(crate) const NODE_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN0qKQx6dJki0c8TPvp02mSZzT7zo8WLNKpMt6AAwb9U node@tundra.example";
/// The SSH key for the user that the group `base` makes.
pub(crate) const OPERATOR_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMJyUnA7DmAdeYLJyJf9+fFpxWyTWIRs40s3nN9UOg4Z operator@tundra.example";

/// A machine of the test network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// The inventory's id.
    pub(crate) id: &'static str,
    /// The number of the node in the cluster.
    pub(crate) nid: u32,
    /// The name that it is to get.
    pub(crate) hostname: &'static str,
    /// The address of its interface.
    pub(crate) address: &'static str,
    /// The hardware address of its interface.
    pub(crate) mac: &'static str,
    /// The groups it is in.
    groups: &'static [&'static str],
}

/// In both groups, with user-data, keys and an instance-id of its own.
pub(crate) const FIRST: Machine = Machine {
    id: "x1000c0s0b0n0",
    nid: 1000,
    hostname: "nid001000",
    address: "10.252.0.26",
    mac: "b4:2e:99:be:1a:6d",
    groups: &["base", "compute"],
};

/// In both groups, with nothing of its own.
pub(crate) const SECOND: Machine = Machine {
    id: "x1000c0s0b1n0",
    nid: 1001,
    hostname: "nid001001",
    address: "10.252.0.27",
    mac: "b4:2e:99:be:1a:6e",
    groups: &["base", "compute"],
};

/// In a group that has no template, and without user-data.
pub(crate) const PLAIN: Machine = Machine {
    id: "x1000c0s1b0n0",
    nid: 1002,
    hostname: "nid001002",
    address: "10.252.0.28",
    mac: "b4:2e:99:be:1a:6f",
    groups: &["spare"],
};

/// The storage node of the example site, the only one of its nodes with a single interface.
pub(crate) const EXAMPLE: Machine = Machine {
    id: "x1000c0s1b0n0",
    nid: 1002,
    hostname: "tc1002",
    address: "10.252.0.28",
    mac: "b4:2e:99:be:1a:8d",
    groups: &["storage"],
};

impl Machine {
    /// One of many machines that are alike, in the groups `all` and `more`. Numbers go from 1 to 999.
    pub(crate) fn numbered(number: u32) -> Self {
        assert!((1..1000).contains(&number), "there is no machine {number}");
        let [high, low] = [number >> 8, number & 0xff];
        Self {
            id: format!("x2000c0s{number}b0n0").leak(),
            nid: 2000 + number,
            hostname: format!("nid{:06}", 2000 + number).leak(),
            address: format!("10.252.{}.{}", 64 + high, low).leak(),
            mac: format!("b4:2e:99:00:{high:02x}:{low:02x}").leak(),
            groups: &["all", "more"],
        }
    }

    /// What the inventory says about it.
    pub(crate) fn inventory_entry(&self) -> Value {
        let Self { id, nid, mac, address, groups, .. } = self;
        let addresses = json!([{"ip": address, "network": "HMN"}]);
        let interfaces = json!([{"name": "eth0", "mac": mac, "addresses": addresses}]);
        json!({"id": id, "nid": nid, "role": "Compute", "groups": groups, "interfaces": interfaces})
    }
}

/// How the groups' documents reach the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// One `#include` line per group.
    Include,
    /// One MIME multipart.
    Inline,
}

/// Merged onto what earlier groups said, else a later group's lists replace theirs.
const MERGE: &str = "merge_how:
  - {name: list, settings: [append]}
  - {name: dict, settings: [no_replace, recurse_list]}
";

/// Writes the whole site.
pub(crate) fn write(site: &Path, delivery: Delivery) {
    put(site, "mds.toml", &settings(delivery));
    put(site, "inventory.json", &inventory());
    put(site, "groups/base/group.yaml", "description: what every node gets\nmeta:\n  motd: Welcome\n");
    put(site, "groups/base/cloud-config.yaml", &base());
    put(site, "groups/compute/group.yaml", "description: nodes for batch jobs\nmeta:\n  scheduler: slurm\n");
    put(site, "groups/compute/cloud-config.yaml", &compute());
    put(site, "groups/spare/group.yaml", "description: a group that configures nothing\nmeta:\n  rack: x1000\n");
    // Every boot leaves a line, so that "ran nothing again" is told from "did not boot".
    let user_data = "#cloud-config\nbootcmd:\n  - echo booted >>/var/lib/boots\n";
    put(site, &format!("user-data/{}.yaml", FIRST.id), user_data);
    write_instance_id(site, &FIRST, "i-first");
}

/// Writes what the site says about the first machine.
pub(crate) fn write_instance_id(site: &Path, machine: &Machine, instance_id: &str) {
    let text = format!("instance_id: {instance_id}\npublic_keys:\n  - {NODE_KEY}\n");
    put(site, &format!("nodes/{}.yaml", machine.id), &text);
}

/// Writes a file of a site.
pub(crate) fn put(site: &Path, path: &str, text: &str) {
    let path = site.join(path);
    fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the site can be written");
    fs::write(path, text).expect("the site can be written");
}

fn settings(delivery: Delivery) -> String {
    let delivery = match delivery {
        Delivery::Include => "include",
        Delivery::Inline => "inline",
    };
    format!(
        r#"[cluster]
name = "tundra"
short_name = "nid"
nid_length = 6
region = "north"
base_url = "http://{SERVER_ADDRESS}:8080"
public_keys = ["{CLUSTER_KEY}"]

[networks.HMN]
prefixes = ["10.252.0.0/17"]
gateway = "{SERVER_ADDRESS}"
dns = ["{SERVER_ADDRESS}"]
search = ["tundra.example"]
mtu = 1400

[groups]
order = ["base"]

[vendor_data]
delivery = "{delivery}"
"#
    )
}

fn inventory() -> String {
    let nodes = [FIRST, SECOND, PLAIN].map(|machine| machine.inventory_entry());
    json!({"format": 1, "nodes": nodes}).to_string()
}

/// Rendered by mds.
fn base() -> String {
    format!(
        "#cloud-config
{MERGE}users:
  - default
  - name: operations
    gecos: Cluster operations
    shell: /bin/bash
    sudo: 'ALL=(ALL) NOPASSWD:ALL'
    ssh_authorized_keys:
      - {OPERATOR_KEY}
write_files:
  - path: /etc/tundra/base
    permissions: '0640'
    content: |
      {{{{ motd }}}} to {{{{ local_hostname }}}} ({{{{ ip }}}}) of {{{{ cluster_name }}}}
runcmd:
  - echo base >>/var/lib/tundra-runs
"
    )
}

/// Rendered by the client, with the keys where OpenCHAMI's own templates look for them.
fn compute() -> String {
    format!(
        "## template: jinja
#cloud-config
{MERGE}users:
  - name: jobs
    ssh_authorized_keys: {{{{ ds.meta_data.instance_data.v1.public_keys }}}}
write_files:
  - path: /etc/tundra/compute
    content: |
      {{{{ v1.local_hostname }}}} of {{{{ ds.meta_data.cluster_name }}}} is instance {{{{ v1.instance_id }}}}
runcmd:
  - [sh, -c, 'echo compute {{{{ ds.meta_data.instance_id }}}} >>/var/lib/tundra-runs']
"
    )
}
