//! The command line itself: help, completions, wrong usage. The help texts are the reference of the command, so a
//! change to them shows in review.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli_support;

use cli_support::Sandbox;
use insta::assert_snapshot;

const COMMANDS: [&str; 18] = [
    "init",
    "build",
    "check",
    "serve",
    "render",
    "explain",
    "boots",
    "releases",
    "diff",
    "rollback",
    "pin",
    "unpin",
    "verify",
    "gc",
    "export",
    "wireguard",
    "arm",
    "completions",
];

#[test]
fn every_command_has_help_with_examples() {
    let sandbox = Sandbox::empty();
    let mut reference = sandbox.stdout(&["--help"]);
    for command in COMMANDS {
        let help = sandbox.stdout(&[command, "--help"]);
        assert!(help.contains("Examples:\n"), "{command} has no examples");
        reference.push_str(&format!("\n######## mds {command}\n{help}"));
    }
    assert_snapshot!("reference", reference);
}

#[test]
fn wrong_usage_exits_with_64() {
    let sandbox = Sandbox::empty();
    assert_snapshot!(sandbox.run(&["biuld"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: unrecognized subcommand 'biuld'

      tip: a similar subcommand exists: 'build'

    Usage: mds [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    assert_snapshot!(sandbox.run(&["serve", "--listen", "somewhere"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: invalid value 'somewhere' for '--listen <ADDR:PORT>': invalid socket address syntax

    For more information, try '--help'.
    ");
    assert_snapshot!(sandbox.run(&["serve", "--trusted-proxy", "10.0.0.0/33"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: invalid value '10.0.0.0/33' for '--trusted-proxy <CIDR>': an address or a prefix such as 10.1.0.0/24 is expected

    For more information, try '--help'.
    ");
    assert_snapshot!(sandbox.run(&["build", "--site", "a", "--repo", "b"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: a folder and a repository are named as the site
      hint: keep one
    ");
    assert!(sandbox.run(&[]).starts_with("exit code 64\n"));
}

#[test]
fn the_version_is_the_packages() {
    assert_eq!(Sandbox::empty().stdout(&["--version"]), format!("mds {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_shell_gets_completions() {
    let sandbox = Sandbox::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = sandbox.stdout(&["completions", shell]);
        assert!(script.contains("rollback"), "{shell}");
    }
}
