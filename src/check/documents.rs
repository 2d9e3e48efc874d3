//! Checks of finished documents, on the threads that render them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::IgnoredAny;

use crate::render::{Inspector, NodeFacts, NodeProblem, RenderedNode};
use crate::types::{Digest, DocumentName, Place, Problem};

/// The rule that documents which cloud-init reads as YAML are YAML.
const YAML_RULE: &str = "yaml-syntax";

/// An inspector that reads every document as cloud-init would begin to: whatever is YAML there must parse. Documents
/// that many nodes share are read once.
#[must_use]
pub fn document_inspector() -> Inspector {
    let seen: Mutex<HashMap<Digest, Option<Problem>>> = Mutex::default();
    Arc::new(move |_: &NodeFacts, node: &RenderedNode| {
        let mut problems = Vec::new();
        for (name, digest, body) in &node.documents {
            let known = seen.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned();
            let problem = known.unwrap_or_else(|| {
                let problem = yaml_problem(name, body);
                seen.lock().unwrap_or_else(PoisonError::into_inner).insert(*digest, problem.clone());
                problem
            });
            problems.extend(problem.map(|problem| NodeProblem { rule: YAML_RULE, problem }));
        }
        problems
    })
}

fn yaml_problem(name: &DocumentName, body: &[u8]) -> Option<Problem> {
    let file = match name {
        DocumentName::Group(label) => format!("groups/{label}/cloud-config.yaml"),
        DocumentName::UserData => "user-data".to_owned(),
        other => format!("templates/{other}"),
    };
    let Ok(text) = std::str::from_utf8(body) else {
        return Some(Problem::at(Place::file(file), "the rendered document is not UTF-8"));
    };
    let is_yaml = match name {
        DocumentName::MetaData | DocumentName::NetworkConfig => true,
        _ => text.starts_with("#cloud-config\n") || text.starts_with("#cloud-config\r\n") || text == "#cloud-config",
    };
    if !is_yaml {
        return None;
    }
    let error = serde_yaml::from_str::<IgnoredAny>(text).err()?;
    let said = error.to_string();
    let message = said.split(" at line ").next().unwrap_or(&said).to_owned();
    let place = error.location().map_or_else(String::new, |location| {
        format!(" in line {}, column {} of the rendered text", location.line(), location.column())
    });
    Some(
        Problem::at(Place::file(file), format!("the rendered document is not YAML: {message}{place}"))
            .with_hint(format!("look at it with `mds render NODE {name}`")),
    )
}
