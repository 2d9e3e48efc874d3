//! Sites with several things wrong: a check tells all of them, whatever cannot be read or rendered.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli_support;

use cli_support::{SETTINGS, Sandbox};
use insta::assert_snapshot;
use serde_json::Value;

const CHECK: [&str; 5] = ["build", "--check", "--site", "site", "--mock-smd"];

/// What a check of the site finds.
fn findings(sandbox: &Sandbox) -> Vec<Value> {
    let output = sandbox.command(&[&CHECK[..], &["--report", "json"]].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    report["findings"].as_array().unwrap().clone()
}

/// The findings of a rule.
fn of_rule<'a>(findings: &'a [Value], rule: &str) -> Vec<&'a Value> {
    findings.iter().filter(|finding| finding["rule"] == rule).collect()
}

/// A site in which the template of all three nodes' user-data is this.
fn with_user_data(text: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("site/user-data/default.yaml", text);
    sandbox
}

#[test]
fn a_broken_template_hides_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.write("site/groups/compute/cloud-config.yaml", "#cloud-config\n{% include \"templates/parts\" %}\n");
    sandbox.write("site/templates/parts", "{{ hostname | }}\n");
    sandbox.write("site/templates/unused", "{% if %}\n");
    sandbox.write("site/templates/user-dat", "#cloud-config\n{}\n");
    sandbox.write("site/groups/green/cloud-config.yaml", "#cloud-config\nruncmd: [one\n");
    sandbox.write("site/groups/storage/cloud-config.yaml", "#cloud-config\nhostname: {{ hostnme }}\n");
    sandbox.write("site/user-data/x9.yaml", "#cloud-config\n{}\n");
    assert_snapshot!(sandbox.run(&CHECK), @"
    exit code 1
    --- stdout
    --- stderr
    reading the site
    rendering 3 nodes
    error[template]: templates/parts:1:15: Found `}}` but expected identifier
      |
    1 | {{ hostname | }}
      |               ^
      concerns 2 nodes: x1000c0s0b0n0, x1000c0s0b0n1
    error[template]: templates/unused:1:7: Found `%}` but expected one of: integer, float, string, bool, ident, `-`, `not`, `<`, `{`, `[` or `(`
      |
    1 | {% if %}
      |       ^
    error[yaml-syntax]: groups/green/cloud-config.yaml:3:1: the document is not YAML: did not find expected ',' or ']'
      concerns 1 node: x1000c0s0b0n0
    error[template]: groups/storage/cloud-config.yaml:2:14: Variable `hostnme` is not defined
      |
    2 | hostname: {{ hostnme }}
      |              ^^^^^^^
      hint: did you mean `hostname`?
      concerns 1 node: x1000c0s1b0n0
    warning[unused-user-data]: user-data/x9.yaml: no node of the inventory has this id or MAC address
    warning[unused-template]: templates/unused: no document comes of this file: nothing includes, extends or passes it on
    warning[unused-template]: templates/user-dat: no document comes of this file: nothing includes, extends or passes it on
      hint: did you mean `templates/user-data`?
    4 errors, 3 warnings
    ");
    let publish = sandbox.run(&["build", "--site", "site", "--mock-smd", "--tree", "tree"]);
    assert!(publish.starts_with("exit code 1\n") && publish.contains("error[template]: templates/parts"), "{publish}");
    assert!(!sandbox.path("tree/current").exists(), "nothing is published");
}

#[test]
fn documents_that_need_no_broken_template_can_be_looked_at() {
    let sandbox = Sandbox::new();
    sandbox.write("site/groups/green/cloud-config.yaml", "#cloud-config\n{% if %}\n");
    let run = |node: &str| sandbox.run(&["render", node, "user-data", "--site", "site", "--mock-smd"]);
    assert_eq!(run("x1000c0s0b0n1"), "exit code 0\n--- stdout\n#cloud-config\n{}\n--- stderr\n");
    let refused = run("x1000c0s0b0n0");
    assert!(
        refused.starts_with("exit code 1\n") && refused.contains("groups/green/cloud-config.yaml:2:7"),
        "{refused}"
    );
}

#[test]
fn what_templates_do_wrong_is_one_finding_however_many_nodes() {
    for (text, place, said) in [
        ("#cloud-config\nx: {{ hostnme }}\n", [2, 7], "Variable `hostnme` is not defined"),
        ("#cloud-config\nx: {{ hostname | }}\n", [2, 18], "Found `}}`"),
        ("#cloud-config\nx: {{ nid | upper }}\n", [2, 7], "expected"),
        ("#cloud-config\nx: {{ nid + role }}\n", [2, 7], "`+`"),
        ("#cloud-config\n{% for x in nid %}{% endfor %}\n", [2, 13], "Iteration not possible"),
        ("#cloud-config\nx: {{ hostname | uper }}\n", [2, 18], "Unknown filter `uper`"),
        ("#cloud-config\nx: {{ hostnam(a=1) }}\n", [2, 7], "Unknown function `hostnam`"),
        ("#cloud-config\n{% include \"templates/gone\" %}\n", [2, 12], "Unknown template `templates/gone`"),
    ] {
        let found = findings(&with_user_data(text));
        let [finding] = of_rule(&found, "template")[..] else { panic!("{text}: {found:?}") };
        assert_eq!(finding["nodes"].as_array().unwrap().len(), 3, "{text}: {finding}");
        assert!(finding["message"].as_str().unwrap().contains(said), "{text}: {finding}");
        assert_eq!(finding["place"]["file"], "user-data/default.yaml", "{text}");
        let found = [&finding["place"]["line"], &finding["place"]["column"]].map(|number| number.as_u64().unwrap());
        assert_eq!(found, place, "{text}: {finding}");
    }
}

#[test]
fn templates_that_include_one_another_are_told_before_they_are_rendered() {
    let sandbox = with_user_data("#cloud-config\n{% include \"templates/a\" %}\n");
    sandbox.write("site/templates/a", "{% include \"templates/b\" %}");
    sandbox.write("site/templates/b", "{% extends \"templates/a\" %}");
    assert_snapshot!(sandbox.run(&CHECK), @r#"
    exit code 1
    --- stdout
    --- stderr
    reading the site
    rendering 3 nodes
    error[include-cycle]: templates/a:1:13: templates include or extend one another without end: `templates/a` → `templates/b` → `templates/a`
      |
    1 | {% include "templates/b" %}
      |             ^^^^^^^^^
      hint: take one of these out, or move what both need into a template of its own
      concerns 3 nodes: x1000c0s0b0n0, x1000c0s0b0n1, x1000c0s1b0n0
    1 error, 0 warnings
    "#);
}

#[test]
fn files_that_cannot_be_read_are_findings_of_a_check() {
    let sandbox = Sandbox::new();
    sandbox.write("site/groups/compute/group.yaml", "meta:\n  a: [1,\n  b: 2\n");
    sandbox.write("site/nodes/x1000c0s0b0n0.yaml", "hostnam: x\n");
    sandbox.write("site/groups/green/cloud-config.yaml", "#cloud-config\n{% if %}\n");
    assert_snapshot!(sandbox.run(&CHECK), @"
    exit code 1
    --- stdout
    --- stderr
    reading the site
    error[unreadable-site]: groups/compute/group.yaml:4:1: did not find expected ',' or ']'
    error[unreadable-site]: nodes/x1000c0s0b0n0.yaml:1:1: unknown field `hostnam`, expected one of `description`, `instance_id`, `hostname`, `local_hostname`, `cloud_init_base_url`, `public_keys`, `meta`
      |
    1 | hostnam: …
      | ^^^^^^^
      hint: did you mean `hostname`?
    error[template]: groups/green/cloud-config.yaml:2:7: Found `%}` but expected one of: integer, float, string, bool, ident, `-`, `not`, `<`, `{`, `[` or `(`
      |
    2 | {% if %}
      |       ^
    3 errors, 0 warnings
    ");
    let broken_settings = Sandbox::new();
    broken_settings.write("site/mds.toml", "[cluster]\nname = \"demo\nshort_name = \"tc\"\n");
    // Where SMD is does not matter before the settings are mended.
    let arguments = ["build", "--check", "--site", "site", "--smd-url", "http://127.0.0.1:9", "--report", "github"];
    assert_snapshot!(broken_settings.run(&arguments), @r#"
    exit code 1
    --- stdout
    ::error file=site/mds.toml,line=2,col=13,title=unreadable-site::invalid basic string, expected `"`
    --- stderr
    reading the site
    "#);
    for format in ["text", "json", "markdown", "github", "sarif", "junit"] {
        let output = sandbox.command(&[&CHECK[..], &["--report", format]].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{format}");
        assert!(String::from_utf8(output.stdout).unwrap().contains("unreadable-site"), "{format}");
    }
}

#[test]
fn an_inventory_that_cannot_be_read_hides_no_broken_template() {
    let sandbox = Sandbox::new();
    sandbox.write("site/mds.toml", &format!("{SETTINGS}[check.severity]\nnothing-known = \"off\"\n"));
    sandbox.write("site/inventory.json", "{\"format\": 1,\n \"nodes\": [{\"id\": \"x1\",}]}\n");
    sandbox.write("site/groups/green/cloud-config.yaml", "#cloud-config\n{% if %}\n");
    assert_snapshot!(sandbox.run(&["build", "--check", "--site", "site"]), @"
    exit code 1
    --- stdout
    --- stderr
    reading the site
    error[unreadable-site]: mds.toml: [check.severity] names the rule `nothing-known`, which there is not
    error[unreadable-site]: inventory.json:2:24: trailing comma
    error[template]: groups/green/cloud-config.yaml:2:7: Found `%}` but expected one of: integer, float, string, bool, ident, `-`, `not`, `<`, `{`, `[` or `(`
      |
    2 | {% if %}
      |       ^
    3 errors, 0 warnings
    ");
    assert_snapshot!(sandbox.run(&["inventory", "check", "--site", "site"]), @"
    exit code 1
    --- stdout
    --- stderr
    reading the site
    error[unreadable-site]: mds.toml: [check.severity] names the rule `nothing-known`, which there is not
    error[unreadable-site]: inventory.json:2:24: trailing comma
    2 errors, 0 warnings
    ");
}

#[test]
fn what_keeps_a_check_from_running_is_a_failure() {
    let sandbox = Sandbox::new();
    let code = |arguments: &[&str]| {
        let output = sandbox.command(&[arguments, &["--report", "json=report.json"]].concat()).output().unwrap();
        output.status.code()
    };
    assert_eq!(code(&["build", "--check", "--site", "nowhere"]), Some(2));
    assert_eq!(code(&["build", "--check", "--site", ".", "--mock-smd"]), Some(2));
    assert_eq!(code(&["build", "--check", "--site", "site", "--inventory", "gone.json"]), Some(2));
    assert_eq!(code(&["build", "--check", "--repo", "nowhere", "--mock-smd"]), Some(2));
    assert_eq!(code(&["build", "--check", "--site", "site", "--smd-url", "http://127.0.0.1:9"]), Some(2));
    assert_eq!(code(&["inventory", "check", "--site", "nowhere"]), Some(2));
    assert!(!sandbox.path("report.json").exists());
}
