//! Rules of a site's own: what `mds build --check` says when they are broken, and when they are no rules.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli_support;

use cli_support::{SETTINGS, Sandbox};
use insta::assert_snapshot;
use serde_json::Value;

/// What a document holds that no message may repeat.
const MARK: &str = "s3Kr1tmark";

const NTP: &str = "\
description: Compute nodes keep time
document: cloud-config
groups: [compute]
message: every compute node must set ntp
hint: see the wiki
schema:
  required: [ntp]
  properties:
    ntp:
      properties:
        servers: {items: {format: hostname}}
";
const SHELLS: &str = "\
document: compute.yaml
nodes: [\"x1000c0s0b0n?\"]
severity: warning
message: people log in with bash
schema:
  properties:
    users: {items: {properties: {shell: {const: /bin/bash}}}}
";

fn sandbox(template: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("site/rules/ntp.yaml", NTP);
    sandbox.write("site/rules/shells.yaml", SHELLS);
    sandbox.write("site/groups/compute/cloud-config.yaml", template);
    sandbox
}

fn check(sandbox: &Sandbox, more: &[&str]) -> String {
    sandbox.run(&[&["build", "--check", "--site", "site", "--mock-smd"], more].concat())
}

/// The rules of what is found, but for notes on the mock nodes.
fn rules(sandbox: &Sandbox) -> Vec<String> {
    let output =
        sandbox.command(&["build", "--check", "--site", "site", "--mock-smd", "--report", "json"]).output().unwrap();
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = value["findings"].as_array().unwrap();
    let rules = findings.iter().map(|finding| finding["rule"].as_str().unwrap().to_owned());
    rules.filter(|rule| rule != "group-without-folder").collect()
}

#[test]
fn broken_rules_are_told_with_their_own_messages() {
    let template = format!(
        "#cloud-config
{{#- nodes: {{{{ nid }}}} -#}}
{{% if role %}}
ntp:
  servers:
    - \"{MARK} {MARK}\"
{{% endif %}}
users:
  - name: {{{{ hostname }}}}
    shell: /bin/{MARK}
"
    );
    let sandbox = sandbox(&template);
    let text = check(&sandbox, &["--report", "text"]);
    assert!(!text.contains(MARK), "{text}");
    assert_snapshot!("broken", text);
    for format in ["markdown", "github", "junit"] {
        let text = check(&sandbox, &["--report", format]);
        assert!(text.contains("site/ntp") && !text.contains(MARK), "{text}");
    }
    // Nothing is published then.
    assert!(sandbox.run(&["build", "--site", "site", "--mock-smd", "--tree", "tree"]).starts_with("exit code 1\n"));
}

#[test]
fn what_is_missing_is_told_once_for_all_nodes() {
    let sandbox = sandbox("#cloud-config\nfqdn: \"n{{ nid }}\"\n");
    assert_eq!(rules(&sandbox), ["site/ntp"]);
    sandbox.write("site/user-data/default.yaml", "#cloud-config\nntp: {enabled: true}\n");
    assert_eq!(rules(&sandbox), [""; 0]);
}

#[test]
fn sarif_has_the_sites_rules_after_those_of_mds() {
    let sandbox = sandbox("#cloud-config\nfinal_message: x\n");
    let text = check(&sandbox, &["--report", "sarif=mds.sarif"]);
    assert!(text.starts_with("exit code 1\n"), "{text}");
    let sarif: Value = serde_json::from_slice(&std::fs::read(sandbox.path("mds.sarif")).unwrap()).unwrap();
    let run = &sarif["runs"][0];
    let known = run["tool"]["driver"]["rules"].as_array().unwrap();
    let ids: Vec<&str> = known.iter().rev().take(2).map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["site/shells", "site/ntp"]);
    let results = run["results"].as_array().unwrap();
    let result = results.iter().find(|result| result["ruleId"] == "site/ntp").unwrap();
    let rule = &known[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
    assert_eq!(
        (&rule["id"], &rule["shortDescription"]["text"]),
        (&"site/ntp".into(), &"Compute nodes keep time".into())
    );
    assert_eq!(rule["defaultConfiguration"]["level"], "error");
}

#[test]
fn a_site_sets_severities_of_its_rules() {
    let sandbox = sandbox("#cloud-config\nusers: [{name: a, shell: /bin/sh}]\n");
    assert_eq!(rules(&sandbox), ["site/ntp", "site/shells"]);
    let severities = "[check.severity]\n\"site/ntp\" = \"off\"\n\"site/shells\" = \"error\"\n";
    sandbox.write("site/mds.toml", &format!("{SETTINGS}\n{severities}"));
    assert_eq!(rules(&sandbox), ["site/shells"]);
    sandbox.write("site/mds.toml", &format!("{SETTINGS}\n{}", severities.replace("ntp", "npt")));
    let text = check(&sandbox, &[]);
    assert!(text.contains("did you mean `site/ntp`?"), "{text}");
}

#[test]
fn rules_that_are_none_or_for_nobody_are_told() {
    let sandbox = Sandbox::new();
    sandbox.write("site/rules/a.yaml", &NTP.replace("message", "mesage"));
    sandbox.write("site/rules/b.yml", NTP);
    sandbox.write("site/rules/c.yaml", &NTP.replace("[ntp]", "[ntp]\n  $ref: https://example.org/ntp.json"));
    sandbox.write("site/rules/d.yaml", &SHELLS.replace("x1000c", "x2000c"));
    sandbox.write("site/rules/e.yaml", &NTP.replace("required: [ntp]", "required: ntp"));
    assert_snapshot!("no_rules", check(&sandbox, &["--report", "text"]));
}

#[test]
fn a_new_rule_is_held_against_every_node() {
    let sandbox = Sandbox::new();
    sandbox.build();
    sandbox.write("site/rules/any.yaml", "document: meta-data\nmessage: m\nschema: {required: [instance-id]}\n");
    let build = ["build", "--site", "site", "--mock-smd", "--tree", "tree"];
    assert_eq!(sandbox.json(&build)["rendered"], 3);
    assert_eq!(sandbox.json(&build)["rendered"], 0);
    sandbox.write("site/rules/any.yaml", "document: meta-data\nmessage: m\nschema: {required: [nothing]}\n");
    assert!(sandbox.run(&build).contains("error[site/any]"));
    // A rule that is broken stops it all the same.
    sandbox.write("site/rules/any.yaml", "document: meta-data\n");
    assert!(sandbox.run(&build).contains("error[site-rule]"));
}

#[test]
fn rules_of_a_site_are_explained_by_their_files() {
    let sandbox = Sandbox::empty();
    assert_snapshot!(sandbox.run(&["check", "--explain", "site/ntp"]), @"
    exit code 64
    --- stdout
    --- stderr
    error: `site/ntp` is a rule of a site's own, of which mds knows nothing here
      hint: read rules/ntp.yaml of the site
    ");
}
