//! Tokens: what happens without one, and where none may ever show.

use std::fs;
use std::time::Duration;

use crate::cli_support::{SETTINGS, Sandbox, Server};
use crate::smd_support::{
    Auth, Authority, FakeSmd, FakeTokenSmith, Fault, Grant, Inventory, MARK, Options, TokenFault,
};
use crate::support::{NODE, SOON, following, is_green, leave_green, wait_for_health, while_nodes_notice_nothing};

/// TokenSmith is left alone for half a minute after it gave nothing, and for a minute the next time.
const AFTER_A_REST: Duration = Duration::from_secs(150);

/// An SMD that wants a token for everything, and the TokenSmith that gives them, with the files that it takes.
struct Guarded {
    sandbox: Sandbox,
    smd: FakeSmd,
    smith: FakeTokenSmith,
}

impl Guarded {
    fn new() -> Self {
        let (sandbox, authority) = (Sandbox::new(), Authority::new());
        let smith = FakeTokenSmith::start(&authority);
        smith.allow("mds");
        let options = Options { tokens: smith.tokens().clone(), ..Options::default() };
        let smd = FakeSmd::with(options, Inventory::mock_nodes());
        smd.set_auth(Auth::Strict);
        let identity = authority.client("mds");
        sandbox.write("ca.pem", authority.pem());
        sandbox.write("client.pem", &identity.certificate_pem);
        sandbox.write("client.key", &identity.key_pem);
        Self { sandbox, smd, smith }
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let file = |name: &str| self.sandbox.path(name).display().to_string();
        vec![
            ("TOKENSMITH_URL", self.smith.url()),
            ("TOKENSMITH_SERVICE_IDENTITY_CERT", file("client.pem")),
            ("TOKENSMITH_SERVICE_IDENTITY_KEY", file("client.key")),
            ("TOKENSMITH_SERVICE_IDENTITY_CA", file("ca.pem")),
            // Never used beside a TokenSmith.
            ("SMD_JWT", format!("{MARK}-jwt")),
            ("SMD_TOKEN", format!("{MARK}-fixed")),
        ]
    }

    fn serve(&self, more: &[(&str, &str)]) -> Server {
        let environment = self.environment();
        let ours = environment.iter().map(|(name, value)| (*name, value.as_str()));
        let all: Vec<(&str, &str)> = ours.chain(more.iter().copied()).collect();
        self.sandbox.serve_with(&following(&self.smd.url(), &[]), &all)
    }

    /// Sees that SMD has been asked with tokens of TokenSmith only.
    fn assert_own_tokens_only(&self) {
        for request in self.smd.server().requests() {
            let token = request.bearer_token().unwrap_or_default().to_owned();
            assert!(self.smith.tokens().all().contains(&token), "{} with `{token}`", request.target);
        }
    }
}

#[test]
fn without_a_token_smd_is_not_asked_and_the_server_calls_itself_unhealthy_and_serves() {
    let guarded = Guarded::new();
    let server = guarded.serve(&[]);
    assert_eq!(server.get("/meta-data", NODE).0, 200);
    while_nodes_notice_nothing(&server, || {
        // Nothing that it gave is good any more, and it gives nothing new.
        guarded.smith.forbid("mds");
        guarded.smith.revoke_everything();
        server.wait(SOON, |server| server.health()["status"] == "unhealthy");
        let (status, body) = server.get("/health", NODE);
        assert_eq!(status, 200, "it still serves: {body}");
        let health = server.health();
        let reason = health["reason"].as_str().unwrap();
        let expected = "the inventory cannot be pulled: SMD was not asked, because there is no token: TokenSmith";
        assert!(reason.starts_with(expected), "{reason}");
        assert_eq!((&health["degraded"][0]["reason"], health["nodes"].as_u64()), (&health["reason"], Some(3)));
        guarded.smd.reset_counts();
        std::thread::sleep(Duration::from_secs(4));
        assert_eq!(guarded.smd.total(), 0, "SMD is not asked without a token");
        guarded.smith.allow("mds");
        server.wait(AFTER_A_REST, |server| server.health()["status"] == "healthy");
    });
    wait_for_health(&server);
    guarded.smd.change(leave_green);
    server.wait(SOON, |server| !is_green(server));
    guarded.assert_own_tokens_only();
}

#[test]
fn a_first_start_without_a_token_tells_nodes_to_wait() {
    let guarded = Guarded::new();
    guarded.smith.forbid("mds");
    let server = guarded.serve(&[]);
    server.wait(SOON, |server| server.get("/health", NODE).1.contains("there is no token"));
    assert_eq!((server.get("/health", NODE).0, server.get("/meta-data", NODE).0), (503, 503));
    assert_eq!(guarded.smd.total(), 0, "not even the resources that need no token are asked for");
    guarded.smith.allow("mds");
    server.wait(AFTER_A_REST, |server| server.get("/meta-data", NODE).0 == 200);
    wait_for_health(&server);
}

#[test]
fn a_tokensmith_that_starts_anew_with_another_key_is_asked_for_another_token() {
    let guarded = Guarded::new();
    let server = guarded.serve(&[]);
    guarded.smith.revoke_everything();
    guarded.smd.change(leave_green);
    server.wait(SOON, |server| !is_green(server));
    assert!(guarded.smith.successes(Grant::Session) >= 2);
    assert!(!server.log().contains("degraded"), "{}", server.log());
}

fn assert_clean(what: &str, text: &str) {
    assert!(!text.contains(MARK), "{what} shows a token:\n{text}");
}

#[test]
fn no_token_is_in_the_log_or_in_health_whatever_happens() {
    let guarded = Guarded::new();
    let bootstrap = guarded.smith.new_bootstrap_token("mds");
    let more = [
        ("MDS_LOG", "trace"),
        ("TOKENSMITH_BOOTSTRAP_TOKEN", bootstrap.as_str()),
        ("TOKENSMITH_REFRESH_SKEW_SEC", "1"),
    ];
    // Tokens of two seconds are renewed all the time.
    guarded.smith.set_expires_in(2);
    let server = guarded.serve(&more);
    server.wait(SOON, |_| guarded.smith.successes(Grant::Refresh) >= 1);
    guarded.smd.set_fault_everywhere(&Fault::Status(403, String::new(), None));
    server.wait(SOON, |server| server.get("/health", NODE).1.contains("status 403"));
    assert_clean("/health", &server.get("/health", NODE).1);
    guarded.smd.clear_faults();
    guarded.smith.set_fault_everywhere(&TokenFault::EchoSecrets);
    server.wait(SOON, |server| server.health()["status"] == "unhealthy");
    assert_clean("/health", &server.get("/health", NODE).1);
    assert_clean("the summary", &server.summary.to_string());
    let log = server.log();
    assert!(log.contains("TokenSmith gave a token") && log.contains("TRACE"), "everything is logged: {log}");
    assert_clean("the log", &log);
    let cmdline = fs::read_to_string(format!("/proc/{}/cmdline", server.id())).unwrap();
    assert_clean("the command line", &cmdline);
    assert!(guarded.smith.count(Grant::Bootstrap) > 0, "the bootstrap token was used in the end");
}

#[test]
fn a_fixed_token_is_not_in_the_log_either() {
    let (sandbox, smd) = (Sandbox::new(), FakeSmd::mock_nodes());
    let (jwt, token) = (format!("{MARK}-jwt"), format!("{MARK}-token"));
    smd.accept_token(&jwt);
    smd.set_auth(Auth::Strict);
    let environment = [("SMD_JWT", jwt.as_str()), ("SMD_TOKEN", token.as_str()), ("MDS_LOG", "trace")];
    let server = sandbox.serve_with(&following(&smd.url(), &[]), &environment);
    assert_eq!(server.get("/meta-data", NODE).0, 200);
    smd.tokens().refuse(&jwt);
    server.wait(SOON, |server| server.get("/health", NODE).1.contains("status 401"));
    assert_clean("/health", &server.get("/health", NODE).1);
    assert_eq!(server.health()["status"], "healthy", "SMD says so, and what SMD says may pass");
    assert_clean("the log", &server.log());
}

/// The children of a process, with their arguments.
fn children(parent: u32) -> Vec<(u32, String)> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_child = |id: &u32| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        status.lines().any(|line| line.split_whitespace().eq(["PPid:", &parent.to_string()]))
    };
    let arguments = |id: u32| (id, fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default());
    processes.filter(is_child).map(arguments).collect()
}

#[test]
fn a_building_process_gets_no_token() {
    let guarded = Guarded::new();
    guarded.sandbox.write("site/mds.toml", &format!("{SETTINGS}[render]\nmax_seconds = 8\n"));
    let bootstrap = guarded.smith.new_bootstrap_token("mds");
    let scopes = [("TOKENSMITH_BOOTSTRAP_TOKEN", bootstrap.as_str()), ("TOKENSMITH_SCOPES", "read")];
    let server = guarded.serve(&scopes);
    let own = fs::read_to_string(format!("/proc/{}/environ", server.id())).unwrap();
    assert!(own.contains(MARK), "the server itself has to have it");
    // Renders until it is stopped.
    let loops = "{% for a in range(end=30000) %}{% for b in range(end=30000) %}{% endfor %}{% endfor %}";
    guarded.sandbox.write("site/groups/compute/cloud-config.yaml", &format!("#cloud-config\n{loops}\n"));
    let mut seen = None;
    server.wait(SOON, |server| {
        // A process that has just begun still shows what its parent has.
        let building = children(server.id()).into_iter().find(|(_, arguments)| arguments.contains("\0build\0"));
        seen = building.and_then(|(id, arguments)| {
            let environment = fs::read_to_string(format!("/proc/{id}/environ")).ok()?;
            environment.contains("MDS_BUILDS_FOR_A_SERVER=1").then_some((arguments, environment))
        });
        seen.is_some()
    });
    let (arguments, environment) = seen.unwrap();
    assert_clean("the command line of the building process", &arguments);
    assert_clean("the environment of the building process", &environment);
    for name in ["SMD_URL=", "SMD_JWT=", "SMD_TOKEN=", "SMD_CA=", "TOKENSMITH_"] {
        assert!(!environment.split('\0').any(|variable| variable.starts_with(name)), "{name}\n{environment}");
    }
    assert!(!arguments.contains("--inventory") && environment.contains("MDS_INVENTORY=-"), "{environment}");
}
