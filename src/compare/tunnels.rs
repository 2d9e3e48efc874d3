//! What changed about tunnels that is no single node's.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::types::{DocumentName, TunnelNetwork};

/// What one side says of tunnels: their network, and the documents that are served through them only.
pub type TunnelSide<'a> = (Option<TunnelNetwork>, &'a BTreeSet<DocumentName>);

/// What differs between two sides about tunnels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TunnelChanges {
    /// The network of the older side.
    pub network_before: Option<TunnelNetwork>,
    /// The network of the newer side.
    pub network_after: Option<TunnelNetwork>,
    /// The documents that are for tunnels only and were not.
    pub only_added: Vec<DocumentName>,
    /// The documents that were for tunnels only and are served in the open now.
    pub only_removed: Vec<DocumentName>,
}

impl TunnelChanges {
    /// Compares two sides, the older first.
    #[must_use]
    pub fn between(older: TunnelSide<'_>, newer: TunnelSide<'_>) -> Option<Self> {
        let without =
            |all: &BTreeSet<DocumentName>, others: &BTreeSet<DocumentName>| all.difference(others).cloned().collect();
        (older != newer).then(|| Self {
            network_before: older.0,
            network_after: newer.0,
            only_added: without(newer.1, older.1),
            only_removed: without(older.1, newer.1),
        })
    }

    /// What changed, one sentence for each thing, without full stops.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let listed =
            |names: &[DocumentName]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let mut sentences = Vec::new();
        match (self.network_before, self.network_after) {
            (before, after) if before == after => {}
            (None, Some(after)) => sentences.push(format!("tunnels have the network {after} now and had none")),
            (Some(before), None) => sentences.push(format!("tunnels had the network {before} and have none now")),
            (Some(before), Some(after)) => {
                sentences.push(format!("tunnels had the network {before} and have {after} now"))
            }
            (None, None) => {}
        }
        if !self.only_added.is_empty() {
            sentences.push(format!("for tunnels only now: {}", listed(&self.only_added)));
        }
        if !self.only_removed.is_empty() {
            sentences.push(format!("served in the open now, and was for tunnels only: {}", listed(&self.only_removed)));
        }
        sentences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_marks_are_compared() {
        let network = |text: &str| Some(TunnelNetwork::parse(text).unwrap());
        let only = |names: &[&str]| names.iter().map(|name| DocumentName::parse(name).unwrap()).collect();
        let (none, some): (BTreeSet<_>, BTreeSet<_>) = (only(&[]), only(&["user-data", "keys.yaml"]));
        assert_eq!(TunnelChanges::between((None, &some), (None, &some)), None);
        let sentences = |older, newer| TunnelChanges::between(older, newer).unwrap().sentences();
        assert_eq!(
            sentences((None, &none), (network("10.9.0.1/24"), &some)),
            ["tunnels have the network 10.9.0.1/24 now and had none", "for tunnels only now: `user-data`, `keys.yaml`"]
        );
        assert_eq!(
            sentences((network("10.9.0.1/24"), &some), (network("10.9.0.2/24"), &none)),
            [
                "tunnels had the network 10.9.0.1/24 and have 10.9.0.2/24 now",
                "served in the open now, and was for tunnels only: `user-data`, `keys.yaml`"
            ]
        );
    }
}
