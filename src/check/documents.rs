//! Checks of finished documents, on the threads that render them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::rules::rule;
use super::{header, yaml};
use crate::render::{Inspector, NodeFacts, NodeProblem, RenderedNode, Verdict};
use crate::types::{Digest, DocumentName, Place, Problem};

/// What there is to say of a document, if anything: most have nothing, and many nodes share one.
type Known = Option<Arc<[NodeProblem]>>;

/// An inspector that reads every document as cloud-init would begin to. Documents that many nodes share, and good
/// ones that differ in nothing that matters here, are read once.
///
/// What breaks a rule that always is an error stops the document. All else is a remark: how much it matters is the
/// site's to say.
#[must_use]
pub fn document_inspector() -> Inspector {
    let (seen, fine) = (Seen::default(), FineSkeletons::default());
    Arc::new(move |_: &NodeFacts, node: &RenderedNode| {
        let mut verdict = Verdict::default();
        for (name, digest, body) in &node.documents {
            let known = seen.known(name, *digest, || fine.find(name, body));
            for problem in known.iter().flat_map(|found| found.iter().cloned()) {
                let may_be_changed = rule(problem.rule).is_some_and(|rule| rule.may_be_changed);
                if may_be_changed { verdict.remarks.push(problem) } else { verdict.problems.push(problem) }
            }
        }
        verdict
    })
}

/// What is known of documents by their digests.
#[derive(Default)]
struct Seen(Mutex<HashMap<(DocumentName, Digest), Known>>);

impl Seen {
    fn known(&self, name: &DocumentName, digest: Digest, find: impl FnOnce() -> Known) -> Known {
        let key = (name.clone(), digest);
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        // Two threads may do the same at once; neither waits for the other.
        known.unwrap_or_else(|| {
            let found = find();
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, found.clone());
            found
        })
    }
}

/// Skeletons of YAML documents of which there is nothing to say. Where there is, every document is read itself, so that
/// places are its own.
#[derive(Default)]
struct FineSkeletons(Mutex<HashSet<Digest>>);

impl FineSkeletons {
    fn find(&self, name: &DocumentName, body: &[u8]) -> Known {
        let skeleton = yaml_text(name, body).map(|text| Digest::of(yaml::skeleton(text).as_bytes()));
        let is_known = |skeleton| self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&skeleton);
        if skeleton.is_some_and(is_known) {
            return None;
        }
        let found = document_problems(name, body);
        if let Some(skeleton) = skeleton.filter(|_| found.is_empty()) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(skeleton);
        }
        (!found.is_empty()).then(|| found.into())
    }
}

/// The text of a document that cloud-init reads as YAML.
fn yaml_text<'t>(name: &DocumentName, body: &'t [u8]) -> Option<&'t str> {
    let text = std::str::from_utf8(body).ok()?;
    let is_yaml = match name {
        DocumentName::MetaData | DocumentName::NetworkConfig => true,
        _ => header::is_cloud_config(text),
    };
    is_yaml.then_some(text)
}

fn document_problems(name: &DocumentName, body: &[u8]) -> Vec<NodeProblem> {
    let file = match name {
        DocumentName::Group(label) => format!("groups/{label}/cloud-config.yaml"),
        DocumentName::UserData => "user-data".to_owned(),
        other => format!("templates/{other}"),
    };
    let one = |rule, message: &str, hint: Option<&str>| {
        let problem = Problem::at(Place::file(file.clone()), message);
        NodeProblem { rule, problem: hint.into_iter().fold(problem, Problem::with_hint) }
    };
    let Ok(text) = std::str::from_utf8(body) else {
        return vec![one(yaml::SYNTAX, "the rendered document is not UTF-8", None)];
    };
    if text.starts_with('\u{feff}') {
        let message =
            "the document begins with a byte order mark, so cloud-init does not see what it is and ignores it";
        return vec![one(yaml::SYNTAX, message, Some("save the file as UTF-8 without BOM"))];
    }
    if yaml_text(name, body).is_none() {
        let unknown = header::unknown_header(text);
        return unknown.into_iter().map(|(message, hint)| one(header::RULE, message, hint.as_deref())).collect();
    }
    let look = format!("look at it with `mds render NODE {name}`");
    let remarks = yaml::remarks(text).into_iter();
    remarks.map(|remark| one(remark.rule, &remark.message, Some(remark.hint.unwrap_or(&look)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(name: &DocumentName, body: &[u8]) -> Vec<&'static str> {
        document_problems(name, body).iter().map(|problem| problem.rule).collect()
    }

    #[test]
    fn whatever_cloud_init_reads_as_cloud_config_must_be_yaml() {
        for head in ["#cloud-config\n", "\n #cloud-config\n", "#Cloud-Config # mine\n", "#cloud-config \r\n"] {
            let is = |rest: &str| rules(&DocumentName::UserData, format!("{head}{rest}").as_bytes());
            assert_eq!(is("a: [1\n"), ["yaml-syntax"], "{head:?}");
            assert!(is("a: [1]\n").is_empty(), "{head:?}");
        }
        for other in
            ["#!/bin/sh\na: [1\n", "#cloud-config-archive\na: [1\n", "## template: jinja\n#cloud-config\n{{ a [1\n", ""]
        {
            assert!(rules(&DocumentName::UserData, other.as_bytes()).is_empty(), "{other:?}");
        }
    }

    #[test]
    fn what_cloud_init_does_not_know_and_what_is_no_text_is_said() {
        assert_eq!(rules(&DocumentName::UserData, b"# cloud-config\na: 1\n"), ["unknown-header"]);
        assert_eq!(rules(&DocumentName::VendorData, b"a: 1\n"), ["unknown-header"]);
        assert!(rules(&DocumentName::MetaData, b"a: 1\n").is_empty());
        assert_eq!(rules(&DocumentName::NetworkConfig, b"version: 2\nversion: 1\n"), ["yaml-duplicate-key"]);
        assert_eq!(rules(&DocumentName::UserData, b"#!/bin/sh\n\xff"), ["yaml-syntax"]);
    }

    #[test]
    fn a_byte_order_mark_is_said() {
        let problems = document_problems(&DocumentName::UserData, "\u{feff}#cloud-config\n{}\n".as_bytes());
        assert!(problems[0].problem.message.contains("byte order mark"), "{problems:?}");
    }
}
