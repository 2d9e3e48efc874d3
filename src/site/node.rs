//! Overrides for single nodes: `nodes/<id>.yaml`, the original's InstanceInfo.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::settings::base_url_fault;

/// What a site says about one node.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeOverride {
    /// What people know the node by.
    pub description: String,
    /// The instance-id. Changing it makes cloud-init treat the node as new at its next boot. The node's id by default.
    pub instance_id: Option<String>,
    /// `hostname` in meta-data.
    pub hostname: Option<String>,
    /// `local-hostname` in meta-data: the name that cloud-init sets.
    pub local_hostname: Option<String>,
    /// Where this node reaches the server, instead of the cluster's `base_url`.
    pub cloud_init_base_url: Option<String>,
    /// SSH public keys for this node, after those of the cluster.
    pub public_keys: Vec<String>,
    /// Values for templates, on top of the groups', and for meta-data.
    pub meta: Map<String, Value>,
}

impl NodeOverride {
    /// What is wrong with the values, one sentence each.
    pub(super) fn faults(&self) -> Vec<String> {
        let names = [
            ("instance_id", &self.instance_id),
            ("hostname", &self.hostname),
            ("local_hostname", &self.local_hostname),
        ];
        let mut faults: Vec<String> = names
            .into_iter()
            .filter(|(_, value)| value.as_deref().is_some_and(|text| !is_plain(text)))
            .map(|(name, _)| format!("{name} must be one word without blanks or control characters"))
            .collect();
        if let Some(url) = &self.cloud_init_base_url {
            faults.extend(base_url_fault(url).map(|fault| format!("cloud_init_base_url: {fault}")));
        }
        if self.public_keys.iter().any(|key| key.contains('\n') || key.trim().is_empty()) {
            faults.push("public_keys has an entry that is not one line with one key".to_owned());
        }
        faults
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.contains(|character: char| character.is_whitespace() || character.is_control())
}
