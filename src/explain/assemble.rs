//! Putting together what there is to tell about a node.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;

use super::masking::masked;
use super::model::{Candidate, DocumentOrigin, Explanation, GroupPlace, Making, NameOrigin, UseOrigin};
use super::networks::addresses;
use super::places::{found, place};
use crate::check::{Rulebook, merging};
use crate::render::{NameUse, NamedValue, NodeFacts, Origins, Plan, RenderedNode, Template};
use crate::settings::FILE_NAME;
use crate::site::{Site, UserDataKey};
use crate::types::{DocumentName, GroupLabel, Place};

/// Names whose values repeat those of others.
const REPEATING: [&str; 3] = ["ds", "meta_data", "vendor_data"];

/// What a template of cloud-init's own begins with.
const CLIENT_HEADER: &str = "## template: jinja";

/// Tells where everything comes from that a node gets. Without its rendered documents, because one of its templates is
/// broken, nothing is said of what cloud-init makes of them.
#[must_use]
pub fn explain(
    site: &Site,
    rulebook: &Arc<Rulebook>,
    plan: &Arc<Plan>,
    facts: &NodeFacts,
    tunnel_address: Option<IpAddr>,
    rendered: Option<&RenderedNode>,
) -> Explanation {
    let (origins, tunnel_only) = (Origins::new(site, facts), site.tunnel_only());
    let assembly = Assembly { site, plan, facts, origins, tunnel_only };
    Explanation {
        node: facts.id().clone(),
        hostname: facts.hostname.clone(),
        tunnel_address,
        groups: facts.groups.iter().map(|label| assembly.group(label)).collect(),
        names: assembly.origins.names().into_iter().map(|named| assembly.named(named)).collect(),
        documents: assembly.documents(rendered),
        merging: rendered.map(|node| merging(rulebook, plan, facts, node)),
    }
}

struct Assembly<'a> {
    site: &'a Site,
    plan: &'a Plan,
    facts: &'a NodeFacts,
    origins: Origins<'a>,
    tunnel_only: BTreeSet<DocumentName>,
}

impl Assembly<'_> {
    fn group(&self, label: &GroupLabel) -> GroupPlace {
        let is_listed = self.site.settings.groups.order.contains(label);
        let order = || place(self.site, FILE_NAME, &["groups".to_owned(), "order".to_owned()]);
        let template = self.plan.template_of(self.facts, &DocumentName::Group(label.clone()));
        GroupPlace {
            label: label.clone(),
            listed: is_listed.then(order).flatten().map(|(line, column)| Place::at(FILE_NAME, line, column)),
            template: template.map(|template| template.path.to_owned()),
            is_known: self.site.groups.contains_key(label),
        }
    }

    fn named(&self, named: NamedValue) -> NameOrigin {
        let NamedValue { name, value, origin, hidden_by } = named;
        let value = value.filter(|_| !REPEATING.contains(&name.as_str()));
        let value = value.map(|value| masked([name.as_str()], &value));
        NameOrigin { name, value, origin: found(self.site, &origin), hidden_by }
    }

    /// Every document of the node. A network-config that the node does not have is left out, once that is known.
    fn documents(&self, rendered: Option<&RenderedNode>) -> Vec<DocumentOrigin> {
        let fixed =
            [DocumentName::MetaData, DocumentName::UserData, DocumentName::VendorData, DocumentName::NetworkConfig];
        let groups = self.facts.groups.iter().map(|label| DocumentName::Group(label.clone()));
        let is_there =
            |name: &DocumentName| rendered.is_none_or(|node| node.documents.iter().any(|(other, ..)| other == name));
        let names = fixed.into_iter().chain(groups).filter(is_there);
        names.filter_map(|name| self.document(name)).collect()
    }

    fn document(&self, document: DocumentName) -> Option<DocumentOrigin> {
        let template = self.plan.template_of(self.facts, &document)?;
        let first_line = template.text.lines().next().unwrap_or_default().to_ascii_lowercase();
        let making = if self.plan.is_verbatim(self.facts, &document) {
            if first_line.starts_with(CLIENT_HEADER) { Making::OnTheNode } else { Making::AsItIs }
        } else if self.plan.is_built_in(template) {
            Making::BuiltIn
        } else {
            Making::Template
        };
        let names = self.origins.own_names(&document);
        let (uses, files) = match making {
            // Its own lines are of no interest to anybody.
            Making::BuiltIn | Making::AsItIs => (Vec::new(), Vec::new()),
            Making::Template | Making::OnTheNode => self.uses(template, making, &names),
        };
        Some(DocumentOrigin {
            template: template.path.to_owned(),
            making,
            tunnel_only: self.tunnel_only.contains(&document).then(|| self.site.place_of_requirement(&document)),
            candidates: if document == DocumentName::UserData { self.candidates() } else { Vec::new() },
            files,
            uses,
            values: match document {
                DocumentName::MetaData if making == Making::BuiltIn => self.meta_data(),
                DocumentName::VendorData if making == Making::BuiltIn => self.vendor_data(),
                _ => Vec::new(),
            },
            addresses: if document == DocumentName::NetworkConfig {
                addresses(self.site, self.facts)
            } else {
                Vec::new()
            },
            names: match making {
                Making::Template => names.into_iter().map(|named| self.named(named)).collect(),
                Making::BuiltIn | Making::AsItIs | Making::OnTheNode => Vec::new(),
            },
            document,
        })
    }

    fn uses(&self, template: Template<'_>, making: Making, own: &[NamedValue]) -> (Vec<UseOrigin>, Vec<String>) {
        let (uses, files) = self.plan.uses(template);
        let origin = |NameUse { place, path }: NameUse| {
            let origin = if making == Making::OnTheNode { self.of_client(&path)? } else { self.of_path(&path, own)? };
            Some(UseOrigin { place, name: path.join("."), origin: found(self.site, &origin) })
        };
        let mut found: Vec<UseOrigin> = Vec::new();
        for one in uses.into_iter().filter_map(origin) {
            let is_same = |other: &UseOrigin| {
                (&other.place.file, other.place.line, &other.name) == (&one.place.file, one.place.line, &one.name)
            };
            if !found.iter().any(is_same) {
                found.push(one);
            }
        }
        (found, files)
    }

    /// Where the value of a name comes from that a template of mds uses.
    fn of_path(&self, path: &[String], own: &[NamedValue]) -> Option<crate::render::Origin> {
        let (first, rest) = path.split_first()?;
        if let Some(named) = own.iter().find(|named| named.name == *first && named.hidden_by.is_none()) {
            return Some(named.origin.clone());
        }
        let steps: Vec<&str> = rest.iter().map(String::as_str).collect();
        let deeper = match (first.as_str(), &steps[..]) {
            ("ds", ["meta_data", inside @ ..]) | ("meta_data", inside) if !inside.is_empty() => {
                self.origins.of_meta_data(inside)
            }
            ("ds", ["vendor_data", inside @ ..]) | ("vendor_data", inside) if !inside.is_empty() => {
                self.origins.of_meta_data(&[&["instance_data", "v1", "vendor_data"], inside].concat())
            }
            ("ds", [name, ..]) => self.origins.of_name(name),
            _ => None,
        };
        deeper.or_else(|| self.origins.of_name(first))
    }

    /// Where the value of a name comes from that cloud-init's own templates use. What else they use, only the node knows.
    fn of_client(&self, path: &[String]) -> Option<crate::render::Origin> {
        let steps: Vec<&str> = path.iter().map(String::as_str).collect();
        match &steps[..] {
            ["ds", "meta_data", inside @ ..] => self.origins.of_meta_data(inside),
            ["v1", name @ ("instance_id" | "local_hostname" | "public_ssh_keys" | "region" | "availability_zone")] => {
                match *name {
                    "public_ssh_keys" => self.origins.of_name("public_keys"),
                    // cloud-init takes these from its own clouds only.
                    "region" | "availability_zone" => None,
                    name => self.origins.of_name(name),
                }
            }
            _ => None,
        }
    }

    fn candidates(&self) -> Vec<Candidate> {
        let candidate = |(index, key): (usize, UserDataKey)| {
            let file = self.site.user_data.get(&key)?;
            let own = UserDataKey::of_node(self.facts.id());
            let because = match &key {
                key if *key == own => "it is called like the node".to_owned(),
                UserDataKey::Mac(mac) => format!("the node has the MAC address {mac}"),
                UserDataKey::Node(_) => "it is called like the node".to_owned(),
                UserDataKey::Default => "it is for every node".to_owned(),
            };
            Some(Candidate { file: file.path.clone(), because, is_taken: index == 0 })
        };
        self.plan.user_data_keys(self.facts).into_iter().enumerate().filter_map(candidate).collect()
    }

    fn vendor_data(&self) -> Vec<NameOrigin> {
        let has_template = |label: &&GroupLabel| {
            self.plan.template_of(self.facts, &DocumentName::Group(GroupLabel::clone(label))).is_some()
        };
        let groups: Vec<GroupLabel> = self.facts.groups.iter().filter(has_template).cloned().collect();
        self.origins.vendor_data(&groups).into_iter().map(|named| self.named(named)).collect()
    }

    fn meta_data(&self) -> Vec<NameOrigin> {
        let mut values = Vec::new();
        self.add_values(&self.origins.meta_data(), &mut Vec::new(), &mut values);
        values
    }

    /// Goes down mappings. Lists, and the values of groups and of the node's own meta, stay whole.
    fn add_values<'v>(&self, value: &'v Value, path: &mut Vec<&'v str>, values: &mut Vec<NameOrigin>) {
        let depth = match path[..] {
            ["instance_data", "v1", "vendor_data", "groups", ..] => 6,
            ["instance_data", "v1", "vendor_data", "meta", ..] => 5,
            _ => usize::MAX,
        };
        if let Value::Object(entries) = value
            && path.len() < depth
            && !entries.is_empty()
        {
            for (key, value) in entries {
                path.push(key);
                self.add_values(value, path, values);
                path.pop();
            }
            return;
        }
        let origin = self.origins.of_meta_data(path).unwrap_or_default();
        values.push(NameOrigin {
            name: path.join("."),
            value: Some(masked(path.iter().copied(), value)),
            origin: found(self.site, &origin),
            hidden_by: None,
        });
    }
}
