//! What is asked, where, and how often.

use std::fs;
use std::sync::Barrier;

use crate::smd_support::{Answer, Authority, Endpoint, FakeSmd, HttpServer, Inventory, Options, Reply, Request};
use crate::{ATTEMPTS, client, client_of, failure, ids, settings};

const TARGETS: [&str; 3] =
    ["/hsm/v2/Inventory/EthernetInterfaces", "/hsm/v2/State/Components?type=Node", "/hsm/v2/memberships?type=Node"];

#[tokio::test]
async fn a_pull_is_three_requests_whatever_the_number_of_nodes() {
    for nodes in [10, 300] {
        let smd = FakeSmd::synthetic(nodes);
        let pull = client(&smd.url()).pull().await.unwrap();
        assert_eq!(pull.inventory.nodes().len(), nodes as usize);
        assert_eq!(Endpoint::ALL.map(|endpoint| smd.count(endpoint)), [1; 3], "with {nodes} nodes");
        let requests = smd.server().requests();
        let mut targets: Vec<&str> = requests.iter().map(|request| request.target.as_str()).collect();
        targets.sort_unstable();
        assert_eq!(targets, TARGETS, "with {nodes} nodes");
        assert!(requests.iter().all(|request| request.method == "GET"));
    }
}

#[tokio::test]
async fn the_three_requests_are_in_flight_together() {
    // Nobody gets an answer before all three have asked.
    let (together, inventory) = (Barrier::new(3), Inventory::synthetic(10));
    let respond = move |request: &Request| {
        together.wait();
        Reply::Answer(Answer::json(
            200,
            &match request.path() {
                "/hsm/v2/State/Components" => serde_json::json!({"Components": inventory.components}),
                "/hsm/v2/memberships" => inventory.memberships.clone().into(),
                _ => inventory.interfaces.clone().into(),
            },
        ))
    };
    let server = HttpServer::start(None, respond).unwrap();
    let pull = client_of(&settings(&server.origin(), None), 1).pull().await.unwrap();
    assert_eq!(pull.inventory.nodes().len(), 10);
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn compressed_answers_are_accepted_and_mean_the_same() {
    let smd = FakeSmd::synthetic(100);
    let client = client(&smd.url());
    let plain = client.pull().await.unwrap();
    let plain_bytes = smd.server().bytes_sent();
    smd.set_gzip(true);
    assert_eq!(client.pull().await.unwrap(), plain);
    let compressed_bytes = smd.server().bytes_sent() - plain_bytes;
    assert!(compressed_bytes < plain_bytes / 3, "{compressed_bytes} bytes instead of {plain_bytes}");
    let accepts_gzip = |request: &Request| request.header("accept-encoding").is_some_and(|all| all.contains("gzip"));
    assert!(smd.server().requests().iter().all(accepts_gzip));
}

#[tokio::test]
async fn every_form_of_the_url_leads_to_the_same_resources() {
    for prefix in ["", "/apis/smd"] {
        let smd = FakeSmd::with(Options { prefix: prefix.to_owned(), ..Options::default() }, Inventory::mock_nodes());
        for end in ["", "/", "/hsm/v2", "/hsm/v2/"] {
            let url = format!("{}{end}", smd.url());
            smd.reset_counts();
            let pull = client(&url).pull().await.unwrap();
            assert_eq!((pull.inventory.nodes().len(), smd.total()), (3, 3), "{url}");
            let mut targets: Vec<String> = smd.server().requests().into_iter().map(|request| request.target).collect();
            targets.sort_unstable();
            assert_eq!(targets, TARGETS.map(|target| format!("{prefix}{target}")), "{url}");
        }
    }
}

fn encrypted(authority: &Authority) -> FakeSmd {
    let tls = authority.server_config_of(&authority.server(), None);
    FakeSmd::with(Options { tls: Some(tls), ..Options::default() }, Inventory::mock_nodes())
}

#[tokio::test]
async fn an_encrypted_connection_needs_a_certificate_of_the_named_authority() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let smd = encrypted(&authority);
    assert!(smd.url().starts_with("https://"));
    let folder = tempfile::tempdir().unwrap();
    let with_ca = |name: &str, pem: &str| {
        let path = folder.path().join(name);
        fs::write(&path, pem).unwrap();
        let mut settings = settings(&smd.url(), None);
        settings.ca = Some(path);
        client_of(&settings, 1)
    };
    assert_eq!(with_ca("good.pem", authority.pem()).pull().await.unwrap().inventory.nodes().len(), 3);
    let both = format!("{}{}", stranger.pem(), authority.pem());
    assert_eq!(with_ca("both.pem", &both).pull().await.unwrap().inventory.nodes().len(), 3);
    smd.reset_counts();
    for refused in [with_ca("wrong.pem", stranger.pem()), client_of(&settings(&smd.url(), None), 1)] {
        let message = failure(&refused).await;
        assert!(message.contains("encrypted connection to SMD does not come about"), "{message}");
    }
    for (name, text) in [("empty.pem", ""), ("key.pem", authority.server().key_pem.as_str())] {
        let message = failure(&with_ca(name, text)).await;
        assert!(message.contains(name) && message.contains("holds no certificate"), "{message}");
    }
    let mut settings = settings(&smd.url(), None);
    settings.ca = Some(folder.path().join("missing.pem"));
    let message = failure(&client_of(&settings, 1)).await;
    assert!(message.contains("missing.pem cannot be read"), "{message}");
    assert_eq!(smd.total(), 0, "none of them got as far as asking");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let tls = authority.server_config_of(&authority.server_for(&["smd.example.org"]), None);
    let smd = FakeSmd::with(Options { tls: Some(tls), ..Options::default() }, Inventory::mock_nodes());
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&smd.url(), None);
    settings.ca = Some(folder.path().join("ca.pem"));
    fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    let message = failure(&client_of(&settings, 1)).await;
    assert!(message.contains("certificate"), "{message}");
    assert_eq!(smd.total(), 0);
}

#[tokio::test]
async fn a_replaced_file_of_certificates_is_taken_up_by_the_same_client() {
    let (first, second) = (Authority::new(), Authority::new());
    let smd = encrypted(&first);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    fs::write(&file, first.pem()).unwrap();
    let mut settings = settings(&smd.url(), None);
    settings.ca = Some(file.clone());
    // Of its attempts, one may go to a connection that the restart has ended.
    let client = client_of(&settings, ATTEMPTS);
    assert_eq!(client.pull().await.unwrap().inventory.nodes().len(), 3);
    let address = smd.server().address();
    drop(smd);
    let tls = Some(second.server_config_of(&second.server(), None));
    let changed = Options { tls, address: Some(address), ..Options::default() };
    let smd = FakeSmd::with(changed, Inventory::synthetic(5));
    let message = failure(&client).await;
    assert!(message.contains("certificate"), "{message}");
    fs::write(&file, "half a certi").unwrap();
    assert!(failure(&client).await.contains("ca.pem"));
    fs::write(&file, second.pem()).unwrap();
    assert_eq!(client.pull().await.unwrap().inventory.nodes().len(), 5);
    assert_eq!(smd.total(), 3);
    // And an authority that is no longer named is no longer believed.
    fs::write(&file, first.pem()).unwrap();
    failure(&client).await;
    assert_eq!(smd.total(), 3);
}

#[tokio::test]
async fn connections_are_kept_between_pulls() {
    let smd = FakeSmd::mock_nodes();
    let client = client(&smd.url());
    for _ in 0..5 {
        assert_eq!(ids(&client.pull().await.unwrap()).len(), 3);
    }
    assert!(smd.server().connections() <= 6, "{} connections for 15 requests", smd.server().connections());
}
