//! Every option of TokenSmith reaches the wire, by flag, by environment and by the settings of the site.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli_support::{SETTINGS, Sandbox};
use crate::smd_support::{Auth, Authority, FakeSmd, FakeTokenSmith, Grant, Inventory, MARK, Options};
use crate::support::{assert_said, run_with};

/// The options that a one-time pull needs: how the flag, the variable and the setting are called.
const URL: [&str; 3] = ["--tokensmith-url", "TOKENSMITH_URL", "url"];
const CERTIFICATE: [&str; 3] =
    ["--tokensmith-service-identity-cert", "TOKENSMITH_SERVICE_IDENTITY_CERT", "service_identity_cert"];
const KEY: [&str; 3] = ["--tokensmith-service-identity-key", "TOKENSMITH_SERVICE_IDENTITY_KEY", "service_identity_key"];
const CA: [&str; 3] = ["--tokensmith-service-identity-ca", "TOKENSMITH_SERVICE_IDENTITY_CA", "service_identity_ca"];
const TARGET: [&str; 3] = ["--tokensmith-target-service", "TOKENSMITH_TARGET_SERVICE", "target_service"];
const SCOPES: [&str; 3] = ["--tokensmith-scopes", "TOKENSMITH_SCOPES", "scopes"];
const SKEW: [&str; 3] = ["--tokensmith-refresh-skew-sec", "TOKENSMITH_REFRESH_SKEW_SEC", "refresh_skew_sec"];
const BOOTSTRAP: [&str; 3] = ["--tokensmith-bootstrap-token", "TOKENSMITH_BOOTSTRAP_TOKEN", "bootstrap_token"];

/// How options are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Flag,
    Variable,
    Setting,
}

const WAYS: [Way; 3] = [Way::Flag, Way::Variable, Way::Setting];

/// An SMD that wants tokens, a TokenSmith that gives them, and files for it.
struct Guarded {
    sandbox: Sandbox,
    smd: FakeSmd,
    smith: FakeTokenSmith,
}

impl Guarded {
    fn new() -> Self {
        let (sandbox, authority) = (Sandbox::new(), Authority::new());
        let smith = FakeTokenSmith::with(Options {
            tls: Some(authority.server_config()),
            prefix: "/tokensmith".to_owned(),
            ..Options::default()
        });
        smith.allow("mds-of-the-test");
        let smd =
            FakeSmd::with(Options { tokens: smith.tokens().clone(), ..Options::default() }, Inventory::mock_nodes());
        smd.set_auth(Auth::Strict);
        let identity = authority.client("mds-of-the-test");
        sandbox.write("ca.pem", authority.pem());
        sandbox.write("client.pem", &identity.certificate_pem);
        sandbox.write("client.key", &identity.key_pem);
        Self { sandbox, smd, smith }
    }

    fn file(&self, name: &str) -> String {
        self.sandbox.path(name).display().to_string()
    }

    /// What a client certificate needs.
    fn identity(&self) -> Vec<([&'static str; 3], String)> {
        vec![
            (URL, self.smith.url()),
            (CERTIFICATE, self.file("client.pem")),
            (KEY, self.file("client.key")),
            (CA, self.file("ca.pem")),
        ]
    }

    /// Gives the options in one way: writes the settings, and returns flags and variables.
    fn give(&self, way: Way, options: &[([&'static str; 3], String)]) -> (Vec<String>, Vec<(&'static str, String)>) {
        let setting = |name: &str, value: &str| match name {
            "scopes" => format!("{name} = {}\n", json!(value.split(',').collect::<Vec<_>>())),
            "refresh_skew_sec" => format!("{name} = {value}\n"),
            _ => format!("{name} = {}\n", json!(value)),
        };
        let (mut flags, mut variables, mut table) = (Vec::new(), Vec::new(), String::new());
        for ([flag, variable, name], value) in options {
            match way {
                Way::Flag => flags.extend([(*flag).to_owned(), value.clone()]),
                Way::Variable => variables.push((*variable, value.clone())),
                Way::Setting => table += &setting(name, value),
            }
        }
        self.sandbox.write("site/mds.toml", &format!("{SETTINGS}[inventory.tokensmith]\n{table}"));
        (flags, variables)
    }

    /// Checks the site with options given in one way, and tells what was said.
    fn check(&self, way: Way, options: &[([&'static str; 3], String)]) -> String {
        let (flags, variables) = self.give(way, options);
        let url = self.smd.url();
        let mut arguments = vec!["build", "--check", "--site", "site", "--smd-url", &url];
        arguments.extend(flags.iter().map(String::as_str));
        let mut environment: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        // A fixed token is never used beside TokenSmith.
        environment.push(("SMD_JWT", "fixed"));
        run_with(&self.sandbox, &environment, &arguments)
    }
}

#[test]
fn a_client_certificate_target_and_scopes_reach_tokensmith_in_every_way() {
    for way in WAYS {
        let guarded = Guarded::new();
        let mut options = guarded.identity();
        options.extend([(TARGET, "smd-of-the-test".to_owned()), (SCOPES, "read,write:all".to_owned())]);
        assert_said(&guarded.check(way, &options), 0, &["checked 3 nodes"]);
        let requests = guarded.smith.server().requests();
        assert_eq!(requests.len(), 1, "{way:?}");
        assert_eq!(requests[0].path(), "/tokensmith/service-identity/session");
        assert_eq!(requests[0].peer.as_deref(), Some("mds-of-the-test"));
        let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
        assert_eq!(body["target_service"], "smd-of-the-test", "{way:?}");
        assert_eq!(body["scopes"], json!(["read", "write:all"]), "{way:?}");
        let token = guarded.smd.server().requests()[0].bearer_token().unwrap().to_owned();
        assert!(guarded.smith.tokens().accepts(&token), "{way:?}: SMD was asked with `{token}`");
    }
}

#[test]
fn the_target_is_smd_and_no_scope_is_asked_for_by_default() {
    let guarded = Guarded::new();
    let (plain, mut empty) = (guarded.identity(), guarded.identity());
    // Variables that are empty are as good as none.
    empty.extend([(TARGET, String::new()), (SCOPES, String::new()), (BOOTSTRAP, String::new())]);
    for options in [plain, empty] {
        assert_said(&guarded.check(Way::Variable, &options), 0, &["checked 3 nodes"]);
        let body: Value = serde_json::from_slice(&guarded.smith.server().requests().last().unwrap().body).unwrap();
        assert_eq!((body["target_service"].as_str(), body.get("scopes")), (Some("smd"), None));
    }
}

#[test]
fn a_bootstrap_token_reaches_tokensmith_in_every_way_and_works_once() {
    for way in WAYS {
        let guarded = Guarded::new();
        let token = guarded.smith.new_bootstrap_token("mds-of-the-test");
        let options = [(URL, guarded.smith.url()), (CA, guarded.file("ca.pem")), (BOOTSTRAP, token.clone())];
        let said = guarded.check(way, &options);
        assert_said(&said, 0, &["checked 3 nodes"]);
        assert!(!said.contains(MARK), "{said}");
        assert_eq!(said.contains("warning[secret-in-settings]"), way == Way::Setting, "{said}");
        let requests = guarded.smith.server().requests();
        assert!(requests.len() == 1 && requests[0].path() == "/tokensmith/oauth/token", "{way:?}");
        assert!(requests[0].form().contains(&("subject_token".to_owned(), token)), "{way:?}");
        let again = guarded.check(way, &options);
        let refused = "SMD was not asked, because there is no token: TokenSmith gives none: it answered \
                       /oauth/token with status 400 (invalid_grant)";
        assert_said(&again, 2, &[refused]);
        assert!(!again.contains(MARK), "{again}");
        assert_eq!(guarded.smith.successes(Grant::Bootstrap), 1);
    }
}

#[test]
fn flags_win_over_variables_and_those_over_settings() {
    let guarded = Guarded::new();
    let url = guarded.smd.url();
    let target = |environment: &[(&str, &str)], more: &[&str]| {
        let check = ["build", "--check", "--site", "site", "--smd-url", &url];
        assert_said(&run_with(&guarded.sandbox, environment, &[&check[..], more].concat()), 0, &["checked 3 nodes"]);
        let body = guarded.smith.server().requests().last().unwrap().body.clone();
        serde_json::from_slice::<Value>(&body).unwrap()["target_service"].as_str().unwrap().to_owned()
    };
    let mut options = guarded.identity();
    options.push((TARGET, "from-settings".to_owned()));
    guarded.give(Way::Setting, &options);
    let variable = [("TOKENSMITH_TARGET_SERVICE", "from-variable")];
    assert_eq!(target(&[], &[]), "from-settings");
    assert_eq!(target(&variable, &[]), "from-variable");
    assert_eq!(target(&variable, &["--tokensmith-target-service", "from-flag"]), "from-flag");
}

#[test]
fn the_authority_of_tokensmith_matters() {
    let guarded = Guarded::new();
    guarded.sandbox.write("ca.pem", Authority::new().pem());
    for way in WAYS {
        let said = guarded.check(way, &guarded.identity());
        assert_said(
            &said,
            2,
            &["there is no token: TokenSmith gives none: the encrypted connection does not come about"],
        );
    }
    assert_eq!((guarded.smith.count(Grant::Session), guarded.smd.total()), (0, 0));
}

#[test]
fn half_an_identity_and_none_at_all_are_wrong_usage() {
    let guarded = Guarded::new();
    let all = guarded.identity();
    for way in WAYS {
        assert_said(&guarded.check(way, &all[..2]), 64, &["needs both a certificate and a key"]);
        assert_said(&guarded.check(way, &all[..1]), 64, &["TokenSmith needs to be told who asks"]);
    }
    assert_eq!(guarded.smd.total(), 0);
    let mut options = guarded.identity();
    options[2].1 = guarded.file("nowhere.key");
    assert_said(&guarded.check(Way::Flag, &options), 2, &["nowhere.key cannot be read"]);
}

/// Tokens live for ten seconds. Without a word they are renewed at half of that, and with a skew of nothing at its end.
#[test]
fn how_long_before_its_end_a_token_is_renewed_is_told_in_every_way() {
    const LIFETIME: u64 = 10;
    let servers = WAYS.map(|way| {
        let guarded = Guarded::new();
        guarded.smith.set_expires_in(LIFETIME);
        let mut options = guarded.identity();
        options.push((SKEW, "0".to_owned()));
        let (flags, variables) = guarded.give(way, &options);
        let url = guarded.smd.url();
        let mut arguments = vec!["--site", "site", "--smd-url", &url, "--smd-sync-interval", "1"];
        arguments.extend(flags.iter().map(String::as_str));
        let environment: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let server = guarded.sandbox.serve_with(&arguments, &environment);
        assert_eq!(guarded.smith.successes(Grant::Session), 1);
        (way, Instant::now(), guarded, server)
    });
    for (way, start, guarded, server) in servers {
        let first = Duration::from_secs(LIFETIME - 3);
        server.wait(first.saturating_sub(start.elapsed()) + Duration::from_secs(60), |_| start.elapsed() >= first);
        if start.elapsed() < Duration::from_secs(LIFETIME - 1) {
            assert_eq!(guarded.smith.count(Grant::Refresh), 0, "{way:?}");
        }
        server.wait(Duration::from_secs(60), |_| guarded.smith.successes(Grant::Refresh) >= 1);
    }
}
