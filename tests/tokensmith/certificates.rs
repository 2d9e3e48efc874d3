//! The files of the identity: replaced while mds runs, ended, of others, and broken by halves.

use std::fs;
use std::time::Duration;

use crate::smd_support::{Authority, FakeTokenSmith, Identity, Options};
use crate::world::{Proof, SUBJECT, World, failure, token};

#[tokio::test]
async fn a_certificate_that_tokensmith_does_not_take_is_told_and_a_new_one_is_taken_up() {
    type Make = fn(&Authority) -> Identity;
    let bad: [Make; 3] = [
        |authority| authority.expired_client(SUBJECT),
        |_| Authority::new().client(SUBJECT),
        |authority| authority.client_of_wrong_usage(SUBJECT),
    ];
    for make in bad {
        let world = World::new();
        world.write_identity(&make(&world.authority));
        let client = world.client(Proof::Identity);
        let message = client.pull().await.unwrap_err().to_string();
        assert!(message.contains("certificates are those that both sides expect"), "{message}");
        assert_eq!(world.smith.server().connections(), 1, "the same certificate is not shown again at once: {message}");
        for _ in 0..3 {
            client.pull().await.unwrap_err();
        }
        assert_eq!((world.smith.server().connections(), world.smd.total()), (1, 0));
        world.write_identity(&world.authority.client(SUBJECT));
        world.rest();
        assert_eq!(client.pull().await.unwrap().inventory.nodes().len(), 3);
    }
}

#[tokio::test]
async fn a_certificate_that_has_ended_does_not_stop_the_refreshing() {
    let world = World::new();
    let client = world.client(Proof::Identity);
    client.pull().await.unwrap();
    world.write_identity(&world.authority.expired_client(SUBJECT));
    for _ in 0..3 {
        world.pass(3400);
        client.pull().await.unwrap();
    }
    assert_eq!(world.counts(), [1, 0, 3]);
}

#[tokio::test]
async fn a_replaced_certificate_is_shown_at_the_next_session() {
    let world = World::new();
    let tokensmith = world.tokensmith(Proof::Identity);
    token(&tokensmith).await;
    world.smith.allow("mds-renamed");
    world.write_identity(&world.authority.client("mds-renamed"));
    world.smith.revoke_everything();
    world.pass(3400);
    token(&tokensmith).await;
    let peers: Vec<Option<String>> = world.smith.server().requests().into_iter().map(|request| request.peer).collect();
    assert_eq!(peers, [Some(SUBJECT.to_owned()), None, Some("mds-renamed".to_owned())]);
}

#[tokio::test]
async fn another_authority_on_both_sides_is_taken_up() {
    let mut world = World::new();
    let client = world.client(Proof::Identity);
    client.pull().await.unwrap();
    // TokenSmith starts again with other certificates and without memory.
    let (address, tokens, other) = (world.smith.server().address(), world.smith.tokens().clone(), Authority::new());
    let elsewhere = FakeTokenSmith::start(&other);
    drop(std::mem::replace(&mut world.smith, elsewhere));
    tokens.clear();
    let tls = Some(other.server_config());
    world.smith = FakeTokenSmith::with(Options { tls, address: Some(address), tokens, ..Options::default() });
    world.smith.allow(SUBJECT);
    let message = client.pull().await.unwrap_err().to_string();
    assert!(message.contains("certificate"), "{message}");
    world.write("ca.pem", other.pem());
    world.rest();
    let message = client.pull().await.unwrap_err().to_string();
    assert!(message.contains("certificates are those that both sides expect"), "{message}");
    world.write_identity(&other.client(SUBJECT));
    world.rest();
    assert_eq!(client.pull().await.unwrap().inventory.nodes().len(), 3);
}

#[tokio::test]
async fn a_tokensmith_of_another_authority_gets_no_secret() {
    for proof in [Proof::Identity, Proof::Bootstrap] {
        let world = World::new();
        world.write("ca.pem", Authority::new().pem());
        let tokensmith = world.tokensmith(proof);
        let message = failure(&tokensmith).await;
        assert!(message.contains("certificates are those that both sides expect"), "{message}");
        assert_eq!((world.smith.server().connections(), world.smith.server().requests().len()), (1, 0), "{message}");
        world.write("ca.pem", world.authority.pem());
        world.rest();
        token(&tokensmith).await;
    }
}

/// Sees that files in this state are told by their names, that TokenSmith is not bothered, and that good ones heal.
async fn told(names: &[&str], break_files: impl Fn(&World)) {
    for proof in [Proof::Identity, Proof::Both] {
        let world = World::new();
        let settings = world.tokensmith_settings(proof);
        if proof == Proof::Both {
            // The bootstrap token is none any more, so that the files are what has to be mended.
            world.smith.revoke_everything();
        }
        break_files(&world);
        let clock = world.time.clock();
        let tokensmith = mds::inventory::tokensmith::TokenSmith::with(settings, crate::world::pace(), clock);
        let message = failure(&tokensmith).await;
        for name in names {
            let path = world.path(name).display().to_string();
            assert!(message.contains(&path), "{proof:?}: {path} is not named in: {message}");
        }
        assert_eq!(world.counts()[0], 0);
        for name in ["ca.pem", "cert.pem", "key.pem"] {
            let _ = fs::remove_dir(world.path(name));
        }
        world.write("ca.pem", world.authority.pem());
        world.write_identity(&world.authority.client(SUBJECT));
        world.rest();
        token(&tokensmith).await;
    }
}

#[tokio::test]
async fn files_that_are_broken_by_halves_are_named() {
    told(&["cert.pem"], |world| world.remove("cert.pem")).await;
    told(&["key.pem"], |world| world.remove("key.pem")).await;
    told(&["cert.pem", "key.pem"], |world| world.write("cert.pem", "")).await;
    told(&["cert.pem", "key.pem"], |world| world.write("key.pem", "-----BEGIN PRIVATE KEY-----\nMIG")).await;
    told(&["cert.pem", "key.pem"], |world| {
        // A renewal that was interrupted between the two.
        world.write("key.pem", &world.authority.client(SUBJECT).key_pem);
    })
    .await;
    told(&["cert.pem", "key.pem"], |world| {
        let good = world.authority.client(SUBJECT);
        world.write("cert.pem", &good.certificate_pem[..good.certificate_pem.len() / 2]);
        world.write("key.pem", &good.key_pem);
    })
    .await;
    told(&["key.pem"], |world| {
        world.remove("key.pem");
        fs::create_dir(world.path("key.pem")).unwrap();
    })
    .await;
    told(&["ca.pem"], |world| world.remove("ca.pem")).await;
    told(&["ca.pem"], |world| world.write("ca.pem", "nothing")).await;
}

#[tokio::test]
async fn broken_files_do_not_stop_the_refreshing() {
    let world = World::new();
    let client = world.client(Proof::Identity);
    client.pull().await.unwrap();
    world.remove("key.pem");
    world.pass(3400);
    client.pull().await.unwrap();
    assert_eq!(world.counts(), [1, 0, 1]);
    world.time.set_steady_forward(Duration::from_secs(1));
    client.pull().await.unwrap();
    assert_eq!(world.requests_for_tokens(), 2);
}
