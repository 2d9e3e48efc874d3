//! The first token: by the certificate, else by the bootstrap token.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use mds::inventory::tokensmith::TokenSmith;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::smd_support::{FakeTokenSmith, Grant, Options, Request};
use crate::world::{Proof, SUBJECT, World, failure, fixed_token, pace, token};

#[tokio::test]
async fn a_session_is_had_by_the_certificate_and_its_token_goes_with_every_request() {
    let world = World::new();
    let client = world.client(Proof::Both);
    for _ in 0..3 {
        assert_eq!(client.pull().await.unwrap().inventory.nodes().len(), 3);
    }
    assert_eq!(world.counts(), [1, 0, 0]);
    let asked = &world.smith.server().requests()[0];
    assert_eq!((asked.peer.as_deref(), asked.path()), (Some(SUBJECT), "/service-identity/session"));
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!((&body["target_service"], &body["scopes"]), (&json!("smd"), &Value::Null));
    let issued = world.smith.tokens().all();
    let sent: Vec<Option<String>> =
        world.smd.server().requests().iter().map(|request| request.bearer_token().map(str::to_owned)).collect();
    assert_eq!(sent, vec![Some(issued[0].clone()); 9]);
}

#[tokio::test]
async fn scopes_and_service_are_told_when_they_are_set() {
    let world = World::new();
    let mut settings = world.tokensmith_settings(Proof::Identity);
    settings.scopes = vec!["metadata:read".to_owned()];
    settings.target_service = "hsm".to_owned();
    token(&TokenSmith::with(settings, pace(), world.time.clock())).await;
    let body: Value = serde_json::from_slice(&world.smith.server().requests()[0].body).unwrap();
    assert_eq!((&body["target_service"], &body["scopes"]), (&json!("hsm"), &json!(["metadata:read"])));
}

#[tokio::test]
async fn tokensmith_may_live_below_a_prefix() {
    let world = World::new();
    let tls = Some(world.authority.server_config());
    let smith = FakeTokenSmith::with(Options { prefix: "/tokensmith".to_owned(), tls, ..Options::default() });
    smith.allow(SUBJECT);
    for end in ["", "/"] {
        let mut settings = world.tokensmith_settings(Proof::Identity);
        settings.url = mds::settings::ServiceUrl::tokensmith(&format!("{}{end}", smith.url())).unwrap();
        let tokensmith = TokenSmith::with(settings, pace(), world.time.clock());
        assert!(smith.tokens().accepts(&token(&tokensmith).await));
    }
    assert_eq!(smith.count(Grant::Session), 2);
}

#[tokio::test]
async fn a_bootstrap_token_takes_the_place_of_files_that_cannot_be_used() {
    type Break = fn(&World);
    let breaks: [Break; 5] = [
        |world| world.remove("cert.pem"),
        |world| world.remove("key.pem"),
        |world| world.write("cert.pem", "no certificate"),
        |world| world.write("key.pem", ""),
        |world| {
            world.remove("key.pem");
            fs::create_dir(world.path("key.pem")).unwrap();
        },
    ];
    for broken in breaks {
        let world = World::new();
        broken(&world);
        assert_eq!(world.client(Proof::Both).pull().await.unwrap().inventory.nodes().len(), 3);
        assert_eq!(world.counts(), [0, 1, 0]);
        assert_eq!(world.smith.server().requests()[0].peer, None);
    }
}

#[tokio::test]
async fn a_bootstrap_token_alone_is_enough_and_is_sent_once() {
    let world = World::new();
    let client = world.client(Proof::Bootstrap);
    for _ in 0..4 {
        assert_eq!(client.pull().await.unwrap().inventory.nodes().len(), 3);
        world.pass(3400);
    }
    assert_eq!(world.counts(), [0, 1, 3]);
    // Not even when nothing else is left: it works once, and failed exchanges are counted against us.
    world.smith.revoke_everything();
    world.smd.reset_counts();
    for _ in 0..4 {
        world.pass(4000);
        let message = client.pull().await.unwrap_err().to_string();
        assert!(message.contains("bootstrap token") && message.contains("new one"), "{message}");
    }
    assert_eq!(world.smith.count(Grant::Bootstrap), 1);
    assert_eq!(world.smd.total(), 0);
}

#[tokio::test]
async fn a_bootstrap_token_that_was_used_by_another_is_refused_once() {
    let world = World::new();
    let settings = world.tokensmith_settings(Proof::Bootstrap);
    let first = TokenSmith::with(settings.clone(), pace(), world.time.clock());
    token(&first).await;
    let second = TokenSmith::with(settings, pace(), world.time.clock());
    let message = failure(&second).await;
    assert!(message.contains("status 400 (invalid_grant)"), "{message}");
    assert_eq!(world.counts(), [0, 2, 0], "a refusal is no reason to ask again");
}

#[tokio::test]
async fn many_who_want_a_token_at_once_make_one_request() {
    let world = World::new();
    world.smith.set_delay(Duration::from_millis(100));
    let tokensmith = Arc::new(world.tokensmith(Proof::Identity));
    assert_eq!(all_at_once(&tokensmith, 20).await.len(), 1);
    assert_eq!((world.counts(), world.smith.greatest_in_flight()), ([1, 0, 0], 1));
    world.pass(3400);
    assert_eq!(all_at_once(&tokensmith, 20).await.len(), 1);
    assert_eq!((world.counts(), world.smith.greatest_in_flight()), ([1, 0, 1], 1));
    assert_eq!(world.smith.replays(), 0);
}

/// The different tokens that so many get who ask together.
async fn all_at_once(tokensmith: &Arc<TokenSmith>, number: usize) -> std::collections::BTreeSet<String> {
    let mut tasks = JoinSet::new();
    for _ in 0..number {
        let tokensmith = Arc::clone(tokensmith);
        tasks.spawn(async move { token(&tokensmith).await });
    }
    tasks.join_all().await.into_iter().collect()
}

#[tokio::test]
async fn the_fixed_token_is_never_sent_beside_tokensmith() {
    let world = World::new();
    world.smd.accept_token(&fixed_token());
    let client = world.client(Proof::Both);
    client.pull().await.unwrap();
    world.smith.forbid(SUBJECT);
    world.smith.revoke_everything();
    world.smd.accept_token(&fixed_token());
    client.pull().await.unwrap_err();
    let is_fixed = |request: &Request| request.headers.iter().any(|(_, value)| value.contains(&fixed_token()));
    assert!(!world.smd.server().requests().iter().any(is_fixed));
    assert!(!world.smith.server().requests().iter().any(is_fixed));
}
