//! Where the values come from that templates and meta-data hold: which field of the inventory, which line of which file.
//!
//! Nothing is rendered by this. It follows the same rules as [`NodeFacts`] and the context of templates, and a test holds
//! it to every name there is.

use serde_json::Value as Json;
use tera::Context;

use super::context::{NodeContext, fill_global, group_values};
use super::facts::NodeFacts;
use super::vendor_data::group_url;
use crate::settings::{Delivery, FILE_NAME};
use crate::site::{Group, NodeOverride, Site};
use crate::types::{DocumentName, GroupLabel};

/// Where a value comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// What it is made of. Empty when mds alone makes it.
    pub sources: Vec<Source>,
    /// What mds does to make it: the rest of a sentence.
    pub rule: Option<&'static str>,
}

/// Something that a value is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A field of the node in the inventory.
    Inventory(&'static str),
    /// A key of a file of the site, by the keys that lead to it.
    File {
        /// The file's path in the site.
        file: String,
        /// The keys, from the top.
        keys: Vec<String>,
    },
}

/// A name that templates see.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedValue {
    /// The name.
    pub name: String,
    /// Its value; `None` for a name that only the template of one document sees.
    pub value: Option<Json>,
    /// Where the value comes from.
    pub origin: Origin,
    /// The file that hides it with a key of the same name.
    pub hidden_by: Option<String>,
}

impl Origin {
    fn of(sources: impl IntoIterator<Item = Source>) -> Self {
        Self { sources: sources.into_iter().collect(), rule: None }
    }

    fn made(rule: &'static str, sources: impl IntoIterator<Item = Source>) -> Self {
        Self { rule: Some(rule), ..Self::of(sources) }
    }
}

fn setting(table: &str, key: &str) -> Source {
    Source::File { file: FILE_NAME.to_owned(), keys: vec![table.to_owned(), key.to_owned()] }
}

/// Where the values of one node come from.
#[derive(Clone, Copy, Debug)]
pub struct Origins<'a> {
    site: &'a Site,
    facts: &'a NodeFacts,
}

impl<'a> Origins<'a> {
    /// Of a node of a site.
    #[must_use]
    pub const fn new(site: &'a Site, facts: &'a NodeFacts) -> Self {
        Self { site, facts }
    }

    fn own(&self) -> Option<&'a NodeOverride> {
        self.site.nodes.get(self.facts.id())
    }

    fn own_key(&self, keys: &[&str]) -> Source {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Source::File { file: format!("nodes/{}.yaml", self.facts.id()), keys }
    }

    fn hostname(&self, key: &'static str, is_own: bool) -> Origin {
        if is_own {
            return Origin::of([self.own_key(&[key])]);
        }
        let cluster = &self.site.settings.cluster;
        let (nid, length) = (Source::Inventory("nid"), setting("cluster", "nid_length"));
        match (self.facts.node.nid, cluster.short_name.is_empty()) {
            (None, _) => Origin::made("the id in small letters, as the node has no NID", [Source::Inventory("id")]),
            (Some(_), false) => Origin::made(
                "the short name and the NID with leading zeros",
                [setting("cluster", "short_name"), length, nid],
            ),
            (Some(_), true) => Origin::made(
                "the first two letters of the cluster's name and the NID with leading zeros",
                [setting("cluster", "name"), length, nid],
            ),
        }
    }

    fn public_keys(&self) -> Origin {
        let has_own = self.own().is_some_and(|own| !own.public_keys.is_empty());
        let own = has_own.then(|| self.own_key(&["public_keys"]));
        Origin::made("each once", [setting("cluster", "public_keys")].into_iter().chain(own))
    }

    fn boot(&self) -> Origin {
        let sources = [Source::Inventory("interfaces"), setting("inventory", "boot_network")];
        Origin::made("the first in the boot network, else the first of all", sources)
    }

    fn base_url(&self) -> Origin {
        match self.own().is_some_and(|own| own.cloud_init_base_url.is_some()) {
            true => Origin::of([self.own_key(&["cloud_init_base_url"])]),
            false => Origin::of([setting("cluster", "base_url")]),
        }
    }

    fn instance_id(&self) -> Origin {
        match self.own().is_some_and(|own| own.instance_id.is_some()) {
            true => Origin::of([self.own_key(&["instance_id"])]),
            false => Origin::made("the node's id", [Source::Inventory("id")]),
        }
    }

    /// Where the value of one of [`super::NODE_NAMES`] comes from.
    #[must_use]
    pub fn of_name(&self, name: &str) -> Option<Origin> {
        let own = self.own();
        Some(match name {
            "availability_zone" | "cloud_provider" | "region" => Origin::of([setting("cluster", name)]),
            "cluster_name" => Origin::of([setting("cluster", "name")]),
            "cloud_name" => Origin::made("always the same", []),
            "base_url" => self.base_url(),
            "delivery" => Origin::of([setting("vendor_data", "delivery")]),
            "ds" => Origin::made("all that mds says of the node, as cloud-init has it below ds", []),
            "groups" => Origin::made(
                "in the order in which they apply",
                [Source::Inventory("groups"), setting("groups", "order")],
            ),
            "hostname" => self.hostname("hostname", own.is_some_and(|own| own.hostname.is_some())),
            "local_hostname" => self.hostname("local_hostname", own.is_some_and(|own| own.local_hostname.is_some())),
            "id" => Origin::of([Source::Inventory("id")]),
            "include_urls" => {
                let base_url = self.base_url().sources;
                Origin::made("the base URL and each group with a template, in vendor-data only", base_url)
            }
            "instance_id" => self.instance_id(),
            "interfaces" => Origin::of([Source::Inventory("interfaces")]),
            "ip" | "mac" => self.boot(),
            "local_ipv4" => Origin::made("the boot address, else the first that is IPv4", self.boot().sources),
            "meta_data" => Origin::made("the document meta-data", []),
            "multipart" => Origin::made("the groups' documents in one message, in vendor-data only", []),
            "network_config" => {
                Origin::made("the [networks] tables, in network-config only", [Source::Inventory("interfaces")])
            }
            "nid" => Origin::of([Source::Inventory("nid")]),
            "public_keys" => self.public_keys(),
            "role" => Origin::of([Source::Inventory("role")]),
            "vendor_data" => Origin::made("what meta-data says below instance_data.v1.vendor_data", []),
            _ => return None,
        })
    }

    /// Where a value of the built-in meta-data comes from, by the keys that lead to it. Dashes and underscores are the
    /// same here, as they are to templates of the client.
    #[must_use]
    pub fn of_meta_data(&self, path: &[&str]) -> Option<Origin> {
        let first = path.first()?.replace('-', "_");
        match (first.as_str(), path) {
            ("instance_data", [_, "v1", "vendor_data", rest @ ..]) => self.of_vendor_data(rest),
            ("instance_data", [_, "v1", key, ..]) => self.of_name(key),
            ("instance_id" | "local_hostname" | "hostname" | "cluster_name" | "public_keys", _) => self.of_name(&first),
            _ => None,
        }
    }

    fn of_vendor_data(&self, path: &[&str]) -> Option<Origin> {
        match path {
            ["version", ..] => Some(Origin::made("always the same", [])),
            ["cloud_init_base_url", ..] => Some(self.base_url()),
            ["sub_role", ..] => Some(Origin::of([Source::Inventory("sub_role")])),
            ["groups", label, key, ..] => {
                let file = format!("groups/{label}/group.yaml");
                let has_key =
                    |(known, group): (&GroupLabel, &Group)| known.as_str() == *label && group.meta.contains_key(*key);
                let keys = match self.site.groups.iter().any(has_key) {
                    true => vec!["meta".to_owned(), (*key).to_owned()],
                    false => vec![(*key).to_owned()],
                };
                Some(Origin::of([Source::File { file, keys }]))
            }
            ["groups", ..] => Some(Origin::of([Source::Inventory("groups")])),
            ["meta", key, ..] => Some(Origin::of([self.own_key(&["meta", key])])),
            [key, ..] => self.of_name(key),
            [] => self.of_name("vendor_data"),
        }
    }

    /// The names that mds gives to every template of the node, with their values.
    #[must_use]
    pub fn names(&self) -> Vec<NamedValue> {
        let (context, global) = self.contexts();
        let value = |name: &str| {
            let value = context.plain().get(name).or_else(|| global.get(name))?;
            serde_json::to_value(value).ok()
        };
        let named = |name: &&str| {
            let origin = self.of_name(name)?;
            Some(NamedValue { name: (*name).to_owned(), value: value(name), origin, hidden_by: None })
        };
        super::NODE_NAMES.iter().filter_map(named).collect()
    }

    /// What the built-in meta-data says.
    #[must_use]
    pub fn meta_data(&self) -> Json {
        let (context, _) = self.contexts();
        context.plain().get("meta_data").and_then(|value| serde_json::to_value(value).ok()).unwrap_or_default()
    }

    /// What the built-in vendor-data is made of: how groups reach the node, and by which URLs.
    #[must_use]
    pub fn vendor_data(&self, groups: &[GroupLabel]) -> Vec<NamedValue> {
        let delivery = self.site.settings.vendor_data.delivery;
        let named = |name: &str, value: Json| {
            let origin = self.of_name(name).unwrap_or_default();
            NamedValue { name: name.to_owned(), value: Some(value), origin, hidden_by: None }
        };
        let mut values =
            vec![named("delivery", if delivery == Delivery::Include { "include" } else { "inline" }.into())];
        match delivery {
            Delivery::Include => {
                let urls = groups.iter().map(|label| Json::from(group_url(&self.facts.base_url, label))).collect();
                values.push(named("include_urls", urls));
            }
            Delivery::Inline => {
                let parts = groups.iter().map(|label| Json::from(format!("{label}.yaml"))).collect();
                values.push(named("multipart", parts));
            }
        }
        values
    }

    fn contexts(&self) -> (NodeContext, Context) {
        let cluster = &self.site.settings.cluster;
        let mut global = Context::new();
        fill_global(&mut global, cluster);
        (NodeContext::new(cluster, &group_values(&self.site.groups), self.facts), global)
    }

    /// The names that the template of one document sees besides those of mds, and above them: the meta of its group, and
    /// above that the node's own.
    #[must_use]
    pub fn own_names(&self, document: &DocumentName) -> Vec<NamedValue> {
        let of_group = match document {
            DocumentName::Group(label) => self.site.groups.get(label),
            DocumentName::UserData => None,
            _ => return Vec::new(),
        };
        let node_file = || format!("nodes/{}.yaml", self.facts.id());
        let named = |file: String, (name, value): (&String, &Json)| NamedValue {
            name: name.clone(),
            value: Some(value.clone()),
            origin: Origin::of([Source::File { file, keys: vec!["meta".to_owned(), name.clone()] }]),
            hidden_by: None,
        };
        let of_group = of_group.into_iter().flat_map(|group| {
            group.meta.iter().map(|entry| {
                let named = named(format!("groups/{}/group.yaml", group.label), entry);
                let is_hidden = self.facts.meta.contains_key(&named.name);
                NamedValue { hidden_by: is_hidden.then(node_file), ..named }
            })
        });
        of_group.chain(self.facts.meta.iter().map(|entry| named(node_file(), entry))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::mock_inventory;
    use crate::render::fixture::site;
    use crate::render::{GroupOrder, NODE_NAMES};

    const SETTINGS: &str = "[cluster]\nname = \"demo\"\nshort_name = \"tc\"\npublic_keys = [\"k\"]\nregion = \"r\"\n\
                            availability_zone = \"z\"\nbase_url = \"http://10.0.0.1\"\n";

    fn facts(site: &Site) -> NodeFacts {
        NodeFacts::new(site, &GroupOrder::default(), &mock_inventory().nodes()[0])
    }

    #[test]
    fn every_name_that_templates_see_has_an_origin() {
        let site = site(&[("mds.toml", SETTINGS)]);
        let facts = facts(&site);
        let names = Origins::new(&site, &facts).names();
        let known: Vec<&str> = names.iter().map(|named| named.name.as_str()).collect();
        assert_eq!(known, NODE_NAMES);
        let of_one_document = ["delivery", "include_urls", "multipart", "network_config"];
        for NamedValue { name, value, origin, .. } in &names {
            assert_eq!(value.is_none(), of_one_document.contains(&name.as_str()), "{name}");
            assert!(!origin.sources.is_empty() || origin.rule.is_some(), "{name}");
        }
    }

    #[test]
    fn every_value_of_meta_data_has_an_origin() {
        fn leaves<'v>(value: &'v Json, path: &mut Vec<&'v str>, visit: &mut dyn FnMut(&[&str])) {
            match value {
                Json::Object(entries) => entries.iter().for_each(|(key, value)| {
                    path.push(key);
                    leaves(value, path, visit);
                    path.pop();
                }),
                _ => visit(path),
            }
        }
        let site = site(&[
            ("mds.toml", SETTINGS),
            ("groups/compute/group.yaml", "description: d\nmeta: {slots: 1}\n"),
            ("nodes/x1000c0s0b0n0.yaml", "meta: {color: red}\n"),
        ]);
        let mut facts = facts(&site);
        facts.node.sub_role = "x".to_owned();
        let origins = Origins::new(&site, &facts);
        let mut count = 0;
        leaves(&origins.meta_data(), &mut Vec::new(), &mut |path| {
            count += 1;
            assert!(origins.of_meta_data(path).is_some(), "{path:?}");
        });
        assert!(count > 20, "{count}");
        let keys = |path: &[&str]| match &origins.of_meta_data(path).unwrap().sources[..] {
            [Source::File { file, keys }] => format!("{file} {}", keys.join(".")),
            other => panic!("{other:?}"),
        };
        let below = |path: &[&'static str]| [&["instance_data", "v1", "vendor_data"], path].concat();
        assert_eq!(keys(&below(&["groups", "compute", "slots"])), "groups/compute/group.yaml meta.slots");
        assert_eq!(keys(&below(&["groups", "compute", "description"])), "groups/compute/group.yaml description");
        assert_eq!(keys(&below(&["meta", "color"])), "nodes/x1000c0s0b0n0.yaml meta.color");
    }

    #[test]
    fn what_a_node_says_itself_is_its_own() {
        let own = "hostname: a\nlocal_hostname: b\ninstance_id: i\ncloud_init_base_url: http://b\npublic_keys: [k2]\n\
                   meta: {slots: 2}\n";
        let site = site(&[
            ("mds.toml", SETTINGS),
            ("nodes/x1000c0s0b0n0.yaml", own),
            ("groups/compute/group.yaml", "meta: {slots: 1, other: 3}\n"),
        ]);
        let facts = facts(&site);
        let origins = Origins::new(&site, &facts);
        for (name, key) in [
            ("hostname", "hostname"),
            ("local_hostname", "local_hostname"),
            ("instance_id", "instance_id"),
            ("base_url", "cloud_init_base_url"),
            ("public_keys", "public_keys"),
        ] {
            let origin = origins.of_name(name).unwrap();
            let Some(Source::File { file, keys }) = origin.sources.last() else { panic!("{origin:?}") };
            assert_eq!((file.as_str(), keys.join(".").as_str()), ("nodes/x1000c0s0b0n0.yaml", key));
        }
        let names = origins.own_names(&DocumentName::parse("compute.yaml").unwrap());
        let found: Vec<(&str, bool)> =
            names.iter().map(|named| (named.name.as_str(), named.hidden_by.is_some())).collect();
        assert_eq!(found, [("other", false), ("slots", true), ("slots", false)]);
        assert_eq!(origins.own_names(&DocumentName::UserData).len(), 1);
        assert_eq!(origins.own_names(&DocumentName::MetaData), []);
    }
}
