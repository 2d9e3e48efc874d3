//! Values on their way through merging: what nothing was merged into yet stays a reference to the part it stands in.

use std::borrow::Cow;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{Hash, Hasher};

use crate::check::remark::Spot;
use crate::check::yaml::{Entry, Tree, Value};

/// Comparisons that are made one by one; where there would be more, values are looked up.
const FEW: usize = 1024;

/// A part, by its position among those of the node.
pub(super) type PartId = usize;

/// A value, with the parts it comes from.
#[derive(Clone, Debug)]
pub(super) enum Merged<'a> {
    /// As it stands in a part.
    Whole(&'a Tree, PartId),
    /// Made while merging.
    Made(Tree, BTreeSet<PartId>),
    /// A list of values of several parts.
    List(Vec<Merged<'a>>),
    /// A mapping of values of several parts.
    Map(Vec<Slot<'a>>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Slot<'a> {
    /// The key.
    pub(super) key: Cow<'a, str>,
    /// Whether the key is a text in Python.
    pub(super) is_text: bool,
    /// Where the key stands.
    pub(super) at: (PartId, Spot),
    /// The value.
    pub(super) value: Merged<'a>,
}

impl<'a> Slot<'a> {
    fn of(entry: &'a Entry, part: PartId) -> Self {
        let Entry { key, is_text, key_at, value } = entry;
        Self { key: Cow::Borrowed(key), is_text: *is_text, at: (part, *key_at), value: Merged::Whole(value, part) }
    }

    /// The key, told from a number or truth that is written alike.
    pub(super) fn name(&self) -> (Cow<'a, str>, bool) {
        (self.key.clone(), self.is_text)
    }
}

impl<'a> Merged<'a> {
    /// A mapping without entries.
    pub(super) const fn nothing() -> Self {
        Self::Map(Vec::new())
    }

    /// A text of several parts.
    pub(super) fn made_text(text: String, parts: BTreeSet<PartId>) -> Self {
        Self::Made(Tree { at: (1, 1), value: Value::Text(text) }, parts)
    }

    fn tree(&self) -> Option<&Tree> {
        match self {
            Self::Whole(tree, _) => Some(tree),
            Self::Made(tree, _) => Some(tree),
            Self::List(_) | Self::Map(_) => None,
        }
    }

    /// Whether it is a mapping.
    pub(super) fn is_map(&self) -> bool {
        matches!(self, Self::Map(_)) || self.tree().is_some_and(|tree| matches!(tree.value, Value::Map(_)))
    }

    /// Whether it is a list.
    pub(super) fn is_list(&self) -> bool {
        matches!(self, Self::List(_)) || self.tree().is_some_and(|tree| matches!(tree.value, Value::List(_)))
    }

    /// Whether it is `None`.
    pub(super) fn is_null(&self) -> bool {
        self.tree().is_some_and(|tree| tree.value == Value::Null)
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        self.tree().and_then(Tree::text)
    }

    /// The entries, if it is a mapping.
    pub(super) fn into_slots(self) -> Option<Vec<Slot<'a>>> {
        match self {
            Self::Map(slots) => Some(slots),
            Self::Whole(tree, part) if matches!(tree.value, Value::Map(_)) => {
                Some(tree.entries().iter().map(|entry| Slot::of(entry, part)).collect())
            }
            Self::Made(Tree { value: Value::Map(entries), .. }, parts) => {
                let slot = |entry: Entry| Slot {
                    key: Cow::Owned(entry.key),
                    is_text: entry.is_text,
                    at: (parts.first().copied().unwrap_or_default(), entry.key_at),
                    value: Self::Made(entry.value, parts.clone()),
                };
                Some(entries.into_iter().map(slot).collect())
            }
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub(super) fn into_items(self) -> Option<Vec<Self>> {
        match self {
            Self::List(items) => Some(items),
            Self::Whole(tree, part) if matches!(tree.value, Value::List(_)) => {
                Some(tree.items().iter().map(|item| Self::Whole(item, part)).collect())
            }
            Self::Made(Tree { value: Value::List(items), .. }, parts) => {
                Some(items.into_iter().map(|item| Self::Made(item, parts.clone())).collect())
            }
            _ => None,
        }
    }

    /// What Python goes through when it goes through the value: items, keys, letters. `None` where it fails.
    pub(super) fn into_iterated(self) -> Option<Vec<Self>> {
        if self.is_list() {
            return self.into_items();
        }
        let parts = self.parts();
        let made = |text: String| Self::made_text(text, parts.clone());
        if let Some(text) = self.text() {
            return Some(text.chars().map(|letter| made(letter.to_string())).collect());
        }
        self.into_slots().map(|slots| slots.into_iter().map(|slot| made(slot.key.into_owned())).collect())
    }

    /// Every part that something of the value comes from.
    pub(super) fn parts(&self) -> BTreeSet<PartId> {
        let mut parts = BTreeSet::new();
        self.add_parts(&mut parts);
        parts
    }

    fn add_parts(&self, parts: &mut BTreeSet<PartId>) {
        match self {
            Self::Whole(_, part) => drop(parts.insert(*part)),
            Self::Made(_, of) => parts.extend(of),
            Self::List(items) => items.iter().for_each(|item| item.add_parts(parts)),
            Self::Map(slots) => slots.iter().for_each(|slot| {
                parts.insert(slot.at.0);
                slot.value.add_parts(parts);
            }),
        }
    }

    /// Whether everything that another value says is said here too: each of its items, each of its entries.
    pub(super) fn holds(&self, other: &Self) -> bool {
        if let (Self::Whole(own, _), Self::Whole(other, _)) = (self, other) {
            return holds(own, other);
        }
        holds(&self.to_tree(), &other.to_tree())
    }

    /// The value without the parts it comes from.
    pub(super) fn to_tree(&self) -> Cow<'_, Tree> {
        let at = (1, 1);
        match self {
            Self::Whole(tree, _) => Cow::Borrowed(tree),
            Self::Made(tree, _) => Cow::Borrowed(tree),
            Self::List(items) => {
                let items = items.iter().map(|item| item.to_tree().into_owned()).collect();
                Cow::Owned(Tree { at, value: Value::List(items) })
            }
            Self::Map(slots) => {
                let entry = |slot: &Slot<'a>| Entry {
                    key: slot.key.clone().into_owned(),
                    is_text: slot.is_text,
                    key_at: slot.at.1,
                    value: slot.value.to_tree().into_owned(),
                };
                Cow::Owned(Tree { at, value: Value::Map(slots.iter().map(entry).collect()) })
            }
        }
    }
}

/// Whether two values are equal, wherever they stand.
pub(super) fn same(one: &Tree, other: &Tree) -> bool {
    match (&one.value, &other.value) {
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Map(own), Value::Map(entries)) => own.len() == entries.len() && each_is_there(own, entries, same),
        (one, other) => one == other,
    }
}

fn holds(own: &Tree, other: &Tree) -> bool {
    match (&own.value, &other.value) {
        (Value::List(own), Value::List(items)) if own.len().saturating_mul(items.len()) > FEW => {
            let known: HashSet<u64> = own.iter().map(fingerprint).collect();
            items.iter().all(|item| known.contains(&fingerprint(item)))
        }
        (Value::List(own), Value::List(items)) => items.iter().all(|item| own.iter().any(|one| same(one, item))),
        (Value::Map(own), Value::Map(entries)) => each_is_there(own, entries, holds),
        _ => same(own, other),
    }
}

/// Whether each of some entries is there, with a value that fits.
fn each_is_there(own: &[Entry], entries: &[Entry], fits: fn(&Tree, &Tree) -> bool) -> bool {
    if own.len().saturating_mul(entries.len()) <= FEW {
        let find = |key: &str| own.iter().find(|entry| entry.key == key);
        return entries.iter().all(|entry| find(&entry.key).is_some_and(|one| fits(&one.value, &entry.value)));
    }
    let known: HashMap<&str, &Tree> = own.iter().map(|entry| (entry.key.as_str(), &entry.value)).collect();
    entries.iter().all(|entry| known.get(entry.key.as_str()).is_some_and(|one| fits(one, &entry.value)))
}

/// A number that equal values share and others hardly ever do.
fn fingerprint(tree: &Tree) -> u64 {
    let mut hasher = DefaultHasher::new();
    std::mem::discriminant(&tree.value).hash(&mut hasher);
    match &tree.value {
        Value::Null => {}
        Value::Bool(truth) => truth.hash(&mut hasher),
        Value::Int(number) => number.hash(&mut hasher),
        Value::Float(number) => number.to_bits().hash(&mut hasher),
        Value::Text(text) | Value::Timestamp(text) | Value::Binary(text) => text.hash(&mut hasher),
        Value::List(items) => items.iter().for_each(|item| fingerprint(item).hash(&mut hasher)),
        Value::Map(entries) => {
            // The order of entries says nothing.
            let of_entry = |entry: &Entry| {
                let mut hasher = DefaultHasher::new();
                (&entry.key, fingerprint(&entry.value)).hash(&mut hasher);
                hasher.finish()
            };
            entries.iter().map(of_entry).fold(0u64, u64::wrapping_add).hash(&mut hasher);
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::yaml;

    #[test]
    fn long_values_are_compared_as_short_ones_are() {
        let list = |from: usize, to: usize| {
            let items: Vec<String> = (from..to).map(|number| format!("{{a: {number}, b: [x, 1.5, null]}}")).collect();
            yaml::load(&format!("[{}]", items.join(", "))).unwrap()
        };
        let (all, some, more) = (list(0, 20_000), list(5_000, 19_999), list(10_000, 20_001));
        assert!(holds(&all, &some) && !holds(&all, &more) && !holds(&some, &all));
        let map = |count: usize| {
            yaml::load(&(0..count).map(|number| format!("k{number}: {number}\n")).collect::<String>()).unwrap()
        };
        let (all, some) = (map(20_000), map(19_999));
        assert!(holds(&all, &some) && !holds(&some, &all) && same(&all, &map(20_000)) && !same(&all, &some));
        let (one, other) = (yaml::load("[{a: 1, b: 2}]").unwrap(), yaml::load("[{b: 2, a: 1}]").unwrap());
        assert_eq!(fingerprint(&one), fingerprint(&other));
    }

    #[test]
    fn what_holds_another_loses_nothing_of_it() {
        for (own, other, expected) in [
            ("[a, b]", "[b]", true),
            ("[a]", "[a, b]", false),
            ("{a: 1, b: {c: [1, 2]}}", "{b: {c: [2]}}", true),
            ("{a: 1}", "{a: 2}", false),
            ("x", "x", true),
            ("x", "[x]", false),
            ("{a: 1, b: 2}", "{b: 2, a: 1}", true),
        ] {
            let tree = |text: &str| yaml::load(text).unwrap();
            let (own, other) = (tree(own), tree(other));
            assert_eq!(Merged::Whole(&own, 0).holds(&Merged::Whole(&other, 1)), expected, "{own:?} {other:?}");
        }
    }
}
