//! Reports of findings: each format for one broken site, where they go, and which findings make a check fail.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli_support;
#[path = "reports/command.rs"]
mod command;
#[path = "reports/explain.rs"]
mod explain;
#[path = "reports/golden.rs"]
mod golden;

use cli_support::{SETTINGS, Sandbox};

/// A site with errors, warnings and notes, some of them in texts that could break a format, one at a secret, and one that
/// is waived.
fn broken() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("site/groups/compute/cloud-config.yaml", "#cloud-config\nhostname: {{ hostnme }}\n");
    sandbox.write("site/groups/storage/cloud-config.yaml", "#cloud-config\nruncmd: [one\n");
    sandbox.write("site/nodes/x9.yaml", "meta: {hostname: mine}\n");
    sandbox.write(
        "site/user-data/x1000c0s1b0n0.yaml",
        "#cloud-config\nchpasswd:\n  expire: {{ exprie }}\n  password: hunter2{{ pw }}\n",
    );
    let networks = SETTINGS.replace("HSN", "other").replace("10.100.0.0/16", "10.101.0.0/16");
    let waiver =
        "[[check.waivers]]\nrule = \"group-without-folder\"\nreason = \"`blue` <comes> | soon\"\nuntil = 9999-12-31\n";
    sandbox.write("site/mds.toml", &format!("{networks}[groups]\norder = [\"compute\", \"absent\"]\n{waiver}"));
    sandbox
}

/// A site with a warning and no error.
fn odd() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("site/nodes/x9.yaml", "description: gone\n");
    sandbox
}

/// A check of the site with more flags.
fn check(sandbox: &Sandbox, more: &[&str]) -> (Option<i32>, String, String) {
    let arguments = [&["build", "--check", "--site", "site", "--mock-smd"], more].concat();
    let output = sandbox.command(&arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The report of a check in a format, from standard output.
fn report(sandbox: &Sandbox, format: &str) -> String {
    let (_, stdout, stderr) = check(sandbox, &["--report", format]);
    assert!(!stderr.contains("error"), "{stderr}");
    stdout
}
