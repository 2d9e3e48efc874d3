//! The answer function, case by case.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::release::{Manifest, MappedRelease, NodeEntry, TunnelTerms};
use crate::serve::identity::{IdentitySource, TrustedProxies, identify};
use crate::serve::state::{Gravity, Shared};
use crate::serve::tunnels::TunnelCaller;
use crate::types::{GroupLabel, WireguardKey};

const FULL: &str = "10.0.0.1";
const BARE: &str = "10.0.0.2";
const TWICE: &str = "10.0.0.9";

fn node(id: &str, addresses: &[&str], groups: &[&str], documents: &[(&str, &str)]) -> NodeEntry {
    NodeEntry {
        id: NodeId::parse(id).unwrap(),
        hostname: id.to_owned(),
        nid: None,
        instance_id: id.to_owned(),
        macs: vec![],
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        tunnel_address: None,
        groups: groups.iter().map(|group| GroupLabel::parse(group).unwrap()).collect(),
        documents: documents
            .iter()
            .map(|(name, body)| (DocumentName::parse(name).unwrap(), Digest::of(body.as_bytes())))
            .collect(),
    }
}

fn shared() -> Shared {
    shared_with(TunnelTerms::default())
}

fn shared_with(tunnels: TunnelTerms) -> Shared {
    let full = [
        ("meta-data", "meta of full"),
        ("user-data", "user of full"),
        ("vendor-data", "vendor of full"),
        ("network-config", "network of full"),
        ("compute.yaml", "group of full"),
        ("rack:4.yaml", "rack of full"),
    ];
    let manifest = Manifest::new(vec![
        node("full", &[FULL, "2001:db8::1", TWICE], &["compute", "rack:4", "plain"], &full),
        node("bare", &[BARE, TWICE], &["plain"], &[("meta-data", "meta of bare")]),
        node("void", &["10.0.0.3"], &[], &[]),
    ])
    .with_tunnels(tunnels);
    let bodies: BTreeMap<Digest, &str> = full
        .iter()
        .map(|(_, body)| *body)
        .chain(["meta of bare"])
        .map(|body| (Digest::of(body.as_bytes()), body))
        .collect();
    let id = Manifest::id_of(&manifest.to_bytes().unwrap());
    let find = |digest: &Digest| bodies.get(digest).map(|body| Bytes::from_static(body.as_bytes()));
    let shared = Shared::new();
    shared.publish(Arc::new(MappedRelease::new(id, &manifest, find).unwrap()));
    shared
}

fn from(address: &str) -> Result<Identity, IdentityError> {
    let address: IpAddr = address.parse().unwrap();
    Ok(Identity::Address { address: address.to_canonical(), source: IdentitySource::Peer })
}

/// What a test looks at, free of the state's lifetime.
struct Seen {
    status: u16,
    content_type: Option<&'static str>,
    length: Option<usize>,
    etag: Option<Digest>,
    retry_after: Option<Duration>,
    allow: Option<&'static str>,
    cache_control: &'static str,
    body: String,
    effect: Option<Effect>,
}

fn ask(shared: &Shared, asker: &Result<Identity, IdentityError>, method: &Method, path: &str, tags: &[&str]) -> Seen {
    let tags: Vec<&[u8]> = tags.iter().map(|tag| tag.as_bytes()).collect();
    let state = shared.snapshot();
    let outcome = respond(&state, &Policy::default(), asker, &Request { method, path, if_none_match: &tags });
    let Outcome::Answer(response) = outcome else { panic!("{method} {path} is an errand") };
    Seen {
        status: response.status.as_u16(),
        content_type: response.content_type,
        length: response.content_length,
        etag: response.etag,
        retry_after: response.retry_after,
        allow: response.allow,
        cache_control: response.cache_control,
        body: String::from_utf8(response.body.to_vec()).unwrap(),
        effect: response.effect,
    }
}

fn get(address: &str, path: &str) -> Seen {
    ask(&shared(), &from(address), &Method::GET, path, &[])
}

#[test]
fn every_document_has_its_type_its_tag_and_its_body() {
    for (path, content_type, body) in [
        ("/meta-data", "application/x-yaml", "meta of full"),
        ("/user-data", "text/cloud-config", "user of full"),
        ("/vendor-data", "text/plain", "vendor of full"),
        ("/network-config", "text/cloud-config", "network of full"),
        ("/compute.yaml", "text/cloud-config", "group of full"),
        ("/rack%3a4.yaml", "text/cloud-config", "rack of full"),
        ("/cloud-init/meta-data/", "application/x-yaml", "meta of full"),
        ("/metadata-service/compute.yaml?x", "text/cloud-config", "group of full"),
    ] {
        for address in [FULL, "2001:db8::1", "::ffff:10.0.0.1"] {
            let seen = get(address, path);
            assert_eq!((seen.status, seen.body.as_str(), seen.content_type), (200, body, Some(content_type)), "{path}");
            assert_eq!(seen.etag, Some(Digest::of(body.as_bytes())));
            assert_eq!(seen.length, Some(body.len()));
            assert_eq!(seen.cache_control, "private, no-cache");
        }
    }
}

#[test]
fn what_a_known_node_lacks_is_an_empty_200() {
    for path in ["/user-data", "/vendor-data", "/network-config", "/plain.yaml", "/cloud-init/plain.yaml"] {
        let seen = get(BARE, path);
        assert_eq!((seen.status, seen.body.as_str(), seen.length), (200, "", Some(0)), "{path}");
        assert!(seen.content_type.is_some());
        assert_eq!(seen.etag, Some(Digest::of(b"")));
    }
    assert_eq!(get(FULL, "/plain.yaml").status, 200, "a group without a template");
}

#[test]
fn a_node_without_meta_data_is_told_so() {
    let seen = get("10.0.0.3", "/meta-data");
    assert_eq!((seen.status, seen.body.as_str()), (404, "the release has no meta-data for node void\n"));
}

#[test]
fn a_group_of_others_is_a_404_that_tells_nothing_of_others() {
    let existing = get(BARE, "/compute.yaml");
    let invented = get(BARE, "/invented.yaml");
    assert_eq!((existing.status, invented.status), (404, 404));
    assert_eq!(existing.body, "node bare is not in the group compute\n");
    assert_eq!(existing.body.replace("compute", "invented"), invented.body, "whether a group exists is not told");
}

#[test]
fn an_unknown_address_is_a_404_that_names_the_address() {
    let seen = get("10.9.9.9", "/meta-data");
    assert_eq!(seen.status, 404);
    assert!(seen.body.contains("10.9.9.9") && seen.body.contains("inventory"), "{}", seen.body);
    assert!(seen.body.ends_with('\n') && !seen.body.contains("full") && !seen.body.contains("bare"));
    assert_eq!(seen.content_type, Some("text/plain; charset=utf-8"));
    assert_eq!((seen.etag, seen.cache_control), (None, "no-store"));
}

#[test]
fn an_address_of_two_nodes_identifies_neither() {
    let seen = get(TWICE, "/meta-data");
    assert_eq!(seen.status, 404);
    assert!(seen.body.starts_with("several nodes"), "{}", seen.body);
    assert!(!seen.body.contains("full") && !seen.body.contains("bare"));
}

#[test]
fn unknown_paths_are_404_for_everybody() {
    for path in ["/x", "/../etc/passwd", "/%2e%2e/meta-data", "//meta-data", "*", "", "/meta-data/x"] {
        for address in [FULL, "10.9.9.9"] {
            let seen = get(address, path);
            assert_eq!(seen.status, 404, "{path}");
            assert!(seen.body.starts_with("there is no such path"), "{}", seen.body);
        }
    }
}

#[test]
fn before_the_first_release_clients_are_told_when_to_come_back() {
    let empty = Shared::new();
    for path in ["/meta-data", "/compute.yaml", "/health", "/cloud-init/user-data"] {
        let seen = ask(&empty, &from(FULL), &Method::GET, path, &[]);
        assert_eq!(seen.status, 503, "{path}");
        let wait = seen.retry_after.unwrap().as_secs_f64();
        assert!((1.0..3.0).contains(&wait), "{wait}");
        assert!(!seen.body.is_empty());
    }
    assert_eq!(ask(&empty, &from(FULL), &Method::GET, "/", &[]).status, 200);
    assert_eq!(ask(&empty, &from(FULL), &Method::GET, "/x", &[]).status, 404);
    assert_eq!(ask(&empty, &from(FULL), &Method::POST, "/meta-data", &[]).status, 405);
}

#[test]
fn other_methods_are_told_which_ones_there_are() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "PURGE"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        for path in ["/meta-data", "/health", "/", "/x", "*"] {
            let seen = ask(&shared(), &from(FULL), &method, path, &[]);
            assert_eq!((seen.status, seen.allow), (405, Some("GET, HEAD")), "{method} {path}");
        }
    }
}

#[test]
fn head_is_get_without_the_body() {
    for (address, path) in [
        (FULL, "/meta-data"),
        (BARE, "/user-data"),
        (FULL, "/health"),
        (FULL, "/"),
        (FULL, "/x"),
        ("10.9.9.9", "/meta-data"),
    ] {
        let got = get(address, path);
        let head = ask(&shared(), &from(address), &Method::HEAD, path, &[]);
        assert_eq!(
            (head.status, head.content_type, head.length, head.etag),
            (got.status, got.content_type, Some(got.body.len()), got.etag),
            "{path}"
        );
        assert_eq!(head.body, "");
    }
}

#[test]
fn a_client_that_has_the_document_gets_304() {
    let tag = format!("\"{}\"", Digest::of(b"meta of full"));
    for method in [Method::GET, Method::HEAD] {
        for line in [tag.clone(), format!("W/{tag}"), format!("\"a\", {tag}"), "*".to_owned()] {
            let seen = ask(&shared(), &from(FULL), &method, "/meta-data", &[&line]);
            assert_eq!((seen.status, seen.body.as_str(), seen.length), (304, "", None), "{line}");
            assert_eq!(seen.etag, Some(Digest::of(b"meta of full")));
            assert_eq!(seen.content_type, None);
        }
    }
    assert_eq!(ask(&shared(), &from(BARE), &Method::GET, "/meta-data", &[&tag]).status, 200, "another node's tag");
    assert_eq!(ask(&shared(), &from("10.9.9.9"), &Method::GET, "/meta-data", &["*"]).status, 404);
}

#[test]
fn an_unreadable_forwarded_entry_is_a_400_for_documents_only() {
    let asker = Err(IdentityError::UnreadableEntry);
    let seen = ask(&shared(), &asker, &Method::GET, "/meta-data", &[]);
    assert_eq!(seen.status, 400);
    assert!(seen.body.contains("X-Forwarded-For") && seen.body.ends_with('\n'));
    assert_eq!(ask(&shared(), &asker, &Method::GET, "/health", &[]).status, 200);
}

#[test]
fn health_says_what_is_served_and_what_is_wrong() {
    let shared = shared();
    let read = |seen: &Seen| serde_json::from_str::<serde_json::Value>(&seen.body).unwrap();
    let ask = |shared: &Shared| ask(shared, &from("10.9.9.9"), &Method::GET, "/cloud-init/health", &[]);
    let fine = ask(&shared);
    let id = shared.snapshot().release().unwrap().id().to_string();
    assert_eq!((fine.status, fine.content_type), (200, Some("application/json")));
    assert_eq!(
        read(&fine),
        serde_json::json!({"service": "mds", "status": "healthy", "release": id, "nodes": 3, "documents": 7})
    );
    shared.degrade("build", "template x does not parse");
    let degraded = ask(&shared);
    assert_eq!((degraded.status, degraded.retry_after), (200, None));
    let json = read(&degraded);
    assert_eq!((&json["status"], &json["nodes"]), (&"healthy".into(), &3.into()));
    assert_eq!(json["degraded"][0]["reason"], "template x does not parse");
    let since = json["degraded"][0]["since"].as_str().unwrap();
    assert!(since.len() == 20 && since.ends_with('Z') && since.parse::<jiff::Timestamp>().is_ok(), "{since}");
    shared.mend("build");
    assert_eq!(ask(&shared).body, fine.body);

    let empty = Shared::new();
    assert_eq!(
        read(&ask(&empty)),
        serde_json::json!({"service": "mds", "status": "unhealthy", "reason": "no release has been published yet"})
    );
    empty.degrade("release", "the manifest is cut");
    assert_eq!(read(&ask(&empty))["reason"], "the manifest is cut");
}

#[test]
fn what_somebody_has_to_mend_makes_a_server_unhealthy_that_serves_nevertheless() {
    let shared = shared();
    let health = |shared: &Shared| {
        let seen = ask(shared, &from("10.9.9.9"), &Method::GET, "/health", &[]);
        (seen.status, seen.retry_after, serde_json::from_str::<serde_json::Value>(&seen.body).unwrap())
    };
    shared.degrade("a", "the site does not build");
    shared.degrade_to(Gravity::Unhealthy, "b", "there is no token");
    let (status, retry_after, json) = health(&shared);
    assert_eq!((status, retry_after), (200, None));
    assert_eq!((&json["status"], &json["reason"]), (&"unhealthy".into(), &"there is no token".into()));
    assert_eq!((&json["nodes"], json["degraded"].as_array().unwrap().len()), (&3.into(), 2));
    assert_eq!(ask(&shared, &from(FULL), &Method::GET, "/meta-data", &[]).status, 200);
    let since = json["degraded"][1]["since"].clone();
    // The same part may get better or worse; the time stays that of the first trouble.
    shared.degrade("b", "there is no token");
    let (_, _, json) = health(&shared);
    assert_eq!((&json["status"], json.get("reason")), (&"healthy".into(), None));
    assert_eq!(json["degraded"][1]["since"], since);
    shared.mend("a");
    shared.mend("b");
    assert_eq!(health(&shared).2.get("degraded"), None);
    let empty = Shared::new();
    empty.degrade_to(Gravity::Unhealthy, "b", "there is no token");
    let (status, retry_after, json) = health(&empty);
    assert!(status == 503 && retry_after.is_some() && json["reason"] == "there is no token", "{json}");
}

#[test]
fn a_notification_is_a_hint_when_somebody_listens_and_no_path_otherwise() {
    let paths = [
        "/smd-notification",
        "/smd-notification/",
        "/smd-notification?a=b",
        "/cloud-init/smd-notification",
        "/metadata-service/smd-notification/",
    ];
    for shared in [shared(), Shared::new()] {
        for path in paths {
            for method in [Method::POST, Method::GET, Method::HEAD, Method::DELETE] {
                let seen = ask(&shared, &from("10.9.9.9"), &method, path, &[]);
                assert_eq!((seen.status, seen.effect), (404, None), "{method} {path}");
            }
        }
        shared.take_notifications();
        for path in paths {
            // Whoever asks, known or not.
            for asker in [from(FULL), from("10.9.9.9"), Err(IdentityError::UnreadableEntry)] {
                let seen = ask(&shared, &asker, &Method::POST, path, &[]);
                assert_eq!((seen.status, seen.effect), (200, Some(Effect::PullInventory)), "{path}");
            }
            for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
                let seen = ask(&shared, &from(FULL), &method, path, &[]);
                assert_eq!((seen.status, seen.allow, seen.effect), (405, Some("POST"), None), "{method} {path}");
            }
        }
        for path in ["/", "/health", "/meta-data", "/smd-notifications", "/smd-notification/x"] {
            let seen = ask(&shared, &from(FULL), &Method::POST, path, &[]);
            assert_eq!((seen.status, seen.allow, seen.effect), (405, Some("GET, HEAD"), None), "{path}");
        }
    }
}

proptest! {
    #[test]
    fn any_request_has_one_of_the_known_answers(
        path in prop_oneof![
            ".*",
            "/?(cloud-init/|metadata-service/)?(meta-data|user-data|compute\\.yaml|health|[a-z%0-9./]{0,12})[/?]?.{0,3}",
            "/[%0-9a-fA-F.]{0,20}\\.yaml",
        ],
        method in "GET|HEAD|[A-Z]{1,8}",
        forwarded in proptest::collection::vec(prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            "[0-9a-f:.,%\\[\\] ]{0,40}".prop_map(String::into_bytes),
            Just(b"10.0.0.1".to_vec()),
        ], 0..4),
        tags in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..3),
        peer in prop_oneof![Just("127.0.0.1"), Just(FULL), Just("::1"), Just("10.9.9.9")],
    ) {
        let peer: IpAddr = peer.parse().unwrap();
        let asker = identify(peer, forwarded.iter().map(Vec::as_slice), &TrustedProxies::default());
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let tags: Vec<&[u8]> = tags.iter().map(Vec::as_slice).collect();
        for shared in [shared(), Shared::new()] {
            let state = shared.snapshot();
            let request = Request { method: &method, path: &path, if_none_match: &tags };
            let Outcome::Answer(response) = respond(&state, &Policy::default(), &asker, &request) else {
                return Ok(());
            };
            prop_assert!([200, 304, 400, 404, 405, 503].contains(&response.status.as_u16()));
            prop_assert_eq!(response.status == 304, response.content_length.is_none());
            prop_assert_eq!(response.status == 503, response.retry_after.is_some());
            prop_assert_eq!(response.status == 405, response.allow.is_some());
            if let (Some(etag), false) = (response.etag, response.body.is_empty()) {
                prop_assert_eq!(etag, Digest::of(&response.body));
            }
        }
    }
}

fn terms(only: bool) -> Policy {
    let terms = ServerTerms {
        public_key: WireguardKey::new([9; 32]),
        network: "100.97.0.1/16".parse().unwrap(),
        port: 51820,
        endpoint: None,
        only,
        admins: vec!["10.9.0.0/24".parse().unwrap()],
    };
    Policy { tunnels: Some(terms), ..Policy::default() }
}

fn inside(node: &str) -> Result<Identity, IdentityError> {
    let (node, key) = (NodeId::parse(node).unwrap(), WireguardKey::new([1; 32]));
    Ok(Identity::Key(TunnelCaller { node, key, address: "100.97.0.9".parse().unwrap() }))
}

/// The status, or what is to be done.
fn outcome(
    policy: &Policy,
    asker: &Result<Identity, IdentityError>,
    method: &Method,
    path: &str,
) -> Result<Errand, u16> {
    let shared = shared_with(TunnelTerms { network: None, only: [DocumentName::UserData, group("compute")].into() });
    let state = shared.snapshot();
    match respond(&state, policy, asker, &Request { method, path, if_none_match: &[] }) {
        Outcome::Answer(response) => Err(response.status.as_u16()),
        Outcome::Errand(errand) => Ok(errand),
    }
}

fn group(label: &str) -> DocumentName {
    DocumentName::Group(GroupLabel::parse(label).unwrap())
}

#[test]
fn a_node_in_a_tunnel_is_known_by_its_key_alone() {
    let status = |asker: &str, path| outcome(&terms(true), &inside(asker), &Method::GET, path).unwrap_err();
    assert_eq!((status("full", "/meta-data"), status("bare", "/meta-data")), (200, 200));
    assert_eq!((status("full", "/compute.yaml"), status("bare", "/compute.yaml")), (200, 404));
    assert_eq!(status("gone", "/meta-data"), 404);
}

#[test]
fn with_tunnels_only_every_document_outside_is_403_and_nothing_else_is() {
    for path in ["/meta-data", "/user-data", "/compute.yaml", "/plain.yaml", "/no-such-group.yaml"] {
        for address in [FULL, TWICE, "10.0.0.77"] {
            for method in [Method::GET, Method::HEAD] {
                assert_eq!(outcome(&terms(true), &from(address), &method, path).unwrap_err(), 403, "{path} {address}");
            }
        }
    }
    assert_eq!(outcome(&terms(true), &from(FULL), &Method::GET, "/health").unwrap_err(), 200);
    assert_eq!(outcome(&terms(true), &from(FULL), &Method::GET, "/").unwrap_err(), 200);
    assert!(matches!(outcome(&terms(true), &from(FULL), &Method::POST, "/wg-init"), Ok(Errand::Register { .. })));
    assert!(matches!(
        outcome(&terms(true), &from(FULL), &Method::POST, "/phone-home/full"),
        Ok(Errand::PhoneHome { .. })
    ));
}

#[test]
fn a_document_for_tunnels_only_is_403_outside_with_and_without_tunnels() {
    for policy in [terms(false), Policy::default()] {
        let status = |asker: &Result<_, _>, path| outcome(&policy, asker, &Method::GET, path).unwrap_err();
        assert_eq!((status(&from(FULL), "/user-data"), status(&from(FULL), "/compute.yaml")), (403, 403));
        assert_eq!((status(&from(FULL), "/meta-data"), status(&from(FULL), "/rack:4.yaml")), (200, 200));
        // Others learn nothing of the mark.
        assert_eq!((status(&from(BARE), "/compute.yaml"), status(&from("10.0.0.77"), "/user-data")), (404, 404));
        assert_eq!(status(&inside("full"), "/user-data"), 200);
    }
}

#[test]
fn a_key_is_brought_by_the_node_that_the_address_proves() {
    for path in ["/wg-init", "/v1/register/", "/cloud-init/wg-init"] {
        match outcome(&terms(false), &from(FULL), &Method::POST, path) {
            Ok(Errand::Register { node, through: None, .. }) => assert_eq!(node.as_str(), "full"),
            other => panic!("{other:?}"),
        }
        for (asker, status) in [(from("10.0.0.77"), 404), (from(TWICE), 404), (inside("gone"), 404)] {
            assert_eq!(outcome(&terms(false), &asker, &Method::POST, path).unwrap_err(), status);
        }
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
            assert_eq!(outcome(&terms(false), &from(FULL), &method, path).unwrap_err(), 405);
        }
        assert_eq!(outcome(&Policy::default(), &from(FULL), &Method::POST, path).unwrap_err(), 404);
    }
    match outcome(&terms(false), &inside("full"), &Method::POST, "/wg-init") {
        Ok(Errand::Register { through, .. }) => assert_eq!(through, Some(WireguardKey::new([1; 32]))),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nobody_phones_home_for_another_node() {
    let call = |asker: &Result<_, _>, path: &str| outcome(&Policy::default(), asker, &Method::POST, path);
    assert!(matches!(call(&from(FULL), "/phone-home/full/"), Ok(Errand::PhoneHome { through: None, .. })));
    assert_eq!(call(&from(FULL), "/phone-home/bare").unwrap_err(), 403);
    assert_eq!(call(&from("10.0.0.77"), "/phone-home/full").unwrap_err(), 404);
    assert_eq!(call(&inside("bare"), "/phone-home/full").unwrap_err(), 403);
    assert_eq!(outcome(&Policy::default(), &from(FULL), &Method::GET, "/phone-home/full").unwrap_err(), 405);
    let uid = WireguardKey::new([1; 32]).peer_uid();
    match call(&inside("bare"), &format!("/phone-home/{uid}")) {
        Ok(Errand::PhoneHome { node, through: Some(_), .. }) => assert_eq!(node.as_str(), "bare"),
        other => panic!("{other:?}"),
    }
    // The name of a key proves nothing outside its tunnel.
    assert_eq!(call(&from(BARE), &format!("/phone-home/{uid}")).unwrap_err(), 403);
}

#[test]
fn tunnels_are_shown_to_administrators_outside_tunnels() {
    let show = |policy: &Policy, asker: &Result<_, _>| outcome(policy, asker, &Method::GET, "/wireguardpeers");
    assert!(matches!(show(&terms(true), &from("10.9.0.7")), Ok(Errand::ShowPeers { uid: None })));
    assert_eq!(show(&terms(true), &from(FULL)).unwrap_err(), 403);
    assert_eq!(show(&terms(true), &inside("full")).unwrap_err(), 403);
    assert_eq!(show(&Policy::default(), &from("10.9.0.7")).unwrap_err(), 404);
    assert_eq!(outcome(&terms(true), &from("10.9.0.7"), &Method::POST, "/wireguardpeers").unwrap_err(), 405);
}
