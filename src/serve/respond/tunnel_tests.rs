//! The answer function where there are tunnels: who is let in, what is asked of others, and what never changes.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::release::{Manifest, MappedRelease, NodeEntry, TunnelTerms};
use crate::serve::identity::IdentitySource;
use crate::serve::state::Shared;
use crate::serve::tunnels::TunnelCaller;
use crate::types::GroupLabel;

fn shared() -> Shared {
    let node = |id: &str, address: &str, groups: &[&str]| NodeEntry {
        id: NodeId::parse(id).unwrap(),
        hostname: format!("host-{id}"),
        nid: None,
        instance_id: format!("i-{id}"),
        macs: vec![],
        addresses: vec![address.parse().unwrap()],
        tunnel_address: None,
        groups: groups.iter().map(|group| GroupLabel::parse(group).unwrap()).collect(),
        documents: [(DocumentName::MetaData, Digest::of(id.as_bytes()))].into(),
    };
    let only = [DocumentName::parse("secret.yaml").unwrap()].into();
    let manifest = Manifest::new(vec![node("a", "10.0.0.1", &["secret"]), node("b", "10.0.0.2", &[])])
        .with_tunnels(TunnelTerms { network: Some("100.97.0.1/16".parse().unwrap()), only });
    let id = Manifest::id_of(&manifest.to_bytes().unwrap());
    let find = |digest: &Digest| {
        ["a", "b"]
            .into_iter()
            .find(|id| Digest::of(id.as_bytes()) == *digest)
            .map(|id| Bytes::from_static(id.as_bytes()))
    };
    let shared = Shared::new();
    shared.publish(Arc::new(MappedRelease::new(id, &manifest, find).unwrap()));
    shared
}

fn terms(only: bool) -> ServerTerms {
    ServerTerms {
        public_key: WireguardKey::new([1; 32]),
        network: "100.97.0.1/16".parse().unwrap(),
        port: 51820,
        endpoint: None,
        only,
        admins: vec!["::ffff:10.9.0.0/112".parse().unwrap()],
    }
}

fn outside(address: &str) -> Result<Identity, IdentityError> {
    Ok(Identity::Address { address: address.parse().unwrap(), source: IdentitySource::Peer })
}

/// A node's tunnel, in which it has the address that the other node has outside.
fn inside(node: &str) -> Result<Identity, IdentityError> {
    let address = if node == "a" { "10.0.0.2" } else { "10.0.0.1" };
    Ok(Identity::Key(TunnelCaller {
        node: NodeId::parse(node).unwrap(),
        key: WireguardKey::new([9; 32]),
        address: address.parse().unwrap(),
    }))
}

/// What comes of a request, as far as these tests look at it.
#[derive(Debug, PartialEq)]
enum Seen {
    Answer(u16, Option<String>),
    Register { node: String, through: bool, form: KeyForm },
    PhoneHome { node: String, through: bool, peer: Option<String> },
    ShowPeers(Option<String>),
}

fn policy(terms: Option<&ServerTerms>) -> Policy {
    Policy { prefixes: Prefixes::default(), tunnels: terms.cloned() }
}

fn ask(terms: Option<&ServerTerms>, asker: &Result<Identity, IdentityError>, method: Method, path: &str) -> Seen {
    let shared = shared();
    let state = shared.snapshot();
    let request = Request { method: &method, path, if_none_match: &[] };
    match respond(&state, &policy(terms), asker, &request) {
        Outcome::Answer(answer) => Seen::Answer(answer.status.as_u16(), answer.node.map(ToString::to_string)),
        Outcome::Errand(Errand::Register { node, through, form, .. }) => {
            Seen::Register { node: node.to_string(), through: through.is_some(), form }
        }
        Outcome::Errand(Errand::PhoneHome { node, through, peer, .. }) => {
            Seen::PhoneHome { node: node.to_string(), through: through.is_some(), peer }
        }
        Outcome::Errand(Errand::ShowPeers { uid }) => Seen::ShowPeers(uid),
    }
}

fn status(seen: &Seen) -> u16 {
    let Seen::Answer(status, _) = seen else { panic!("{seen:?} is no answer") };
    *status
}

#[test]
fn inside_a_tunnel_the_node_is_the_keys_and_not_the_addresss() {
    for only in [false, true] {
        for (node, path, status) in
            [("a", "/meta-data", 200), ("b", "/meta-data", 200), ("a", "/secret.yaml", 200), ("b", "/secret.yaml", 404)]
        {
            let seen = ask(Some(&terms(only)), &inside(node), Method::GET, path);
            assert_eq!(seen, Seen::Answer(status, Some(node.to_owned())), "{path}");
        }
        assert_eq!(ask(Some(&terms(only)), &inside("c"), Method::GET, "/meta-data"), Seen::Answer(404, None));
    }
}

#[test]
fn outside_what_is_for_tunnels_only_is_refused_to_those_who_could_have_it() {
    let on = terms(false);
    for terms in [None, Some(&on)] {
        assert_eq!(status(&ask(terms, &outside("10.0.0.1"), Method::GET, "/secret.yaml")), 403);
        assert_eq!(status(&ask(terms, &outside("10.0.0.2"), Method::GET, "/secret.yaml")), 404);
        assert_eq!(status(&ask(terms, &outside("10.0.0.3"), Method::GET, "/secret.yaml")), 404);
        assert_eq!(status(&ask(terms, &outside("10.0.0.1"), Method::GET, "/meta-data")), 200);
    }
    let only = terms(true);
    for address in ["10.0.0.1", "10.0.0.3"] {
        for path in ["/meta-data", "/secret.yaml", "/other.yaml"] {
            assert_eq!(status(&ask(Some(&only), &outside(address), Method::HEAD, path)), 403, "{address} {path}");
        }
    }
}

#[test]
fn a_key_is_taken_of_a_known_node_only() {
    let on = terms(true);
    let taken = |through, form| Seen::Register { node: "a".to_owned(), through, form };
    assert_eq!(ask(Some(&on), &outside("10.0.0.1"), Method::POST, "/wg-init"), taken(false, KeyForm::WgInit));
    assert_eq!(ask(Some(&on), &inside("a"), Method::POST, "/v1/register"), taken(true, KeyForm::Register));
    assert_eq!(status(&ask(None, &outside("10.0.0.1"), Method::POST, "/wg-init")), 404);
    assert_eq!(status(&ask(Some(&on), &outside("10.0.0.9"), Method::POST, "/wg-init")), 404);
    assert_eq!(status(&ask(Some(&on), &outside("10.0.0.1"), Method::HEAD, "/wg-init")), 405);
}

#[test]
fn a_node_phones_home_for_itself_only() {
    let on = terms(true);
    let own = WireguardKey::new([9; 32]).peer_uid();
    let noted =
        |through, peer: Option<&str>| Seen::PhoneHome { node: "a".to_owned(), through, peer: peer.map(str::to_owned) };
    for name in ["a", "i-a", "host-a"] {
        let path = format!("/phone-home/{name}");
        assert_eq!(ask(None, &outside("10.0.0.1"), Method::POST, &path), noted(false, None), "{name}");
        assert_eq!(ask(Some(&on), &outside("10.0.0.1"), Method::POST, &path), noted(false, None), "{name}");
        assert_eq!(ask(Some(&on), &inside("a"), Method::POST, &path), noted(true, None), "{name}");
        for (terms, asker) in [(None, outside("10.0.0.2")), (Some(&on), outside("10.0.0.2")), (Some(&on), inside("b"))]
        {
            assert_eq!(status(&ask(terms, &asker, Method::POST, &path)), 403, "{name}");
        }
    }
    let path = format!("/phone-home/{own}");
    assert_eq!(ask(Some(&on), &inside("a"), Method::POST, &path), noted(true, None));
    assert_eq!(ask(Some(&on), &outside("10.0.0.1"), Method::POST, &path), noted(false, Some(&own)), "to be looked up");
    assert_eq!(
        status(&ask(None, &outside("10.0.0.1"), Method::POST, &path)),
        403,
        "without tunnels there are no peers"
    );
    assert_eq!(status(&ask(Some(&on), &inside("a"), Method::POST, "/phone-home/wireguardpeer-0")), 403);
}

#[test]
fn peers_are_for_administrators_outside() {
    let on = terms(false);
    for address in ["10.9.0.1", "10.9.255.255"] {
        assert_eq!(ask(Some(&on), &outside(address), Method::GET, "/wireguardpeers"), Seen::ShowPeers(None));
    }
    for asker in [outside("10.0.0.1"), outside("127.0.0.1"), inside("a")] {
        assert_eq!(status(&ask(Some(&on), &asker, Method::GET, "/wireguardpeers/x")), 403);
    }
    let mut everybody = terms(false);
    everybody.admins = vec!["0.0.0.0/0".parse().unwrap()];
    assert_eq!(status(&ask(Some(&everybody), &inside("a"), Method::GET, "/wireguardpeers")), 403);
    assert_eq!(status(&ask(None, &outside("10.9.0.1"), Method::GET, "/wireguardpeers")), 404);
}

proptest! {
    #[test]
    fn nobody_gets_or_does_anything_of_another(
        path in "/?(cloud-init/)?(meta-data|secret\\.yaml|wg-init|v1/register|phone-home/[ab]|phone-home/[a-z%0-9./-]{0,9}\
            |wireguardpeers/?[a-z%0-9./]{0,4}|[a-z%0-9./]{0,12})[/?]?",
        method in prop_oneof![Just("GET"), Just("POST"), Just("HEAD"), Just("PUT")],
        (asker, node) in prop_oneof![
            Just((outside("10.0.0.1"), Some("a"))),
            Just((outside("10.0.0.2"), Some("b"))),
            Just((outside("100.97.0.1"), None)),
            Just((inside("a"), Some("a"))),
            Just((inside("b"), Some("b"))),
            Just((inside("c"), None)),
            Just((Err(IdentityError::UnreadableEntry), None)),
        ],
        mode in 0..3,
    ) {
        let terms = match mode { 0 => None, 1 => Some(terms(false)), _ => Some(terms(true)) };
        let is_outside = matches!(asker, Ok(Identity::Address { .. }));
        let shared = shared();
        let state = shared.snapshot();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = Request { method: &method, path: &path, if_none_match: &[] };
        match respond(&state, &policy(terms.as_ref()), &asker, &request) {
            Outcome::Answer(answer) => {
                prop_assert!([200, 400, 403, 404, 405].contains(&answer.status.as_u16()));
                prop_assert!(answer.node.is_none() || answer.node.map(NodeId::as_str) == node);
                prop_assert_eq!(answer.status == 405, answer.allow.is_some());
                if let Some(tag) = answer.etag {
                    prop_assert!(!(is_outside && mode == 2), "a document in the open");
                    let own = node.is_some_and(|node| tag == Digest::of(node.as_bytes()));
                    prop_assert!(own || tag == Digest::of(b""));
                }
            }
            Outcome::Errand(Errand::Register { node: asks, through, .. }) => {
                prop_assert!(mode > 0 && method == Method::POST);
                prop_assert_eq!((Some(asks.as_str()), through.is_none()), (node, is_outside));
            }
            Outcome::Errand(Errand::PhoneHome { node: calls, through, peer, .. }) => {
                let other = if node == Some("a") { "/phone-home/b" } else { "/phone-home/a" };
                prop_assert!(peer.is_none() && !path.trim_end_matches(['/', '?']).ends_with(other));
                prop_assert_eq!((Some(calls.as_str()), through.is_none()), (node, is_outside));
            }
            Outcome::Errand(errand) => prop_assert!(false, "{errand:?} for no administrator"),
        }
    }
}
