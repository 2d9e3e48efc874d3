//! What is decided about a node before any template is rendered: its names, keys, groups and addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::inventory::{Interface, Node};
use crate::settings::ClusterSettings;
use crate::site::Site;
use crate::types::{GroupLabel, MacAddress, NodeId};

/// A node, decided.
#[derive(Clone, Debug)]
pub struct NodeFacts {
    /// The node of the inventory.
    pub node: Node,
    /// `hostname` in meta-data.
    pub hostname: String,
    /// `local-hostname` in meta-data: the name cloud-init sets.
    pub local_hostname: String,
    /// The override, else the node's id: never random, so that a rebuilt release does not re-provision nodes.
    pub instance_id: String,
    /// Where the node reaches the server, without a final slash; empty when the site says nothing.
    pub base_url: String,
    /// The cluster's keys, then the node's, each once.
    pub public_keys: Vec<String>,
    /// The node's groups in the order in which they apply.
    pub groups: Vec<GroupLabel>,
    /// The node's own values for templates.
    pub meta: Map<String, Value>,
    /// The interface and address the node boots from.
    pub boot: Option<(MacAddress, IpAddr)>,
}

impl NodeFacts {
    /// Decides about one node.
    #[must_use]
    pub fn new(site: &Site, order: &GroupOrder, node: &Node) -> Self {
        let cluster = &site.settings.cluster;
        let own = site.nodes.get(&node.id).cloned().unwrap_or_default();
        let generated = generated_hostname(cluster, node);
        let base_url = own.cloud_init_base_url.as_deref().or(cluster.base_url.as_deref()).unwrap_or_default();
        let mut public_keys: Vec<String> = Vec::new();
        for key in cluster.public_keys.iter().chain(&own.public_keys) {
            if !public_keys.contains(key) {
                public_keys.push(key.clone());
            }
        }
        Self {
            hostname: own.hostname.unwrap_or_else(|| generated.clone()),
            local_hostname: own.local_hostname.unwrap_or(generated),
            instance_id: own.instance_id.unwrap_or_else(|| node.id.to_string()),
            base_url: base_url.trim_end_matches('/').to_owned(),
            public_keys,
            groups: order.sorted(&node.groups),
            meta: own.meta,
            boot: node
                .boot_address(&site.settings.inventory.boot_network)
                .map(|(interface, address)| (interface.mac, address.ip)),
            node: node.clone(),
        }
    }

    /// The node's id.
    #[must_use]
    pub const fn id(&self) -> &NodeId {
        &self.node.id
    }

    /// The boot address, if the node has one.
    #[must_use]
    pub fn boot_ip(&self) -> Option<IpAddr> {
        self.boot.map(|(_, ip)| ip)
    }

    /// The MAC address of the boot interface; the first interface's when no interface has an address.
    #[must_use]
    pub fn boot_mac(&self) -> Option<MacAddress> {
        let first = || self.node.enabled_interfaces().next().map(|interface: &Interface| interface.mac);
        self.boot.map(|(mac, _)| mac).or_else(first)
    }
}

/// The original's rule: short name (else the first two characters of the cluster's name), then the NID with leading
/// zeros. A node without NID is called by its id, since a shared `nid0000` would be nobody's name.
fn generated_hostname(cluster: &ClusterSettings, node: &Node) -> String {
    let Some(nid) = node.nid else {
        return node.id.as_str().to_ascii_lowercase();
    };
    let prefix: String = match cluster.short_name.as_str() {
        "" => cluster.name.chars().take(2).collect(),
        short_name => short_name.to_owned(),
    };
    format!("{prefix}{nid:0width$}", width = usize::from(cluster.nid_length))
}

/// The order in which groups apply: as the settings list them, the rest by label.
#[derive(Clone, Debug, Default)]
pub struct GroupOrder {
    positions: BTreeMap<GroupLabel, usize>,
}

impl GroupOrder {
    /// Takes the labels that come first.
    #[must_use]
    pub fn new(first: &[GroupLabel]) -> Self {
        let positions = first.iter().enumerate().map(|(position, label)| (label.clone(), position)).collect();
        Self { positions }
    }

    fn sorted(&self, groups: &[GroupLabel]) -> Vec<GroupLabel> {
        let mut sorted = groups.to_vec();
        sorted.sort_by_key(|label| (self.positions.get(label).copied().unwrap_or(usize::MAX), label.clone()));
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::site;
    use super::*;
    use crate::inventory::mock_inventory;

    fn facts(files: &[(&str, &str)]) -> NodeFacts {
        let site = site(files);
        let order = GroupOrder::new(&site.settings.groups.order);
        NodeFacts::new(&site, &order, &mock_inventory().nodes()[0])
    }

    #[test]
    fn hostnames_follow_the_original_rule() {
        let hostname = |settings: &str| facts(&[("mds.toml", settings)]).hostname;
        assert_eq!(hostname("[cluster]\nname = \"orchard\"\nshort_name = \"nid\"\n"), "nid1000");
        assert_eq!(hostname("[cluster]\nname = \"orchard\"\nnid_length = 6\n"), "or001000");
        assert_eq!(hostname("[cluster]\nname = \"o\"\n"), "o1000");
    }

    #[test]
    fn a_node_without_nid_is_called_by_its_id() {
        let site = site(&[("mds.toml", "[cluster]\nshort_name = \"tc\"\n")]);
        let mut node = mock_inventory().nodes()[0].clone();
        node.nid = None;
        assert_eq!(NodeFacts::new(&site, &GroupOrder::default(), &node).hostname, "x1000c0s0b0n0");
    }

    #[test]
    fn an_override_wins_field_by_field() {
        let facts = facts(&[
            ("mds.toml", "[cluster]\nshort_name = \"tc\"\nbase_url = \"http://a/\"\npublic_keys = [\"k1\", \"k2\"]\n"),
            (
                "nodes/x1000c0s0b0n0.yaml",
                "instance_id: i-2\nlocal_hostname: head\ncloud_init_base_url: http://b/x/\npublic_keys: [k2, k3]\n",
            ),
        ]);
        assert_eq!((facts.hostname.as_str(), facts.local_hostname.as_str()), ("tc1000", "head"));
        assert_eq!((facts.instance_id.as_str(), facts.base_url.as_str()), ("i-2", "http://b/x"));
        assert_eq!(facts.public_keys, ["k1", "k2", "k3"]);
    }

    #[test]
    fn groups_listed_in_the_settings_come_first() {
        let facts = facts(&[("mds.toml", "[groups]\norder = [\"green\"]\n")]);
        let labels: Vec<&str> = facts.groups.iter().map(GroupLabel::as_str).collect();
        assert_eq!(labels, ["green", "compute"]);
    }
}
