//! Secrets of a site are in the documents of the nodes they are for, and nowhere else: not in what commands print, not
//! in logs, not in manifests, and not in messages about what is wrong beside them.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli_support;
mod git_support;

use std::fs;
use std::process::Output;
use std::time::Duration;

use cli_support::{SETTINGS, Sandbox, git};
use git_support::{Mood, StaticServer, commit_all, repository_of};

const NODE: &str = "10.252.0.26";
/// Some polls of a second each, and something for a slow machine.
const SOON: Duration = Duration::from_secs(15);
/// Part of everything that is secret here: a message must not even hold part of a secret that it cuts.
const MARK: &str = "s3cr3t";
const PASSWORD_HASH: &str = "$6$rounds=4096$s3cr3tsalt$s3cr3thash";
const TOKEN: &str = "tok-s3cr3t-group";
const NODE_TOKEN: &str = "tok-s3cr3t-node";
const PRIVATE_KEY: &str =
    "-----BEGIN OPENSSH PRIVATE KEY-----\n    s3cr3tkeyb64\n    -----END OPENSSH PRIVATE KEY-----";
const DESCRIPTION: &str = "locker code s3cr3t-1234";

const INVENTORY: &str = "{\"format\":1,\"nodes\":[{\"id\":\"x1000c0s0b0n0\",\"nid\":1000,\"role\":\"compute\",
  \"groups\":[\"compute\"],\"interfaces\":[{\"name\":\"eth0\",\"mac\":\"b4:2e:99:be:1a:6d\",
  \"description\":\"locker code s3cr3t-1234\",
  \"addresses\":[{\"ip\":\"10.252.0.26\",\"network\":\"HMN\"}]}]}]}";

/// A sandbox with a site that is full of secrets.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write("site/mds.toml", SETTINGS);
    sandbox.write("site/inventory.json", INVENTORY);
    sandbox
        .write("site/groups/compute/group.yaml", &format!("meta:\n  token: {TOKEN}\n  nested: {{deep: [{TOKEN}]}}\n"));
    sandbox.write("site/groups/compute/cloud-config.yaml", &template("first"));
    sandbox.write("site/nodes/x1000c0s0b0n0.yaml", &format!("meta: {{own_token: {NODE_TOKEN}}}\n"));
    sandbox.write(
        "site/user-data/x1000c0s0b0n0",
        &format!("#cloud-config\nssh_keys:\n  ed25519_private: |\n    {PRIVATE_KEY}\n"),
    );
    sandbox
}

fn template(word: &str) -> String {
    format!(
        "#cloud-config\nusers:\n  - name: {word}\n    hashed_passwd: \"{PASSWORD_HASH}\"\nwrite_files:\n  - path: /etc/token\n    \
         content: \"{{{{ token }}}} {{{{ own_token }}}} {{{{ interfaces[0].description }}}}\"\n"
    )
}

/// All that a command printed.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn assert_clean(what: &str, text: &str) {
    assert!(!text.contains(MARK), "{what} shows a secret:\n{text}");
}

/// Runs a command with everything logged that can be, and sees that it succeeds and tells no secret.
fn run_clean(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let mut command = sandbox.command(arguments);
    let output = command.args(["-vv"]).env("MDS_LOG", "trace").output().unwrap();
    let text = said(&output);
    assert!(output.status.success(), "{arguments:?}: {text}");
    assert_clean(&format!("{arguments:?}"), &text);
    text
}

#[test]
fn what_commands_print_and_trees_say_beside_documents_holds_no_secret() {
    let sandbox = sandbox();
    for format in ["text", "json"] {
        let run = |arguments: &[&str]| run_clean(&sandbox, &[arguments, &["--format", format]].concat());
        let tree = ["--tree", "tree"];
        run(&["build", "--check", "--site", "site"]);
        run(&["build", "--dry-run", "--site", "site", "--tree", "tree"]);
        run(&["build", "--site", "site", "--tree", "tree"]);
        sandbox.write("site/groups/compute/cloud-config.yaml", &template(format));
        run(&["build", "--site", "site", "--tree", "tree"]);
        let manifest = fs::read_to_string(sandbox.path("tree/current/manifest.ndjson")).unwrap();
        assert_clean("the manifest", &manifest);
        assert_clean("release.json", &fs::read_to_string(sandbox.path("tree/current/release.json")).unwrap());
        for command in ["diff", "releases", "verify"] {
            run(&[&[command], &tree[..]].concat());
        }
        run(&["export", "export", "--tree", "tree"]);
        run(&["rollback", "--tree", "tree"]);
        run(&["gc", "--keep", "1", "--tree", "tree"]);
    }
    for entry in walkdir::WalkDir::new(sandbox.path("tree")).into_iter().map(|entry| entry.unwrap()) {
        assert_clean("the name of a file", &entry.path().to_string_lossy());
        if entry.file_type().is_file() && entry.path().extension().is_none_or(|extension| extension != "pack") {
            let text = String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned();
            assert_clean(&entry.path().to_string_lossy(), &text);
        }
    }
    // They do reach the node they are for.
    let documents = sandbox.stdout(&["render", "x1000c0s0b0n0", "--site", "site"]);
    for secret in [PASSWORD_HASH, TOKEN, NODE_TOKEN, "s3cr3tkeyb64", DESCRIPTION] {
        assert!(documents.contains(secret), "{secret} is not in\n{documents}");
    }
}

#[test]
fn a_server_that_logs_everything_logs_no_secret() {
    let sandbox = sandbox();
    repository_of(&sandbox.path("site"));
    git(&sandbox.path(""), &["clone", "--quiet", "--bare", "site", "web/site.git"]);
    git(&sandbox.path("web/site.git"), &["update-server-info"]);
    let web = StaticServer::start(sandbox.path("web"));
    let url = format!("http://operator:{MARK}-in-url@{}/site.git", web.address);
    let environment = [("MDS_REPO", url.as_str()), ("MDS_LOG", "trace")];
    let server = sandbox.serve_with(&["--poll", "1", "-vv"], &environment);
    assert_clean("the summary", &server.summary.to_string());
    for name in ["meta-data", "user-data", "vendor-data", "network-config", "compute.yaml", "cloud-init/compute.yaml"] {
        assert_eq!(server.get(&format!("/{name}"), NODE).0, 200, "{name}");
        let (status, refusal) = server.get(&format!("/{name}"), "10.252.0.27");
        assert_eq!(status, 404);
        assert_clean("a refusal", &refusal);
    }
    assert!(server.get("/compute.yaml", NODE).1.contains(TOKEN));
    assert_eq!(server.get("/nothing.yaml", NODE).0, 404);
    let log = server.log();
    assert!(log.contains("path=\"/compute.yaml\"") || log.contains("/compute.yaml"), "requests are logged: {log}");
    assert_clean("/health", &server.get("/health", NODE).1);

    // A change that does not build, beside the secrets.
    let broken = format!("{}    more: {{{{ token | abs }}}}\n", template("broken"));
    let push = |text: &str| {
        sandbox.write("site/groups/compute/cloud-config.yaml", text);
        commit_all(&sandbox.path("site"), "changed");
        git(&sandbox.path("site"), &["push", "--quiet", "../web/site.git", "main"]);
        git(&sandbox.path("web/site.git"), &["update-server-info"]);
    };
    push(&broken);
    server.wait(SOON, |server| !server.health()["degraded"].is_null());
    let health = server.get("/health", NODE).1;
    assert!(health.contains("groups/compute/cloud-config.yaml"), "{health}");
    assert_clean("/health", &health);
    push(&template("mended"));
    server.wait(SOON, |server| server.health()["degraded"].is_null());
    web.set(Mood::Guarded);
    server.wait(SOON, |server| server.health()["degraded"].to_string().contains("git fetch"));
    assert_clean("/health", &server.get("/health", NODE).1);
    assert_clean("the log", &server.log());
}

/// Ways to go wrong with a secret at hand. What is said must show the place, and not the value. Left out is what exists
/// to say its argument: `throw(message=…)`, and `file(path=…)` with a path that is not there.
const BROKEN: [&str; 38] = [
    "{{ token | nosuchfilter }}",
    "{{ token.field }}",
    "{{ nested.other }}",
    "{{ nested.deep.x }}",
    "{{ token + 1 }}",
    "{{ token - 1 }}",
    "{{ token * token }}",
    "{{ -token }}",
    "{{ token < 1 }}",
    "{{ token | abs }}",
    "{{ token | int }}",
    "{{ token | float }}",
    "{{ token | round }}",
    "{{ token | join }}",
    "{{ token | first }}",
    "{{ token | keys }}",
    "{{ token | values }}",
    "{{ token | sort }}",
    "{{ token | nth(n=1) }}",
    "{{ token | pairs }}",
    "{{ token | group_by(attribute=token) }}",
    "{{ nested | get(key=token) }}",
    "{{ nested | upper }}",
    "{{ nested.deep | upper }}",
    "{{ nested | base64 }}",
    "{{ token | replace(from=1, to=2) }}",
    "{{ token | truncate(length=token) }}",
    "{{ token | indent(width=token) }}",
    "{{ token | yaml(indent=token) }}",
    "{{ 1 | default(value=token) | join(sep=token) }}",
    "{{ range(end=token) }}",
    "{{ token() }}",
    "{{ nested[token] }}",
    "{{ interfaces[token] }}",
    "{{ token[interfaces] }}",
    "{% for a, b in token %}{% endfor %}",
    "{% for key, value in nested.deep %}{{ key }}{% endfor %}",
    "{% include token %}",
];

#[test]
fn messages_about_templates_show_no_value() {
    let sandbox = sandbox();
    let check = ["build", "--check", "--site", "site"];
    let (mut accepted, mut leaks) = (Vec::new(), String::new());
    for broken in BROKEN {
        sandbox.write("site/groups/compute/cloud-config.yaml", &format!("{}    more: {broken}\n", template("x")));
        let output = sandbox.command(&check).output().unwrap();
        let text = said(&output);
        if text.contains(MARK) {
            leaks += &format!("{broken}\n{text}");
        }
        if output.status.success() {
            accepted.push(broken);
        } else {
            assert!(text.contains("error[template]: groups/compute/cloud-config.yaml:8:"), "{broken}: {text}");
        }
    }
    assert!(leaks.is_empty(), "{leaks}");
    assert!(accepted.len() < 5, "these are no errors: {accepted:#?}");
}

#[test]
fn messages_about_files_and_documents_show_no_secret() {
    let check = ["build", "--check", "--site", "site"];
    let long = "x".repeat(1 << 20);
    let (mut accepted, mut leaks) = (Vec::new(), String::new());
    for (path, text) in [
        // Documents that are not YAML after rendering.
        ("groups/compute/cloud-config.yaml", format!("{}  broken: [\n", template("x"))),
        ("groups/compute/cloud-config.yaml", "#cloud-config\na: {{ token }}: {{ token }}\n".to_owned()),
        ("groups/compute/cloud-config.yaml", "#cloud-config\na: 1\n  *{{ token }}: 2\n".to_owned()),
        ("groups/compute/cloud-config.yaml", "#cloud-config\nkey: *{{ token }}\n".to_owned()),
        ("groups/compute/cloud-config.yaml", "#cloud-config\nkey: !<{{ token }} {{ token }}\n".to_owned()),
        ("groups/compute/cloud-config.yaml", "#cloud-config\n\"{{ token }}\\q\": 1\n".to_owned()),
        ("groups/compute/cloud-config.yaml", "#cloud-config\n{{ token }}\tx: [}\n".to_owned()),
        // Documents that are YAML, and that cloud-init cannot read.
        ("groups/compute/cloud-config.yaml", "#cloud-config\na: !{{ token }} {{ token }}\n".to_owned()),
        ("groups/compute/cloud-config.yaml", "#cloud-config\na: &{{ token }} 1\nb: &{{ token }} 2\n".to_owned()),
        ("groups/compute/cloud-config.yaml", "#cloud-config\na: !!int {{ token }}\n".to_owned()),
        ("groups/compute/cloud-config.yaml", "#cloud-config\na: [{{ token }}?{{ token }}]\n".to_owned()),
        ("groups/compute/cloud-config.yaml", "#cloud-config\n? [{{ token }}]\n: 1\n".to_owned()),
        ("groups/compute/cloud-config.yaml", "#cloud-config\n{{ token }}\n".to_owned()),
        ("groups/compute/cloud-config.yaml", "#cloud-config\na: 1\n--- {{ token }}\n".to_owned()),
        ("groups/compute/cloud-config.yaml", "# {{ token }}\na: 1\n".to_owned()),
        // Templates that do not parse, beside a secret.
        ("groups/compute/cloud-config.yaml", format!("#cloud-config\npassword: {TOKEN} {{{{ \"{TOKEN}\" | }}}}\n")),
        ("groups/compute/cloud-config.yaml", format!("#cloud-config\n# {TOKEN} {{% if %}} {TOKEN}\n")),
        ("groups/compute/cloud-config.yaml", format!("#cloud-config\n# {TOKEN} {{{{ hostname {TOKEN}\n")),
        ("groups/compute/cloud-config.yaml", format!("#cloud-config\n# {TOKEN} {{{{ hostname \"{TOKEN}\" }}}}\n")),
        ("groups/compute/cloud-config.yaml", format!("#cloud-config\n{TOKEN} {long}{{{{ token }}}}\n")),
        // Files that do not parse, beside a secret.
        ("groups/compute/group.yaml", format!("meta:\n  token: {TOKEN}\n  other: [\n")),
        ("groups/compute/group.yaml", format!("meta:\n  token: \"{TOKEN}\n")),
        ("groups/compute/group.yaml", format!("meta:\n  token: *{TOKEN}\n")),
        ("groups/compute/group.yaml", format!("meta: {TOKEN}\n")),
        ("groups/compute/group.yaml", format!("meta: [{TOKEN}]\n")),
        ("groups/compute/group.yaml", format!("- {TOKEN}\n")),
        ("groups/compute/group.yaml", format!("{TOKEN}\n")),
        ("groups/compute/group.yaml", format!("meta:\n  ? [{TOKEN}]\n  : {TOKEN}\n")),
        ("groups/compute/group.yaml", format!("meta:\n  token: !{MARK}tag {TOKEN}\n")),
        ("nodes/x1000c0s0b0n0.yaml", format!("meta: {NODE_TOKEN}\n")),
        ("nodes/x1000c0s0b0n0.yaml", format!("meta: {{own_token: {NODE_TOKEN}}}\npublic_keys: {NODE_TOKEN}\n")),
        ("nodes/x1000c0s0b0n0.yaml", format!("instance_id: \"{NODE_TOKEN} \"\n")),
        ("inventory.json", INVENTORY.replace("\"description\":", "\"descripton\":")),
        ("inventory.json", INVENTORY.replace("\"locker code", "\"locker \n code")),
        ("inventory.json", INVENTORY.replace("\"interfaces\":[{", "\"interfaces\":[\"s3cr3t\",{")),
        ("inventory.json", INVENTORY.replace("\"compute\",\n", "{\"s3cr3t\":1},\n")),
        ("mds.toml", format!("[cluster]\nname = \"x\"\n# {TOKEN}\npublic_keys = \"{TOKEN}\"\n")),
        ("mds.toml", format!("[cluster]\nname = \"x\"\npublic_keys = [\"{TOKEN}\n")),
        ("mds.toml", format!("[cluster]\nnid_length = \"{TOKEN}\"\n")),
    ] {
        let sandbox = sandbox();
        sandbox.write(&format!("site/{path}"), &text);
        let output = sandbox.command(&check).output().unwrap();
        let shown = said(&output);
        let text = &text[..text.len().min(300)];
        if output.status.success() {
            accepted.push(text.to_owned());
            continue;
        }
        assert!(shown.contains(path), "{path} is not named in\n{shown}");
        if shown.contains(MARK) {
            leaks += &format!("{path}:\n{text}\nis shown in\n{shown}\n");
        }
    }
    assert!(leaks.is_empty(), "{leaks}");
    assert!(accepted.is_empty(), "these should be refused: {accepted:#?}");
}

#[test]
fn warnings_about_documents_show_no_secret() {
    let sandbox = sandbox();
    let text =
        "#cloud-config\n{{ token }}: 1\n{{ token }}: 0644\n\"{{ own_token }}\": 2\n\"{{ own_token }}\": 2024-01-01\n";
    sandbox.write("site/groups/compute/cloud-config.yaml", text);
    // Such keys are no good cloud-config either.
    sandbox.write("site/mds.toml", &format!("{SETTINGS}\n[check.severity]\ncloud-config-schema = \"warning\"\n"));
    let said = run_clean(&sandbox, &["build", "--check", "--site", "site"]);
    assert!(said.contains("warning[cloud-config-schema]"), "{said}");
    assert!(said.contains("warning[yaml-duplicate-key]") && said.contains("warning[yaml-ambiguous-value]"), "{said}");
}
