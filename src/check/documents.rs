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
    let seen: Mutex<HashMap<(DocumentName, Digest), Option<Problem>>> = Mutex::default();
    Arc::new(move |_: &NodeFacts, node: &RenderedNode| {
        let mut problems = Vec::new();
        for (name, digest, body) in &node.documents {
            let key = (name.clone(), *digest);
            let known = seen.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
            let problem = known.unwrap_or_else(|| {
                let problem = yaml_problem(name, body);
                seen.lock().unwrap_or_else(PoisonError::into_inner).insert(key, problem.clone());
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
    if text.starts_with('\u{feff}') {
        let message =
            "the document begins with a byte order mark, so cloud-init does not see what it is and ignores it";
        return Some(Problem::at(Place::file(file), message).with_hint("save the file as UTF-8 without BOM"));
    }
    let is_yaml = match name {
        DocumentName::MetaData | DocumentName::NetworkConfig => true,
        _ => is_cloud_config(text),
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

/// cloud-init's own rule: the first letters after any white space, in any case, with other types of longer names.
fn is_cloud_config(text: &str) -> bool {
    let head: String = text.trim_start().chars().take(24).collect::<String>().to_ascii_lowercase();
    head.starts_with("#cloud-config")
        && !head.starts_with("#cloud-config-archive")
        && !head.starts_with("#cloud-config-jsonp")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &str) -> Option<String> {
        yaml_problem(&DocumentName::UserData, body.as_bytes()).map(|problem| problem.message)
    }

    #[test]
    fn whatever_cloud_init_reads_as_cloud_config_must_be_yaml() {
        for head in ["#cloud-config\n", "\n #cloud-config\n", "#Cloud-Config # mine\n", "#cloud-config \r\n"] {
            assert!(message(&format!("{head}a: [1\n")).is_some(), "{head:?}");
            assert_eq!(message(&format!("{head}a: [1]\n")), None, "{head:?}");
        }
        for other in
            ["#!/bin/sh\na: [1\n", "#cloud-config-archive\na: [1\n", "## template: jinja\n#cloud-config\n{{ a [1\n", ""]
        {
            assert_eq!(message(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_said() {
        assert!(message("\u{feff}#cloud-config\n{}\n").is_some_and(|message| message.contains("byte order mark")));
    }
}
