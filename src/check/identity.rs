//! Who meta-data says the node is.

use std::sync::Arc;

use super::inspector::{LookedAt, NodeRemark};
use super::remark::Remark;
use super::rulebook::Rulebook;
use super::yaml::Value;
use crate::render::{NodeFacts, Plan};
use crate::types::DocumentName;

/// The rule that meta-data has the node's own instance-id.
const RULE: &str = "meta-data-instance-id";

/// Compares the instance-id in a site's own meta-data with the one that mds knows the node by, of which other rules see
/// that no other node has it.
pub(super) fn instance_id(
    _: &Rulebook,
    plan: &Plan,
    facts: &NodeFacts,
    documents: &[Arc<LookedAt>],
) -> Vec<NodeRemark> {
    let documents = documents.iter().filter_map(|looked_at| looked_at.document.as_ref());
    let Some(document) = documents.into_iter().find(|document| document.name == DocumentName::MetaData) else {
        return Vec::new();
    };
    if !plan.is_own_meta_data() {
        return Vec::new();
    }
    let Some(tree) = &document.tree else { return Vec::new() };
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

#[cfg(test)]
mod tests {
    use super::super::fixture::rules_of;

    #[test]
    fn a_meta_data_of_the_sites_own_has_the_nodes_instance_id() {
        let rules = |text: &str| rules_of(&[("templates/meta-data", text)], "x1");
        assert_eq!(rules("instance-id: \"{{ instance_id }}\"\n"), [""; 0]);
        assert_eq!(rules("instance-id: x1\n"), [""; 0]);
        for other in ["instance-id: all\n", "instance_id: x1\n", "instance-id:\n", "instance-id: 1\n"] {
            assert_eq!(rules(other), ["meta-data-instance-id"], "{other:?}");
        }
        assert_eq!(rules_of(&[], "x1"), [""; 0]);
    }
}
