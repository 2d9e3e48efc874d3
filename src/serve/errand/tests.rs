//! What nodes bring about in the log.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use super::super::captured_log::captured;
use super::super::tunnels::PeerReport;
use super::*;
use crate::release::{Manifest, NodeEntry};

/// Refuses every key.
#[derive(Debug)]
struct Refusing(RegisterRefusal, ServerTerms);

impl Tunnels for Refusing {
    fn terms(&self) -> &ServerTerms {
        &self.1
    }

    fn register(
        &self,
        _: Registration,
    ) -> Pin<Box<dyn Future<Output = Result<Registered, RegisterRefusal>> + Send + '_>> {
        Box::pin(async { Err(self.0.clone()) })
    }

    fn end_soon(&self, _: &WireguardKey) {}

    fn peers(&self) -> Vec<PeerReport> {
        vec![]
    }
}

fn node() -> NodeId {
    NodeId::parse("n1").unwrap()
}

fn release() -> Arc<MappedRelease> {
    let entry = NodeEntry {
        id: node(),
        hostname: "n1".to_owned(),
        nid: None,
        instance_id: "n1".to_owned(),
        macs: vec![],
        addresses: vec![],
        tunnel_address: None,
        groups: vec![],
        documents: BTreeMap::new(),
    };
    let manifest = Manifest::new(vec![entry]);
    let id = Manifest::id_of(&manifest.to_bytes().unwrap());
    Arc::new(MappedRelease::new(id, &manifest, |_| None).unwrap())
}

/// What is logged when a key is refused.
fn log_of(refusal: RegisterRefusal) -> String {
    let key = WireguardKey::new([9; 32]);
    let network = "100.97.0.1/16".parse().unwrap();
    let terms = ServerTerms { public_key: key, network, port: 51820, endpoint: None, only: false, admins: vec![] };
    let (tunnels, release) = (Refusing(refusal, terms), release());
    captured(|| {
        let registration = Registration { node: node(), release, key: WireguardKey::new([7; 32]), through: None };
        let registering = register(&tunnels, registration, [10, 0, 0, 1].into(), None);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(!runtime.block_on(registering).status.is_success());
    })
}

#[test]
fn refusals_that_somebody_has_to_look_at_are_warnings_and_the_others_do_not_fill_the_log() {
    for refusal in
        [RegisterRefusal::KeyOfAnother, RegisterRefusal::NotArmed(node()), RegisterRefusal::SecondKey(node())]
    {
        let log = log_of(refusal.clone());
        assert!(log.contains("WARN") && log.contains("n1") && log.contains(&refusal.to_string()), "{log}");
    }
    for refusal in [
        RegisterRefusal::UnusableKey("this public key is all zero"),
        RegisterRefusal::TooOften(Duration::from_secs(3)),
        RegisterRefusal::ThroughTunnel,
        RegisterRefusal::NoAddress("no address".to_owned()),
        RegisterRefusal::Unwritable,
    ] {
        assert_eq!(log_of(refusal.clone()), "", "{refusal:?}");
    }
}

#[test]
fn broken_bodies_and_lies_do_not_fill_the_log() {
    let key = WireguardKey::new([7; 32]);
    let log = captured(|| {
        for body in ["", "{", "{}", &format!("{{\"pubkey\":\"{key}\",\"node\":\"n2\"}}")] {
            assert!(request(&node(), &release(), KeyForm::Register, body.as_bytes()).is_err(), "{body}");
        }
    });
    assert_eq!(log, "");
}
