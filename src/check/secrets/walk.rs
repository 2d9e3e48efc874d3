//! Going through everything a YAML document says.

use std::borrow::Cow;
use std::collections::HashSet;

use super::super::remark::{Remark, Spot};
use super::super::yaml::{Tree, Value};
use super::{Said, is_shown, remark, said_in};
use crate::types::{SecretKind, looks_secret, secret_under};

/// Gathers what there is to say about the values of a document.
pub(super) struct Walk {
    /// Whether some keys mean what they mean to cloud-init, and are looked at by who knows.
    is_cloud_config: bool,
    remarks: Vec<Remark>,
    seen: HashSet<(Spot, SecretKind)>,
}

impl Walk {
    pub(super) fn new(is_cloud_config: bool) -> Self {
        Self { is_cloud_config, remarks: Vec::new(), seen: HashSet::new() }
    }

    /// What there is to say about a document.
    pub(super) fn remarks(self, tree: &Tree) -> Vec<Remark> {
        self.below(tree, "")
    }

    /// The same of a part of one, which this path leads to.
    pub(super) fn below(mut self, tree: &Tree, path: &str) -> Vec<Remark> {
        self.value(tree, tree.at, path, "");
        self.remarks
    }

    /// Looks at a value. `key` is the last key on the way to it, and `at` where that stands.
    fn value(&mut self, tree: &Tree, at: Spot, path: &str, key: &str) {
        match &tree.value {
            Value::Map(entries) => {
                for entry in entries {
                    let path = joined(path, &entry.key);
                    if !self.is_known(&path) {
                        self.value(&entry.value, entry.key_at, &path, &entry.key);
                    }
                }
            }
            Value::List(items) => {
                self.command(tree, at, path);
                for (index, item) in items.iter().enumerate() {
                    self.value(item, item.at, &format!("{path}[{index}]"), key);
                }
            }
            Value::Null | Value::Bool(_) => {}
            Value::Int(number) => self.text(&number.to_string(), at, path, key),
            Value::Float(_) => self.text("0.0", at, path, key),
            Value::Text(text) | Value::Timestamp(text) | Value::Binary(text) => self.text(text, at, path, key),
        }
    }

    /// What [`super::accounts`] and [`super::files`] look at.
    fn is_known(&self, path: &str) -> bool {
        let is_content = path.starts_with("write_files[") && path.ends_with("].content");
        self.is_cloud_config && (path == "chpasswd" || is_content)
    }

    fn text(&mut self, text: &str, at: Spot, path: &str, key: &str) {
        // A number alone is a token of nothing, but may well be a password.
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match secret_under(key, text) {
            Some(kind) if !(is_number && kind != SecretKind::Password) => self.add(kind, at, path, None),
            Some(_) => {}
            None => said_in(text).into_iter().for_each(|Said { kind, key, .. }| self.add(kind, at, path, key)),
        }
    }

    /// The words of a command that is written as a list.
    fn command(&mut self, list: &Tree, at: Spot, path: &str) {
        let words: Option<Vec<&str>> = list.items().iter().map(Tree::text).collect();
        let Some(words) = words.filter(|words| words.len() > 1 && !words[0].contains(char::is_whitespace)) else {
            return;
        };
        let is_found_alone = |kind| words.iter().any(|word| looks_secret(word) == Some(kind));
        for Said { kind, key, .. } in said_in(&words.join(" ")) {
            if !is_found_alone(kind) {
                self.add(kind, at, path, key);
            }
        }
    }

    fn add(&mut self, kind: SecretKind, at: Spot, path: &str, key: Option<String>) {
        if self.seen.insert((at, kind)) {
            self.remarks.push(remark(at, kind, &format!("`{path}`"), key.as_deref()));
        }
    }
}

/// The path of a key; one that may be a value of somebody's is not shown.
fn joined(path: &str, key: &str) -> String {
    let key: Cow<'_, str> = if is_shown(key) { key.into() } else { "…".into() };
    if path.is_empty() { key.into_owned() } else { format!("{path}.{key}") }
}
