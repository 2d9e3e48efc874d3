//! Documents that are for tunnels only: all of them with `--wireguard-only`, some by the site.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use mds::release::{Manifest, MappedRelease, NodeEntry, TunnelTerms};
use mds::serve::Settings;
use mds::types::{Digest, DocumentName, GroupLabel, NodeId};
use serde_json::json;

use super::{FakeTunnels, get_request, key_text, post, serving, settings, tunnel, wg_init};
use crate::serve_support::Running;

/// `local` is in the groups `secret` and `open`, `five` in none; `secret.yaml` and `user-data` are for tunnels only.
fn marked_release() -> Arc<MappedRelease> {
    let mut bodies = BTreeMap::new();
    let mut node = |id: &str, address: &str, groups: &[&str], names: &[&str]| {
        let documents = names.iter().map(|name| {
            let body = format!("{name} of {id}\n");
            let digest = Digest::of(body.as_bytes());
            bodies.insert(digest, Bytes::from(body));
            (DocumentName::parse(name).unwrap(), digest)
        });
        NodeEntry {
            id: NodeId::parse(id).unwrap(),
            hostname: id.to_owned(),
            nid: None,
            instance_id: id.to_owned(),
            macs: vec![],
            addresses: vec![address.parse().unwrap()],
            tunnel_address: None,
            groups: groups.iter().map(|group| GroupLabel::parse(group).unwrap()).collect(),
            documents: documents.collect(),
        }
    };
    let nodes = vec![
        node("five", "127.0.0.5", &[], &["meta-data"]),
        node("local", "127.0.0.1", &["open", "secret"], &["meta-data", "user-data", "secret.yaml", "open.yaml"]),
    ];
    let only = ["secret.yaml", "user-data"].map(|name| DocumentName::parse(name).unwrap());
    let terms = TunnelTerms { network: Some("100.97.0.1/16".parse().unwrap()), only: only.into() };
    let manifest = Manifest::new(nodes).with_tunnels(terms);
    let id = Manifest::id_of(&manifest.to_bytes().unwrap());
    Arc::new(MappedRelease::new(id, &manifest, |digest| bodies.get(digest).cloned()).unwrap())
}

fn serving_marked(settings: Settings) -> Running {
    let running = Running::start(&["127.0.0.1:0"], settings).unwrap();
    running.shared.publish(marked_release());
    running
}

#[test]
fn wireguard_only_refuses_every_document_outside_and_nothing_else() {
    let running = serving(&FakeTunnels::new(true));
    for path in ["/meta-data", "/user-data", "/vendor-data/", "/network-config", "/cloud-init/compute.yaml", "/no.yaml"]
    {
        for method in ["GET", "HEAD"] {
            let answer = running.connect().request(method, path, &["If-None-Match: *"]);
            assert_eq!((answer.status, answer.header("etag")), (403, None), "{method} {path}");
        }
        assert!(running.get(path, &[]).text().contains("POST /wg-init"), "{path}");
        assert_eq!(running.get_from("127.0.0.66", path, &[]).status, 403, "whoever asks: {path}");
    }
    for path in ["/", "/health"] {
        assert_eq!(running.get(path, &[]).status, 200, "{path}");
    }
    assert_eq!(wg_init(&running, "127.0.0.1").status, 202);
    let body = json!({"pubkey": key_text(7)}).to_string();
    assert_eq!(post(&running, "127.0.0.1", "/v1/register", body).status, 202);
    assert_eq!(post(&running, "127.0.0.1", "/phone-home/local/", "").status, 200);
    running.shared.take_notifications();
    assert_eq!(post(&running, "127.0.0.1", "/smd-notification", "{}").status, 200);
}

#[test]
fn a_document_for_tunnels_only_is_refused_outside_with_tunnels_and_without() {
    let with = serving_marked(settings(&FakeTunnels::new(false)));
    let without = serving_marked(Settings::default());
    for (running, said) in [(&with, "POST /wg-init"), (&without, "--wireguard-server")] {
        for method in ["GET", "HEAD"] {
            let answer = running.connect().request(method, "/cloud-init/secret.yaml", &["If-None-Match: *"]);
            assert_eq!((answer.status, answer.header("etag")), (403, None));
        }
        let answer = running.get("/secret.yaml", &[]);
        assert!(
            answer.text().starts_with("secret.yaml is served") && answer.text().contains(said),
            "{}",
            answer.text()
        );
        assert_eq!(running.get("/user-data", &[]).status, 403);
        assert_eq!(running.get("/meta-data", &[]).text(), "meta-data of local\n");
        assert_eq!(running.get("/open.yaml", &[]).text(), "open.yaml of local\n");
    }
    let requests = ["/secret.yaml", "/user-data", "/meta-data"].map(|path| get_request(path, ""));
    for only in [false, true] {
        let answers = tunnel::ask(settings(&FakeTunnels::new(only)), "local", 1, marked_release(), &requests);
        let expected = ["secret.yaml", "user-data", "meta-data"].map(|name| (200, format!("{name} of local\n")));
        assert_eq!(answers, expected);
    }
}

#[test]
fn a_group_for_tunnels_only_is_as_any_other_to_those_who_are_not_in_it() {
    let running = serving_marked(settings(&FakeTunnels::new(false)));
    let secret = running.get_from("127.0.0.5", "/secret.yaml", &[]);
    let invented = running.get_from("127.0.0.5", "/invented.yaml", &[]);
    assert_eq!((secret.status, invented.status), (404, 404));
    assert_eq!(secret.text().replace("secret", "invented"), invented.text());
    assert_eq!(running.get_from("127.0.0.66", "/secret.yaml", &[]).status, 404);
    let request = get_request("/secret.yaml", "");
    let answers = tunnel::ask(settings(&FakeTunnels::new(false)), "five", 1, marked_release(), &[request]);
    assert_eq!(answers, [(404, secret.text().to_owned())]);
}
