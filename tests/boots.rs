//! `mds boots`: which nodes have phoned home.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli_support;

use cli_support::Sandbox;
use insta::assert_snapshot;

const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEsJNwHKBqFwvTZPTXjM1r0q7lUVkzgpRYH1MuEqmCwW root@x1";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::empty();
    let line = |node: &str, time: &str, more: &str| {
        format!(
            "{{\"node\":\"{node}\",\"time\":\"{time}\",\"release\":\"{}\",\"through_tunnel\":true,\
             \"address\":\"100.97.0.9\",\"said\":{{{more}}}}}\n",
            "ab".repeat(32)
        )
    };
    let said = format!("\"hostname\":\"nid1\",\"instance_id\":\"i-1\",\"pub_key_ed25519\":\"{ED25519}\"");
    let record = [
        line("x1", "2026-01-01T00:00:00Z", ""),
        line("x2", "2026-01-01T00:00:01.5Z", "\"hostname\":\"a\\u001b[2Jb\\nc\""),
        line("x1", "2026-01-02T00:00:00Z", &said),
        "{\"node\":\"x3\"".to_owned(),
    ];
    sandbox.write(".mds/phone-home.ndjson", &record.concat());
    sandbox
}

#[test]
fn the_newest_boot_of_every_node_is_shown() {
    assert_snapshot!(sandbox().run(&["boots"]), @r"
    exit code 0
    --- stdout
    x1  2026-01-02T00:00:00Z  release [DIGEST]  by key from 100.97.0.9  hostname nid1  instance-id i-1
        ed25519 SHA256:hGDb3243kmsSnuKW/PfXCg7YswzlLQwLe5Wagsae+J4
    x2  2026-01-01T00:00:01Z  release [DIGEST]  by key from 100.97.0.9  hostname a\u{1b}[2Jb c
    --- stderr
    ");
}

#[test]
fn all_boots_of_a_node_are_shown_newest_first() {
    assert_snapshot!(sandbox().run(&["boots", "x1"]), @"
    exit code 0
    --- stdout
    x1  2026-01-02T00:00:00Z  release [DIGEST]  by key from 100.97.0.9  hostname nid1  instance-id i-1
        ed25519 SHA256:hGDb3243kmsSnuKW/PfXCg7YswzlLQwLe5Wagsae+J4
    x1  2026-01-01T00:00:00Z  release [DIGEST]  by key from 100.97.0.9
    --- stderr
    ");
    let value = sandbox().json(&["boots", "x1"]);
    assert_eq!(value["boots"].as_array().unwrap().len(), 2);
    assert_eq!(value["boots"][0]["said"]["pub_key_ed25519"], ED25519);
    assert_eq!(value["boots"][0]["fingerprints"][0]["kind"], "ed25519");
    assert_eq!(value["boots"][1]["time"], "2026-01-01T00:00:00Z");
}

#[test]
fn a_node_that_has_not_phoned_home_is_named() {
    assert_snapshot!(sandbox().run(&["boots", "x3"]), @"
    exit code 2
    --- stdout
    --- stderr
    error: node x3 has not phoned home, as far as .mds/phone-home.ndjson says
      hint: `phone_home` of cloud-init does that: let it POST to /phone-home/$INSTANCE_ID
    ");
    assert_snapshot!(sandbox().run(&["boots", "../x"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: invalid value '../x' for '[NODE]': `../x` is not a node id that is safe in a path: 1 to 128 letters, digits, `.`, `_`, `:` or `-`, starting with a letter or digit

    For more information, try '--help'.
    ");
    assert_snapshot!(Sandbox::empty().run(&["boots"]), @"
    exit code 0
    --- stdout
    no node has phoned home yet
    --- stderr
    ");
}
