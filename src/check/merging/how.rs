//! `merge_how`: how a part is merged onto the parts before it.
//!
//! The facts are those of `cloudinit/mergers`: three mergers, for mappings, lists and texts, each with options. What
//! cloud-init cannot read costs the node the whole part; an option that it does not know does nothing.

use super::value::{Merged, Slot};
use crate::check::yaml::{Tree, Value};

/// How cloud-init merges a part that does not say how.
pub(super) const DEFAULT: &str = "dict(replace)+list()+str()";
/// How it merges vendor-data below user-data.
pub(super) const BETWEEN_LAYERS: &str = "list()+dict()+str()";
/// The key that says how, and the older one that counts without it.
pub(super) const KEYS: [&str; 2] = ["merge_how", "merge_type"];

/// What a merger merges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Mappings.
    Dict,
    /// Lists.
    List,
    /// Texts.
    Str,
}

impl Kind {
    const ALL: [(&'static str, Self); 3] = [("dict", Self::Dict), ("list", Self::List), ("str", Self::Str)];

    /// The options that do something.
    pub(super) const fn options(self) -> &'static [&'static str] {
        match self {
            Self::Dict => &["replace", "no_replace", "recurse_str", "recurse_list", "recurse_array", "allow_delete"],
            Self::List => &[
                "append",
                "prepend",
                "replace",
                "no_replace",
                "recurse_str",
                "recurse_dict",
                "recurse_list",
                "recurse_array",
            ],
            Self::Str => &["append"],
        }
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// A merger with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Merger {
    /// What it merges.
    pub(super) kind: Kind,
    options: Options,
}

/// Options as Python's `in` finds them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Options {
    /// In a list, or among the keys of a mapping.
    Listed(Vec<String>),
    /// Anywhere in a text.
    Within(String),
}

impl Merger {
    /// Whether an option is given.
    pub(super) fn has(&self, option: &str) -> bool {
        match &self.options {
            Options::Listed(options) => options.iter().any(|given| given == option),
            Options::Within(text) => text.contains(option),
        }
    }

    /// Whether lists are merged with lists.
    pub(super) fn has_recurse_list(&self) -> bool {
        self.has("recurse_list") || self.has("recurse_array")
    }

    /// The first of these methods that is given.
    pub(super) fn method(&self, methods: &[&'static str], otherwise: &'static str) -> &'static str {
        methods.iter().copied().find(|method| self.has(method)).unwrap_or(otherwise)
    }

    /// The options that do nothing.
    pub(super) fn unknown_options(&self) -> impl Iterator<Item = &str> {
        let options: &[String] = if let Options::Listed(options) = &self.options { options } else { &[] };
        options.iter().map(String::as_str).filter(|option| !self.kind.options().contains(option))
    }
}

/// How a part is merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct How {
    /// The mergers: of several for one kind the first counts.
    pub(super) mergers: Vec<Merger>,
    /// Whether the part says so itself.
    pub(super) is_said: bool,
}

impl How {
    /// A way of merging that is none of a part's own.
    pub(super) fn given(text: &str) -> Self {
        Self { mergers: from_text(text).unwrap_or_default(), is_said: false }
    }

    /// The merger of a kind.
    pub(super) fn of(&self, kind: Kind) -> Option<&Merger> {
        self.mergers.iter().find(|merger| merger.kind == kind)
    }
}

/// Why cloud-init cannot merge a part as it says: the rest of a sentence that begins with the key.
pub(super) type Fault = String;

/// What a part says about merging: in its own keys, then in the header of the part.
///
/// # Errors
/// When cloud-init does not understand it, and leaves out the part.
pub(super) fn how_of(said: Option<&Tree>, header: Option<&str>) -> Result<How, Fault> {
    let mut mergers = said.map_or_else(|| Ok(Vec::new()), from_value)?;
    mergers.extend(from_text(header.unwrap_or_default())?);
    if mergers.is_empty() {
        return Ok(How::given(DEFAULT));
    }
    Ok(How { mergers, is_said: true })
}

/// Takes the keys that say how out of a mapping, as cloud-init does: the second one only where the first is not there
/// or null.
pub(super) fn take<'a>(slots: &mut Vec<Slot<'a>>) -> Option<Merged<'a>> {
    KEYS.into_iter().find_map(|key| {
        let at = slots.iter().position(|slot| slot.is_text && slot.key == key)?;
        Some(slots.remove(at).value).filter(|value| !value.is_null())
    })
}

fn from_value(said: &Tree) -> Result<Vec<Merger>, Fault> {
    match &said.value {
        Value::Text(text) => from_text(text),
        Value::List(items) => items.iter().filter_map(|item| from_item(item).transpose()).collect(),
        Value::Map(entries) if entries.is_empty() => Ok(Vec::new()),
        _ => Err("is neither a text nor a list".to_owned()),
    }
}

/// One merger of a list: a mapping of `name` and `settings`, or a list of name and options.
fn from_item(item: &Tree) -> Result<Option<Merger>, Fault> {
    let (name, options) = match &item.value {
        Value::Map(_) => {
            let name = item.get("name").ok_or("has an entry without `name`")?;
            let name = name.text().ok_or("has an entry whose `name` is no text")?.replace('-', "_");
            let settings = item.get("settings").ok_or("has an entry without `settings`")?;
            (name.trim().to_owned(), options_of(settings)?)
        }
        Value::List(items) => {
            let [name, options @ ..] = &items[..] else { return Err("has an empty entry".to_owned()) };
            let options = options.iter().filter_map(Tree::text).map(str::to_owned).collect();
            if name.is_empty() {
                return Ok(None);
            }
            (name.text().ok_or("has an entry whose name is no text")?.to_owned(), Options::Listed(options))
        }
        // Python takes the first letter for the name.
        _ => return Err("has an entry that is neither a mapping nor a list".to_owned()),
    };
    if name.is_empty() {
        return Ok(None);
    }
    Ok(Some(Merger { kind: kind_of(&name)?, options }))
}

fn options_of(settings: &Tree) -> Result<Options, Fault> {
    match &settings.value {
        Value::List(items) => Ok(Options::Listed(items.iter().filter_map(Tree::text).map(str::to_owned).collect())),
        Value::Map(entries) => Ok(Options::Listed(entries.iter().map(|entry| entry.key.clone()).collect())),
        Value::Text(text) => Ok(Options::Within(text.clone())),
        _ => Err("has `settings` that are no list".to_owned()),
    }
}

fn from_text(text: &str) -> Result<Vec<Merger>, Fault> {
    let words = text.split('+').map(|word| word.to_lowercase().trim().replace('-', "_"));
    words.filter(|word| !word.is_empty()).map(|word| from_word(&word)).collect()
}

/// One merger of a text, such as `list(append)`.
fn from_word(word: &str) -> Result<Merger, Fault> {
    let fault = || "has a word that is not of the form `name(option,option)`".to_owned();
    let (name, options) = word.strip_suffix(')').and_then(|rest| rest.split_once('(')).ok_or_else(fault)?;
    let of_name = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
    let begins_well = name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    if !begins_well || !name.bytes().all(of_name) || options.contains('\n') {
        return Err(fault());
    }
    let options = options.split(',').map(str::trim).filter(|option| !option.is_empty()).map(str::to_owned).collect();
    Ok(Merger { kind: kind_of(name)?, options: Options::Listed(options) })
}

fn kind_of(name: &str) -> Result<Kind, Fault> {
    let known = name.strip_prefix("m_").unwrap_or(name);
    let found = Kind::ALL.iter().find(|(word, _)| *word == known).map(|(_, kind)| *kind);
    found.ok_or_else(|| "names a merger that cloud-init does not have: it has dict, list and str".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::yaml;

    fn how(yaml_text: &str) -> Result<How, Fault> {
        let tree = yaml::load(yaml_text).unwrap();
        how_of(tree.get("merge_how"), None)
    }

    #[test]
    fn both_ways_to_write_it_are_read() {
        let text = how("merge_how: 'List( Append )+dict(recurse-list,no_replace)+str()'\n").unwrap();
        let listed = "merge_how:\n  - {name: list, settings: [append]}\n  - [dict, recurse_list, no_replace]\n  - \
                      {name: str, settings: []}\n";
        assert_eq!(text.of(Kind::List).map(|merger| merger.has("append")), Some(true));
        assert_eq!(Ok(text), how(listed));
        assert_eq!(how("merge_how: ''\n").unwrap(), How::given(DEFAULT));
        assert_eq!(how("a: 1\n").unwrap(), How::given(DEFAULT));
        // A text of settings is searched, not compared.
        let within = how("merge_how: [{name: dict, settings: no_replace}]\n").unwrap();
        assert!(within.of(Kind::Dict).unwrap().has("replace"));
    }

    #[test]
    fn what_cloud_init_does_not_understand_is_a_fault() {
        for text in [
            "list",
            "list(append",
            "lists(append)",
            "1ist()",
            "[list(append)]",
            "[{name: list}]",
            "[{name: 1, settings: []}]",
            "[{name: list, settings: 1}]",
            "[[]]",
            "[[LIST]]",
            "3",
            "{list: append}",
        ] {
            assert!(how(&format!("merge_how: {text}\n")).is_err(), "{text}");
        }
    }
}
