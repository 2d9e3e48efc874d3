//! What a document says, as PyYAML's `safe_load` has it, with places.
//!
//! `<<` is resolved as `flatten_mapping` does: what is merged comes first, of several mappings the first counts most,
//! and the mapping's own keys count more than all of them. Of a key that stands twice the last value counts.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::Spot;
use super::node::Shape;
use super::scalars::{self, Kind};
use super::tags::{Tagged, tagged};

/// Values a tree may have, with aliases followed. A document of more is not looked into.
const MOST_VALUES: usize = 200_000;
/// How deep a tree may be.
const MOST_LEVELS: usize = 250;

/// A value with the place where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::check) struct Tree {
    /// Where it begins in the text.
    pub(in crate::check) at: Spot,
    /// What it is.
    pub(in crate::check) value: Value,
}

/// What a value is in Python.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::check) enum Value {
    /// `None`.
    Null,
    /// A `bool`.
    Bool(bool),
    /// An `int`. One that does not fit is a [`Value::Float`].
    Int(i64),
    /// A `float`.
    Float(f64),
    /// A `str`.
    Text(String),
    /// A `date` or `datetime`, as it is written: it is no text to what reads it.
    Timestamp(String),
    /// `bytes`, in base 64 as they are written.
    Binary(String),
    /// A `list`.
    List(Vec<Tree>),
    /// A `dict`. Keys are there once.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::check) struct Entry {
    /// The key. One that is no text in Python is as `str()` writes it, such as `True`.
    pub(in crate::check) key: String,
    /// Whether the key is a text in Python.
    pub(in crate::check) is_text: bool,
    /// Where the key begins.
    pub(in crate::check) key_at: Spot,
    /// Its value.
    pub(in crate::check) value: Tree,
}

/// Reads a text of which [`super::remarks`] has nothing to say by the rules of syntax and of aliases. `None` when it
/// holds nothing, or too much, or cannot be read after all.
pub(in crate::check) fn load(text: &str) -> Option<Tree> {
    let read = |text: &str| Builder::default().run(text);
    read(text).or_else(|| {
        // As in `walk`: places stay what they are.
        let text = text.replace('\t', " ").replace('\u{feff}', "_");
        read(&text.replace(['\u{85}', '\u{2028}', '\u{2029}'], "\n"))
    })
}

impl Tree {
    /// The value of a key, if this is a mapping that has it.
    pub(in crate::check) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of a key, if this is a mapping that has it.
    pub(in crate::check) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The entries of a mapping; of anything else there are none.
    pub(in crate::check) fn entries(&self) -> &[Entry] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The items of a list; of anything else there are none.
    pub(in crate::check) fn items(&self) -> &[Self] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    /// The text, if it is one.
    pub(in crate::check) fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// Whether it is `None`, an empty text, list or mapping: what Python takes for false, numbers and `False` apart.
    pub(in crate::check) fn is_empty(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Text(text) => text.is_empty(),
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
            _ => false,
        }
    }

    /// The same as JSON has it. A timestamp becomes a mapping of one odd key, as it is neither text nor number to what
    /// checks types; bytes become text; what is no number in JSON becomes a large one.
    pub(in crate::check) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(truth) => Json::Bool(*truth),
            Value::Int(number) => (*number).into(),
            Value::Float(number) => {
                let bounded = number.clamp(f64::MIN, f64::MAX);
                serde_json::Number::from_f64(bounded).map_or_else(|| f64::MAX.into(), Json::Number)
            }
            Value::Text(text) | Value::Binary(text) => Json::String(text.clone()),
            Value::Timestamp(text) => serde_json::json!({ "\u{0}timestamp": text }),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect())
            }
        }
    }

    /// Where a JSON pointer (RFC 6901) leads: to the key of an entry, to the beginning of an item. Where it leads
    /// nowhere, the last thing on its way.
    pub(in crate::check) fn spot_of(&self, pointer: &str) -> Spot {
        let (mut tree, mut spot) = (self, self.at);
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let next = match &tree.value {
                Value::Map(_) => tree.entry(&step).map(|entry| (&entry.value, entry.key_at)),
                Value::List(items) => step.parse().ok().and_then(|index: usize| items.get(index)).map(|to| (to, to.at)),
                _ => None,
            };
            let Some(next) = next else { break };
            (tree, spot) = next;
        }
        spot
    }
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Tree>,
    values: usize,
    root: Option<Tree>,
}

/// A list or mapping that has begun.
struct Open {
    anchor: usize,
    at: Spot,
    inside: Inside,
}

enum Inside {
    List(Vec<Tree>),
    Map { own: Vec<Entry>, merged: Vec<Entry>, key: Option<(Key, Spot)> },
}

enum Key {
    Merge,
    Named { key: String, is_text: bool },
}

impl Builder {
    fn run(mut self, text: &str) -> Option<Tree> {
        let most_events = text.len().saturating_mul(4).saturating_add(100);
        for event in Parser::new_from_str(text).take(most_events) {
            let (event, span) = event.ok()?;
            let at = (span.start.line(), span.start.col() + 1);
            match event {
                Event::StreamEnd => return self.root,
                Event::Alias(anchor) => {
                    let tree = self.anchors.get(&anchor)?.clone();
                    self.count(&tree)?;
                    self.done(0, tree);
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let (value, is_merge) = scalar(&text, style, tag.as_deref())?;
                    self.values += 1;
                    self.scalar(anchor, Tree { at, value }, is_merge);
                }
                Event::SequenceStart(anchor, _) => self.begin(anchor, at, Inside::List(Vec::new())),
                Event::MappingStart(anchor, _) => {
                    self.begin(anchor, at, Inside::Map { own: Vec::new(), merged: Vec::new(), key: None });
                }
                Event::SequenceEnd | Event::MappingEnd => self.end()?,
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
            }
            if self.values > MOST_VALUES || self.open.len() > MOST_LEVELS {
                return None;
            }
        }
        None
    }

    /// Counts the values of what an alias names.
    fn count(&mut self, tree: &Tree) -> Option<()> {
        self.values += 1;
        if self.values > MOST_VALUES {
            return None;
        }
        let children = tree.items().iter().chain(tree.entries().iter().map(|entry| &entry.value));
        children.into_iter().try_for_each(|child| self.count(child))
    }

    fn begin(&mut self, anchor: usize, at: Spot, inside: Inside) {
        self.values += 1;
        self.open.push(Open { anchor, at, inside });
    }

    fn end(&mut self) -> Option<()> {
        let Open { anchor, at, inside } = self.open.pop()?;
        let value = match inside {
            Inside::List(items) => Value::List(items),
            Inside::Map { own, merged, .. } => Value::Map(each_once(merged.into_iter().chain(own))),
        };
        self.done(anchor, Tree { at, value });
        Some(())
    }

    fn scalar(&mut self, anchor: usize, tree: Tree, is_merge: bool) {
        if is_merge && let Some(Open { inside: Inside::Map { key: key @ None, .. }, .. }) = self.open.last_mut() {
            *key = Some((Key::Merge, tree.at));
            return;
        }
        self.done(anchor, tree);
    }

    fn done(&mut self, anchor: usize, tree: Tree) {
        if anchor > 0 {
            self.anchors.insert(anchor, tree.clone());
        }
        match self.open.last_mut().map(|open| &mut open.inside) {
            None => self.root = Some(tree),
            Some(Inside::List(items)) => items.push(tree),
            Some(Inside::Map { own, merged, key }) => match key.take() {
                None => *key = Some((named(&tree), tree.at)),
                Some((Key::Merge, _)) => merge(merged, tree),
                Some((Key::Named { key, is_text }, key_at)) => own.push(Entry { key, is_text, key_at, value: tree }),
            },
        }
    }
}

/// Adds what `<<` names. A later `<<` counts more than an earlier one, and in a list the first mapping most.
fn merge(merged: &mut Vec<Entry>, tree: Tree) {
    match tree.value {
        Value::Map(entries) => merged.extend(entries),
        Value::List(items) => {
            let entries = items.into_iter().rev().filter_map(|item| match item.value {
                Value::Map(entries) => Some(entries),
                _ => None,
            });
            merged.extend(entries.flatten());
        }
        _ => {}
    }
}

/// A key stands where it came first and has the value that came last.
fn each_once(entries: impl Iterator<Item = Entry>) -> Vec<Entry> {
    let mut positions: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<Entry> = Vec::new();
    for entry in entries {
        match positions.get(&entry.key) {
            Some(&position) => kept[position] = entry,
            None => {
                positions.insert(entry.key.clone(), kept.len());
                kept.push(entry);
            }
        }
    }
    kept
}

fn named(tree: &Tree) -> Key {
    let key = match &tree.value {
        Value::Text(text) => return Key::Named { key: text.clone(), is_text: true },
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Timestamp(text) | Value::Binary(text) => text.clone(),
        Value::List(_) | Value::Map(_) => String::new(),
    };
    Key::Named { key, is_text: false }
}

/// The value of a scalar, and whether it is the key `<<`.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Option<(Value, bool)> {
    let kind = match tagged(tag, Shape::Scalar).ok()? {
        Tagged::As(kind) => kind,
        Tagged::Binary => return Some((Value::Binary(text.to_owned()), false)),
        Tagged::Collection => return None,
        Tagged::Untagged if style == ScalarStyle::Plain => scalars::kind_of(text),
        Tagged::Untagged => Kind::Text,
    };
    let value = match kind {
        Kind::Null => Value::Null,
        Kind::Bool => Value::Bool(scalars::truth(&text.to_lowercase())?),
        Kind::Int => scalars::int_value(text).map_or_else(|| Value::Float(scalars::float_value(text)), Value::Int),
        Kind::Float => Value::Float(scalars::float_value(text)),
        Kind::Timestamp => Value::Timestamp(text.to_owned()),
        Kind::Merge | Kind::Value | Kind::Text => Value::Text(text.to_owned()),
    };
    Some((value, kind == Kind::Merge))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> serde_json::Value {
        load(text).unwrap().to_json()
    }

    #[test]
    fn plain_words_are_what_pyyaml_makes_of_them() {
        for (text, value) in [
            ("yes", serde_json::json!(true)),
            ("Off", serde_json::json!(false)),
            ("'yes'", serde_json::json!("yes")),
            ("0644", serde_json::json!(420)),
            ("0x1_0", serde_json::json!(16)),
            ("0b11", serde_json::json!(3)),
            ("12:30", serde_json::json!(750)),
            ("-1:00:01", serde_json::json!(-3601)),
            ("1_000", serde_json::json!(1000)),
            ("1:30.5", serde_json::json!(90.5)),
            ("1.5e+3", serde_json::json!(1500.0)),
            ("1e3", serde_json::json!("1e3")),
            ("0o17", serde_json::json!("0o17")),
            ("~", serde_json::json!(null)),
            ("!!str 12", serde_json::json!("12")),
            ("!!int '12'", serde_json::json!(12)),
            ("99999999999999999999", serde_json::json!(1e20)),
            (".inf", serde_json::json!(f64::MAX)),
        ] {
            assert_eq!(json(&format!("a: {text}\n"))["a"], value, "{text}");
        }
        assert!(json("a: 2024-01-02\n")["a"].is_object());
    }

    #[test]
    fn merge_keys_and_aliases_are_followed() {
        let text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  c: 3\n  <<: [*x, *y]\n  d: *x\n";
        assert_eq!(json(text)["z"], serde_json::json!({"a": 1, "b": 1, "c": 3, "d": {"a": 1, "b": 1}}));
        assert_eq!(json("a: 1\nb: 2\na: 3\n"), serde_json::json!({"a": 3, "b": 2}));
        assert_eq!(json("1: x\ntrue: y\n"), serde_json::json!({"1": "x", "True": "y"}));
    }

    #[test]
    fn pointers_lead_to_places() {
        let tree = load("#cloud-config\nusers:\n  - name: a\n    a/b: [1,\n     2]\n").unwrap();
        for (pointer, spot) in [
            ("", (2, 1)),
            ("/users", (2, 1)),
            ("/users/0", (3, 5)),
            ("/users/0/name", (3, 5)),
            ("/users/0/a~1b", (4, 5)),
            ("/users/0/a~1b/1", (5, 6)),
            ("/users/0/nothing/more", (3, 5)),
            ("/other", (2, 1)),
        ] {
            assert_eq!(tree.spot_of(pointer), spot, "{pointer}");
        }
    }

    #[test]
    fn what_is_too_much_is_not_looked_into() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..=9 {
            let again = vec![format!("*a{}", level - 1); 9].join(", ");
            bomb += &format!("a{level}: &a{level} [{again}]\n");
        }
        assert_eq!(load(&bomb), None);
        assert_eq!(load("a: &a [*a]\n"), None);
        assert_eq!(load("# nothing\n"), None);
    }
}
