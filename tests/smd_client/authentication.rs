//! Tokens for the State Manager: where they go, and what is said when they do not do.

use crate::smd_support::{Auth, Endpoint, FakeSmd, Fault, MARK, Request};
use crate::{ATTEMPTS, client, client_of, failure, settings};

/// A State Manager that wants a token for all, and the one that it takes.
fn guarded() -> (FakeSmd, String) {
    let (smd, token) = (FakeSmd::mock_nodes(), format!("{MARK}-good"));
    smd.set_auth(Auth::Strict);
    smd.accept_token(&token);
    (smd, token)
}

fn tokens(smd: &FakeSmd) -> Vec<Option<String>> {
    let token = |request: &Request| request.bearer_token().map(str::to_owned);
    smd.server().requests().iter().map(token).collect()
}

#[tokio::test]
async fn the_token_goes_with_each_of_the_three_requests() {
    let (smd, token) = guarded();
    let pull = client_of(&settings(&smd.url(), Some(&token)), ATTEMPTS).pull().await.unwrap();
    assert_eq!(pull.inventory.nodes().len(), 3);
    assert_eq!(tokens(&smd), [Some(token.clone()), Some(token.clone()), Some(token)]);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_as_one_and_the_refusal_says_how_to_set_one() {
    for auth in [Auth::On, Auth::Strict] {
        let (smd, token) = guarded();
        smd.set_auth(auth);
        let message = failure(&client(&smd.url())).await;
        assert!(message.contains("status 401"), "{message}");
        assert!(["SMD_JWT", "SMD_TOKEN", "TOKENSMITH_URL"].iter().all(|name| message.contains(name)), "{message}");
        assert!(tokens(&smd).iter().all(Option::is_none));
        assert!(Endpoint::ALL.iter().all(|&endpoint| smd.count(endpoint) <= 1), "a refusal is no reason to ask again");
        // The same State Manager does give its nodes to who has the token.
        client_of(&settings(&smd.url(), Some(&token)), 1).pull().await.unwrap();
    }
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_not_shown() {
    let (smd, token) = guarded();
    let client = client_of(&settings(&smd.url(), Some(&format!("{token}-not"))), ATTEMPTS);
    let message = failure(&client).await;
    assert!(message.contains("status 401") && message.contains("valid token"), "{message}");
    assert!(!message.contains(MARK), "{message}");
    assert!(Endpoint::ALL.iter().all(|&endpoint| smd.count(endpoint) <= 1));
    // The very client that was refused, when the State Manager has learnt its token.
    smd.accept_token(&format!("{token}-not"));
    assert_eq!(client.pull().await.unwrap().inventory.nodes().len(), 3);
}

#[tokio::test]
async fn a_token_without_the_right_role_is_told_what_to_check() {
    let (smd, token) = guarded();
    let client = client_of(&settings(&smd.url(), Some(&token)), ATTEMPTS);
    smd.set_denies(true);
    let message = failure(&client).await;
    assert!(message.contains("status 403"), "{message}");
    assert!(["SMD_AUTHZ_MODE", "role", "shadow"].iter().all(|word| message.contains(word)), "{message}");
    assert!(Endpoint::ALL.iter().all(|&endpoint| smd.count(endpoint) <= 1));
    smd.set_denies(false);
    assert_eq!(client.pull().await.unwrap().inventory.nodes().len(), 3);
}

#[tokio::test]
async fn a_token_that_cannot_be_sent_is_not_shown_and_nobody_is_asked() {
    let smd = FakeSmd::mock_nodes();
    for token in ["s3cr3t\nX-Other: 1", "s3cr3t\r\n\r\nGET /", "s3cr3t\0", "s3cr3t\u{7f}"] {
        let error = client_of(&settings(&smd.url(), Some(token)), ATTEMPTS).pull().await.unwrap_err();
        let message = error.to_string();
        assert!(message.contains("the token for SMD has characters"), "{message}");
        assert!(!format!("{message} {error:?}").contains(MARK), "{message} {error:?}");
    }
    assert_eq!(smd.total(), 0);
}

#[tokio::test]
async fn white_space_around_a_token_is_not_part_of_it() {
    let (smd, token) = guarded();
    client_of(&settings(&smd.url(), Some(&format!(" {token}\n"))), 1).pull().await.unwrap();
}

#[tokio::test]
async fn each_of_the_three_that_fails_fails_the_whole() {
    for endpoint in Endpoint::ALL {
        for status in [400, 401, 403, 404, 500, 503] {
            let smd = FakeSmd::mock_nodes();
            let client = client(&smd.url());
            smd.set_fault(endpoint, Fault::Status(status, "no".to_owned(), None));
            let message = failure(&client).await;
            assert!(message.contains(endpoint.path()) && message.contains(&format!("status {status}")), "{message}");
            smd.clear_faults();
            assert_eq!(client.pull().await.unwrap().inventory.nodes().len(), 3);
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_its_target_gets_no_token() {
    let (smd, token) = guarded();
    let (target, client) = (FakeSmd::mock_nodes(), client_of(&settings(&smd.url(), Some(&token)), ATTEMPTS));
    for endpoint in Endpoint::ALL {
        smd.reset_counts();
        smd.set_fault(endpoint, Fault::Redirect(target.url_of(endpoint)));
        let message = failure(&client).await;
        assert!(message.contains("redirect (status 302)") && message.contains("not followed"), "{message}");
        assert_eq!(smd.count(endpoint), 1, "asking again would bring the same");
        smd.clear_faults();
        client.pull().await.unwrap();
    }
    assert_eq!((target.total(), target.server().connections()), (0, 0));
}
