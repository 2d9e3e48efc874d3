//! The documents.

use serde_json::Value;

/// A document.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// What it is about.
    pub(crate) name: String,
    /// Its text, as the client gets it.
    pub(crate) text: String,
}

impl Document {
    /// A document of a value. JSON is YAML, and the same value to every parser of it.
    pub(crate) fn of_value(name: String, value: Value) -> Self {
        Self { name, text: format!("#cloud-config\n{value}\n") }
    }

    /// What is in it; none if it is no YAML.
    pub(crate) fn value(&self) -> Option<Value> {
        serde_yaml::from_str(&self.text).ok()
    }
}

/// The documents of a file of them, which begin after lines of three dashes with their names as a comment.
pub(crate) fn documents(file: &str) -> Vec<Document> {
    let parts = file.split("\n---\n").skip(1);
    let document = |part: &str| Document {
        name: part.lines().next().and_then(|line| line.strip_prefix("# ")).expect("it has a name").to_owned(),
        text: format!("#cloud-config\n{part}\n"),
    };
    parts.map(document).collect()
}
