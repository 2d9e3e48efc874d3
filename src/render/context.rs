//! What templates see, and the meta-data document they share it with.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map as JsonMap, Value as Json};
use tera::{Context, Map, Value};

use super::facts::NodeFacts;
use super::value::{get, list, map, non_empty, optional};
use crate::inventory::Interface;
use crate::settings::ClusterSettings;
use crate::site::Group;
use crate::types::GroupLabel;

/// The names that mds itself gives to templates. A `meta` key of one of these names would hide it.
pub const NODE_NAMES: [&str; 25] = [
    "availability_zone",
    "base_url",
    "cloud_name",
    "cloud_provider",
    "cluster_name",
    "delivery",
    "ds",
    "groups",
    "hostname",
    "id",
    "include_urls",
    "instance_id",
    "interfaces",
    "ip",
    "local_hostname",
    "local_ipv4",
    "mac",
    "meta_data",
    "multipart",
    "network_config",
    "nid",
    "public_keys",
    "region",
    "role",
    "vendor_data",
];

/// The cloud's name in every meta-data document, as in the original.
const CLOUD_NAME: &str = "OpenCHAMI";
/// The version of the vendor data in meta-data, as in the original.
const VENDOR_DATA_VERSION: &str = "1.0";

/// What a group contributes: its entry in meta-data, and its own names for its template.
#[derive(Clone, Debug)]
pub(super) struct GroupValues {
    /// `description` and the meta keys; empty for a group that the site does not know.
    entry: Value,
    /// The meta keys.
    names: Vec<(String, Value)>,
}

/// Prepares the values of all groups of a site: they are the same for every node.
pub(super) fn group_values(groups: &BTreeMap<GroupLabel, Group>) -> BTreeMap<GroupLabel, GroupValues> {
    let values = |group: &Group| {
        let names = names_of(&group.meta);
        let mut entry = Map::new();
        // As in the original: the description is always there, and a meta key of that name wins over it.
        entry.insert("description".into(), group.description.clone().into());
        entry.extend(names.iter().map(|(name, value)| (name.clone().into(), value.clone())));
        GroupValues { entry: entry.into(), names }
    };
    groups.iter().map(|(label, group)| (label.clone(), values(group))).collect()
}

fn names_of(meta: &JsonMap<String, Json>) -> Vec<(String, Value)> {
    // It panics for what has no value in a template; every JSON value has one.
    meta.iter().map(|(name, value)| (name.clone(), Value::from_serializable(value))).collect()
}

/// Adds what is the same for every node.
pub(super) fn fill_global(context: &mut Context, cluster: &ClusterSettings) {
    context.insert("cluster_name", &cluster.name);
    context.insert("cloud_name", CLOUD_NAME);
    context.insert("cloud_provider", &cluster.cloud_provider);
    context.insert("region", &cluster.region);
    context.insert("availability_zone", &cluster.availability_zone);
}

/// The context of one node, and the parts of it that documents are made of.
#[derive(Debug)]
pub(super) struct NodeContext {
    context: Context,
}

impl NodeContext {
    /// Builds a node's context: the flat names, the same under `ds`, and the whole meta-data document.
    pub(super) fn new(
        cluster: &ClusterSettings,
        groups: &BTreeMap<GroupLabel, GroupValues>,
        facts: &NodeFacts,
    ) -> Self {
        let interfaces = list(facts.node.interfaces.iter().map(interface_value));
        let public_keys = list(facts.public_keys.iter().map(|key| key.clone().into()));
        let vendor_data = vendor_data_value(cluster, groups, facts, &interfaces);
        let meta_data = meta_data_value(cluster, facts, &public_keys, &vendor_data);

        let mut flat = map([
            ("id", facts.id().to_string().into()),
            ("instance_id", facts.instance_id.clone().into()),
            ("local_hostname", facts.local_hostname.clone().into()),
            ("hostname", facts.hostname.clone().into()),
            ("nid", facts.node.nid.into()),
            ("role", facts.node.role.clone().into()),
            ("mac", facts.boot_mac().map(|mac| mac.to_string()).unwrap_or_default().into()),
            ("ip", facts.boot_ip().map(|ip| ip.to_string()).unwrap_or_default().into()),
            ("local_ipv4", local_ipv4(facts).unwrap_or_else(|| "".into())),
            ("interfaces", interfaces),
            ("public_keys", public_keys),
            ("groups", list(facts.groups.iter().map(|label| label.to_string().into()))),
            ("base_url", facts.base_url.clone().into()),
            ("vendor_data", vendor_data),
            ("meta_data", meta_data),
        ]);
        let mut ds = map([
            ("cluster_name", cluster.name.clone().into()),
            ("cloud_name", CLOUD_NAME.into()),
            ("cloud_provider", cluster.cloud_provider.clone().into()),
            ("region", cluster.region.clone().into()),
            ("availability_zone", cluster.availability_zone.clone().into()),
        ]);
        ds.extend(flat.iter().map(|(name, value)| (name.clone(), value.clone())));
        // cloud-init gives dashed keys an alias with underscores, and templates have come to use it.
        let aliased = get(&flat, "meta_data").cloned().and_then(Value::into_map).map(with_aliases);
        ds.extend(optional("meta_data", aliased.map(Into::into)));
        flat.insert("ds".into(), ds.into());

        let mut context = Context::new();
        for (name, value) in flat {
            if let Some(name) = name.as_str() {
                context.insert_value(name.to_owned(), value);
            }
        }
        Self { context }
    }

    /// The context with the node's own names on top.
    pub(super) fn for_node(&self, facts: &NodeFacts) -> Context {
        self.with_names(&names_of(&facts.meta))
    }

    /// The context with the group's names on top, and the node's own above these.
    pub(super) fn for_group(&self, group: &GroupValues, facts: &NodeFacts) -> Context {
        let mut context = self.with_names(&group.names);
        for (name, value) in names_of(&facts.meta) {
            context.insert_value(name, value);
        }
        context
    }

    /// The context with one more value.
    pub(super) fn with(&self, name: &'static str, value: Value) -> Context {
        let mut context = self.context.clone();
        context.insert_value(name, value);
        context
    }

    /// The context as it is.
    pub(super) const fn plain(&self) -> &Context {
        &self.context
    }

    fn with_names(&self, names: &[(String, Value)]) -> Context {
        let mut context = self.context.clone();
        for (name, value) in names {
            context.insert_value(name.clone(), value.clone());
        }
        context
    }
}

fn with_aliases(document: Map) -> Map {
    let mut aliased = document.clone();
    for (key, value) in document {
        if let Some(dashed) = key.as_str().filter(|key| key.contains('-')) {
            aliased.insert(dashed.replace('-', "_").into(), value);
        }
    }
    aliased
}

/// The boot address, or the first IPv4 address of a node that boots by IPv6.
fn local_ipv4(facts: &NodeFacts) -> Option<Value> {
    let address = facts.boot_ip().into_iter().chain(facts.node.addresses()).find(IpAddr::is_ipv4);
    address.map(|ip| ip.to_string().into())
}

/// The meta-data document in the shape that client templates rely on: dashes above, underscores below, and below
/// `v1` nothing that is empty.
fn meta_data_value(cluster: &ClusterSettings, facts: &NodeFacts, public_keys: &Value, vendor_data: &Value) -> Value {
    let mut v1 = Map::new();
    v1.insert("cloud_name".into(), CLOUD_NAME.into());
    v1.extend(optional("availability_zone", non_empty(&cluster.availability_zone)));
    v1.insert("instance_id".into(), facts.instance_id.clone().into());
    v1.insert("local_hostname".into(), facts.local_hostname.clone().into());
    v1.extend(optional("region", non_empty(&cluster.region)));
    v1.insert("hostname".into(), facts.hostname.clone().into());
    v1.extend(optional("local_ipv4", local_ipv4(facts)));
    v1.extend(optional("cloud_provider", non_empty(&cluster.cloud_provider)));
    v1.extend(optional("public_keys", (!facts.public_keys.is_empty()).then(|| public_keys.clone())));
    v1.insert("vendor_data".into(), vendor_data.clone());
    let mut document = map([
        ("instance-id", facts.instance_id.clone().into()),
        ("local-hostname", facts.local_hostname.clone().into()),
        ("hostname", facts.hostname.clone().into()),
        ("cluster-name", cluster.name.clone().into()),
    ]);
    // The original has the keys below `v1` only, where cloud-init never looks: without this the default user gets none.
    document.extend(optional("public-keys", (!facts.public_keys.is_empty()).then(|| public_keys.clone())));
    document.insert("instance_data".into(), map([("v1", v1.into())]).into());
    document.into()
}

fn vendor_data_value(
    cluster: &ClusterSettings,
    groups: &BTreeMap<GroupLabel, GroupValues>,
    facts: &NodeFacts,
    interfaces: &Value,
) -> Value {
    let mut value = map([("version", VENDOR_DATA_VERSION.into())]);
    value.extend(optional("cloud_init_base_url", non_empty(&facts.base_url)));
    value.extend(optional("cluster_name", non_empty(&cluster.name)));
    value.extend(optional("nid", facts.node.nid.map(Into::into)));
    value.extend(optional("role", non_empty(&facts.node.role)));
    value.extend(optional("sub_role", non_empty(&facts.node.sub_role)));
    value.extend(optional("mac", facts.boot_mac().map(|mac| mac.to_string().into())));
    value.extend(optional("interfaces", (!facts.node.interfaces.is_empty()).then(|| interfaces.clone())));
    if !facts.groups.is_empty() {
        // Sorted by label, as every map in the original.
        let mut labels: Vec<&GroupLabel> = facts.groups.iter().collect();
        labels.sort();
        let entry =
            |label: &GroupLabel| groups.get(label).map_or_else(|| Map::new().into(), |group| group.entry.clone());
        let entries: Map = labels.into_iter().map(|label| (label.to_string().into(), entry(label))).collect();
        value.insert("groups".into(), entries.into());
    }
    value.extend(optional("meta", (!facts.meta.is_empty()).then(|| Value::from_serializable(&facts.meta))));
    value.into()
}

fn interface_value(interface: &Interface) -> Value {
    let mut value = Map::new();
    value.extend(optional("description", non_empty(&interface.description)));
    value.insert("enabled".into(), interface.enabled.into());
    let address = |address: &crate::inventory::InterfaceAddress| {
        let mut entry = map([("ip", address.ip.to_string().into())]);
        entry.extend(optional("network", non_empty(&address.network)));
        entry
    };
    let first = interface.addresses.first().map(address).unwrap_or_default();
    value.extend(optional("ip", get(&first, "ip").cloned()));
    if interface.addresses.len() > 1 {
        let all = interface.addresses.iter().map(|one| address(one).into());
        value.insert("ip_addresses".into(), list(all));
    }
    value.insert("mac".into(), interface.mac.to_string().into());
    value.insert("name".into(), interface.name.clone().into());
    value.extend(optional("network", get(&first, "network").cloned()));
    value.extend(optional("redfishid", non_empty(&interface.redfish_id)));
    value.into()
}

#[cfg(test)]
mod tests {
    use super::super::facts::GroupOrder;
    use super::*;
    use crate::inventory::mock_inventory;
    use crate::render::fixture::site;

    #[test]
    fn every_name_that_templates_see_is_known_to_the_check_for_hidden_names() {
        let site = site(&[]);
        let facts = NodeFacts::new(&site, &GroupOrder::default(), &mock_inventory().nodes()[0]);
        let node = NodeContext::new(&site.settings.cluster, &group_values(&site.groups), &facts);
        let mut global = Context::new();
        fill_global(&mut global, &site.settings.cluster);
        let seen = |name: &str| node.plain().contains_key(name) || global.contains_key(name);
        let of_one_document = ["delivery", "include_urls", "multipart", "network_config"];
        for name in NODE_NAMES {
            assert!(seen(name) || of_one_document.contains(&name), "{name} is not there");
        }
        let ds = node.plain().get("ds").and_then(Value::as_map).unwrap();
        for name in ds.keys().filter_map(|key| key.as_str()) {
            assert!(NODE_NAMES.contains(&name), "{name} is missing");
        }
    }
}
