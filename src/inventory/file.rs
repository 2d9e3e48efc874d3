//! The inventory file: `inventory.json`, which is also the lock file that continuous integration builds against.

use serde::Deserialize;

use super::model::{Inventory, Node};
use crate::types::{Place, Problem, Problems, without_value};

/// The version of the inventory file that this build writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InventoryFile {
    /// For editors; not read.
    #[serde(default, rename = "$schema")]
    _schema: Option<String>,
    #[serde(rename = "format")]
    _format: u32,
    nodes: Vec<Node>,
}

/// Only the format, to tell a newer file from a broken one.
#[derive(Deserialize)]
struct Probe {
    format: u32,
}

/// Reads an inventory file. `name` is how messages call it.
///
/// # Errors
/// When it is not JSON of the documented shape (with line and column), is of a newer format, or holds an id, label or
/// address that is not what it should be.
pub fn parse_inventory(name: &str, bytes: &[u8]) -> Result<Inventory, Problems> {
    if let Ok(Probe { format }) = serde_json::from_slice(bytes)
        && !(1..=FORMAT).contains(&format)
    {
        let message = format!("the inventory has format {format}, and this mds reads formats 1 to {FORMAT}");
        let problem = Problem::at(Place::file(name), message);
        return Err(if format > FORMAT { problem.with_hint("use a newer mds") } else { problem }.into());
    }
    let file: InventoryFile = serde_json::from_slice(bytes).map_err(|error| problem(name, &error))?;
    Inventory::new(file.nodes).map_err(|problems| {
        let at_file = |problem: Problem| Problem { place: Some(Place::file(name)), ..problem };
        Problems(problems.0.into_iter().map(at_file).collect())
    })
}

fn problem(name: &str, error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    // serde_json ends its messages with the place, which is told apart here.
    let message = without_value(text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]));
    let problem = Problem::at(Place::at(name, error.line(), error.column()), message.as_str());
    match crate::types::did_you_mean(&message) {
        Some(hint) => problem.with_hint(hint),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        parse_inventory("inventory.json", text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn broken_json_is_reported_with_its_line_and_column() {
        assert!(message("{\"format\":1,\n\"nodes\":[{]}").starts_with("inventory.json:2:11: "));
        assert!(message("").contains("inventory.json"));
    }

    #[test]
    fn an_id_that_is_not_safe_in_a_path_is_refused_by_name() {
        let text = message("{\"format\":1,\"nodes\":[\n{\"id\":\"../../etc/passwd\"}]}");
        assert!(text.starts_with("inventory.json:2:") && text.contains("../../etc/passwd"), "{text}");
    }

    #[test]
    fn a_misspelt_key_gets_a_suggestion() {
        let text = message("{\"format\":1,\"nodes\":[{\"id\":\"a\",\"grups\":[]}]}");
        assert!(text.contains("did you mean `groups`?"), "{text}");
    }

    #[test]
    fn a_newer_format_is_told_from_a_broken_file() {
        assert!(message("{\"format\":7,\"racks\":[]}").contains("use a newer mds"));
        let text = message("{\"format\":0,\"nodes\":[]}");
        assert!(text.contains("has format 0") && !text.contains("newer"), "{text}");
    }
}
