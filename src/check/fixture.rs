//! Small sites, looked at as a whole, for the tests of rules.

use std::sync::Arc;

use super::{Finding, Rulebook, document_inspector};
use crate::inventory::parse_inventory;
use crate::render::{NodeProblem, Plan, fixture};

/// What is said about the documents of the one node of a site of these files, which has a base URL. The node is in
/// every group of them.
pub(super) fn problems_of(files: &[(&str, &str)], id: &str) -> Vec<NodeProblem> {
    let settings = ("mds.toml", "[cluster]\nbase_url = \"http://10.0.0.254\"\n");
    let site = fixture::site(&[&[settings], files].concat());
    let groups: Vec<String> = site.groups.keys().map(|label| format!("\"{label}\"")).collect();
    let node = format!(
        r#"{{"id": "{id}", "nid": 1, "groups": [{}], "interfaces": [{{"mac": "02:00:00:00:00:01",
            "addresses": [{{"ip": "10.0.0.1"}}]}}]}}"#,
        groups.join(", ")
    );
    problems_of_nodes(files, &node).0
}

/// The rules of what is said about the documents of the one node of a site of these files.
pub(super) fn rules_of(files: &[(&str, &str)], id: &str) -> Vec<String> {
    problems_of(files, id).into_iter().map(|problem| problem.rule.into_owned()).collect()
}

/// What is said about the documents of each node in turn, and then about all of them, of a site of these files with
/// these nodes of an inventory, in JSON with commas between.
pub(super) fn problems_of_nodes(files: &[(&str, &str)], nodes: &str) -> (Vec<NodeProblem>, Vec<Finding>) {
    let settings = ("mds.toml", "[cluster]\nbase_url = \"http://10.0.0.254\"\n");
    let site = fixture::site(&[&[settings], files].concat());
    let text = format!(r#"{{"format": 1, "nodes": [{nodes}]}}"#);
    let inventory = parse_inventory("inventory.json", text.as_bytes()).unwrap();
    let plan = Arc::new(Plan::new(&site, &inventory).unwrap());
    let rulebook = Arc::new(Rulebook::new(&site).0);
    let inspector = document_inspector(&rulebook, &plan);
    let renderer = plan.renderer().unwrap();
    let mut problems = Vec::new();
    for (index, facts) in plan.facts().iter().enumerate() {
        match renderer.render(index) {
            Ok(node) => {
                let verdict = inspector(facts, &node);
                problems.extend(verdict.problems.into_iter().chain(verdict.remarks));
            }
            Err(faults) => problems.extend(faults),
        }
    }
    (problems, rulebook.findings_of_all())
}
