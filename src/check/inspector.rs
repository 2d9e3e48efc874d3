//! Checks of finished documents, on the threads that render them.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::client::{self, ClientTemplate, Names, SourceMap};
use super::document::Document;
use super::kept::Kept;
use super::locate::locate;
use super::merging;
use super::remark::Remark;
use super::rulebook::Rulebook;
use super::rules::rule;
use super::site_rules;
use super::yaml;
use super::{identity, include_url, network_config};
use crate::render::{Inspector, NodeFacts, NodeProblem, Plan, RenderedNode, Template, Verdict};
use crate::types::{Digest, DocumentName, Place, Problem};

/// Templates for the client that are kept.
const MOST_TEMPLATES: usize = 512;

/// Looks at all documents of one node together.
type NodeRule = fn(&Rulebook, &Plan, &NodeFacts, &[Arc<LookedAt>]) -> Vec<NodeRemark>;

/// Everything that is run on the documents of one node together.
const NODE_RULES: &[NodeRule] = &[
    identity::instance_id,
    identity::hostname,
    include_url::of_node,
    merging::losses,
    network_config::of_node,
    site_rules::broken_rules,
];

/// Something to say about one of a node's documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeRemark {
    /// The document.
    pub(super) document: DocumentName,
    /// What there is to say.
    pub(super) remark: Remark,
}

/// A document and what there is to say of it.
#[derive(Debug)]
pub(super) struct LookedAt {
    /// The document, if it is text. One that the client renders is here as the client has it then.
    pub(super) document: Option<Document>,
    /// The digest of the document as it is here.
    pub(super) digest: Digest,
    /// Where that came from, if the client renders it.
    map: Option<SourceMap>,
    problems: Vec<NodeProblem>,
}

impl LookedAt {
    /// Whether cloud-init cannot read it.
    pub(super) fn is_broken(&self) -> bool {
        self.problems.iter().any(|problem| yaml::is_unreadable(&problem.rule))
    }

    /// A remark on the document as a problem.
    fn problem(&self, name: &DocumentName, template: Option<Template<'_>>, remark: Remark) -> NodeProblem {
        let text = self.document.as_ref().map_or("", |document| &document.text);
        match &self.map {
            None => problem(name, template, text, remark),
            Some(map) => problem_of_rendered(name, template, text, map, remark),
        }
    }
}

/// An inspector that reads every document as cloud-init would. Documents that many nodes share are read once.
///
/// What breaks a rule that always is an error stops the document. All else is a remark: how much it matters is the
/// site's to say.
#[must_use]
pub fn document_inspector(rulebook: &Arc<Rulebook>, plan: &Arc<Plan>) -> Inspector {
    let inspection = Inspection::new(rulebook, plan);
    Arc::new(move |facts: &NodeFacts, node: &RenderedNode| inspection.verdict(facts, node))
}

struct Inspection {
    rulebook: Arc<Rulebook>,
    plan: Arc<Plan>,
    /// Documents that many nodes may share, by what they are made of and their digests.
    shared: Kept<(String, Digest), Arc<LookedAt>>,
    /// Templates for the client, by the digests of the documents.
    templates: Kept<Digest, Arc<ClientTemplate>, MOST_TEMPLATES>,
    fine: FineSkeletons,
}

impl Inspection {
    fn new(rulebook: &Arc<Rulebook>, plan: &Arc<Plan>) -> Self {
        Self {
            rulebook: Arc::clone(rulebook),
            plan: Arc::clone(plan),
            shared: Kept::default(),
            templates: Kept::default(),
            fine: FineSkeletons::default(),
        }
    }

    fn verdict(&self, facts: &NodeFacts, node: &RenderedNode) -> Verdict {
        let documents = self.look_at_all(facts, node);
        let found = NODE_RULES.iter().flat_map(|rule| rule(&self.rulebook, &self.plan, facts, &documents));
        let of_node = found.map(|NodeRemark { document: name, remark }| {
            let template = self.plan.template_of(facts, &name);
            let has_name =
                |looked_at: &&Arc<LookedAt>| looked_at.document.as_ref().is_some_and(|document| document.name == name);
            match documents.iter().find(has_name) {
                Some(looked_at) => looked_at.problem(&name, template, remark),
                None => problem(&name, template, "", remark),
            }
        });
        let mut verdict = Verdict::default();
        for problem in documents.iter().flat_map(|document| document.problems.iter().cloned()).chain(of_node) {
            let may_be_changed = rule(&problem.rule).is_some_and(|rule| rule.may_be_changed);
            let may_be_changed = may_be_changed || site_rules::is_site_rule(&problem.rule);
            if may_be_changed { verdict.remarks.push(problem) } else { verdict.problems.push(problem) }
        }
        verdict
    }

    fn look_at_all(&self, facts: &NodeFacts, node: &RenderedNode) -> Vec<Arc<LookedAt>> {
        let mut documents: Vec<Arc<LookedAt>> = Vec::with_capacity(node.documents.len());
        // Made for nodes with a document that needs them. meta-data is the first document.
        let names = OnceCell::new();
        for (name, digest, body) in &node.documents {
            let is_for_the_client = client::is_for_the_client(name, body);
            let looked_at = match is_for_the_client.then(|| std::str::from_utf8(body)).and_then(Result::ok) {
                Some(text) => {
                    let names = names.get_or_init(|| names_of(&documents));
                    self.look_as_client(facts, name, *digest, text, names)
                }
                None => self.look_at(facts, name, *digest, body),
            };
            documents.push(looked_at);
        }
        documents
    }

    /// Looks at what the client makes of a document.
    fn look_as_client(
        &self,
        facts: &NodeFacts,
        name: &DocumentName,
        digest: Digest,
        text: &str,
        names: &Names,
    ) -> Arc<LookedAt> {
        let template = self.plan.template_of(facts, name);
        let most_bytes = self.rulebook.render.max_document_bytes;
        let rendering = self.templates.get(digest, || Arc::new(ClientTemplate::new(text, most_bytes))).render(names);
        let path = template.map_or("", |template| template.path);
        let digest = rendering.digest(digest);
        self.shared.get((path.to_owned(), digest), || {
            let remarks = rendering.remarks;
            let mut looked_at = match rendering.document {
                Some((rendered, map)) => self.look_at_rendered(template, name, digest, rendered, map),
                None => {
                    look_at(&self.rulebook, template, name, digest, &Bytes::copy_from_slice(text.as_bytes()), false)
                }
            };
            looked_at.problems.extend(remarks.into_iter().map(|remark| problem(name, template, text, remark)));
            Arc::new(looked_at)
        })
    }

    fn look_at_rendered(
        &self,
        template: Option<Template<'_>>,
        name: &DocumentName,
        digest: Digest,
        rendered: String,
        map: SourceMap,
    ) -> LookedAt {
        // Such documents often differ in the names of nodes only.
        let skeleton = self.fine.skeleton(&rendered);
        let mut document = Document::new(name.clone(), rendered);
        let remarks = self.rulebook.remarks_on_rendered(&mut document, skeleton.is_fine);
        if remarks.is_empty() {
            self.fine.add(skeleton);
        }
        let mut looked_at = LookedAt { document: Some(document), digest, map: Some(map), problems: Vec::new() };
        looked_at.problems = remarks.into_iter().map(|remark| looked_at.problem(name, template, remark)).collect();
        looked_at
    }

    fn look_at(&self, facts: &NodeFacts, name: &DocumentName, digest: Digest, body: &Bytes) -> Arc<LookedAt> {
        let template = self.plan.template_of(facts, name);
        match name {
            // Every node has its own.
            DocumentName::MetaData | DocumentName::NetworkConfig => {
                let skeleton = std::str::from_utf8(body).ok().map(|text| self.fine.skeleton(text));
                let is_fine = skeleton.as_ref().is_some_and(|skeleton| skeleton.is_fine);
                let looked_at = look_at(&self.rulebook, template, name, digest, body, is_fine);
                if let Some(skeleton) = skeleton.filter(|_| looked_at.problems.is_empty()) {
                    self.fine.add(skeleton);
                }
                Arc::new(looked_at)
            }
            _ => {
                let path = template.map_or("", |template| template.path);
                let look = || Arc::new(look_at(&self.rulebook, template, name, digest, body, false));
                self.shared.get((path.to_owned(), digest), look)
            }
        }
    }
}

/// The documents of one node as they are looked at, without what there is to say of them.
pub(super) fn looked_at(
    rulebook: &Arc<Rulebook>,
    plan: &Arc<Plan>,
    facts: &NodeFacts,
    node: &RenderedNode,
) -> Vec<Arc<LookedAt>> {
    Inspection::new(rulebook, plan).look_at_all(facts, node)
}

/// The names that templates see on the node of these documents.
fn names_of(documents: &[Arc<LookedAt>]) -> Names {
    let mut documents = documents.iter().filter_map(|looked_at| looked_at.document.as_ref());
    let meta_data = documents.find(|document| document.name == DocumentName::MetaData);
    Names::new(meta_data.and_then(|document| document.tree.as_ref()))
}

/// Skeletons of YAML documents of which there is nothing to say. Where there is, every document is read itself, so that
/// places are its own.
#[derive(Default)]
struct FineSkeletons(Mutex<HashSet<Digest>>);

/// The skeleton of a document.
struct Skeleton {
    digest: Digest,
    /// Whether there is nothing to say of the documents that have it.
    is_fine: bool,
}

impl FineSkeletons {
    fn skeleton(&self, text: &str) -> Skeleton {
        let digest = Digest::of(yaml::skeleton(text).as_bytes());
        let is_fine = self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&digest);
        Skeleton { digest, is_fine }
    }

    /// Takes the documents of a skeleton for fine.
    fn add(&self, Skeleton { digest, is_fine }: Skeleton) {
        if !is_fine {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
        }
    }
}

fn look_at(
    rulebook: &Rulebook,
    template: Option<Template<'_>>,
    name: &DocumentName,
    digest: Digest,
    body: &Bytes,
    is_fine: bool,
) -> LookedAt {
    let Ok(text) = std::str::from_utf8(body) else {
        let remark = Remark::new(yaml::SYNTAX, "the rendered document is not UTF-8");
        return LookedAt { document: None, digest, map: None, problems: vec![problem(name, template, "", remark)] };
    };
    let mut document = Document::new(name.clone(), text.to_owned());
    let remarks = rulebook.remarks(&mut document, is_fine);
    let problems = remarks.into_iter().map(|remark| problem(name, template, text, remark)).collect();
    LookedAt { document: Some(document), digest, map: None, problems }
}

/// A remark as a problem: at a line of the site's file where that is known, else with the place in the document.
fn problem(name: &DocumentName, template: Option<Template<'_>>, text: &str, remark: Remark) -> NodeProblem {
    let Remark { rule, at, message, hint } = remark;
    let file = template.map_or_else(|| name.to_string(), |template| template.path.to_owned());
    let located = template.zip(at).and_then(|(template, at)| locate(template.text, text, at));
    let place = match located {
        Some((line, column)) => Place::at(file, line, column),
        None => Place::file(file),
    };
    let hint = match at.filter(|_| located.is_none()) {
        None => hint.map(std::borrow::Cow::into_owned),
        Some((line, column)) => {
            let look = format!("line {line}, column {column} of what `mds render NODE {name}` prints");
            Some(hint.map_or_else(|| format!("look at {look}"), |hint| format!("{hint}; it is {look}")))
        }
    };
    NodeProblem { rule, problem: Problem { place: Some(place), message, hint } }
}

/// A remark on what the client renders of a document as a problem of the document.
fn problem_of_rendered(
    name: &DocumentName,
    template: Option<Template<'_>>,
    rendered: &str,
    map: &SourceMap,
    remark: Remark,
) -> NodeProblem {
    let served = remark.at.and_then(|at| map.place(rendered, at));
    let hint = match remark.at.filter(|_| served.is_none()) {
        None => remark.hint,
        Some((line, column)) => {
            let look = format!("line {line}, column {column} of what `mds render NODE {name} --as-client` prints");
            Some(remark.hint.map_or_else(|| format!("look at {look}"), |hint| format!("{hint}; it is {look}")).into())
        }
    };
    problem(name, template, map.served(), Remark { at: served, hint, ..remark })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture;

    fn problems(name: &DocumentName, body: &[u8]) -> Vec<NodeProblem> {
        let (rulebook, _) = Rulebook::new(&fixture::site(&[]));
        look_at(&rulebook, None, name, Digest::of(body), &Bytes::copy_from_slice(body), false).problems
    }

    fn rules(name: &DocumentName, body: &[u8]) -> Vec<String> {
        problems(name, body).into_iter().map(|problem| problem.rule.into_owned()).collect()
    }

    #[test]
    fn whatever_cloud_init_reads_as_cloud_config_must_be_yaml() {
        for head in ["#cloud-config\n", "\n #cloud-config\n", "#Cloud-Config # mine\n", "#cloud-config \r\n"] {
            let is = |rest: &str| rules(&DocumentName::UserData, format!("{head}{rest}").as_bytes());
            assert_eq!(is("a: [1\n"), ["yaml-syntax"], "{head:?}");
            assert!(!is("runcmd: [ls]\n").contains(&"yaml-syntax".to_owned()), "{head:?}");
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
        assert_eq!(rules(&DocumentName::NetworkConfig, b"version: 2\nversion: 2\n"), ["yaml-duplicate-key"]);
        assert_eq!(rules(&DocumentName::UserData, b"#!/bin/sh\n\xff"), ["yaml-syntax"]);
    }

    #[test]
    fn a_byte_order_mark_is_said() {
        let problems = problems(&DocumentName::UserData, "\u{feff}#cloud-config\n{}\n".as_bytes());
        assert!(problems[0].problem.message.contains("byte order mark"), "{problems:?}");
    }

    #[test]
    fn places_are_those_of_the_template_where_that_is_known() {
        let template =
            Template { path: "groups/a/cloud-config.yaml", text: "#cloud-config\n{# c #}\nx: {{ x }}\ny: 0644\n" };
        let said = |text: &str| {
            let name = DocumentName::parse("a.yaml").unwrap();
            let remark = Remark::at("r", (2, 4), "m").with_hint("h");
            problem(&name, Some(template), text, remark).problem.to_string()
        };
        assert_eq!(said("#cloud-config\ny: 0644\n"), "groups/a/cloud-config.yaml:4:4: m (h)");
        assert_eq!(
            said("#cloud-config\nz: 0644\n"),
            "groups/a/cloud-config.yaml: m (h; it is line 2, column 4 of what `mds render NODE a.yaml` prints)"
        );
    }
}
