//! `mds render --as-client`: what a node makes of documents that it renders itself.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli_support;

use cli_support::Sandbox;
use insta::assert_snapshot;

const GREEN: &str = "site/groups/green/cloud-config.yaml";
const FROM_SITE: [&str; 3] = ["--site", "site", "--mock-smd"];

fn sandbox(template: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(GREEN, template);
    sandbox
}

fn as_client(sandbox: &Sandbox, document: &str, source: &[&str]) -> String {
    sandbox.run(&[&["render", "tc1000", document, "--as-client"], source].concat())
}

#[test]
fn a_document_is_printed_as_the_node_has_it() {
    let template = "## template: jinja\n#cloud-config\nhostname: {{ v1.local_hostname }}\n\
                    {% if v1.distro == 'debian' %}\ngroups: {{ ds.meta_data.instance_data.v1.vendor_data.groups | list }}\n\
                    {% endif %}\n";
    let sandbox = sandbox(template);
    let from_site = as_client(&sandbox, "green.yaml", &FROM_SITE);
    assert_snapshot!(from_site, @"
    exit code 0
    --- stdout
    #cloud-config
    hostname: tc1000
    groups: ['compute', 'green']

    --- stderr
    note: what only the machine knows has the values of Debian 13 here: v1.distro
    ");
    sandbox.build();
    assert_eq!(as_client(&sandbox, "green.yaml", &["--tree", "tree"]), from_site);
    // Without the flag it is what a server sends, and other documents stay what they are.
    assert_eq!(sandbox.stdout(&["render", "tc1000", "green.yaml", "--tree", "tree"]), template);
    for document in ["meta-data", "user-data", "compute.yaml", "network-config"] {
        let plain = sandbox.run(&["render", "tc1000", document, "--tree", "tree"]);
        assert_eq!(as_client(&sandbox, document, &["--tree", "tree"]), plain, "{document}");
    }
}

#[test]
fn what_is_missing_is_shown_and_is_a_finding() {
    let sandbox =
        sandbox("## template: jinja\n#cloud-config\nhostname: {{ hostname }}\nzone: {{ v1.local-hostname }}\n");
    assert_snapshot!(as_client(&sandbox, "green.yaml", &FROM_SITE), @"
    exit code 1
    --- stdout
    --- stderr
    error[client-template-undefined]: groups/green/cloud-config.yaml:4:10: `v1.local` is not defined on the node, and more is asked of it, so that nodes ignore the whole document
      hint: jinja takes the dash in `v1.local-hostname` for a minus: write `v1.local_hostname`
    1 error, 0 warnings
    ");
    sandbox.write(GREEN, "## template: jinja\n#cloud-config\nhostname: {{ hostname }}\n");
    assert_snapshot!(as_client(&sandbox, "green.yaml", &FROM_SITE), @"
    exit code 1
    --- stdout
    #cloud-config
    hostname: CI_MISSING_JINJA_VAR/hostname
    --- stderr
    error[client-template-undefined]: groups/green/cloud-config.yaml:3:14: `hostname` is not defined on the node, which writes CI_MISSING_JINJA_VAR/hostname in its place
      hint: did you mean `ds.meta_data.hostname`?
    1 error, 0 warnings
    ");
    assert_snapshot!(sandbox.run(&["build", "--check", "--site", "site", "--mock-smd"]), @"
    exit code 1
    --- stdout
    --- stderr
    reading the site
    rendering 3 nodes
    error[client-template-undefined]: groups/green/cloud-config.yaml:3:14: `hostname` is not defined on the node, which writes CI_MISSING_JINJA_VAR/hostname in its place
      |
    3 | hostname: {{ hostname }}
      |              ^^^^^^^^
      hint: did you mean `ds.meta_data.hostname`?
      concerns 1 node: x1000c0s0b0n0
    1 error, 0 warnings
    ");
    let settings = [cli_support::SETTINGS, "[check.severity]\nclient-template-undefined = \"warning\"\n"].concat();
    sandbox.write("site/mds.toml", &settings);
    assert_snapshot!(as_client(&sandbox, "green.yaml", &FROM_SITE), @"
    exit code 0
    --- stdout
    #cloud-config
    hostname: CI_MISSING_JINJA_VAR/hostname
    --- stderr
    warning[client-template-undefined]: groups/green/cloud-config.yaml:3:14: `hostname` is not defined on the node, which writes CI_MISSING_JINJA_VAR/hostname in its place
      hint: did you mean `ds.meta_data.hostname`?
    0 errors, 1 warning
    ");
    sandbox.build();
    assert_snapshot!(as_client(&sandbox, "green.yaml", &["--tree", "tree"]), @"
    exit code 1
    --- stdout
    #cloud-config
    hostname: CI_MISSING_JINJA_VAR/hostname
    --- stderr
    error[client-template-undefined]: green.yaml:3:14: `hostname` is not defined on the node, which writes CI_MISSING_JINJA_VAR/hostname in its place
      hint: did you mean `ds.meta_data.hostname`?
    1 error, 0 warnings
    ");
}

#[test]
fn programs_get_documents_and_findings() {
    let sandbox = sandbox("## template: jinja\n#cloud-config\nhostname: {{ v1.instance_id | urlize }}\n");
    let said = sandbox
        .stdout(&[&["render", "tc1000", "green.yaml", "--as-client", "--format", "json"], &FROM_SITE[..]].concat());
    assert_snapshot!(said, @r#"
    {"documents":{"green.yaml":""},"node":"x1000c0s0b0n0"}
    {"findings":[{"hint":"try the document on a node","message":"what the client makes of the document cannot be checked here: the filter `urlize` is not known to mds","nodes":[],"place":{"column":31,"file":"groups/green/cloud-config.yaml","line":3},"rule":"client-template-unchecked","severity":"note"}],"waived":[]}
    "#);
}
