//! Small helpers to build values for templates.

use tera::value::Key;
use tera::{Map, Value};

use crate::types::InterfaceName;

impl From<InterfaceName> for Value {
    fn from(name: InterfaceName) -> Self {
        name.as_str().into()
    }
}

/// A map with these entries, in this order.
pub(super) fn map<const N: usize>(entries: [(&'static str, Value); N]) -> Map {
    entries.into_iter().map(|(key, value)| (Key::from(key), value)).collect()
}

/// A list of these items.
pub(super) fn list(items: impl IntoIterator<Item = Value>) -> Value {
    items.into_iter().collect::<Vec<Value>>().into()
}

/// The entry, if there is a value: what is empty is left out of documents.
pub(super) fn optional(key: &'static str, value: Option<Value>) -> Option<(Key<'static>, Value)> {
    value.map(|value| (Key::from(key), value))
}

/// The value of a key.
pub(super) fn get<'a>(map: &'a Map, key: &'static str) -> Option<&'a Value> {
    map.get(&Key::from(key))
}

/// The text as a value, `None` when it is empty.
pub(super) fn non_empty(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| text.into())
}
