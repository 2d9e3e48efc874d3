//! Renewing tokens: in time, each refresh token once, and what comes when that no longer works.

use std::sync::Arc;
use std::time::Duration;

use mds::inventory::tokensmith::{Pace, TokenSmith};

use crate::smd_support::{Grant, TokenFault};
use crate::world::{ATTEMPTS, Proof, World, failure, pace, token};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn a_token_is_renewed_at_the_skew_and_each_refresh_token_is_used_once() {
    let world = World::new();
    let tokensmith = world.tokensmith(Proof::Identity);
    let mut before = token(&tokensmith).await;
    for round in 1..=6 {
        world.pass(3299);
        assert_eq!(token(&tokensmith).await, before, "it is good for 301 s");
        world.pass(1);
        let renewed = token(&tokensmith).await;
        assert_ne!(renewed, before, "it is good for 300 s");
        assert_eq!(world.counts(), [1, 0, round]);
        before = renewed;
    }
    assert_eq!(world.smith.replays(), 0);
}

#[tokio::test]
async fn a_token_that_lasts_less_than_the_skew_is_used_for_half_of_its_time() {
    let world = World::new();
    world.smith.set_expires_in(60);
    let tokensmith = world.tokensmith(Proof::Identity);
    let first = token(&tokensmith).await;
    world.pass(29);
    assert_eq!(token(&tokensmith).await, first);
    assert_eq!(world.requests_for_tokens(), 1, "it is not renewed each time");
    world.pass(1);
    assert_ne!(token(&tokensmith).await, first);
    assert_eq!(world.counts(), [1, 0, 1]);
}

#[tokio::test]
async fn a_token_that_is_renewed_by_two_at_once_is_renewed_once() {
    let world = World::new();
    let tokensmith = Arc::new(world.tokensmith(Proof::Bootstrap));
    token(&tokensmith).await;
    world.pass(3400);
    world.smith.set_delay(Duration::from_millis(50));
    let (left, right) = tokio::join!(token(&tokensmith), token(&tokensmith));
    assert_eq!(left, right);
    assert_eq!((world.counts(), world.smith.greatest_in_flight(), world.smith.replays()), ([0, 1, 1], 1, 0));
}

#[tokio::test]
async fn a_lost_answer_with_an_identity_leads_to_a_session_and_never_to_a_replay() {
    for fault in [
        TokenFault::LostAnswer,
        TokenFault::MissingField("access_token".to_owned()),
        TokenFault::Garbage,
        TokenFault::Stall,
    ] {
        let world = World::new();
        let quick = Pace { timeout: Duration::from_millis(400), ..pace() };
        let settings = world.tokensmith_settings(Proof::Both);
        // The time for an answer is short for the refreshing only: a handshake takes its time on a busy machine.
        let pace = if matches!(fault, TokenFault::Stall) { quick } else { pace() };
        let tokensmith = TokenSmith::with(settings, pace, world.time.clock());
        let first = token(&tokensmith).await;
        world.pass(3400);
        world.smith.set_fault(Grant::Refresh, fault.clone());
        assert_ne!(token(&tokensmith).await, first);
        assert_eq!(world.smith.count(Grant::Refresh), 1, "{fault:?}");
        assert_eq!((world.smith.replays(), world.smith.count(Grant::Bootstrap)), (0, 0), "{fault:?}");
        // What came with the session can be refreshed again.
        world.smith.clear_faults();
        world.pass(3400);
        token(&tokensmith).await;
        assert_eq!((world.smith.count(Grant::Refresh), world.smith.replays()), (2, 0), "{fault:?}");
    }
}

#[tokio::test]
async fn a_refusal_of_a_gateway_with_an_identity_leads_to_no_replay_either() {
    // TokenSmith has done its part, and what comes back is the gateway's own.
    let world = World::new();
    let tokensmith = world.tokensmith(Proof::Identity);
    token(&tokensmith).await;
    world.pass(3400);
    world.smith.set_fault(Grant::Refresh, TokenFault::Status(504, None));
    token(&tokensmith).await;
    assert_eq!(world.counts(), [2, 0, 1]);
}

#[tokio::test]
async fn a_lost_answer_without_an_identity_is_tried_again_and_ends_without_a_token() {
    let world = World::new();
    let client = world.client(Proof::Bootstrap);
    client.pull().await.unwrap();
    world.pass(3500);
    world.smith.set_fault(Grant::Refresh, TokenFault::LostAnswer);
    client.pull().await.unwrap();
    assert!((2..=ATTEMPTS).contains(&world.smith.count(Grant::Refresh)), "{:?}", world.counts());
    // The old token was good to its end, which is now.
    world.smith.clear_faults();
    world.smd.reset_counts();
    world.pass(200);
    let message = client.pull().await.unwrap_err().to_string();
    assert!(message.contains("SMD was not asked"), "{message}");
    assert_eq!(world.smd.total(), 0);
    assert_eq!(world.smith.count(Grant::Bootstrap), 1);
}

#[tokio::test]
async fn a_lost_request_without_an_identity_is_made_good_by_another() {
    for fault in [TokenFault::FailTimes(3), TokenFault::Down] {
        let world = World::new();
        let tokensmith = world.tokensmith(Proof::Bootstrap);
        let first = token(&tokensmith).await;
        world.pass(3400);
        world.smith.set_fault(Grant::Refresh, fault.clone());
        let meanwhile = token(&tokensmith).await;
        if matches!(fault, TokenFault::Down) {
            assert_eq!(meanwhile, first, "it is good for some minutes more");
            world.smith.clear_faults();
            world.time.set_steady_forward(Duration::from_secs(31));
        }
        assert_ne!(token(&tokensmith).await, first);
        assert_eq!((world.smith.replays(), world.smith.count(Grant::Bootstrap)), (0, 1));
    }
}

#[tokio::test]
async fn files_that_cannot_be_used_are_no_reason_to_give_a_refresh_token_up() {
    let world = World::new();
    world.remove("key.pem");
    let tokensmith = world.tokensmith(Proof::Both);
    let first = token(&tokensmith).await;
    world.pass(3400);
    world.smith.set_fault(Grant::Refresh, TokenFault::FailTimes(2));
    assert_ne!(token(&tokensmith).await, first);
    assert_eq!((world.counts(), world.smith.replays()), ([0, 1, 3], 0));
}

#[tokio::test]
async fn whoever_stops_waiting_takes_no_refresh_token_along() {
    for (proof, sessions) in [(Proof::Bootstrap, 0), (Proof::Identity, 2)] {
        let world = World::new();
        let tokensmith = world.tokensmith(proof);
        let first = token(&tokensmith).await;
        world.pass(3400);
        world.smith.set_fault(Grant::Refresh, TokenFault::Stall);
        let left = tokio::time::timeout(Duration::from_millis(500), tokensmith.token()).await;
        assert!(left.is_err(), "it waits for TokenSmith");
        assert_eq!(world.smith.count(Grant::Refresh), 1);
        world.smith.clear_faults();
        assert_ne!(token(&tokensmith).await, first, "{proof:?}");
        assert_eq!((world.smith.count(Grant::Session), world.smith.replays()), (sessions, 0), "{proof:?}");
    }
}

#[tokio::test]
async fn a_refused_refresh_token_leads_to_a_session() {
    for fault in [
        TokenFault::Status(400, Some("invalid_grant".to_owned())),
        TokenFault::Status(401, Some("invalid_client".to_owned())),
        TokenFault::Status(404, None),
        TokenFault::EchoSecrets,
    ] {
        let world = World::new();
        let client = world.client(Proof::Identity);
        client.pull().await.unwrap();
        world.pass(3400);
        world.smith.set_fault(Grant::Refresh, fault.clone());
        client.pull().await.unwrap();
        assert_eq!((world.counts(), world.smith.replays()), ([2, 0, 1], 0), "{fault:?}");
    }
}

#[tokio::test]
async fn an_ended_family_leads_to_a_session() {
    let world = World::new();
    world.smith.set_refresh_expires_in(5000);
    let client = world.client(Proof::Identity);
    client.pull().await.unwrap();
    world.pass(3400);
    client.pull().await.unwrap();
    assert_eq!(world.counts(), [1, 0, 1]);
    world.pass(3400);
    client.pull().await.unwrap();
    assert_eq!(world.smith.count(Grant::Session), 2);
    world.pass(3400);
    client.pull().await.unwrap();
    assert_eq!((world.smith.successes(Grant::Refresh), world.smith.replays()), (2, 0), "the new family is refreshed");
}

#[tokio::test]
async fn revoked_tokens_are_replaced_within_the_pull_that_finds_out() {
    let world = World::new();
    let client = world.client(Proof::Identity);
    client.pull().await.unwrap();
    world.smith.revoke_everything();
    assert_eq!(client.pull().await.unwrap().inventory.nodes().len(), 3);
    assert_eq!((world.counts(), world.smith.replays()), ([2, 0, 1], 0));
}

#[tokio::test]
async fn a_token_that_smd_no_longer_takes_is_replaced_once_in_a_pull() {
    let world = World::new();
    let client = world.client(Proof::Identity);
    client.pull().await.unwrap();
    // As after a restart of TokenSmith that made a new signing key: the token has not ended, and is worth nothing.
    world.smith.tokens().clear();
    world.smd.reset_counts();
    assert_eq!(client.pull().await.unwrap().inventory.nodes().len(), 3);
    assert_eq!(world.counts(), [1, 0, 1]);
    // A State Manager that takes none of them is asked twice in a pull, and TokenSmith once.
    world.smd.set_auth(crate::smd_support::Auth::Off);
    let refusal = crate::smd_support::Fault::Status(401, "invalid token".to_owned(), None);
    world.smd.set_fault_everywhere(&refusal);
    world.smd.reset_counts();
    let message = client.pull().await.unwrap_err().to_string();
    assert!(message.contains("status 401"), "{message}");
    assert_eq!(world.counts(), [1, 0, 2]);
    assert!(world.smd.total() <= 6, "{}", world.smd.total());
    world.smd.clear_faults();
    client.pull().await.unwrap();
}

#[tokio::test]
async fn a_denied_token_is_not_replaced() {
    let world = World::new();
    let client = world.client(Proof::Identity);
    world.smd.set_denies(true);
    let message = client.pull().await.unwrap_err().to_string();
    assert!(message.contains("SMD_AUTHZ_MODE"), "{message}");
    assert_eq!(world.counts(), [1, 0, 0], "another token would have no other role");
}

#[tokio::test]
async fn a_clock_that_is_set_forward_costs_one_renewal() {
    for (proof, expected) in [(Proof::Identity, 1), (Proof::Bootstrap, 0)] {
        let world = World::new();
        let tokensmith = world.tokensmith(proof);
        let first = token(&tokensmith).await;
        world.time.set_wall_forward(2 * DAY);
        let second = token(&tokensmith).await;
        assert_ne!(second, first, "{proof:?}");
        for _ in 0..3 {
            assert_eq!(token(&tokensmith).await, second);
        }
        assert!(world.smith.count(Grant::Session) <= 2 * expected, "{proof:?}: {:?}", world.counts());
        assert_eq!(world.requests_for_tokens(), 2, "{proof:?}: {:?}", world.counts());
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_makes_no_token_last_longer() {
    let world = World::new();
    let tokensmith = world.tokensmith(Proof::Identity);
    let first = token(&tokensmith).await;
    world.time.set_wall_back(DAY);
    assert_eq!(token(&tokensmith).await, first);
    assert_eq!(world.requests_for_tokens(), 1, "nothing has ended");
    world.pass(3301);
    assert_ne!(token(&tokensmith).await, first, "the steady clock knows");
    assert_eq!(world.counts(), [1, 0, 1]);
}

#[tokio::test]
async fn time_that_only_the_steady_clock_has_seen_counts() {
    let world = World::new();
    let tokensmith = world.tokensmith(Proof::Identity);
    let first = token(&tokensmith).await;
    world.time.set_steady_forward(DAY);
    let second = token(&tokensmith).await;
    assert_ne!(second, first);
    assert_eq!((token(&tokensmith).await, world.requests_for_tokens()), (second, 2));
}

#[tokio::test]
async fn a_clock_that_is_set_back_while_tokensmith_is_left_alone_makes_no_rest_longer() {
    let world = World::new();
    world.smith.set_fault_everywhere(&TokenFault::Down);
    let tokensmith = world.tokensmith(Proof::Identity);
    failure(&tokensmith).await;
    world.smith.clear_faults();
    world.time.set_wall_back(DAY);
    world.time.set_steady_forward(Duration::from_secs(31));
    token(&tokensmith).await;
}
