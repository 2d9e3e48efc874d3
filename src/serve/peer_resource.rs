//! Live tunnels in the shape in which OpenCHAMI's metadata-service shows its `WireGuardPeer` resources.

use bytes::Bytes;
use serde_json::{Value, json};

use super::tunnels::PeerReport;

/// All tunnels: a bare JSON array, as `ochami metadata peer list` reads it.
pub(super) fn list(reports: &[PeerReport]) -> Bytes {
    bytes_of(&Value::Array(reports.iter().map(resource).collect()))
}

/// One tunnel.
pub(super) fn one(report: &PeerReport) -> Bytes {
    bytes_of(&resource(report))
}

fn resource(report: &PeerReport) -> Value {
    let length = if report.address.is_ipv4() { 32 } else { 128 };
    json!({
        "apiVersion": "v1",
        "kind": "WireGuardPeer",
        "metadata": {
            "name": report.node,
            "uid": report.key.peer_uid(),
            "labels": {},
            "annotations": {},
            "createdAt": report.since.to_string(),
            "updatedAt": report.last_handshake.unwrap_or(report.since).to_string(),
        },
        "spec": {
            "public_key": report.key,
            "allowed_ip": format!("{}/{length}", report.address),
        },
        "status": {
            "node": report.node,
            "expires_at": report.expires_at.to_string(),
            "last_handshake": report.last_handshake.map(|time| time.to_string()),
            "endpoint": report.endpoint.map(|endpoint| endpoint.to_string()),
            "received_bytes": report.received,
            "sent_bytes": report.sent,
        },
    })
}

fn bytes_of(value: &Value) -> Bytes {
    Bytes::from(format!("{value}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{NodeId, WireguardKey};

    #[test]
    fn a_tunnel_has_the_shape_of_the_original() {
        let report = PeerReport {
            node: NodeId::parse("x1").unwrap(),
            key: WireguardKey::new([7; 32]),
            address: "100.97.0.9".parse().unwrap(),
            since: "2026-01-02T03:04:05Z".parse().unwrap(),
            expires_at: "2026-01-02T05:04:05Z".parse().unwrap(),
            last_handshake: None,
            endpoint: Some("10.0.0.1:5".parse().unwrap()),
            received: 1,
            sent: 2,
        };
        let value: Value = serde_json::from_slice(&list(std::slice::from_ref(&report))).unwrap();
        assert_eq!(value[0]["kind"], "WireGuardPeer");
        assert_eq!(value[0]["metadata"]["uid"], report.key.peer_uid());
        assert_eq!(value[0]["spec"]["allowed_ip"], "100.97.0.9/32");
        assert_eq!(value[0], serde_json::from_slice::<Value>(&one(&report)).unwrap());
        assert_eq!(&list(&[])[..], b"[]\n");
    }
}
