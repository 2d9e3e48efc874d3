//! The parts of a node, found among its documents, and what is known of them already.

use std::collections::HashSet;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::layers::outcome;
use super::parts::{Part, parts_of};
use crate::check::document::Document;
use crate::check::header;
use crate::check::inspector::{LookedAt, NodeRemark};
use crate::check::kept::Kept;
use crate::check::yaml::Tree;
use crate::render::{NodeFacts, Plan};
use crate::types::{Digest, DocumentName};

/// What there is to say about documents that are merged, by those documents.
pub(in crate::check) type Known = Kept<Digest, Arc<Vec<NodeRemark>>>;

/// The documents of a node that take part in merging.
pub(super) struct Documents<'a> {
    user_data: Option<&'a Document>,
    /// Its own, unless the built-in one leads to the groups.
    vendor_data: Option<&'a Document>,
    groups: Vec<&'a Document>,
    base_url: &'a str,
}

impl<'a> Documents<'a> {
    pub(super) fn of(plan: &Plan, facts: &'a NodeFacts, documents: &'a [Arc<LookedAt>]) -> Self {
        let all = || documents.iter().filter_map(|looked_at| looked_at.document.as_ref());
        let named = |name: DocumentName| all().find(|document| document.name == name);
        Self {
            user_data: named(DocumentName::UserData),
            vendor_data: named(DocumentName::VendorData).filter(|_| plan.is_own_vendor_data()),
            groups: all().filter(|document| matches!(document.name, DocumentName::Group(_))).collect(),
            base_url: &facts.base_url,
        }
    }

    fn all(&self) -> impl Iterator<Item = &'a Document> {
        self.user_data.into_iter().chain(self.vendor_data).chain(self.groups.iter().copied())
    }

    /// Those that only cloud-init can render.
    pub(super) fn unseen(&self) -> impl Iterator<Item = &'a Document> {
        self.all().filter(|document| header::kind(&document.text) == Some(header::JINJA))
    }

    /// Whether two of them could have anything to do with each other. This is quick, and mostly the answer is no.
    pub(super) fn may_meet(&self) -> bool {
        if self.vendor_data.is_some() || self.all().any(|document| document.tree.is_none()) {
            return true;
        }
        let mut seen: HashSet<&str> = HashSet::with_capacity(32);
        for entry in self.all().filter_map(|document| document.tree.as_ref()).flat_map(|tree| tree.entries()) {
            let key = entry.key.as_str();
            if key == "vendor_data" || (!seen.insert(key) && !super::how::KEYS.contains(&key)) {
                return true;
            }
        }
        false
    }

    /// The digest of all that they say.
    pub(super) fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        let mut add = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        for document in self.all() {
            if let DocumentName::Group(label) = &document.name {
                add(label.as_str());
            } else {
                add(&document.name.to_string());
            }
            add(&document.text);
        }
        add(self.base_url);
        Digest::from_bytes(*hasher.finalize().as_bytes())
    }

    /// The parts of user-data, then those of vendor-data, and how many the first are.
    pub(super) fn parts(&self) -> (Vec<Part<'a>>, usize) {
        let groups = self.groups.clone();
        let included = |url: &str| {
            let label = url.strip_prefix(self.base_url)?.strip_prefix('/')?.strip_suffix(".yaml")?;
            let label = percent_decode_str(label).decode_utf8().ok()?;
            let is_it =
                |document: &&&Document| matches!(&document.name, DocumentName::Group(own) if own.as_str() == label);
            groups.iter().find(is_it).copied()
        };
        let mut parts: Vec<Part<'a>> =
            self.user_data.into_iter().flat_map(|document| parts_of(document, &included, 0)).collect();
        let of_user_data = parts.len();
        match self.vendor_data {
            Some(own) => parts.extend(parts_of(own, &included, 0)),
            None => parts.extend(self.groups.iter().flat_map(|document| parts_of(document, &included, 0))),
        }
        (parts, of_user_data)
    }
}

/// The cloud-config that a node ends up with, of those of its documents that are seen here.
pub(in crate::check) fn effective(plan: &Plan, facts: &NodeFacts, documents: &[Arc<LookedAt>]) -> Tree {
    let (parts, of_user_data) = Documents::of(plan, facts, documents).parts();
    outcome(&parts, of_user_data).config.to_tree().into_owned()
}

/// The names of parts, for a sentence. Each stands once.
pub(super) fn names_of<'p>(parts: &'p [Part<'_>], ids: impl IntoIterator<Item = &'p usize>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in ids.into_iter().filter_map(|id| parts.get(*id)).map(|part| part.source.name()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
