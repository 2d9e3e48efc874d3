//! What the tests around the inventory share.

#![allow(unreachable_pub)]

use crate::cli_support::Sandbox;
use crate::smd_support::Inventory;

/// A URL at which nobody listens.
pub const DEAD: &str = "http://127.0.0.1:1";
/// A node that the fake SMD and the mock nodes have.
pub const NODE: &str = "x1000c0s0b0n0";

/// A node file of `ochami discover static` with one node.
pub const DISCOVER: &str = "\
bmcs:
- name: bmc01
  xname: x3000c0s0b0
  mac: de:ca:fc:0f:ee:ee
  ip: 172.16.0.101
nodes:
- name: node01
  nid: 41
  xname: x3000c0s0b0n0
  bmc: bmc01
  groups: [compute]
  interfaces:
  - mac_addr: de:ad:be:ee:ee:f1
    ip_addrs:
    - {name: HMN, ip_addr: 10.252.0.41}
";

/// The text with every date replaced.
pub fn undated(text: &str) -> String {
    let is_date = |part: &str| {
        part.len() == 10
            && part.bytes().enumerate().all(|(index, byte)| match index {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    };
    let mut text = text.to_owned();
    while let Some(start) = (0..text.len()).find(|start| text.get(*start..start + 10).is_some_and(is_date)) {
        text.replace_range(start..start + 10, "[DATE]");
    }
    text
}

/// Runs the command, with SMD's address and every date replaced in what it says.
pub fn run(sandbox: &Sandbox, smd: &str, arguments: &[&str]) -> String {
    undated(&sandbox.run(arguments).replace(smd, "[SMD]"))
}

/// As [`run`], with more in the environment.
pub fn run_with(sandbox: &Sandbox, environment: &[(&str, &str)], arguments: &[&str]) -> String {
    let mut command = sandbox.command(arguments);
    let output = command.envs(environment.iter().copied()).output().unwrap();
    let code = output.status.code().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    format!("exit code {code}\n--- stdout\n{}--- stderr\n{}", text(&output.stdout), text(&output.stderr))
}

/// Sees that a command ended with the exit code and said all of the parts.
pub fn assert_said(said: &str, code: u8, parts: &[&str]) {
    assert!(said.starts_with(&format!("exit code {code}\n")), "{said}");
    for part in parts {
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }
}

/// The other nodes keep theirs.
pub fn delete_interfaces(inventory: &mut Inventory) {
    inventory.interfaces.retain(|interface| interface["ComponentID"] != NODE);
}
