//! Sites of one node, looked at as a whole, for the tests of rules.

use std::sync::Arc;

use super::{Rulebook, document_inspector};
use crate::inventory::parse_inventory;
use crate::render::{NodeProblem, Plan, fixture};

/// What is said about the documents of the one node of a site of these files, which has a base URL. The node is in every group of them.
pub(super) fn problems_of(files: &[(&str, &str)], id: &str) -> Vec<NodeProblem> {
    let settings = ("mds.toml", "[cluster]\nbase_url = \"http://10.0.0.254\"\n");
    let site = fixture::site(&[&[settings], files].concat());
    let groups: Vec<String> = site.groups.keys().map(|label| format!("\"{label}\"")).collect();
    let node = format!(
        r#"{{"id": "{id}", "nid": 1, "groups": [{}], "interfaces": [{{"mac": "02:00:00:00:00:01",
            "addresses": [{{"ip": "10.0.0.1"}}]}}]}}"#,
        groups.join(", ")
    );
    let text = format!(r#"{{"format": 1, "nodes": [{node}]}}"#);
    let inventory = parse_inventory("inventory.json", text.as_bytes()).unwrap();
    let plan = Arc::new(Plan::new(&site, &inventory).unwrap());
    let node = plan.renderer().unwrap().render(0).unwrap();
    let verdict = document_inspector(&Arc::new(Rulebook::new(&site).0), &plan)(&plan.facts()[0], &node);
    verdict.problems.into_iter().chain(verdict.remarks).collect()
}

/// The rules of what is said about the documents of the one node of a site of these files.
pub(super) fn rules_of(files: &[(&str, &str)], id: &str) -> Vec<&'static str> {
    problems_of(files, id).iter().map(|problem| problem.rule).collect()
}
