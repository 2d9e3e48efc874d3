//! That the fakes which the tests of the State Manager's client lean on keep to the facts: a fake that is kinder than
//! the real one would prove nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod smd_support;

use std::collections::BTreeSet;
use std::io::Read as _;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Response};
use serde_json::{Value, json};
use smd_support::grants::{BOOTSTRAP_TOKEN, TOKEN_EXCHANGE};
use smd_support::{
    Auth, Authority, Endpoint, FakeSmd, FakeTokenSmith, Fault, Grant, Identity, Inventory, MARK, Options, TokenFault,
    install_cryptography,
};

/// Long enough for an answer on a busy machine, and waited for where none may come.
const SHORT: Duration = Duration::from_millis(500);

fn builder() -> ClientBuilder {
    install_cryptography();
    Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(Duration::from_secs(10))
}

/// A client that trusts nobody and wants no compressed answers.
fn plain() -> Client {
    builder().tls_certs_only([]).no_gzip().build().unwrap()
}

/// A client that trusts the authority and shows a certificate, if any.
fn trusting(authority: &Authority, identity: Option<&Identity>) -> Client {
    let roots = [reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap()];
    let builder = builder().tls_certs_only(roots);
    match identity {
        None => builder,
        Some(identity) => builder.identity(reqwest::Identity::from_pem(identity.pem().as_bytes()).unwrap()),
    }
    .build()
    .unwrap()
}

async fn get(smd: &FakeSmd, endpoint: Endpoint, token: Option<&str>) -> Response {
    let request = plain().get(smd.url_of(endpoint));
    let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
    request.send().await.unwrap()
}

async fn json_of(url: &str) -> Value {
    let text = plain().get(url).send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The values of a field, in their order.
fn field(elements: &Value, name: &str) -> Vec<String> {
    elements.as_array().unwrap().iter().map(|element| element[name].as_str().unwrap().to_owned()).collect()
}

async fn post(client: &Client, url: String, form: &[(&str, &str)]) -> (u16, Value) {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let kind = "application/x-www-form-urlencoded";
    let answer = client.post(url).header("Content-Type", kind).body(body).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

async fn refresh(client: &Client, smith: &FakeTokenSmith, token: &Value) -> (u16, Value) {
    let form = [("grant_type", "refresh_token"), ("refresh_token", token.as_str().unwrap())];
    post(client, format!("{}/oauth/token", smith.url()), &form).await
}

async fn exchange(client: &Client, smith: &FakeTokenSmith, token: &str) -> (u16, Value) {
    let form = [("grant_type", TOKEN_EXCHANGE), ("subject_token", token), ("subject_token_type", BOOTSTRAP_TOKEN)];
    post(client, format!("{}/token", smith.url()), &form).await
}

fn session_url(smith: &FakeTokenSmith) -> String {
    format!("{}/service-identity/session", smith.url())
}

fn refusal(code: &str, answer: &(u16, Value)) -> u16 {
    assert_eq!(answer.1["error"], code, "{answer:?}");
    answer.0
}

#[tokio::test]
async fn the_collections_have_the_shapes_of_the_real_ones_and_filter_only_when_told() {
    let options = Options { prefix: "/apis/smd".to_owned(), ..Options::default() };
    let smd = FakeSmd::with(options, Inventory::mock_nodes());
    let components = smd.url_of(Endpoint::Components);
    assert!(components.ends_with("/apis/smd/hsm/v2/State/Components"), "{components}");
    let filtered = format!("{components}/?type=Node");
    let nodes = ["x1000c0s0b0n0", "x1000c0s0b0n1", "x1000c0s1b0n0"];
    assert_eq!(field(&json_of(&filtered).await["Components"], "ID"), nodes);
    assert_eq!(field(&json_of(&format!("{components}?type=!node")).await["Components"], "Type"), ["NodeBMC"; 2]);
    smd.set_filters(false);
    assert_eq!(json_of(&filtered).await["Components"].as_array().unwrap().len(), 5);
    let interfaces = json_of(&smd.url_of(Endpoint::Interfaces)).await;
    assert_eq!(interfaces[0]["IPAddresses"], json!([{"IPAddress": "10.252.0.26", "Network": "HMN"}]));
    assert_eq!(json_of(&smd.url_of(Endpoint::Memberships)).await[0]["groupLabels"], json!(["compute", "green"]));
    // The nodes are those that the command itself mocks.
    let macs: BTreeSet<String> = field(&interfaces, "MACAddress").into_iter().collect();
    for node in mds::inventory::mock_inventory().nodes() {
        assert!(nodes.contains(&node.id.as_str()), "{node:?}");
        assert!(node.interfaces.iter().all(|interface| macs.contains(&interface.mac.to_string())), "{node:?}");
    }
    let elsewhere = components.replace("/apis/smd", "");
    assert_eq!(plain().get(elsewhere).send().await.unwrap().status(), 404);
    assert_eq!((smd.count(Endpoint::Components), smd.count(Endpoint::Memberships), smd.total()), (3, 1, 5));
    assert_eq!(smd.server().requests()[0].query(), [("type".to_owned(), "Node".to_owned())]);
    let many = Inventory::synthetic(600);
    let distinct =
        |elements: Vec<Value>, name: &str| field(&elements.into(), name).into_iter().collect::<BTreeSet<_>>();
    assert_eq!(distinct(many.components, "ID").len(), 600);
    assert_eq!(distinct(many.interfaces, "MACAddress").len(), 1200);
}

#[tokio::test]
async fn tokens_are_asked_for_as_configured() {
    let smd = FakeSmd::mock_nodes();
    let status = async |endpoint, token| get(&smd, endpoint, token).await.status().as_u16();
    smd.accept_token("good");
    assert_eq!(status(Endpoint::Memberships, None).await, 200);
    smd.set_auth(Auth::On);
    assert_eq!(status(Endpoint::Components, None).await, 200);
    assert_eq!(status(Endpoint::Memberships, Some("good")).await, 200);
    for (token, text) in [(None, "missing bearer token"), (Some("bad"), "invalid token")] {
        let answer = get(&smd, Endpoint::Memberships, token).await;
        assert_eq!(answer.status(), 401);
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
        assert_eq!(answer.text().await.unwrap(), text);
    }
    smd.set_auth(Auth::Strict);
    assert_eq!(status(Endpoint::Components, None).await, 401);
    assert_eq!(status(Endpoint::Components, Some("good")).await, 200);
    smd.set_denies(true);
    let answer = get(&smd, Endpoint::Memberships, Some("good")).await;
    assert_eq!(answer.status(), 403);
    assert!(answer.text().await.unwrap().contains("authz.deny.v1"));
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_accept_it_and_shuffled_the_same_way_for_a_seed() {
    let smd = FakeSmd::synthetic(40);
    let url = smd.url_of(Endpoint::Memberships);
    smd.set_gzip(true);
    assert!(!plain().get(&url).send().await.unwrap().headers().contains_key("content-encoding"));
    let answer = plain().get(&url).header("Accept-Encoding", "br, gzip;q=0.9").send().await.unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&answer.bytes().await.unwrap()[..]).read_to_string(&mut text).unwrap();
    let in_order = field(&json_of(&url).await, "id");
    assert_eq!(field(&serde_json::from_str(&text).unwrap(), "id"), in_order);
    smd.set_shuffle(Some(7));
    let first = field(&json_of(&url).await, "id");
    let second = field(&json_of(&url).await, "id");
    assert!(first != in_order && first != second);
    assert_eq!(first.iter().collect::<BTreeSet<_>>(), in_order.iter().collect::<BTreeSet<_>>());
    smd.set_shuffle(Some(7));
    assert_eq!(field(&json_of(&url).await, "id"), first);
}

/// What a client with little time sees of an endpoint with the fault: the body so far, and the error that ended it.
async fn cut(fault: Fault) -> (Vec<u8>, reqwest::Error) {
    let smd = FakeSmd::synthetic(40);
    smd.set_fault(Endpoint::Components, fault);
    let mut body = Vec::new();
    let client = builder().timeout(SHORT).build().unwrap();
    let mut answer = match client.get(smd.url_of(Endpoint::Components)).send().await {
        Ok(answer) => answer,
        Err(error) => return (body, error),
    };
    loop {
        match answer.chunk().await {
            Ok(chunk) => body.extend_from_slice(&chunk.expect("the body must not be complete")),
            Err(error) => return (body, error),
        }
    }
}

#[tokio::test]
async fn connections_end_and_hang_where_they_should() {
    let smd = FakeSmd::synthetic(40);
    let whole = get(&smd, Endpoint::Components, None).await.text().await.unwrap();
    let slowly = SHORT / 20;
    let (down, stall, head) = tokio::join!(cut(Fault::Down), cut(Fault::Stall), cut(Fault::DripHead(slowly)));
    assert_eq!(
        [&down, &stall, &head].map(|(body, error)| (body.len(), error.is_timeout())),
        [(0, false), (0, true), (0, true)]
    );
    let (short, stall, drip) = tokio::join!(cut(Fault::Truncated), cut(Fault::StallInBody), cut(Fault::Drip(slowly)));
    assert_eq!([&short, &stall, &drip].map(|(_, error)| error.is_timeout()), [false, true, true]);
    assert_eq!((short.0.len(), stall.0.len()), (whole.len() / 2, whole.len() / 2));
    assert!((1..=20).contains(&drip.0.len()), "{} bytes", drip.0.len());
    assert!([short, stall, drip].iter().all(|(body, _)| whole.as_bytes().starts_with(body)));
    // Faults are of one endpoint and can be taken back, and a fake can go and come back.
    smd.set_fault(Endpoint::Components, Fault::Down);
    assert_eq!(get(&smd, Endpoint::Memberships, None).await.status(), 200);
    smd.clear_faults();
    assert_eq!(get(&smd, Endpoint::Components, None).await.text().await.unwrap(), whole);
    let (address, url) = (smd.server().address(), smd.url_of(Endpoint::Components));
    drop(smd);
    assert!(plain().get(&url).send().await.unwrap_err().is_connect());
    let options = Options { address: Some(address), ..Options::default() };
    let _back = FakeSmd::with(options, Inventory::empty());
    assert_eq!(json_of(&url).await, json!({"Components": []}));
}

#[tokio::test]
async fn complete_answers_are_wrong_in_the_way_that_is_asked_for() {
    let smd = FakeSmd::mock_nodes();
    let url = smd.url_of(Endpoint::Components);
    let answer = async |fault: Fault| {
        smd.set_fault_everywhere(&fault);
        let answer = plain().get(&url).send().await.unwrap();
        (answer.status().as_u16(), answer.headers().clone(), answer.text().await.unwrap())
    };
    let (status, _, text) = answer(Fault::TruncatedJson).await;
    assert!(status == 200 && serde_json::from_str::<Value>(&text).unwrap_err().is_eof());
    assert!(answer(Fault::Garbage).await.2.starts_with("<!doctype html>"));
    assert_eq!(answer(Fault::WrongShape(json!({"Components": null}))).await.2, r#"{"Components":null}"#);
    assert_eq!(answer(Fault::EmptyArray).await.2, r#"{"Components":[]}"#);
    assert_eq!(answer(Fault::EmptyBody).await.2, "");
    assert_eq!(answer(Fault::Redirect("http://[::1]:9/".to_owned())).await.1["location"], "http://[::1]:9/");
    let (status, headers, text) = answer(Fault::Status(503, "busy".to_owned(), Some("7".to_owned()))).await;
    assert_eq!((status, headers["retry-after"].to_str().unwrap(), text.as_str()), (503, "7", "busy"));
    smd.set_fault_everywhere(&Fault::FailTimes(2, 502));
    for expected in [502, 502, 200, 200] {
        assert_eq!(get(&smd, Endpoint::Components, None).await.status(), expected);
    }
    assert_eq!(get(&smd, Endpoint::Interfaces, None).await.status(), 502);
}

/// Reads until so many bytes are there, which an answer without an end must have.
async fn beginning(url: &str, length: usize) -> Vec<u8> {
    let mut answer = plain().get(url).send().await.unwrap();
    let mut body = Vec::new();
    while body.len() < length {
        body.extend_from_slice(&answer.chunk().await.unwrap().expect("the answer goes on"));
    }
    body.truncate(length);
    body
}

#[tokio::test]
async fn answers_without_an_end_go_on_for_as_long_as_they_are_read() {
    let smd = FakeSmd::mock_nodes();
    let length = 1 << 20;
    for (fault, endpoint, start) in [
        (Fault::HugeString, Endpoint::Components, r#"{"Components":[{"ID":"aaaa"#),
        (Fault::HugeString, Endpoint::Interfaces, r#"[{"ID":"aaaa"#),
        (Fault::DeepNesting, Endpoint::Memberships, "[[[["),
    ] {
        smd.set_fault(endpoint, fault);
        assert!(beginning(&smd.url_of(endpoint), length).await.starts_with(start.as_bytes()), "{start}");
    }
    for endpoint in Endpoint::ALL {
        smd.set_fault(endpoint, Fault::HugeArray);
        let text = String::from_utf8(beginning(&smd.url_of(endpoint), length).await).unwrap();
        let end = if endpoint == Endpoint::Components { "}]}" } else { "}]" };
        let whole = format!("{}{end}", text.rsplit_once("},{").unwrap().0);
        assert!(serde_json::from_str::<Value>(&whole).is_ok(), "{endpoint:?}");
    }
    smd.set_fault(Endpoint::Components, Fault::GzipBomb);
    let bytes = beginning(&smd.url_of(Endpoint::Components), 16 << 10).await;
    let mut text = Vec::new();
    // The stream has no end, and what came of it before is what counts.
    flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut text).unwrap_err();
    assert!(text.starts_with(br#"{"Components":[{"ID":"aaaa"#));
    assert!(text.len() > 500 * bytes.len(), "{} bytes of {}", text.len(), bytes.len());
}

#[tokio::test]
async fn sessions_need_a_good_certificate_whose_name_has_a_policy() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let smith = FakeTokenSmith::start(&authority);
    let url = session_url(&smith);
    let client = trusting(&authority, Some(&authority.client("mds")));
    assert_eq!(refusal("invalid_client", &post(&client, url.clone(), &[]).await), 403);
    smith.allow("mds");
    let (status, answer) = post(&client, url.clone(), &[]).await;
    assert_eq!(
        (status, answer["token_type"].as_str(), answer["expires_in"].as_u64()),
        (200, Some("Bearer"), Some(3600))
    );
    assert_eq!(answer["refresh_expires_in"], 86_400);
    for name in ["access_token", "refresh_token"] {
        assert!(answer[name].as_str().unwrap().contains(MARK), "{name}");
    }
    assert_ne!(post(&client, url.clone(), &[]).await.1["access_token"], answer["access_token"]);
    assert_eq!(smith.server().requests()[0].peer.as_deref(), Some("mds"));
    assert_eq!(refusal("invalid_client", &post(&trusting(&authority, None), url.clone(), &[]).await), 401);
    // A bad certificate ends the handshake, and the client never gets as far as an answer.
    let bad = [authority.expired_client("mds"), stranger.client("mds"), authority.client_of_wrong_usage("mds")];
    for identity in &bad {
        let client = trusting(&authority, Some(identity));
        client.post(&url).send().await.unwrap_err();
    }
    trusting(&stranger, None).post(&url).send().await.unwrap_err();
    assert_eq!((smith.count(Grant::Session), smith.successes(Grant::Session)), (4, 2));
    assert_eq!(client.get(&url).send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn refresh_tokens_rotate_and_a_replay_ends_the_family() {
    let authority = Authority::new();
    let smith = FakeTokenSmith::start(&authority);
    let client = trusting(&authority, None);
    smith.set_refresh_expires_in(100);
    let first = exchange(&client, &smith, &smith.new_bootstrap_token("mds")).await.1;
    let second = refresh(&client, &smith, &first["refresh_token"]).await.1;
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    let other = exchange(&client, &smith, &smith.new_bootstrap_token("mds")).await.1;
    assert_eq!(smith.replays(), 0);
    assert_eq!(refusal("invalid_grant", &refresh(&client, &smith, &first["refresh_token"]).await), 400);
    assert_eq!(smith.replays(), 1);
    assert_eq!(refusal("invalid_grant", &refresh(&client, &smith, &second["refresh_token"]).await), 400);
    // Another family goes on, up to the end that was fixed when it began.
    smith.let_time_pass(Duration::from_secs(40));
    let other = refresh(&client, &smith, &other["refresh_token"]).await.1;
    let left = other["refresh_expires_in"].as_u64().unwrap();
    assert!((30..=60).contains(&left), "{left}");
    smith.let_time_pass(Duration::from_secs(60));
    assert_eq!(refusal("invalid_grant", &refresh(&client, &smith, &other["refresh_token"]).await), 400);
}

#[tokio::test]
async fn bootstrap_tokens_work_once_and_forms_are_read_strictly() {
    let authority = Authority::new();
    let smith = FakeTokenSmith::start(&authority);
    let client = trusting(&authority, None);
    let token = smith.new_bootstrap_token("mds");
    let url = format!("{}/oauth/token", smith.url());
    let kind = ("subject_token_type", BOOTSTRAP_TOKEN);
    for (form, code) in [
        (vec![], "invalid_request"),
        (vec![("grant_type", "password")], "unsupported_grant_type"),
        (vec![("grant_type", TOKEN_EXCHANGE), ("subject_token", token.as_str())], "invalid_request"),
        (vec![("grant_type", TOKEN_EXCHANGE), kind], "invalid_request"),
        (vec![("grant_type", "refresh_token")], "invalid_request"),
        (vec![("grant_type", "refresh_token"), ("grant_type", "refresh_token")], "invalid_request"),
        (vec![("grant_type", "refresh_token"), ("refresh_token", "unknown")], "invalid_grant"),
    ] {
        assert_eq!(refusal(code, &post(&client, url.clone(), &form).await), 400, "{form:?}");
    }
    assert_eq!(client.post(&url).body("{}").send().await.unwrap().status(), 400);
    assert_eq!(exchange(&client, &smith, &token).await.0, 200);
    assert_eq!(refusal("invalid_grant", &exchange(&client, &smith, &token).await), 400);
    assert_eq!((smith.count(Grant::Bootstrap), smith.successes(Grant::Bootstrap)), (2, 1));
}

#[tokio::test]
async fn the_faults_of_token_smith_do_what_they_say() {
    let authority = Authority::new();
    let smith = FakeTokenSmith::start(&authority);
    let client = trusting(&authority, None);
    let start = async || exchange(&client, &smith, &smith.new_bootstrap_token("mds")).await.1;
    let token = start().await["refresh_token"].clone();
    smith.set_fault(Grant::Refresh, TokenFault::EchoSecrets);
    let answer = refresh(&client, &smith, &token).await;
    assert!(answer.0 == 400 && answer.1["error_description"].as_str().unwrap().contains(token.as_str().unwrap()));
    smith.set_fault(Grant::Refresh, TokenFault::Status(429, Some("too_many_requests".to_owned())));
    assert_eq!(refusal("too_many_requests", &refresh(&client, &smith, &token).await), 429);
    smith.set_fault(Grant::Refresh, TokenFault::FailTimes(1));
    assert_eq!(refusal("server_error", &refresh(&client, &smith, &token).await), 503);
    // None of those has used the token.
    assert_eq!(refresh(&client, &smith, &token).await.0, 200);
    smith.set_fault_everywhere(&TokenFault::MissingField("expires_in".to_owned()));
    let answer = start().await;
    assert!(answer["expires_in"].is_null() && answer["access_token"].is_string());
    smith.set_fault(Grant::Refresh, TokenFault::LostAnswer);
    let form = format!("grant_type=refresh_token&refresh_token={}", answer["refresh_token"].as_str().unwrap());
    let request = client.post(format!("{}/token", smith.url())).body(form);
    request.header("Content-Type", "application/x-www-form-urlencoded").send().await.unwrap_err();
    smith.clear_faults();
    assert_eq!(refusal("invalid_grant", &refresh(&client, &smith, &answer["refresh_token"]).await), 400);
    assert_eq!((smith.replays(), smith.successes(Grant::Refresh)), (1, 2));
    assert_eq!(smith.greatest_in_flight(), 1);
    smith.set_delay(SHORT);
    tokio::join!(start(), start(), start());
    assert_eq!(smith.greatest_in_flight(), 3);
}

#[tokio::test]
async fn a_state_manager_accepts_the_tokens_of_its_token_smith_while_they_are_good() {
    let authority = Authority::new();
    let smith = FakeTokenSmith::start(&authority);
    smith.allow("mds");
    let options = Options { tokens: smith.tokens().clone(), ..Options::default() };
    let smd = FakeSmd::with(options, Inventory::mock_nodes());
    smd.set_auth(Auth::On);
    let client = trusting(&authority, Some(&authority.client("mds")));
    let token = async || post(&client, session_url(&smith), &[]).await.1["access_token"].as_str().unwrap().to_owned();
    let status = async |token: &str| get(&smd, Endpoint::Memberships, Some(token)).await.status().as_u16();
    let first = token().await;
    assert_eq!((status(&first).await, status("made-up").await), (200, 401));
    smith.set_expires_in(0);
    assert_eq!((status(&token().await).await, status(&first).await), (401, 200));
    smith.revoke_everything();
    smith.set_expires_in(60);
    assert_eq!((status(&first).await, status(&token().await).await), (401, 200));
}
