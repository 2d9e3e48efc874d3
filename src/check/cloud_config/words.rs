//! Faults in sentences, none of which shows a value of the document.

use serde_json::Value;

use super::faults::{Allowed, Fault, Kind, What};
use super::path::{Names, Step, steps};
use super::{Violation, ViolationKind};
use crate::types::nearest;

/// How many values a sentence names.
const MAX_VALUES: usize = 12;

/// The violation that a fault is.
pub(super) fn violation(fault: Fault, document: &Value, names: &Names) -> Violation {
    let mut path = steps(&fault.at, document);
    let subject = names.quoted(&path);
    let (message, hint) = match fault.what {
        What::Value(allowed) => (format!("{subject} must be {}", values(&allowed)), value_hint(&allowed)),
        What::Key { key, known } => {
            let there = if path.is_empty() { "and ignores" } else { "there" };
            let hint = nearest(&key, known.iter().map(String::as_str)).map(|key| format!("did you mean `{key}`?"));
            path.push(Step::Key(key));
            (format!("{} is a key that cloud-init does not know {there}", names.quoted(&path)), hint)
        }
        What::Missing(keys) => match keys.as_slice() {
            [key] => (format!("{subject} has no `{key}`"), Some(format!("add `{key}`"))),
            keys => (format!("{subject} needs {}", joined(&quoted(keys), "or")), None),
        },
        What::Exclusive(keys) => {
            let message = format!("{subject} has {}, which exclude each other", joined(&quoted(&keys), "and"));
            (message, Some("keep one of them".to_owned()))
        }
        What::Form(form) => {
            (format!("{subject} does not have the form that it must have"), Some(format!("write {form}")))
        }
        What::Empty(what) => {
            (format!("{subject} must have at least 1 {what}"), Some("give it one, or remove it".to_owned()))
        }
        What::Must(text) => (format!("{subject} must {text}"), None),
    };
    Violation { path, kind: ViolationKind::Wrong, message, hint }
}

fn quoted(keys: &[String]) -> Vec<String> {
    keys.iter().map(|key| format!("`{key}`")).collect()
}

fn values(allowed: &Allowed) -> String {
    let mut words: Vec<String> = allowed.kinds.iter().map(|kind| kind.words().to_owned()).collect();
    if allowed.values.len() > MAX_VALUES {
        words.push(format!("one of {} names", allowed.values.len()));
    } else {
        words.extend(allowed.values.iter().map(|value| format!("`{}`", value_shown(value))));
    }
    joined(&words, "or")
}

/// A value of the schema.
fn value_shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `a, b or c`.
fn joined(words: &[String], last_word: &str) -> String {
    match words {
        [] => "something else".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {last_word} {last}", first.join(", ")),
    }
}

/// What to do about a value of the wrong kind.
fn value_hint(allowed: &Allowed) -> Option<String> {
    let takes = |kind| allowed.kinds.contains(&kind);
    let takes_only = |kind| takes(kind) && allowed.kinds.len() == 1 && allowed.values.is_empty();
    let texts = || allowed.values.iter().filter_map(Value::as_str);
    let hint = match &allowed.found {
        Value::String(text) => {
            if let Some(value) = nearest(text, texts()) {
                return Some(format!("did you mean `{value}`?"));
            }
            match () {
                () if takes_only(Kind::Boolean) => "write true or false, without quotes",
                () if takes_only(Kind::Integer) || takes_only(Kind::Number) => "write a number, without quotes",
                () if takes_only(Kind::List) => "write a list, with a dash before each entry",
                () => return None,
            }
        }
        Value::Bool(_) if texts().any(|text| matches!(text, "off" | "on" | "yes" | "no")) => {
            "YAML reads on, off, yes and no as true or false; put the word in quotes"
        }
        Value::Bool(_) | Value::Number(_) if takes(Kind::Text) => "put the value in quotes",
        // What JSON does not have, a date, comes as a mapping with a key that no document has.
        Value::Object(map) if takes(Kind::Text) && map.keys().any(|key| key.starts_with('\0')) => {
            "YAML reads it as a date; put the value in quotes"
        }
        Value::Null if !takes(Kind::Null) => "give it a value, or remove it",
        _ => return None,
    };
    Some(hint.to_owned())
}

impl Kind {
    /// What a sentence calls it.
    const fn words(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::List => "a list",
            Self::Mapping => "a mapping",
            Self::Null => "null",
        }
    }
}
