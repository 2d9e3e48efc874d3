//! What a site says that reaches no node, and names that hide others: probably slips.

use std::collections::BTreeSet;

use super::finding::Finding;
use crate::inventory::Inventory;
use crate::render::{DOCUMENT_TEMPLATES, NODE_NAMES, Plan};
use crate::site::{Site, UserDataKey};
use crate::types::{GroupLabel, NodeId, Place, Problem, nearest};

/// Finds files for nodes that the inventory does not have, templates that nothing uses, labels in `[groups] order` that
/// nothing has, and meta keys that hide what mds says about a node.
#[must_use]
pub fn unused(site: &Site, inventory: &Inventory, plan: &Plan) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ids: BTreeSet<&NodeId> = inventory.nodes().iter().map(|node| &node.id).collect();
    for id in site.nodes.keys().filter(|id| !ids.contains(id)) {
        let problem = Problem::at(Place::file(format!("nodes/{id}.yaml")), "the inventory has no node of this id");
        findings.push(Finding::warning("unknown-node", problem, Vec::new()));
    }
    for id in ids.iter().filter(|id| id.as_str() == UserDataKey::DEFAULT) {
        let message =
            format!("a node is called `{id}`, and user-data/{id}.yaml is for all nodes without a file of their own");
        let problem = Problem::new(message).with_hint("give the node another id");
        findings.push(Finding::error("reserved-node-id", problem, vec![(*id).clone()]));
    }
    let unused_files = plan.unused_user_data().into_iter().filter_map(|key| site.user_data.get(&key));
    for file in unused_files {
        let message = "no node of the inventory has this id or MAC address";
        let problem = Problem::at(Place::file(file.path.clone()), message);
        findings.push(Finding::warning("unused-user-data", problem, Vec::new()));
    }
    for path in plan.unused_templates() {
        let message = "no document comes of this file: nothing includes, extends or passes it on";
        let problem = Problem::at(Place::file(path.clone()), message);
        let problem = match nearest(path, DOCUMENT_TEMPLATES) {
            Some(meant) => problem.with_hint(format!("did you mean `{meant}`?")),
            None => problem,
        };
        findings.push(Finding::warning("unused-template", problem, Vec::new()));
    }
    let in_use: BTreeSet<&GroupLabel> = inventory.nodes().iter().flat_map(|node| &node.groups).collect();
    for label in &site.settings.groups.order {
        if !site.groups.contains_key(label) && !in_use.contains(label) {
            let message = format!("[groups] order names `{label}`, which has no folder and no node");
            let problem = Problem::at(site.place_of(crate::settings::FILE_NAME, &["groups", "order"]), message);
            findings.push(Finding::warning("unknown-group", problem, Vec::new()));
        }
    }
    let group_keys = site.groups.values().map(|group| (format!("groups/{}/group.yaml", group.label), &group.meta));
    let node_keys = site.nodes.iter().map(|(id, node)| (format!("nodes/{id}.yaml"), &node.meta));
    for (path, meta) in group_keys.chain(node_keys) {
        for key in meta.keys().filter(|key| NODE_NAMES.contains(&key.as_str())) {
            let message = format!("the meta key `{key}` hides the node's own `{key}` from templates");
            let place = site.place_of(&path, &["meta", key]);
            let problem = Problem::at(place, message).with_hint("choose another name for the key");
            findings.push(Finding::warning("hidden-name", problem, Vec::new()));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Severity;
    use crate::inventory::parse_inventory;
    use crate::site::FolderReader;

    #[test]
    fn a_node_called_as_the_file_for_all_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mds.toml"), "").unwrap();
        let site = Site::read(&FolderReader::new(folder.path()).unwrap()).unwrap();
        let text = r#"{"format": 1, "nodes": [{"id": "default"}, {"id": "default2"}]}"#;
        let inventory = parse_inventory("inventory.json", text.as_bytes()).unwrap();
        let findings = unused(&site, &inventory, &Plan::new(&site, &inventory).unwrap());
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!((finding.rule.as_ref(), finding.severity), ("reserved-node-id", Severity::Error));
        assert_eq!(finding.nodes, [NodeId::parse("default").unwrap()]);
    }
}
