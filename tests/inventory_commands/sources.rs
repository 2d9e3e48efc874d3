//! Where commands are told that the inventory is: flags, environment, settings, and which of them wins.

use insta::assert_snapshot;

use crate::cli_support::{SETTINGS, Sandbox};
use crate::smd_support::{Auth, Authority, Endpoint, FakeSmd, Fault, Inventory, Options};
use crate::support::{DEAD, DISCOVER, NODE, assert_said, run_with};

const CHECK: [&str; 4] = ["build", "--check", "--site", "site"];

/// A site with one node in its own inventory, and a file with another.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("nodes.yaml", DISCOVER);
    sandbox.stdout(&["inventory", "pull", "--mock-smd=2", "--out", "site/inventory.json"]);
    sandbox
}

/// How many nodes a build would have, with the environment and more arguments.
fn nodes(sandbox: &Sandbox, environment: &[(&str, &str)], more: &[&str]) -> String {
    let said = run_with(sandbox, environment, &[&CHECK[..], more].concat());
    match said.split_once("checked ") {
        Some((_, counts)) => counts.split(" node").next().unwrap().to_owned(),
        None => said,
    }
}

#[test]
fn what_is_typed_wins_over_the_environment_and_that_over_the_settings() {
    let (sandbox, smd) = (sandbox(), FakeSmd::mock_nodes());
    let url = smd.url();
    let smd_url = [("SMD_URL", DEAD)];
    let file = [("MDS_INVENTORY", "nowhere.json")];
    let both = [smd_url[0], file[0]];
    for environment in [&smd_url[..], &file, &both] {
        assert_eq!(nodes(&sandbox, environment, &["--inventory", "nodes.yaml"]), "1", "{environment:?}");
        assert_eq!(nodes(&sandbox, environment, &["--locked"]), "2", "{environment:?}");
        assert_eq!(nodes(&sandbox, environment, &["--mock-smd"]), "3", "{environment:?}");
        assert_eq!(nodes(&sandbox, environment, &["--mock-smd=4"]), "4", "{environment:?}");
        assert_eq!(nodes(&sandbox, environment, &["--smd-url", &url]), "3", "{environment:?}");
    }
    assert_eq!(smd.count(Endpoint::Components), 3);
    sandbox.write("site/mds.toml", &format!("{SETTINGS}[inventory.smd]\nurl = \"{DEAD}\"\n"));
    for (environment, more) in [
        (vec![("SMD_URL", url.as_str())], vec![]),
        (vec![], vec!["--smd-url", url.as_str()]),
        (vec![], vec!["--mock-smd"]),
    ] {
        assert_eq!(nodes(&sandbox, &environment, &more), "3", "{environment:?} {more:?}");
    }
    assert_eq!(nodes(&sandbox, &[("MDS_INVENTORY", "nodes.yaml")], &[]), "1");
    assert_eq!(nodes(&sandbox, &[], &["--locked"]), "2");
    assert!(nodes(&sandbox, &[], &[]).contains("SMD cannot be reached"));
}

#[test]
fn an_empty_variable_names_nothing() {
    let sandbox = sandbox();
    assert_eq!(nodes(&sandbox, &[("SMD_URL", "")], &[]), "2");
    assert_eq!(nodes(&sandbox, &[("SMD_URL", ""), ("MDS_INVENTORY", "nodes.yaml")], &[]), "1");
    for numbers in ["TOKENSMITH_REFRESH_SKEW_SEC", "SMD_SYNC_INTERVAL", "SMD_SYNC_ENABLED", "SMD_NOTIFICATIONS"] {
        assert_eq!(nodes(&sandbox, &[(numbers, "")], &[]), "2");
    }
    let names = ["SMD_URL", "SMD_CA", "SMD_JWT", "TOKENSMITH_URL", "TOKENSMITH_BOOTSTRAP_TOKEN", "TOKENSMITH_SCOPES"];
    let identity = ["CERT", "KEY", "CA"].map(|name| format!("TOKENSMITH_SERVICE_IDENTITY_{name}"));
    let empty: Vec<(&str, &str)> =
        names.into_iter().chain(identity.iter().map(String::as_str)).map(|name| (name, "")).collect();
    assert_eq!(nodes(&sandbox, &empty, &[]), "2");
    // What the site says counts on.
    let smd = FakeSmd::mock_nodes();
    sandbox.write("site/mds.toml", &format!("{SETTINGS}[inventory.smd]\nurl = \"{}\"\n", smd.url()));
    assert_eq!(nodes(&sandbox, &empty, &[]), "3");
    let tokensmith = "[inventory.tokensmith]\nurl = \"https://127.0.0.1:1\"\nbootstrap_token = \"once\"\n";
    sandbox.write("site/mds.toml", &format!("{SETTINGS}[inventory.smd]\nurl = \"{}\"\n{tokensmith}", smd.url()));
    smd.reset_counts();
    assert_said(&nodes(&sandbox, &empty, &["--smd-ca", ""]), 2, &["there is no token: TokenSmith gives none"]);
    assert_eq!(smd.total(), 0, "SMD is not asked without a token although TokenSmith is named");
}

#[test]
fn an_empty_url_that_is_typed_is_wrong_usage() {
    let sandbox = sandbox();
    assert_said(&sandbox.run(&[&CHECK[..], &["--smd-url", ""]].concat()), 64, &["--smd-url names nothing"]);
}

#[test]
fn two_sources_at_once_are_wrong_usage() {
    let sandbox = sandbox();
    for (more, part) in [
        (vec!["--inventory", "nodes.yaml", "--smd-url", DEAD], "--inventory and --smd-url are given"),
        (vec!["--locked", "--smd-url", DEAD], "--locked and --smd-url are given"),
        (vec!["--mock-smd", "--smd-url", DEAD], "--mock-smd and --smd-url are given"),
        (vec!["--inventory", "nodes.yaml", "--locked"], "--inventory and --locked are given"),
        (vec!["--inventory", "nodes.yaml", "--mock-smd"], "--inventory and --mock-smd are given"),
        (vec!["--locked", "--mock-smd=3"], "--locked and --mock-smd are given"),
    ] {
        for command in [&CHECK[..], &["render", NODE, "--site", "site"], &["inventory", "check", "--site", "site"]] {
            assert_said(&sandbox.run(&[command, &more].concat()), 64, &[part, "and there is one inventory"]);
        }
    }
    let environment = [("MDS_INVENTORY", "nodes.yaml"), ("SMD_URL", DEAD)];
    let said = run_with(&sandbox, &environment, &CHECK);
    assert_said(&said, 64, &["MDS_INVENTORY and SMD_URL both say where the inventory is"]);
    assert_said(&sandbox.run(&[&CHECK[..], &["--mock-smd=0"]].concat()), 64, &["--mock-smd=0 makes no node"]);
}

#[test]
fn an_smd_that_is_down_is_told_with_its_url_and_who_named_it() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.run(&[&CHECK[..], &["--smd-url", DEAD]].concat()), @"
    exit code 2
    --- stdout
    --- stderr
    pulling the inventory
    error: SMD cannot be reached: Connection refused (os error 111)
      hint: SMD is looked for at http://127.0.0.1:1/hsm/v2 (from the flag --smd-url)
    ");
    let said = run_with(&sandbox, &[("SMD_URL", DEAD)], &CHECK);
    assert_said(&said, 2, &["SMD is looked for at http://127.0.0.1:1/hsm/v2 (from the environment variable SMD_URL)"]);
    sandbox.write("site/mds.toml", &format!("{SETTINGS}[inventory.smd]\nurl = \"{DEAD}/apis/smd/\"\n"));
    assert_said(&sandbox.run(&CHECK), 2, &["looked for at http://127.0.0.1:1/apis/smd/hsm/v2 (from mds.toml)"]);
    let value = sandbox.command(&[&CHECK[..], &["--format", "json"]].concat()).output().unwrap().stdout;
    let value: serde_json::Value = serde_json::from_slice(&value).unwrap();
    assert!(value["errors"][0]["message"].as_str().unwrap().starts_with("SMD cannot be reached"), "{value}");
}

#[test]
fn a_url_that_is_none_is_wrong_usage_and_its_password_is_not_repeated() {
    let sandbox = sandbox();
    for (url, part) in [
        ("smd:27779", "is not an http or https URL"),
        ("ftp://smd", "is not an http or https URL"),
        ("http://", "is not an URL"),
        ("http://me:s3cr3t@smd", "has a user name or password"),
        ("http://smd?token=1", "has a query or fragment"),
    ] {
        let said = sandbox.run(&[&CHECK[..], &["--smd-url", url]].concat());
        assert_said(&said, 64, &[part, "(from the flag --smd-url)"]);
        assert_said(&run_with(&sandbox, &[("SMD_URL", url)], &CHECK), 64, &[part, "variable SMD_URL"]);
        assert!(!said.contains("s3cr3t"), "{said}");
    }
}

#[test]
fn a_token_that_is_missing_or_not_enough_is_told_with_what_to_do() {
    let (sandbox, smd) = (sandbox(), FakeSmd::mock_nodes());
    let url = smd.url();
    let arguments = [&CHECK[..], &["--smd-url", &url]].concat();
    smd.set_auth(Auth::On);
    smd.accept_token("good");
    let unauthorised = "SMD answered /memberships?type=Node with status 401: it wants a valid token; set SMD_JWT or";
    assert_said(&run_with(&sandbox, &[], &arguments), 2, &[unauthorised, "SMD is looked for at"]);
    assert_said(&run_with(&sandbox, &[("SMD_JWT", "bad-s3cr3t")], &arguments), 2, &[unauthorised]);
    let tokens: [&[(&str, &str)]; 4] = [
        &[("SMD_JWT", "good")],
        &[("SMD_TOKEN", "good")],
        &[("SMD_JWT", "good"), ("SMD_TOKEN", "bad")],
        &[("SMD_JWT", ""), ("SMD_TOKEN", "good")],
    ];
    for environment in tokens {
        assert_said(&run_with(&sandbox, environment, &arguments), 0, &["checked 3 nodes"]);
    }
    smd.set_denies(true);
    let said = run_with(&sandbox, &[("SMD_JWT", "good")], &arguments);
    assert_said(&said, 2, &["with status 403: the token is valid and not allowed to read", "SMD_AUTHZ_MODE"]);
    assert!(!said.contains("no_matching_policy"), "what SMD says is not repeated: {said}");
}

#[test]
fn the_authority_of_smd_is_a_flag_a_variable_or_a_setting() {
    let (sandbox, authority) = (sandbox(), Authority::new());
    let options = Options { tls: Some(authority.server_config()), ..Options::default() };
    let smd = FakeSmd::with(options, Inventory::mock_nodes());
    sandbox.write("ca.pem", authority.pem());
    sandbox.write("other.pem", Authority::new().pem());
    let url = smd.url();
    assert!(url.starts_with("https://"));
    assert_eq!(nodes(&sandbox, &[], &["--smd-url", &url, "--smd-ca", "ca.pem"]), "3");
    assert_eq!(nodes(&sandbox, &[("SMD_URL", &url), ("SMD_CA", "ca.pem")], &[]), "3");
    assert_eq!(nodes(&sandbox, &[("SMD_URL", &url), ("SMD_CA", "other.pem")], &["--smd-ca", "ca.pem"]), "3");
    let table = format!("[inventory.smd]\nurl = \"{url}\"\nca = \"{}\"\n", sandbox.path("ca.pem").display());
    sandbox.write("site/mds.toml", &format!("{SETTINGS}{table}"));
    assert_eq!(nodes(&sandbox, &[], &[]), "3");
    for more in [&["--smd-ca", "other.pem"][..], &["--smd-ca", "nowhere.pem"], &["--smd-ca", "nodes.yaml"]] {
        assert_said(&nodes(&sandbox, &[], more), 2, &["error: "]);
    }
    assert_said(&nodes(&sandbox, &[], &["--smd-ca", "nowhere.pem"]), 2, &["nowhere.pem cannot be read"]);
}

#[test]
fn a_timeout_is_a_setting() {
    let (sandbox, smd) = (sandbox(), FakeSmd::mock_nodes());
    smd.set_fault_everywhere(&Fault::Stall);
    let table = format!("[inventory.smd]\nurl = \"{}\"\ntimeout = 1\n", smd.url());
    sandbox.write("site/mds.toml", &format!("{SETTINGS}{table}"));
    assert_said(&nodes(&sandbox, &[], &[]), 2, &["SMD did not send /", "within 1 s"]);
}

#[test]
fn settings_that_cannot_be_read_are_told_and_nobody_is_asked_meanwhile() {
    let (sandbox, smd) = (sandbox(), FakeSmd::mock_nodes());
    sandbox.write("site/mds.toml", "[clutser]\n");
    let environment = [("SMD_URL", smd.url()), ("SMD_TOKEN", "token".to_owned())];
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for (command, code) in [
        (&CHECK[..], 1),
        (&["inventory", "check", "--site", "site"], 1),
        (&["render", NODE, "--site", "site"], 2),
        (&["build", "--site", "site", "--tree", "tree"], 2),
    ] {
        assert_said(&run_with(&sandbox, &environment, command), code, &["did you mean `cluster`?"]);
    }
    assert_eq!(smd.total(), 0);
}
