//! The names that a template sees, and what becomes of those that are not there.
//!
//! cloud-init's jinja2 goes on when a name is missing: the name becomes an object that prints as a text with a mark, is
//! false, and holds nothing. [`Missing`] is that object, and tells the [`Log`] what was done with it.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, Tuple};
use minijinja::{Error, ErrorKind, State, Value};
use serde_json::{Map, Value as Json};

use super::super::yaml::Tree;
use super::environment::{GLOBALS, unjudged};
use super::instance_data::{CONFIGURATION_NAMES, MACHINE_NAMES, SEED_NAME, instance_data};
use crate::types::nearest;

/// What the client writes before a missing name.
pub(super) const MISSING: &str = "CI_MISSING_JINJA_VAR/";
/// Methods of Python's `dict`: behind a dot they count more than a key of the same name.
pub(super) const DICT_METHODS: [&str; 11] =
    ["clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"];

/// Missing names that are kept for later.
const MOST_MADE: usize = 16;

/// A name that is not there, as messages have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    /// The whole name as a template writes it, such as `ds.meta_data.rack`.
    pub(super) path: String,
    /// Its last part.
    pub(super) key: String,
    /// The name that was likely meant.
    pub(super) meant: Option<String>,
}

/// What a template did with names.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Missing names whose text is in the document.
    pub(super) printed: Vec<Gone>,
    /// Missing names that were gone through, as if they were empty lists.
    pub(super) looped: Vec<Gone>,
    /// Missing names of which more was asked, which stops the client.
    pub(super) asked: Vec<Gone>,
    /// The last missing names of all.
    pub(super) made: Vec<Missing>,
    /// Names of `None`.
    pub(super) nothing: Vec<String>,
    /// Names of what only the machine knows.
    pub(super) stand_ins: Vec<String>,
}

/// Events of one rendering.
#[derive(Debug, Default)]
pub(super) struct Log(Mutex<Events>);

impl Log {
    fn note(&self, change: impl FnOnce(&mut Events)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Takes what has happened since the last time.
    pub(super) fn take(&self) -> Events {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn add<T: PartialEq>(list: &mut Vec<T>, value: T) {
    if !list.contains(&value) {
        list.push(value);
    }
}

/// The names of one node.
#[derive(Debug)]
pub(in crate::check) struct Names {
    pub(super) root: Value,
    pub(super) log: Arc<Log>,
}

impl Names {
    /// The names of a node with this meta-data.
    pub(in crate::check) fn new(meta_data: Option<&Tree>) -> Self {
        let log = Arc::new(Log::default());
        let mut root = Dict::new(&instance_data(meta_data), String::new(), &log, true);
        for name in CONFIGURATION_NAMES {
            root.set(name, Value::from(unjudged("the machine's own configuration")));
        }
        Self { root: Value::from_dyn_object(Arc::new(root)), log }
    }
}

/// A mapping, as `convert_jinja_instance_data` makes it.
struct Dict {
    path: String,
    order: Vec<String>,
    values: HashMap<String, Value>,
    log: Arc<Log>,
}

impl Dict {
    /// With aliases, keys with operators in them are there once more with `_` in their places, and what `v1` and its
    /// like hold is there without it too. Lists are left as they are.
    fn new(map: &Map<String, Json>, path: String, log: &Arc<Log>, with_aliases: bool) -> Self {
        let mut dict = Self { path, order: Vec::new(), values: HashMap::new(), log: Arc::clone(log) };
        let mut entries: Vec<(&String, &Json)> = map.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        for (key, value) in entries {
            let path = dict.path_of(key);
            let value = match value {
                Json::Object(inner) => {
                    let inner = Arc::new(Self::new(inner, path, log, with_aliases));
                    let value = Value::from_dyn_object(Arc::clone(&inner));
                    dict.set(key, value.clone());
                    if with_aliases && is_version(key) {
                        inner.order.iter().for_each(|key| dict.set(key, inner.values[key].clone()));
                    }
                    value
                }
                other => {
                    let value = value_of(other, &path, log);
                    dict.set(key, value.clone());
                    value
                }
            };
            if let Some(alias) = alias(key).filter(|_| with_aliases) {
                dict.set(&alias, value);
            }
        }
        dict
    }

    fn set(&mut self, key: &str, value: Value) {
        if self.values.insert(key.to_owned(), value).is_none() {
            self.order.push(key.to_owned());
        }
    }

    fn is_root(&self) -> bool {
        self.path.is_empty()
    }

    fn path_of(&self, key: &str) -> String {
        if self.is_root() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn found(&self, key: &str) -> Option<Value> {
        let value = self.values.get(key)?;
        let is_stand_in = match self.path.as_str() {
            "" => key == "sys_info" || MACHINE_NAMES.contains(&key),
            "v1" => MACHINE_NAMES.contains(&key),
            "ds.meta_data" => key == SEED_NAME,
            _ => false,
        };
        if is_stand_in {
            self.log.note(|events| add(&mut events.stand_ins, self.path_of(key)));
        }
        if value.is_none() {
            self.log.note(|events| add(&mut events.nothing, self.path_of(key)));
        }
        Some(value.clone())
    }

    /// The name that was likely meant by one that is not there.
    fn meant(&self, key: &str) -> Option<String> {
        if DICT_METHODS.contains(&key) && self.values.contains_key(key) {
            return Some(format!("{}[\"{key}\"]", self.path));
        }
        let is_word = |key: &&str| key.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
        let names = || self.order.iter().map(String::as_str).filter(is_word);
        // What a server would know by that name lies deeper on the client.
        let deeper = || {
            let meta_data = self.values.get("ds")?.get_attr("meta_data").ok()?;
            let meta_data = meta_data.downcast_object::<Self>()?;
            meta_data.values.contains_key(key).then(|| meta_data.path_of(key))
        };
        let near = || nearest(key, names()).map(|name| self.path_of(name));
        if self.is_root() { deeper().or_else(near) } else { near() }
    }

    fn missing(self: &Arc<Self>, key: &str) -> Value {
        let missing = Missing { key: key.to_owned(), of: Arc::clone(self) };
        self.log.note(|events| {
            if events.made.len() >= MOST_MADE {
                events.made.remove(0);
            }
            events.made.push(missing.clone());
        });
        Value::from_object(missing)
    }
}

impl fmt::Debug for Dict {
    /// Values are left out: they may be secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Dict").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Object for Dict {
    /// For subscripts and `in`: the second must be able to tell what is not there.
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.found(key.as_str()?)
    }

    /// For names behind dots, and at the top for names.
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let is_method = !self.is_root() && DICT_METHODS.contains(&key);
        match self.found(key).filter(|_| !is_method) {
            Some(value) => Some(value),
            None if self.is_root() && GLOBALS.contains(&key) => None,
            None => Some(self.missing(key)),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.order.iter().map(|key| Value::from(key.as_str())).collect())
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let values = || self.order.iter().map(|key| (key, self.values[key].clone()));
        match (method, args) {
            ("get", [key]) => Ok(self.get_value(key).unwrap_or_else(|| Value::from(()))),
            ("get", [key, other]) => Ok(self.get_value(key).unwrap_or_else(|| other.clone())),
            ("keys", []) => Ok(self.order.iter().map(|key| Value::from(key.as_str())).collect()),
            ("values", []) => Ok(values().map(|(_, value)| value).collect()),
            ("items", []) => {
                let pair =
                    |(key, value): (&String, Value)| Value::from(Tuple::from([Value::from(key.as_str()), value]));
                Ok(values().map(pair).collect())
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// A name that is not there, as the client's jinja2 has it.
#[derive(Clone, Debug)]
pub(super) struct Missing {
    key: String,
    of: Arc<Dict>,
}

impl Missing {
    pub(super) fn gone(&self) -> Gone {
        Gone { path: self.of.path_of(&self.key), key: self.key.clone(), meant: self.of.meant(&self.key) }
    }

    /// The error for what needs more than a missing name.
    pub(super) fn asked(&self) -> Error {
        self.of.log.note(|events| add(&mut events.asked, self.gone()));
        Error::from(ErrorKind::UndefinedError)
    }
}

impl Object for Missing {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        // Neither text nor list: operators and most filters refuse it, as the client's do.
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(Value::from(self.asked()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.of.log.note(|events| add(&mut events.looped, self.gone()));
        Enumerator::Empty
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(0)
    }

    fn is_true(self: &Arc<Self>) -> bool {
        false
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        Err(self.asked())
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, _: &str, _: &[Value]) -> Result<Value, Error> {
        Err(self.asked())
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        other.downcast_ref::<Self>().map(|_| Ordering::Equal)
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.of.log.note(|events| add(&mut events.printed, self.gone()));
        write!(formatter, "{MISSING}{}", self.key)
    }
}

fn value_of(value: &Json, path: &str, log: &Arc<Log>) -> Value {
    match value {
        Json::Null => Value::from(()),
        Json::Bool(truth) => Value::from(*truth),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => Value::from(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => {
            let path = format!("{path}[]");
            Value::from(items.iter().map(|item| value_of(item, &path, log)).collect::<Vec<Value>>())
        }
        Json::Object(map) => Value::from_object(Dict::new(map, path.to_owned(), log, false)),
    }
}

/// Whether a key is `v` and a number.
fn is_version(key: &str) -> bool {
    key.strip_prefix('v').is_some_and(|rest| !rest.is_empty() && rest.chars().all(|digit| digit.is_ascii_digit()))
}

/// A key with `_` in the places of jinja's operators, if it has any.
fn alias(key: &str) -> Option<String> {
    const LONG: [&str; 6] = ["//", "**", "==", "!=", ">=", "<="];
    const SHORT: &str = "+-/*%~[](){}><=.:|,;";
    let (mut alias, mut rest) = (String::with_capacity(key.len()), key);
    while let Some(letter) = rest.chars().next() {
        let operator = LONG.iter().find(|operator| rest.starts_with(**operator)).map(|operator| operator.len());
        let operator = operator.or_else(|| SHORT.contains(letter).then_some(1));
        alias.push(if operator.is_some() { '_' } else { letter });
        rest = &rest[operator.unwrap_or(letter.len_utf8())..];
    }
    (alias != key).then_some(alias)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_in_keys_have_aliases() {
        let aliases = [("a-b", "a_b"), ("v1.0", "v1_0"), ("a//b", "a_b"), ("a!=b", "a_b"), ("[x]", "_x_")];
        for (key, expected) in aliases {
            assert_eq!(alias(key).as_deref(), Some(expected));
        }
        assert_eq!(alias("a_b!"), None);
    }

    #[test]
    fn versions_are_a_v_and_a_number() {
        assert!(is_version("v1") && is_version("v22"));
        assert!(!is_version("v") && !is_version("v1a") && !is_version("version"));
    }
}
