//! One node's documents.

use std::sync::Arc;

use bytes::Bytes;
use tera::Context;

use super::context::NodeContext;
use super::engine::{Engine, META_DATA, NETWORK_CONFIG, VENDOR_DATA};
use super::facts::NodeFacts;
use super::network_config::network_config;
use super::plan::{Plan, Source};
use super::value::list;
use super::vendor_data::{group_url, multipart};
use super::{BOOT_INTERFACE_RULE, NodeProblem, TEMPLATE_RULE};
use crate::settings::Delivery;
use crate::types::{Digest, DocumentName, GroupLabel, Place, Problem};

/// A node's finished documents.
#[derive(Clone, Debug)]
pub struct RenderedNode {
    /// The node's position in [`Plan::facts`].
    pub index: usize,
    /// The documents: name, digest of the body, body.
    pub documents: Vec<(DocumentName, Digest, Bytes)>,
}

/// Renders nodes on one thread.
#[derive(Debug)]
pub struct NodeRenderer<'a> {
    plan: &'a Plan,
    engine: Engine,
}

impl<'a> NodeRenderer<'a> {
    pub(super) const fn new(plan: &'a Plan, engine: Engine) -> Self {
        Self { plan, engine }
    }

    /// Renders all documents of the node at a position of [`Plan::facts`].
    ///
    /// # Errors
    /// The problems of all its documents.
    pub fn render(&self, index: usize) -> Result<RenderedNode, Vec<NodeProblem>> {
        let (node, problems) = self.render_watched(index, &mut |_| ());
        if problems.is_empty() { Ok(node) } else { Err(problems) }
    }

    /// Renders the documents that can be, with the problems of all others, telling the path of each template before it is
    /// rendered.
    pub(super) fn render_watched(
        &self,
        index: usize,
        watch: &mut dyn FnMut(&Arc<str>),
    ) -> (RenderedNode, Vec<NodeProblem>) {
        let facts = &self.plan.facts()[index];
        let context = NodeContext::new(&self.plan.settings.cluster, &self.plan.group_values, facts);
        let mut documents = Documents { node: self, watch, done: Vec::new(), problems: Vec::new() };
        documents.add(DocumentName::MetaData, &self.plan.fixed(META_DATA), || context.plain().clone());
        documents.add(DocumentName::UserData, &self.plan.user_data_source(facts), || context.for_node(facts));
        let first_group = documents.done.len();
        for label in &facts.groups {
            // A group with a source always has values: both come from its folder.
            if let (Some(source), Some(values)) =
                (self.plan.group_sources.get(label), self.plan.group_values.get(label))
            {
                let name = DocumentName::Group(label.clone());
                documents.add(name, source, || context.for_group(values, facts));
            }
        }
        let parts: Vec<(&GroupLabel, &[u8])> = group_parts(&documents.done[first_group..]);
        let vendor = self.vendor_data_context(facts, &context, &parts);
        match vendor {
            Ok(vendor) => documents.add(DocumentName::VendorData, &self.plan.fixed(VENDOR_DATA), || vendor),
            Err(problem) => documents.report(TEMPLATE_RULE, problem),
        }
        self.network_config(facts, &context, &mut documents);
        let Documents { done, mut problems, .. } = documents;
        problems.dedup();
        (RenderedNode { index, documents: done }, problems)
    }

    fn vendor_data_context(
        &self,
        facts: &NodeFacts,
        context: &NodeContext,
        parts: &[(&GroupLabel, &[u8])],
    ) -> Result<Context, Problem> {
        let delivery = self.plan.settings.vendor_data.delivery;
        if delivery == Delivery::Include && facts.base_url.is_empty() && !parts.is_empty() {
            let message = "vendor-data cannot name the groups' URLs: the site has no base URL";
            return Err(Problem::at(Place::file(crate::settings::FILE_NAME), message).with_hint(
                "set [cluster] base_url to where nodes reach this server, or [vendor_data] delivery = \"inline\"",
            ));
        }
        let urls = list(parts.iter().map(|(label, _)| group_url(&facts.base_url, label).into()));
        let mut vendor = context.with("include_urls", urls);
        let (name, message) = match delivery {
            Delivery::Include => ("include", String::new()),
            // Nothing to carry. The braces matter: cloud-init calls a cloud-config without any content degraded.
            Delivery::Inline if parts.is_empty() => ("inline", "#cloud-config\n{}\n".to_owned()),
            Delivery::Inline => ("inline", String::from_utf8_lossy(&multipart(parts)).into_owned()),
        };
        vendor.insert_value("delivery", name.into());
        vendor.insert_value("multipart", message.into());
        Ok(vendor)
    }

    fn network_config(&self, facts: &NodeFacts, context: &NodeContext, documents: &mut Documents<'_, 'a>) {
        match network_config(&self.plan.settings, facts) {
            Err(problem) => documents.report(BOOT_INTERFACE_RULE, problem),
            // Without content there is no document, unless the site's own template makes one.
            Ok(None) if !self.plan.templates.is_overridden(NETWORK_CONFIG) => {}
            Ok(content) => {
                let source = self.plan.fixed(NETWORK_CONFIG);
                documents.add(DocumentName::NetworkConfig, &source, || context.with("network_config", content.into()));
            }
        }
    }
}

fn group_parts(documents: &[(DocumentName, Digest, Bytes)]) -> Vec<(&GroupLabel, &[u8])> {
    documents
        .iter()
        .filter_map(|(name, _, body)| match name {
            DocumentName::Group(label) => Some((label, body.as_ref())),
            _ => None,
        })
        .collect()
}

/// The documents of one node as they come about.
struct Documents<'n, 'a> {
    node: &'n NodeRenderer<'a>,
    watch: &'n mut dyn FnMut(&Arc<str>),
    done: Vec<(DocumentName, Digest, Bytes)>,
    problems: Vec<NodeProblem>,
}

impl Documents<'_, '_> {
    fn report(&mut self, rule: &'static str, problem: Problem) {
        self.problems.push(NodeProblem { rule: rule.into(), problem });
    }

    fn add(&mut self, name: DocumentName, source: &Source, context: impl FnOnce() -> Context) {
        match source {
            Source::Verbatim { digest, body, .. } => self.done.push((name, *digest, body.clone())),
            Source::Template(path) => {
                let faults = self.node.plan.templates.faults_of(path);
                if !faults.is_empty() {
                    self.problems.extend(faults);
                    return;
                }
                (self.watch)(path);
                match self.node.engine.render(path, &context(), &self.node.plan.settings.render) {
                    Ok(bytes) => self.done.push((name, Digest::of(&bytes), bytes.into())),
                    Err(problem) => self.report(TEMPLATE_RULE, problem),
                }
            }
        }
    }
}
