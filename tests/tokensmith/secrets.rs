//! Secrets are sent to whom they are for, and are in no log and no message.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mds::inventory::tokensmith::TokenSmith;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::smd_support::{Authority, Endpoint, Fault, Grant, MARK, TokenFault};
use crate::world::{Proof, World, pace};

/// All that is logged in this process, by us and by what we stand on.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// Logs everything that anybody in the process says.
fn log_everything() -> Log {
    static LOG: std::sync::OnceLock<Log> = std::sync::OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(log.clone())
            .init();
        log
    })
    .clone()
}

/// The lines of a PEM text that are the secret itself.
fn body(pem: &str) -> Vec<String> {
    let lines = pem.lines().filter(|line| !line.starts_with("-----") && line.len() > 8);
    lines.map(str::to_owned).collect()
}

fn assert_clean(what: &str, text: &str, keys: &[String]) {
    // Tokens of TokenSmith begin with `eyJ`, and their last part has the mark.
    let found = [MARK, "eyJ"].into_iter().chain(keys.iter().map(String::as_str)).find(|secret| text.contains(secret));
    let line = found.and_then(|secret| text.lines().find(|line| line.contains(secret)));
    assert!(found.is_none(), "{what} shows {found:?}: {line:?}");
}

/// The key in the world's folder, in lines.
fn keys(world: &World) -> Vec<String> {
    let keys = body(&std::fs::read_to_string(world.path("key.pem")).unwrap());
    assert!(!keys.is_empty());
    keys
}

fn faults_of_smd() -> Vec<Fault> {
    let mark = || MARK.to_owned();
    vec![
        Fault::Down,
        Fault::Status(401, mark(), None),
        Fault::Status(500, mark(), Some(mark())),
        Fault::Garbage,
        Fault::WrongShape(json!([{"ID": MARK, "id": MARK, "NID": MARK, "groupLabels": MARK, "IPAddresses": MARK}])),
        Fault::WrongShape(json!(MARK)),
        Fault::Redirect(format!("http://{MARK}.example.org/{MARK}")),
        Fault::Truncated,
        Fault::TruncatedJson,
        Fault::BrokenGzip,
    ]
}

fn faults_of_tokensmith() -> Vec<TokenFault> {
    let wrong = |name: &str, value| TokenFault::WrongField(name.to_owned(), value);
    vec![
        TokenFault::EchoSecrets,
        TokenFault::Down,
        TokenFault::LostAnswer,
        TokenFault::Garbage,
        TokenFault::Status(400, Some(MARK.to_owned())),
        TokenFault::Throttled(MARK.to_owned()),
        TokenFault::Redirect(format!("http://{MARK}.example.org/{MARK}")),
        TokenFault::MissingField("expires_in".to_owned()),
        wrong("expires_in", json!(MARK)),
        wrong("access_token", json!(format!("{MARK} {MARK}"))),
        wrong("refresh_token", json!({ MARK: MARK })),
    ]
}

#[tokio::test]
async fn nothing_that_is_logged_or_said_about_a_failure_shows_a_secret() {
    let log = log_everything();
    let mut all_keys = Vec::new();
    for proof in [Proof::Identity, Proof::Bootstrap, Proof::Both] {
        let world = World::new();
        let keys = keys(&world);
        let client = world.client(proof);
        client.pull().await.unwrap();
        for fault in faults_of_smd() {
            world.smd.set_fault(Endpoint::Interfaces, fault.clone());
            let error = client.pull().await.unwrap_err();
            assert_clean(&format!("the failure by {fault:?}"), &format!("{error}\n{error:?}\n{error:#?}"), &keys);
            world.smd.clear_faults();
        }
        for fault in faults_of_tokensmith() {
            world.smith.set_fault_everywhere(&fault);
            for _ in 0..2 {
                world.pass(4000);
                let error = client.pull().await.unwrap_err();
                let mut shown = format!("{error}\n{error:?}\n{error:#?}");
                let mut source = std::error::Error::source(&error);
                while let Some(inner) = source {
                    shown += &format!("\n{inner}\n{inner:?}");
                    source = inner.source();
                }
                assert_clean(&format!("the failure by {fault:?}"), &shown, &keys);
            }
            assert_clean("the client's Debug form", &format!("{client:?}\n{client:#?}"), &keys);
            world.smith.clear_faults();
            world.rest();
            if proof != Proof::Bootstrap {
                client.pull().await.unwrap();
            }
        }
        all_keys.extend(keys);
    }
    let text = log.text();
    for expected in ["TokenSmith gave a token", "TokenSmith gives no token", "asking SMD once more", "rustls", "mds::"]
    {
        assert!(text.contains(expected), "the log is none without {expected}");
    }
    assert_clean("the log", &text, &all_keys);
}

#[tokio::test]
async fn broken_files_are_told_without_what_is_in_them() {
    let log = log_everything();
    let world = World::new();
    let stranger = Authority::new().client("mds");
    let key = std::fs::read_to_string(world.path("key.pem")).unwrap();
    let mut keys = keys(&world);
    keys.extend(body(&stranger.key_pem));
    let half: String = key.lines().take(2).collect::<Vec<_>>().join("\n");
    let mangled = key.replace("PRIVATE KEY", "SECRET KEY");
    for (name, text) in [
        ("key.pem", half.as_str()),
        ("key.pem", &mangled),
        ("key.pem", &stranger.key_pem),
        ("cert.pem", &key),
        ("ca.pem", &key),
    ] {
        let good = std::fs::read_to_string(world.path(name)).unwrap();
        world.write(name, text);
        let error = world.client(Proof::Identity).pull().await.unwrap_err();
        assert_clean(name, &format!("{error}\n{error:?}"), &keys);
        world.write(name, &good);
    }
    assert_clean("the log", &log.text(), &keys);
}

#[tokio::test]
async fn debug_forms_show_no_secret_before_and_after_use() {
    let world = World::new();
    let keys = keys(&world);
    let settings = world.settings(Proof::Both);
    assert_clean("the settings", &format!("{settings:?}\n{settings:#?}"), &keys);
    let client = world.client_of(&settings, pace());
    assert_clean("a fresh client", &format!("{client:?}\n{client:#?}"), &keys);
    client.pull().await.unwrap();
    assert_clean("a used client", &format!("{client:?}\n{client:#?}"), &keys);
    let settings = world.tokensmith_settings(Proof::Both);
    assert_clean("the settings of TokenSmith", &format!("{settings:?}\n{settings:#?}"), &keys);
    let tokensmith = TokenSmith::with(settings, pace(), world.time.clock());
    let token = tokensmith.token().await.unwrap();
    assert!(token.expose().contains(MARK) && token.expose().starts_with("eyJ"), "the marks are looked for in vain");
    assert_clean("a keeper of tokens", &format!("{tokensmith:?}\n{tokensmith:#?}"), &keys);
    assert_clean("a token", &format!("{token:?}\n{token:#?}\n{:?}", Some(&token)), &keys);
}

#[tokio::test]
async fn secrets_are_sent_in_bodies_and_headers_and_never_in_an_url() {
    let world = World::new();
    let client = world.client(Proof::Bootstrap);
    client.pull().await.unwrap();
    world.time.set_steady_forward(Duration::from_secs(3400));
    client.pull().await.unwrap();
    assert_eq!(world.counts(), [0, 1, 1]);
    let requests = [world.smith.server().requests(), world.smd.server().requests()].concat();
    assert!(requests.iter().all(|request| !request.target.contains(MARK) && !request.target.contains("eyJ")));
    let bodies: String = world.smith.server().requests().iter().map(crate::smd_support::Request::body_text).collect();
    assert!(bodies.contains(MARK));
    assert_eq!(world.smith.successes(Grant::Refresh), 1);
}
