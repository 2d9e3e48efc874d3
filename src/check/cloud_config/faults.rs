//! The validator's errors as faults: what is wrong at which place, with the alternatives of the schema weighed.

use std::collections::BTreeSet;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use super::choice::best;
use super::normal::{DEPRECATION, FORM, as_written};

/// Something that is wrong.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// Where, as a JSON pointer into the document.
    pub(super) at: String,
    /// What.
    pub(super) what: What,
}

/// What is wrong.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// The value is of a kind, or a text, that is not allowed.
    Value(Allowed),
    /// A mapping has a key that is not allowed.
    Key {
        /// The key.
        key: String,
        /// Those that are, without deprecated ones.
        known: Vec<String>,
    },
    /// A mapping lacks a key: one of these.
    Missing(Vec<String>),
    /// A mapping has keys that exclude each other.
    Exclusive(Vec<String>),
    /// A text has a form that is not allowed: in words, or the pattern.
    Form(String),
    /// Something has nothing in it, and must: an entry or a key.
    Empty(&'static str),
    /// Something else: what goes on with "must".
    Must(String),
}

/// What a value may be.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowed {
    /// Of one of these kinds.
    pub(super) kinds: BTreeSet<Kind>,
    /// Or one of these.
    pub(super) values: Vec<Value>,
    /// The value is this: of what kind, and its text for comparison only.
    pub(super) found: Value,
}

/// A kind of value, in the order in which sentences name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    List,
    Mapping,
    Null,
}

/// The faults that errors stand for, all of which count.
pub(super) fn of_errors(errors: &[ValidationError<'_>], schema: &Value) -> Vec<Fault> {
    let mut faults: Vec<Fault> = errors.iter().flat_map(|error| of_error(error, schema)).collect();
    // Where some values are allowed only, their kind needs no words of its own.
    let listed: Vec<String> =
        faults.iter().filter(|fault| fault.values().is_some()).map(|fault| fault.at.clone()).collect();
    faults.retain(|fault| {
        fault.allowed().is_none_or(|allowed| !allowed.values.is_empty() || !listed.contains(&fault.at))
    });
    faults
}

impl Fault {
    /// What its value may be, if that is what is wrong.
    pub(super) const fn allowed(&self) -> Option<&Allowed> {
        match &self.what {
            What::Value(allowed) => Some(allowed),
            _ => None,
        }
    }

    fn values(&self) -> Option<&[Value]> {
        self.allowed().map(|allowed| allowed.values.as_slice()).filter(|values| !values.is_empty())
    }
}

fn of_error(error: &ValidationError<'_>, schema: &Value) -> Vec<Fault> {
    let at = error.instance_path().as_str();
    let one = |what: What| vec![Fault { at: at.to_owned(), what }];
    let must = |text: String| one(What::Must(text));
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = known_keys(error, schema);
            let fault = |key: &String| What::Key { key: key.clone(), known: known.clone() };
            unexpected.iter().flat_map(|key| one(fault(key))).collect()
        }
        ValidationErrorKind::Type { kind } => one(What::Value(Allowed {
            kinds: kinds(kind),
            found: error.instance().as_ref().clone(),
            ..Allowed::default()
        })),
        ValidationErrorKind::Enum { options } => one(What::Value(Allowed {
            values: options.as_array().cloned().unwrap_or_default(),
            found: error.instance().as_ref().clone(),
            ..Allowed::default()
        })),
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            let forms = schema.pointer(error.schema_path().as_str());
            let is_old = |index: usize| forms.and_then(|forms| forms.get(index)?.get(DEPRECATION)).is_some();
            let branches = context.iter().enumerate();
            best(branches.map(|(index, errors)| (is_old(index), of_errors(errors, schema))).collect(), at)
        }
        ValidationErrorKind::OneOfMultipleValid { .. } => match exclusive_keys(error, schema) {
            Some(keys) => one(What::Exclusive(keys)),
            None => must("fit one of the forms that are allowed, and fits several".to_owned()),
        },
        ValidationErrorKind::Required { property } => {
            one(What::Missing(property.as_str().map(str::to_owned).into_iter().collect()))
        }
        ValidationErrorKind::Pattern { pattern } => {
            let form = beside(error, schema).and_then(|schema| schema.get(FORM)).and_then(Value::as_str);
            one(What::Form(form.map_or_else(|| format!("`{}`", as_written(pattern)), str::to_owned)))
        }
        ValidationErrorKind::Format { .. } => must("be a date such as '2030-12-31', in quotes".to_owned()),
        ValidationErrorKind::MinItems { limit: 1 } => one(What::Empty("entry")),
        ValidationErrorKind::MinProperties { limit: 1 } => one(What::Empty("key")),
        ValidationErrorKind::MinItems { limit } => must(format!("have at least {}", entries(*limit))),
        ValidationErrorKind::MaxItems { limit } => must(format!("have at most {}", entries(*limit))),
        ValidationErrorKind::MinProperties { limit } => must(format!("have at least {}", keys(*limit))),
        ValidationErrorKind::MaxProperties { limit } => must(format!("have at most {}", keys(*limit))),
        ValidationErrorKind::MinLength { limit } => must(format!("have at least {limit} characters")),
        ValidationErrorKind::MaxLength { limit } => must(format!("have at most {limit} characters")),
        ValidationErrorKind::Minimum { limit } => must(format!("be at least {limit}")),
        ValidationErrorKind::Maximum { limit } => must(format!("be at most {limit}")),
        ValidationErrorKind::ExclusiveMinimum { limit } => must(format!("be more than {limit}")),
        ValidationErrorKind::ExclusiveMaximum { limit } => must(format!("be less than {limit}")),
        ValidationErrorKind::UniqueItems => must("have no entry twice".to_owned()),
        _ => must("be as the schema has it, and is not".to_owned()),
    }
}

/// The schema that the keyword of an error stands in.
fn beside<'a>(error: &ValidationError<'_>, schema: &'a Value) -> Option<&'a Value> {
    let (parent, _) = error.schema_path().as_str().rsplit_once('/')?;
    schema.pointer(parent)
}

fn known_keys(error: &ValidationError<'_>, schema: &Value) -> Vec<String> {
    let known = beside(error, schema).and_then(|schema| schema.get("properties")?.as_object());
    let current = known.into_iter().flatten().filter(|(_, schema)| schema.get(DEPRECATION).is_none());
    current.map(|(key, _)| key.clone()).collect()
}

/// The keys of which there may be one only, if it is that which the schema says.
fn exclusive_keys(error: &ValidationError<'_>, schema: &Value) -> Option<Vec<String>> {
    let forms = schema.pointer(error.schema_path().as_str())?.as_array()?;
    let keys = forms.iter().map(|form| {
        let form = form.as_object().filter(|form| form.len() == 1)?;
        let [key] = form.get("required")?.as_array()?.as_slice() else { return None };
        key.as_str().map(str::to_owned)
    });
    keys.collect()
}

fn kinds(kind: &TypeKind) -> BTreeSet<Kind> {
    let kind_of = |kind: JsonType| match kind {
        JsonType::Array => Kind::List,
        JsonType::Boolean => Kind::Boolean,
        JsonType::Integer => Kind::Integer,
        JsonType::Null => Kind::Null,
        JsonType::Number => Kind::Number,
        JsonType::Object => Kind::Mapping,
        JsonType::String => Kind::Text,
    };
    match kind {
        TypeKind::Single(kind) => BTreeSet::from([kind_of(*kind)]),
        TypeKind::Multiple(kinds) => kinds.iter().map(kind_of).collect(),
    }
}

fn entries(count: u64) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}

fn keys(count: u64) -> String {
    if count == 1 { "1 key".to_owned() } else { format!("{count} keys") }
}
