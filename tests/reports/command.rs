//! Where reports go, exit codes, wrong usage.

use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use super::{Sandbox, broken, check, odd};
use crate::cli_support::git;

const CHECK: [&str; 5] = ["build", "--check", "--site", "site", "--mock-smd"];

#[test]
fn reports_go_to_files_and_what_is_printed_stays() {
    for sandbox in [odd(), broken(), Sandbox::new()] {
        let plain = check(&sandbox, &[]);
        let reports = ["--report", "json=a.json", "--report", "sarif=b.sarif", "--report", "junit=c.xml"];
        assert_eq!(check(&sandbox, &reports), plain);
        for name in ["a.json", "b.sarif"] {
            serde_json::from_slice::<Value>(&fs::read(sandbox.path(name)).unwrap()).unwrap();
        }
        assert!(fs::read_to_string(sandbox.path("c.xml")).unwrap().ends_with("</testsuites>\n"));
    }
}

#[test]
fn one_report_takes_the_place_of_what_is_printed() {
    let sandbox = broken();
    for more in [&["--report", "github"][..], &["--report", "github=-", "--format", "json", "--report", "text=t"]] {
        let (code, stdout, stderr) = check(&sandbox, more);
        assert_eq!(code, Some(1));
        assert!(stdout.lines().all(|line| line.starts_with("::")), "{stdout}");
        assert!(!stderr.contains("template"), "{stderr}");
    }
    assert_eq!(check(&Sandbox::new(), &["--report", "text"]).1.lines().last(), Some("0 errors, 0 warnings, 2 notes"));
}

#[test]
fn a_check_fails_at_errors_or_already_at_warnings() {
    let code = |sandbox: &Sandbox, more: &[&str]| check(sandbox, more).0.unwrap();
    assert_eq!(code(&odd(), &[]), 0);
    assert_eq!(code(&odd(), &["--fail-on", "errors"]), 0);
    assert_eq!(code(&odd(), &["--fail-on", "warnings"]), 1);
    assert_eq!(code(&odd(), &["--fail-on", "warnings", "--report", "junit"]), 1);
    assert_eq!(code(&Sandbox::new(), &["--fail-on", "warnings"]), 0, "notes are no warnings");
    assert_eq!(code(&broken(), &["--fail-on", "errors"]), 1);
}

#[test]
fn the_inventory_is_reported_alike() {
    let sandbox = odd();
    let run = |more: &[&str]| {
        let arguments = [&["inventory", "check", "--site", "site", "--mock-smd=2"], more].concat();
        let output = sandbox.command(&arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(run(&["--report", "json=inventory.json"]), run(&[]));
    let report: Value = serde_json::from_slice(&fs::read(sandbox.path("inventory.json")).unwrap()).unwrap();
    assert!(report["counts"]["warnings"].as_u64().unwrap() > 0, "{report}");
    let (code, junit) = run(&["--report", "junit", "--fail-on", "warnings"]);
    assert_eq!(code, 1);
    // Only rules that look at the inventory were run.
    assert!(junit.contains("\"duplicate-mac\"") && !junit.contains("\"yaml-syntax\""), "{junit}");
    assert!(!junit.contains("\"old-lock\""), "{junit}");
}

#[test]
fn files_are_named_as_in_the_repository() {
    let sandbox = broken();
    let named = |more: &[&str]| {
        let (_, stdout, _) = check(&sandbox, &[more, &["--report", "github"]].concat());
        stdout.contains("file=site/groups/compute/cloud-config.yaml,line=2,col=14,")
    };
    assert!(named(&[]));
    git(&sandbox.path("."), &["init", "--quiet"]);
    git(&sandbox.path("."), &["add", "."]);
    git(&sandbox.path("."), &["commit", "--quiet", "--message", "one"]);
    let mut inside = sandbox.command(&["build", "--check", "--site", ".", "--mock-smd", "--report", "github"]);
    let output = inside.current_dir(sandbox.path("site")).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("file=site/groups/compute/"));
    let arguments = ["build", "--check", "--repo", ".", "--subfolder", "site", "--mock-smd", "--report", "github"];
    let output = sandbox.command(&arguments).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("file=site/groups/compute/"));
}

#[test]
fn a_file_is_written_as_a_whole_or_not_at_all() {
    let sandbox = broken();
    sandbox.write("out/report.json", "before");
    sandbox.write("plain", "a file");
    let path = "plain/report.json";
    let (code, _, stderr) = check(&sandbox, &["--report", &format!("json={path}")]);
    assert_eq!(code, Some(2));
    // What was found is said all the same.
    assert!(
        stderr.contains("error[template]") && stderr.contains("the report plain/report.json cannot be"),
        "{stderr}"
    );
    let (code, _, stderr) = check(&sandbox, &["--report", "json=out"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("something else than a plain file"), "{stderr}");
    assert_eq!(fs::read_to_string(sandbox.path("out/report.json")).unwrap(), "before");
    std::os::unix::fs::symlink(sandbox.path("out/report.json"), sandbox.path("link.json")).unwrap();
    assert_eq!(check(&sandbox, &["--report", "json=link.json"]).0, Some(1));
    assert!(fs::read_to_string(sandbox.path("out/report.json")).unwrap().starts_with("{\"counts\""));
    assert!(fs::symlink_metadata(sandbox.path("link.json")).unwrap().is_symlink());
    assert_eq!(fs::read_dir(sandbox.path("out")).unwrap().count(), 1);
}

#[test]
fn a_site_that_cannot_be_read_is_reported_and_one_that_is_not_there_is_a_failure() {
    let sandbox = Sandbox::new();
    sandbox.write("site/mds.toml", "[clutser]\n");
    assert_eq!(check(&sandbox, &["--report", "json=report.json"]).0, Some(1));
    let report: Value = serde_json::from_slice(&fs::read(sandbox.path("report.json")).unwrap()).unwrap();
    assert_eq!(report["findings"][0]["rule"], "unreadable-site");
    fs::remove_file(sandbox.path("site/mds.toml")).unwrap();
    assert_eq!(check(&sandbox, &["--report", "json=other.json"]).0, Some(2));
    assert!(!sandbox.path("other.json").exists());
}

#[test]
fn wrong_usage() {
    let sandbox = Sandbox::new();
    let run = |more: &[&str]| sandbox.run(&[&CHECK[..], more].concat());
    assert_snapshot!(run(&["--report", "text", "--report", "github"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: 2 reports are to go to standard output
      hint: give all but one a file, as in --report sarif=findings.sarif
    ");
    assert_snapshot!(run(&["--report", "text=a", "--report", "json=a"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: two reports are to go to a
      hint: give each a file of its own
    ");
    assert_snapshot!(run(&["--report", "serif=a"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: invalid value 'serif=a' for '--report <FORMAT[=FILE]>': there is no format `serif`; did you mean `sarif`?

    For more information, try '--help'.
    ");
    assert_snapshot!(run(&["--report", "json="]), @"
    exit code 64
    --- stdout
    --- stderr
    error: invalid value 'json=' for '--report <FORMAT[=FILE]>': no file is named after `json=`

    For more information, try '--help'.
    ");
    assert_snapshot!(run(&["--fail-on", "change"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: invalid value 'change' for '--fail-on <WHAT>'
      [possible values: errors, warnings, changes]

      tip: a similar value exists: 'changes'

    For more information, try '--help'.
    ");
    assert_snapshot!(sandbox.run(&["build", "--site", "site", "--mock-smd", "--fail-on", "warnings"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: --report and --fail-on are about checks
      hint: add --check
    ");
    assert!(!sandbox.path("a").exists());
}
