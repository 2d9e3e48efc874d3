//! What may stand where in network-config: shapes in tables, and the walk that holds a document against them.

use std::borrow::Cow;

use super::SCHEMA;
use crate::check::remark::Remark;
use crate::check::yaml::{Entry, Tree, Value};
use crate::types::nearest;

/// What a value may be.
pub(super) enum Shape {
    /// One word or number, in whatever type of YAML, that passes a test; and what it should be.
    Word(fn(&str) -> bool, &'static str),
    /// A text and nothing else.
    Text,
    /// A text of at most so many characters.
    ShortText(usize),
    /// A whole number.
    Integer,
    /// A whole number from 0 to this one.
    Count(u32),
    /// The same, or nothing.
    CountOrNull(u32),
    /// True or false.
    Boolean,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A list of values of one shape.
    List(&'static Self),
    /// A value of one shape, or a list of such.
    OneOrList(&'static Self),
    /// A mapping of certain keys.
    Mapping(&'static Mapping),
    /// A mapping whose keys are names.
    Named(&'static Self),
    /// A value of the first shape, or a mapping with one key of that shape to a value of the second.
    WithOptions(&'static Self, &'static Self),
    /// A mapping that is not looked into.
    AnyMapping,
    /// Whatever it is.
    Anything,
}

/// The keys that a mapping may have.
pub(super) struct Mapping {
    /// What it is, for sentences: `a route`.
    pub(super) what: &'static str,
    /// Tables of the keys with their shapes.
    pub(super) keys: &'static [&'static [(&'static str, &'static Shape)]],
    /// The keys that must be there.
    pub(super) required: &'static [&'static str],
}

impl Mapping {
    fn shape_of(&self, key: &str) -> Option<&'static Shape> {
        self.names().find(|(name, _)| *name == key).map(|(_, shape)| shape)
    }

    fn names(&self) -> impl Iterator<Item = (&'static str, &'static Shape)> {
        self.keys.iter().flat_map(|table| table.iter().copied())
    }
}

/// Says what does not fit a shape. `key` is the key below which the value stands.
pub(super) fn compare(key: &str, tree: &Tree, shape: &Shape, remarks: &mut Vec<Remark>) {
    let mut wrong = |expected: &str| remarks.push(misfit(key, tree, expected));
    match shape {
        Shape::Word(test, expected) => match word(&tree.value) {
            Some(text) if test(&text) => {}
            _ => wrong(expected),
        },
        Shape::Text if is_text(&tree.value) => {}
        Shape::Text => wrong("a text"),
        Shape::ShortText(most) => match &tree.value {
            Value::Text(text) if text.chars().count() <= *most => {}
            Value::Text(_) => wrong(&format!("at most {most} characters")),
            _ => wrong("a text"),
        },
        Shape::Integer if is_integer(&tree.value) => {}
        Shape::Integer => wrong("a whole number"),
        Shape::CountOrNull(_) if tree.value == Value::Null => {}
        Shape::Count(most) | Shape::CountOrNull(most) => {
            if !matches!(tree.value, Value::Int(number) if (0..=i64::from(*most)).contains(&number)) {
                wrong(&format!("a whole number from 0 to {most}"));
            }
        }
        Shape::Boolean if matches!(tree.value, Value::Bool(_)) => {}
        Shape::Boolean => wrong("`true` or `false`"),
        Shape::Choice(choices) if tree.text().is_some_and(|text| choices.contains(&text)) => {}
        Shape::Choice(choices) => wrong(&one_of(choices)),
        Shape::List(_) if !matches!(tree.value, Value::List(_)) => wrong("a list"),
        Shape::List(item) => tree.items().iter().for_each(|tree| compare(key, tree, item, remarks)),
        Shape::OneOrList(item) if matches!(tree.value, Value::List(_)) => {
            tree.items().iter().for_each(|tree| compare(key, tree, item, remarks));
        }
        Shape::OneOrList(item) => compare(key, tree, item, remarks),
        Shape::WithOptions(plain, options) => match tree.entries() {
            [] => compare(key, tree, plain, remarks),
            entries => {
                for entry in entries {
                    compare(key, &key_of(entry), plain, remarks);
                    compare(key, &entry.value, options, remarks);
                }
            }
        },
        Shape::Mapping(_) | Shape::Named(_) | Shape::AnyMapping if !matches!(tree.value, Value::Map(_)) => {
            wrong("a mapping of keys and values");
        }
        Shape::Named(shape) => {
            tree.entries().iter().for_each(|entry| compare(&entry.key, &entry.value, shape, remarks))
        }
        Shape::Mapping(mapping) => compare_keys(tree, mapping, remarks),
        Shape::AnyMapping | Shape::Anything => {}
    }
}

fn compare_keys(tree: &Tree, mapping: &Mapping, remarks: &mut Vec<Remark>) {
    for entry in tree.entries() {
        match mapping.shape_of(&entry.key) {
            Some(shape) => compare(&entry.key, &entry.value, shape, remarks),
            None => remarks.push(unknown_key(entry, mapping)),
        }
    }
    for key in mapping.required.iter().filter(|key| tree.entry(key).is_none()) {
        remarks.push(Remark::at(SCHEMA, tree.at, format!("{} has no `{key}`", mapping.what)));
    }
}

fn unknown_key(entry: &Entry, mapping: &Mapping) -> Remark {
    let message = format!("{} has no key `{}`", mapping.what, entry.key.escape_debug());
    let remark = Remark::at(SCHEMA, entry.key_at, message);
    match nearest(&entry.key, mapping.names().map(|(name, _)| name)) {
        Some(known) => remark.with_hint(format!("did you mean `{known}`?")),
        None => remark,
    }
}

/// A sentence without the value, which may be a secret.
fn misfit(key: &str, tree: &Tree, expected: &str) -> Remark {
    let is = match &tree.value {
        Value::List(_) => " is a list, and",
        Value::Map(_) => " is a mapping, and",
        Value::Null => " has no value, and",
        _ => " does not do:",
    };
    Remark::at(SCHEMA, tree.at, format!("`{}`{is} {expected} is expected", key.escape_debug()))
}

fn one_of(choices: &[&str]) -> String {
    let quoted: Vec<String> = choices.iter().map(|choice| format!("`{choice}`")).collect();
    format!("one of {}", quoted.join(", "))
}

fn key_of(entry: &Entry) -> Tree {
    Tree { at: entry.key_at, value: Value::Text(entry.key.clone()) }
}

/// A scalar as netplan sees it, to which cloud-init writes it out; `None` for what is no scalar.
pub(super) fn word(value: &Value) -> Option<Cow<'_, str>> {
    Some(match value {
        Value::Null => "null".into(),
        Value::Bool(true) => "true".into(),
        Value::Bool(false) => "false".into(),
        Value::Int(number) => number.to_string().into(),
        Value::Float(number) => format!("{number:?}").into(),
        Value::Text(text) | Value::Timestamp(text) | Value::Binary(text) => text.as_str().into(),
        Value::List(_) | Value::Map(_) => return None,
    })
}

/// The client's validator takes bytes for text, too.
const fn is_text(value: &Value) -> bool {
    matches!(value, Value::Text(_) | Value::Binary(_))
}

/// As JSON Schema has it: 2.0 is a whole number.
fn is_integer(value: &Value) -> bool {
    matches!(value, Value::Int(_)) || matches!(value, Value::Float(number) if number.fract() == 0.0)
}
