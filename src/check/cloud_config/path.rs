//! Where in a document something is.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use crate::check::plain_word::is_plain_word;

/// A step from a value into one that it holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// To the entry of a list, counted from 0.
    Index(usize),
    /// To the value of a key.
    Key(String),
}

/// The steps of a JSON pointer into a document. Whether `0` is a key or an index is for the document to say.
pub(super) fn steps(pointer: &str, document: &Value) -> Vec<Step> {
    let mut at = Some(document);
    let mut steps = Vec::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let index = at.filter(|value| value.is_array()).and_then(|_| part.parse().ok());
        at = match index {
            Some(index) => at.and_then(|value| value.get(index)),
            None => at.and_then(|value| value.get(&part)),
        };
        steps.push(index.map_or(Step::Key(part), Step::Index));
    }
    steps
}

/// A path as a JSON pointer.
pub(super) fn pointer(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            // Writing to a text cannot fail.
            Step::Index(index) => drop(write!(text, "/{index}")),
            Step::Key(key) => drop(write!(text, "/{}", key.replace('~', "~0").replace('/', "~1"))),
        }
    }
    text
}

/// Which keys messages may show. Any other may be a secret that has come to stand where a key is read.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// The names of a schema are harmless.
    pub(super) fn of(schema: &Value) -> Self {
        let mut names = Self::default();
        names.collect(schema);
        names
    }

    fn collect(&mut self, schema: &Value) {
        let properties = schema.get("properties").and_then(Value::as_object);
        self.0.extend(properties.into_iter().flatten().map(|(name, _)| name.clone()));
        match schema {
            Value::Object(parts) => parts.values().for_each(|part| self.collect(part)),
            Value::Array(parts) => parts.iter().for_each(|part| self.collect(part)),
            _ => {}
        }
    }

    fn has(&self, key: &str) -> bool {
        is_plain_word(key) || self.0.contains(key)
    }

    /// A path as people write it, in quotes: `users[0].name`.
    pub(super) fn quoted(&self, path: &[Step]) -> String {
        let mut text = String::new();
        for step in path {
            match step {
                // Writing to a text cannot fail.
                Step::Index(index) => drop(write!(text, "[{index}]")),
                Step::Key(key) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(if self.has(key) { key } else { "…" });
                }
            }
        }
        if text.is_empty() { "the document".to_owned() } else { format!("`{text}`") }
    }
}
