//! Rules of a site's own: JSON Schemas in its `rules/` that documents of some nodes have to keep.
//!
//! A rule in `rules/ntp.yaml` is called `site/ntp` wherever rules are named. What it finds bears the rule's own message;
//! values of documents are never repeated.

mod file;
mod schema;
mod scope;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::catalogue::AnyRule;
use super::document::{Document, DocumentKind};
use super::finding::{Finding, Severity};
use super::inspector::{LookedAt, NodeRemark};
use super::kept::Kept;
use super::merging::effective;
use super::remark::Remark;
use super::rulebook::Rulebook;
use crate::render::{NodeFacts, Plan};
use crate::site::Site;
use crate::types::{Digest, DocumentName, Place, Problem};
use file::{SiteRule, Target};
use schema::Violation;

/// The folder of a site's rules.
const FOLDER: &str = "rules/";
/// The rule that files in that folder are rules.
const BROKEN: &str = "site-rule";
/// The rule that each of them has nodes to hold for.
const UNUSED: &str = "unused-site-rule";
/// What the ids of a site's rules begin with.
const PREFIX: &str = "site/";

/// Whether an id is that of a rule of a site's own.
#[must_use]
pub(super) fn is_site_rule(id: &str) -> bool {
    id.starts_with(PREFIX)
}

/// The ids of a site's own rules, those that are broken included.
#[must_use]
pub fn site_rule_ids(site: &Site) -> Vec<String> {
    site.rules.keys().filter_map(|path| file::stem(path)).map(|stem| format!("{PREFIX}{stem}")).collect()
}

/// What rules, by their positions, say of documents, by what stands for these.
type Verdicts = Kept<(usize, Digest), Arc<Vec<NodeRemark>>>;

/// A site's rules, ready to be used.
#[derive(Debug, Default)]
pub(super) struct SiteRules {
    rules: Vec<SiteRule>,
    broken: Vec<Problem>,
    verdicts: Verdicts,
}

impl SiteRules {
    /// Reads the rules of a site. Those that are broken are kept as problems.
    pub(super) fn read(site: &Site) -> Self {
        let mut read = Self::default();
        for (path, bytes) in &site.rules {
            match file::read(path, bytes) {
                Ok(rule) => read.rules.extend(rule),
                Err(problem) => read.broken.push(problem),
            }
        }
        read
    }

    /// What is wrong with the rules themselves: files that are none, and rules that hold for no node.
    pub(super) fn findings(&self, facts: &[NodeFacts]) -> Vec<Finding> {
        let broken = self.broken.iter().map(|problem| Finding::of(BROKEN, problem.clone(), Vec::new()));
        let is_unused = |rule: &&SiteRule| !facts.iter().any(|facts| rule.is_about(facts));
        let unused = self.rules.iter().filter(is_unused).map(|rule| {
            let problem = Problem::at(Place::file(rule.path.clone()), "the rule holds for no node of the inventory");
            Finding::of(UNUSED, problem.with_hint("mend its groups, nodes or document, or remove it"), Vec::new())
        });
        broken.chain(unused).collect()
    }

    /// How much it matters what a rule finds, by its own word.
    pub(super) fn severity(&self, id: &str) -> Option<Severity> {
        self.rules.iter().find(|rule| rule.id == id).map(|rule| rule.severity)
    }

    /// What the rules are about, for reports.
    pub(super) fn described(&self) -> Vec<AnyRule<'_>> {
        self.rules.iter().map(SiteRule::described).collect()
    }

    fn verdict(&self, index: usize, node: &Node<'_>) -> Arc<Vec<NodeRemark>> {
        let rule = &self.rules[index];
        let judge = || Arc::new(judged(rule, node));
        // Every node has its own of these.
        if matches!(rule.target, Target::Document(DocumentName::MetaData | DocumentName::NetworkConfig)) {
            return judge();
        }
        let key = (index, node.key(rule));
        self.verdicts.get(key, judge)
    }
}

/// Says which of the site's own rules the documents of a node break.
pub(super) fn broken_rules(
    rulebook: &Rulebook,
    plan: &Plan,
    facts: &NodeFacts,
    documents: &[Arc<LookedAt>],
) -> Vec<NodeRemark> {
    let rules = &rulebook.site_rules;
    if rules.rules.is_empty() {
        return Vec::new();
    }
    let node = Node { plan, facts, documents, configuration: OnceCell::new() };
    let about = rules.rules.iter().enumerate().filter(|(_, rule)| rule.is_about(facts));
    about.flat_map(|(index, _)| rules.verdict(index, &node).as_ref().clone()).collect()
}

/// The documents of one node.
struct Node<'a> {
    plan: &'a Plan,
    facts: &'a NodeFacts,
    documents: &'a [Arc<LookedAt>],
    /// What they configure together.
    configuration: OnceCell<Value>,
}

impl Node<'_> {
    /// The documents that can be read, in the order in which cloud-init merges them: user-data counts most.
    fn in_order(&self) -> Vec<(&LookedAt, &Document)> {
        let of = |looked_at: &'_ Arc<LookedAt>| match &looked_at.document {
            Some(document) => match document.name {
                DocumentName::VendorData => Some(0),
                DocumentName::Group(_) => Some(1),
                DocumentName::UserData => Some(2),
                DocumentName::MetaData | DocumentName::NetworkConfig => None,
            },
            None => None,
        };
        let mut ordered: Vec<(u8, &LookedAt, &Document)> = self
            .documents
            .iter()
            .filter_map(|looked_at| Some((of(looked_at)?, looked_at.as_ref(), looked_at.document.as_ref()?)))
            .collect();
        ordered.sort_by_key(|(rank, _, _)| *rank);
        ordered.into_iter().map(|(_, looked_at, document)| (looked_at, document)).collect()
    }

    /// The same that are cloud-config.
    fn cloud_configs(&self) -> Vec<&Document> {
        let documents = self.in_order().into_iter().map(|(_, document)| document);
        documents.filter(|document| document.kind == DocumentKind::CloudConfig).collect()
    }

    /// Whether a part of the configuration is not seen here: what the node renders itself or fetches from elsewhere, and
    /// what cannot be read.
    fn has_unseen(&self) -> bool {
        let is_unseen = |(looked_at, document): (&LookedAt, &Document)| {
            let head = document.text.trim_start();
            let sets_nothing = head.is_empty() || head.starts_with("#!") || head.starts_with("#cloud-boothook");
            // The built-in vendor-data leads to the documents of groups, which are here.
            let leads_here = document.name == DocumentName::VendorData && !head.starts_with("## template:");
            (document.kind == DocumentKind::Other && !sets_nothing && !leads_here) || looked_at.is_broken()
        };
        self.documents.iter().any(|looked_at| looked_at.document.is_none())
            || self.in_order().into_iter().any(is_unseen)
    }

    fn configuration(&self) -> &Value {
        self.configuration.get_or_init(|| match effective(self.plan, self.facts, self.documents).to_json() {
            whole @ Value::Object(_) => whole,
            // Nothing says anything.
            _ => Value::Object(serde_json::Map::new()),
        })
    }

    /// Stands for everything that a verdict on the node depends on.
    fn key(&self, rule: &SiteRule) -> Digest {
        let mut hasher = blake3::Hasher::new();
        for looked_at in self.documents {
            let Some(document) = &looked_at.document else { continue };
            let counts = match &rule.target {
                Target::CloudConfig => !matches!(document.name, DocumentName::MetaData | DocumentName::NetworkConfig),
                Target::Document(name) => document.name == *name,
            };
            if counts {
                let name = document.name.to_string();
                hasher.update(&(name.len() as u64).to_le_bytes());
                hasher.update(name.as_bytes());
                hasher.update(looked_at.digest.as_bytes());
            }
        }
        Digest::from_bytes(*hasher.finalize().as_bytes())
    }
}

fn judged(rule: &SiteRule, node: &Node<'_>) -> Vec<NodeRemark> {
    match &rule.target {
        Target::CloudConfig => of_configuration(rule, node),
        Target::Document(name) => of_document(rule, name, node),
    }
}

/// A document that the node does not have, or that is a script, breaks no rule; one that says nothing is an empty
/// mapping.
fn of_document(rule: &SiteRule, name: &DocumentName, node: &Node<'_>) -> Vec<NodeRemark> {
    let with_name =
        |looked_at: &&Arc<LookedAt>| looked_at.document.as_ref().is_some_and(|document| document.name == *name);
    let Some(looked_at) = node.documents.iter().find(with_name).filter(|looked_at| !looked_at.is_broken()) else {
        return Vec::new();
    };
    let Some(document) = looked_at.document.as_ref().filter(|document| document.is_yaml()) else { return Vec::new() };
    let value = document.tree.as_ref().map_or_else(|| Value::Object(serde_json::Map::new()), |tree| tree.to_json());
    let say = |violation: Violation| {
        let at = document.tree.as_ref().filter(|_| !violation.pointer.is_empty());
        let at = at.map(|tree| tree.spot_of(&violation.pointer));
        NodeRemark { document: name.clone(), remark: Remark { at, ..rule.remark(&violation, "the document") } }
    };
    rule.schema.violations(&value).into_iter().map(say).collect()
}

fn of_configuration(rule: &SiteRule, node: &Node<'_>) -> Vec<NodeRemark> {
    let mut violations = rule.schema.violations(node.configuration());
    if violations.iter().any(|violation| violation.pointer.is_empty()) && node.has_unseen() {
        // What seems to be missing may be there.
        violations.retain(|violation| !violation.pointer.is_empty());
    }
    let parts = node.cloud_configs();
    let say = |violation: Violation| {
        let key = violation.pointer.split('/').nth(1).map(|key| key.replace("~1", "/").replace("~0", "~"));
        // The last one that sets the key is the one that counts.
        let setter = key.and_then(|key| {
            parts.iter().rev().find(|part| part.tree.as_ref().is_some_and(|tree| tree.get(&key).is_some()))
        });
        let remark = rule.remark(&violation, "the configuration");
        match setter {
            Some(part) => {
                let at = part.tree.as_ref().map(|tree| tree.spot_of(&violation.pointer));
                NodeRemark { document: part.name.clone(), remark: Remark { at, ..remark } }
            }
            None => NodeRemark { document: where_missing(rule, &parts), remark },
        }
    };
    violations.into_iter().map(say).collect()
}

/// Where something would be written that is missing: in the document of the rule's own group, or in user-data.
fn where_missing(rule: &SiteRule, parts: &[&Document]) -> DocumentName {
    let names: BTreeMap<&DocumentName, ()> = parts.iter().map(|part| (&part.name, ())).collect();
    let of_groups = rule.scope.groups.iter().map(|label| DocumentName::Group(label.clone()));
    of_groups.into_iter().find(|name| names.contains_key(name)).unwrap_or(DocumentName::UserData)
}

#[cfg(test)]
mod tests;
