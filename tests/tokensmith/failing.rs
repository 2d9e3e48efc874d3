//! A TokenSmith that gives nothing: bounded attempts, then none but slow ones, no request to the State Manager, and back
//! without a restart.

use std::time::Duration;

use mds::inventory::tokensmith::{Pace, TokenSmith};
use serde_json::json;

use crate::smd_support::{Authority, FakeSmd, FakeTokenSmith, Grant, Options, TokenFault};
use crate::world::{ATTEMPTS, Proof, SUBJECT, World, failure, fixed_token, pace, token};

fn status(status: u16, code: &str) -> TokenFault {
    TokenFault::Status(status, Some(code.to_owned()))
}

#[tokio::test]
async fn without_a_token_smd_is_not_asked_and_attempts_are_bounded() {
    for proof in [Proof::Identity, Proof::Bootstrap] {
        for fault in [TokenFault::Down, status(503, "server_error"), TokenFault::Status(500, None)] {
            let world = World::new();
            world.smd.accept_token(&fixed_token());
            world.smith.set_fault_everywhere(&fault);
            let client = world.client(proof);
            let message = client.pull().await.unwrap_err().to_string();
            assert!(message.starts_with("SMD was not asked, because there is no token: TokenSmith"), "{message}");
            assert_eq!(world.requests_for_tokens(), ATTEMPTS, "{proof:?} {fault:?}");
            // While TokenSmith is left alone, nobody is asked at all.
            for _ in 0..3 {
                assert_eq!(client.pull().await.unwrap_err().to_string(), message);
            }
            assert_eq!(world.requests_for_tokens(), ATTEMPTS, "{proof:?} {fault:?}");
            assert_eq!((world.smd.total(), world.smd.server().connections()), (0, 0), "{proof:?} {fault:?}");
        }
    }
}

#[tokio::test]
async fn tokensmith_is_asked_again_slowly_and_found_again_without_a_restart() {
    for proof in [Proof::Identity, Proof::Bootstrap, Proof::Both] {
        let world = World::new();
        world.smith.set_fault_everywhere(&TokenFault::Status(503, None));
        let client = world.client(proof);
        client.pull().await.unwrap_err();
        for further in 1..=4 {
            let before = world.requests_for_tokens();
            world.rest();
            client.pull().await.unwrap_err();
            client.pull().await.unwrap_err();
            assert_eq!(world.requests_for_tokens(), before + 1, "{proof:?}: one at a time, round {further}");
        }
        assert_eq!(world.smd.total(), 0);
        world.smith.clear_faults();
        world.rest();
        assert_eq!(client.pull().await.unwrap().inventory.nodes().len(), 3, "{proof:?}");
        // And what came before is forgotten: the next failure gets its attempts again.
        world.smith.set_fault_everywhere(&TokenFault::Status(503, None));
        let [sessions, _, refreshes] = world.counts();
        world.pass(4000);
        client.pull().await.unwrap_err();
        let expected =
            if proof == Proof::Bootstrap { [sessions, refreshes + 5] } else { [sessions + 5, refreshes + 1] };
        assert_eq!([world.counts()[0], world.counts()[2]], expected, "{proof:?}");
    }
}

#[tokio::test]
async fn rests_grow_up_to_a_bound() {
    let world = World::new();
    world.smith.set_fault_everywhere(&TokenFault::Down);
    let tokensmith = world.tokensmith(Proof::Identity);
    failure(&tokensmith).await;
    let mut asked = world.requests_for_tokens();
    for shortest in [15, 30, 60, 120, 150, 150, 150] {
        world.time.set_steady_forward(Duration::from_secs(shortest - 1));
        failure(&tokensmith).await;
        assert_eq!(world.requests_for_tokens(), asked, "it rests for {shortest} s at least");
        world.time.set_steady_forward(Duration::from_secs(2 * shortest - (shortest - 1)));
        failure(&tokensmith).await;
        asked += 1;
        assert_eq!(world.requests_for_tokens(), asked, "it rests for {} s at most", 2 * shortest);
    }
}

#[tokio::test]
async fn a_token_is_used_to_its_end_while_no_other_can_be_had_and_not_longer() {
    for proof in [Proof::Identity, Proof::Bootstrap] {
        let world = World::new();
        let tokensmith = world.tokensmith(proof);
        let first = token(&tokensmith).await;
        world.smith.set_fault_everywhere(&TokenFault::Down);
        world.pass(3300);
        assert_eq!(token(&tokensmith).await, first);
        world.pass(299);
        assert_eq!(token(&tokensmith).await, first);
        world.pass(1);
        let message = failure(&tokensmith).await;
        assert!(message.starts_with("TokenSmith gives none: "), "{message}");
        world.smith.clear_faults();
        world.rest();
        assert_ne!(token(&tokensmith).await, first);
    }
}

#[tokio::test]
async fn a_stalled_tokensmith_is_given_up() {
    let world = World::new();
    world.smith.set_fault_everywhere(&TokenFault::Stall);
    let quick = Pace { timeout: Duration::from_millis(300), ..pace() };
    let tokensmith = TokenSmith::with(world.tokensmith_settings(Proof::Identity), quick, world.time.clock());
    let message = failure(&tokensmith).await;
    assert!(message.contains("too long"), "{message}");
    assert!(world.requests_for_tokens() <= ATTEMPTS);
}

#[tokio::test]
async fn a_tokensmith_that_is_gone_is_found_again_when_it_is_back() {
    let world = World::new();
    let World { authority, smith, smd: _smd, time, .. } = &world;
    let tokensmith = world.tokensmith(Proof::Identity);
    let address = smith.server().address();
    let gone = FakeTokenSmith::start(authority);
    let mut settings = world.tokensmith_settings(Proof::Identity);
    settings.url = mds::settings::ServiceUrl::tokensmith(&gone.url()).unwrap();
    let gone_address = gone.server().address();
    drop(gone);
    let lost = TokenSmith::with(settings, pace(), time.clock());
    let message = failure(&lost).await;
    assert!(message.contains("it cannot be reached") && message.contains("refused"), "{message}");
    let tls = Some(authority.server_config());
    let back = FakeTokenSmith::with(Options { tls, address: Some(gone_address), ..Options::default() });
    back.allow(SUBJECT);
    world.rest();
    assert!(back.tokens().accepts(&token(&lost).await));
    // Another one was not concerned.
    token(&tokensmith).await;
    assert_ne!(address, gone_address);
}

#[tokio::test]
async fn throttling_is_waited_out() {
    let world = World::new();
    world.smith.set_fault_everywhere(&TokenFault::Throttled("1".to_owned()));
    let client = world.client(Proof::Bootstrap);
    let message = client.pull().await.unwrap_err().to_string();
    assert!(message.contains("status 429 (too_many_requests)"), "{message}");
    assert_eq!((world.requests_for_tokens(), world.smd.total()), (ATTEMPTS, 0));
    world.smith.clear_faults();
    world.rest();
    client.pull().await.unwrap();
}

#[tokio::test]
async fn refusals_that_will_not_change_are_not_asked_again_at_once() {
    let world = World::new();
    world.smith.forbid(SUBJECT);
    let tokensmith = world.tokensmith(Proof::Identity);
    let message = failure(&tokensmith).await;
    assert!(message.contains("/service-identity/session with status 403 (invalid_client)"), "{message}");
    assert_eq!(world.requests_for_tokens(), 1);
    world.smith.allow(SUBJECT);
    failure(&tokensmith).await;
    assert_eq!(world.requests_for_tokens(), 1);
    world.rest();
    token(&tokensmith).await;
}

#[tokio::test]
async fn without_an_identity_a_refresh_token_is_kept_until_tokensmith_itself_refuses_it() {
    type Fail = fn(&World);
    let faults: [Fail; 5] = [
        |world| world.smith.set_fault(Grant::Refresh, TokenFault::Status(404, None)),
        |world| world.smith.set_fault(Grant::Refresh, TokenFault::Redirect("https://[::1]:9/".to_owned())),
        |world| world.smith.set_fault(Grant::Refresh, status(401, "invalid_client")),
        |world| world.write("ca.pem", Authority::new().pem()),
        |world| world.remove("ca.pem"),
    ];
    for fail in faults {
        let world = World::new();
        let tokensmith = world.tokensmith(Proof::Bootstrap);
        token(&tokensmith).await;
        fail(&world);
        for _ in 0..3 {
            world.pass(4000);
            failure(&tokensmith).await;
        }
        world.smith.clear_faults();
        world.write("ca.pem", world.authority.pem());
        world.rest();
        token(&tokensmith).await;
        assert_eq!((world.smith.successes(Grant::Refresh), world.smith.count(Grant::Bootstrap)), (1, 1));
    }
}

#[tokio::test]
async fn answers_without_tokens_give_none() {
    let wrong = |name: &str, value| TokenFault::WrongField(name.to_owned(), value);
    for fault in [
        TokenFault::Garbage,
        TokenFault::LostAnswer,
        TokenFault::MissingField("access_token".to_owned()),
        TokenFault::MissingField("expires_in".to_owned()),
        wrong("access_token", json!("")),
        wrong("access_token", json!(null)),
        wrong("access_token", json!({"token": "s3cr3t"})),
        wrong("access_token", json!("s3cr3t with blanks")),
        wrong("access_token", json!("s3cr3t\nX-Other: 1")),
        wrong("expires_in", json!(0)),
        wrong("expires_in", json!(-3600)),
        wrong("expires_in", json!("soon")),
        wrong("scope", json!("x".repeat(70_000))),
    ] {
        let world = World::new();
        world.smith.set_fault(Grant::Session, fault.clone());
        let client = world.client(Proof::Identity);
        let error = client.pull().await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("s3cr3t"), "{fault:?}: {shown}");
        assert!(error.to_string().contains("SMD was not asked"), "{fault:?}: {shown}");
        assert_eq!((world.counts(), world.smd.total()), ([ATTEMPTS, 0, 0], 0), "{fault:?}: {shown}");
        world.smith.clear_faults();
        world.rest();
        assert_eq!(client.pull().await.unwrap().inventory.nodes().len(), 3, "{fault:?}");
    }
}

#[tokio::test]
async fn without_a_usable_refresh_token_the_certificate_is_shown_again() {
    for fault in [
        TokenFault::MissingField("refresh_token".to_owned()),
        TokenFault::MissingField("refresh_expires_in".to_owned()),
        TokenFault::WrongField("refresh_token".to_owned(), json!("")),
        TokenFault::WrongField("refresh_expires_in".to_owned(), json!(0)),
    ] {
        let world = World::new();
        world.smith.set_fault(Grant::Session, fault.clone());
        let client = world.client(Proof::Identity);
        client.pull().await.unwrap();
        world.pass(3400);
        client.pull().await.unwrap();
        assert_eq!(world.counts(), [2, 0, 0], "{fault:?}");
    }
}

#[tokio::test]
async fn a_lifetime_without_measure_is_not_believed_for_ever() {
    let world = World::new();
    world.smith.set_fault(Grant::Session, TokenFault::WrongField("expires_in".to_owned(), json!(u64::MAX)));
    let tokensmith = world.tokensmith(Proof::Identity);
    token(&tokensmith).await;
    world.time.set_steady_forward(Duration::from_secs(11 * 365 * 86_400));
    token(&tokensmith).await;
    assert!(world.requests_for_tokens() > 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_its_target_gets_no_secret() {
    for (proof, grant) in [(Proof::Identity, Grant::Session), (Proof::Bootstrap, Grant::Bootstrap)] {
        let world = World::new();
        let (thief, other) = (FakeSmd::mock_nodes(), FakeTokenSmith::start(&world.authority));
        for location in [format!("{}/oauth/token", thief.url()), format!("{}/oauth/token", other.url())] {
            world.smith.set_fault(grant, TokenFault::Redirect(location));
            let message = failure(&world.tokensmith(proof)).await;
            assert!(message.contains("status 307"), "{message}");
        }
        assert_eq!((thief.server().connections(), other.server().connections()), (0, 0));
        assert_eq!(world.requests_for_tokens(), 2);
    }
    // And a refresh token stays at home too.
    let world = World::new();
    let thief = FakeTokenSmith::start(&world.authority);
    let tokensmith = world.tokensmith(Proof::Identity);
    token(&tokensmith).await;
    world.smith.set_fault(Grant::Refresh, TokenFault::Redirect(format!("{}/oauth/token", thief.url())));
    world.pass(3400);
    token(&tokensmith).await;
    assert_eq!((thief.server().connections(), world.counts()), (0, [2, 0, 1]));
}
