//! Who meta-data says the node is.

use std::sync::Arc;

use super::inspector::{LookedAt, NodeRemark};
use super::remark::Remark;
use super::rulebook::Rulebook;
use super::values::hostname_fault;
use super::yaml::{Tree, Value};
use crate::render::{NodeFacts, Plan};
use crate::types::DocumentName;

/// The rule that meta-data has the node's own instance-id.
const RULE: &str = "meta-data-instance-id";
/// The rule that meta-data has the node's own hostname.
const HOSTNAME: &str = "meta-data-hostname";

/// Compares the instance-id in a site's own meta-data with the one that mds knows the node by, of which other rules see
/// that no other node has it.
pub(super) fn instance_id(
    _: &Rulebook,
    plan: &Plan,
    facts: &NodeFacts,
    documents: &[Arc<LookedAt>],
) -> Vec<NodeRemark> {
    let Some(tree) = own_meta_data(plan, documents) else { return Vec::new() };
    let say = |remark| vec![NodeRemark { document: DocumentName::MetaData, remark }];
    let Some(entry) = tree.entry("instance-id").filter(|entry| !entry.value.is_empty()) else {
        let message = "meta-data has no instance-id, so that the node takes `nocloud` for one, as all such nodes do";
        return say(Remark::new(RULE, message).with_hint("add the line `instance-id: {{ instance_id }}`"));
    };
    let is_the_nodes = match &entry.value.value {
        Value::Text(text) => *text == facts.instance_id,
        Value::Int(number) => number.to_string() == facts.instance_id,
        _ => false,
    };
    if is_the_nodes {
        return Vec::new();
    }
    let message = "the instance-id in meta-data is not the one that mds knows the node by, so that nothing sees to it \
                   that each node has its own";
    let hint = "write `instance-id: \"{{ instance_id }}\"`, and set another one with instance_id in nodes/<id>.yaml";
    say(Remark::at(RULE, entry.key_at, message).with_hint(hint))
}

/// What a site's own meta-data says, if it has one that can be read.
fn own_meta_data<'d>(plan: &Plan, documents: &'d [Arc<LookedAt>]) -> Option<&'d Tree> {
    let mut documents = documents.iter().filter_map(|looked_at| looked_at.document.as_ref());
    let document = documents.find(|document| document.name == DocumentName::MetaData)?;
    document.tree.as_ref().filter(|_| plan.is_own_meta_data())
}

/// Compares the local-hostname in a site's own meta-data with the hostname that mds knows the node by, of which other
/// rules see that it is one, and that no other node has it.
pub(super) fn hostname(_: &Rulebook, plan: &Plan, facts: &NodeFacts, documents: &[Arc<LookedAt>]) -> Vec<NodeRemark> {
    let remark = own_meta_data(plan, documents).and_then(|tree| hostname_remark(tree, facts));
    remark.map(|remark| NodeRemark { document: DocumentName::MetaData, remark }).into_iter().collect()
}

fn hostname_remark(tree: &Tree, facts: &NodeFacts) -> Option<Remark> {
    let Some(entry) = tree.entry("local-hostname").filter(|entry| !entry.value.is_empty()) else {
        let message = "meta-data has no local-hostname, so that the node keeps the name that its image has, as all such \
                       nodes do; cloud-init does not look at `hostname`";
        let hint = "add the line `local-hostname: \"{{ local_hostname }}\"`";
        return Some(Remark::new(HOSTNAME, message).with_hint(hint));
    };
    let (message, hint) = match entry.value.text() {
        None => ("local-hostname is no text, and cloud-init gives up the server over it", "put it in quotes".to_owned()),
        // A domain may follow, which becomes part of the fully qualified name.
        Some(name) if is_the_nodes(name, &facts.local_hostname) => {
            let fault = hostname_fault(name)?;
            ("local-hostname is no hostname by RFC 1123", fault.to_owned())
        }
        Some(_) => (
            "the local-hostname in meta-data is not the one that mds knows the node by, so that nothing sees to it that \
             each node has its own",
            "write `local-hostname: \"{{ local_hostname }}\"`, and set another one with local_hostname in nodes/<id>.yaml"
                .to_owned(),
        ),
    };
    Some(Remark::at(HOSTNAME, entry.key_at, message).with_hint(hint))
}

fn is_the_nodes(name: &str, local_hostname: &str) -> bool {
    let rest = name.get(..local_hostname.len()).filter(|begin| begin.eq_ignore_ascii_case(local_hostname));
    rest.is_some_and(|begin| name.len() == begin.len() || name[begin.len()..].starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::rules_of;

    #[test]
    fn a_meta_data_of_the_sites_own_has_the_nodes_instance_id() {
        let rules = |text: &str| {
            rules_of(&[("templates/meta-data", &format!("local-hostname: '{{{{ local_hostname }}}}'\n{text}"))], "x1")
        };
        assert_eq!(rules("instance-id: \"{{ instance_id }}\"\n"), [""; 0]);
        assert_eq!(rules("instance-id: x1\n"), [""; 0]);
        for other in ["instance-id: all\n", "instance_id: x1\n", "instance-id:\n", "instance-id: 1\n"] {
            assert_eq!(rules(other), ["meta-data-instance-id"], "{other:?}");
        }
        assert_eq!(rules_of(&[], "x1"), [""; 0]);
    }

    #[test]
    fn a_meta_data_of_the_sites_own_has_the_nodes_hostname() {
        let settings = ("mds.toml", "[cluster]\nshort_name = \"nid\"\n");
        let rules = |text: &str| {
            rules_of(&[settings, ("templates/meta-data", &format!("instance-id: x1\nlocal-hostname: {text}\n"))], "x1")
        };
        for fine in ["nid0001", "\"{{ local_hostname }}\"", "NID0001.cluster.example"] {
            assert_eq!(rules(fine), [""; 0], "{fine}");
        }
        for other in ["", "1", "nid0002", "nid00012", "nid0001.a_b", "nid"] {
            assert_eq!(rules(other), ["meta-data-hostname"], "{other}");
        }
        let without = rules_of(&[settings, ("templates/meta-data", "instance-id: x1\nhostname: nid0001\n")], "x1");
        assert_eq!(without, ["meta-data-hostname"]);
    }
}
