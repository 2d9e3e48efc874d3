//! Secrets among the values that groups and nodes give to templates: they reach meta-data, used or not.

use std::collections::BTreeMap;

use super::super::finding::Finding;
use super::super::remark::Remark;
use super::super::yaml::{self, shortened};
use super::walk::Walk;
use crate::render::NodeFacts;
use crate::site::Site;
use crate::types::{GroupLabel, NodeId, Place, Problem, may_hold_secrets};

/// Finds such values in `meta` of groups and of nodes. The nodes of a finding are those whose meta-data has it.
#[must_use]
pub fn secrets_in_meta(site: &Site, facts: &[NodeFacts]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut members: Option<BTreeMap<&GroupLabel, Vec<NodeId>>> = None;
    for group in site.groups.values().filter(|group| !group.meta.is_empty()) {
        let path = format!("groups/{}/group.yaml", group.label);
        let remarks = remarks(site, &path);
        if !remarks.is_empty() {
            let members = members.get_or_insert_with(|| members_of(facts));
            let nodes = members.get(&group.label).cloned().unwrap_or_default();
            findings.extend(remarks.into_iter().map(|remark| finding(&path, remark, nodes.clone())));
        }
    }
    for (id, _) in site.nodes.iter().filter(|(_, node)| !node.meta.is_empty()) {
        let path = format!("nodes/{id}.yaml");
        let is_there = facts.binary_search_by(|facts| facts.id().cmp(id)).is_ok();
        let nodes = if is_there { vec![id.clone()] } else { Vec::new() };
        findings.extend(remarks(site, &path).into_iter().map(|remark| finding(&path, remark, nodes.clone())));
    }
    findings
}

fn members_of(facts: &[NodeFacts]) -> BTreeMap<&GroupLabel, Vec<NodeId>> {
    let mut members: BTreeMap<&GroupLabel, Vec<NodeId>> = BTreeMap::new();
    for node in facts {
        for label in &node.groups {
            members.entry(label).or_default().push(node.id().clone());
        }
    }
    members
}

fn remarks(site: &Site, path: &str) -> Vec<Remark> {
    let text = site.files.get(path).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let Some(text) = text.filter(|text| may_hold_secrets(text)) else { return Vec::new() };
    let tree = yaml::load(text);
    let meta = tree.as_ref().and_then(|tree| tree.get("meta"));
    shortened(meta.map_or_else(Vec::new, |meta| Walk::new(false).below(meta, "meta")))
}

fn finding(path: &str, remark: Remark, nodes: Vec<NodeId>) -> Finding {
    let Remark { rule, at, message, .. } = remark;
    let place = at.map_or_else(|| Place::file(path), |(line, column)| Place::at(path, line, column));
    let problem = Problem::at(place, format!("{message}: it goes into meta-data, whether a template uses it or not"));
    let hint = "every user of such a node can read it; let the node fetch it from a vault when it boots";
    Finding::of(rule, problem.with_hint(hint), nodes)
}
