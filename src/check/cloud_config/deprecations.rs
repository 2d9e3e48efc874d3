//! What of a document is deprecated.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::Value;

use super::normal::{DEPRECATION, SINCE, USE};
use super::path::{Names, Step};
use super::{Violation, ViolationKind, validator};

/// The parts of a schema that lead to something deprecated: few, so that a document is walked in no time.
#[derive(Debug, Default)]
pub(super) struct Guide {
    /// What fits this is deprecated.
    mark: Option<Mark>,
    /// All of these count.
    all: Vec<Self>,
    /// Of each of these, the first form that fits counts.
    choices: Vec<Vec<Form>>,
    keys: BTreeMap<String, Self>,
    patterns: Vec<(Validator, Self)>,
    /// For keys that are neither known nor match a pattern.
    others: Option<Box<Others>>,
    entries: Option<Box<Self>>,
}

/// That something is deprecated.
#[derive(Clone, Debug)]
struct Mark {
    since: String,
    hint: String,
}

/// A form that a value may have.
#[derive(Debug)]
struct Form {
    fits: Validator,
    guide: Option<Guide>,
}

/// What holds for further keys of a mapping.
#[derive(Debug)]
struct Others {
    known: Vec<String>,
    patterns: Vec<Validator>,
    guide: Guide,
}

impl Guide {
    /// The guide of a normal schema; none if nothing in it is deprecated.
    ///
    /// # Errors
    /// A sentence: a part of it is no schema.
    pub(super) fn of(schema: &Value) -> Result<Option<Self>, String> {
        let mut guide = Self { mark: mark(schema), ..Self::default() };
        for part in list(schema, "allOf") {
            guide.all.extend(Self::of(part)?);
        }
        for keyword in ["oneOf", "anyOf"] {
            let mut forms = Vec::new();
            for part in list(schema, keyword) {
                forms.push((part, Self::of(part)?));
            }
            if forms.iter().any(|(_, guide)| guide.is_some()) {
                let form = |(part, guide)| validator(part).map(|fits| Form { fits, guide });
                guide.choices.push(forms.into_iter().map(form).collect::<Result<_, _>>()?);
            }
        }
        for (key, part) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            guide.keys.extend(Self::of(part)?.map(|inner| (key.clone(), inner)));
        }
        for (pattern, part) in patterns(schema) {
            if let Some(inner) = Self::of(part)? {
                guide.patterns.push((matcher(pattern)?, inner));
            }
        }
        guide.others = Others::of(schema)?.map(Box::new);
        if let Some(part) = schema.get("items") {
            guide.entries = Self::of(part)?.map(Box::new);
        }
        Ok(Some(guide).filter(|guide| !guide.is_empty()))
    }

    fn is_empty(&self) -> bool {
        let Self { mark, all, choices, keys, patterns, others, entries } = self;
        mark.is_none()
            && all.is_empty()
            && choices.is_empty()
            && keys.is_empty()
            && patterns.is_empty()
            && others.is_none()
            && entries.is_none()
    }

    /// Adds what is deprecated in a document.
    pub(super) fn walk(&self, document: &Value, names: &Names, found: &mut Vec<Violation>) {
        Walk { names, path: Vec::new(), found }.visit(self, document, true);
    }
}

/// A walk through a document.
struct Walk<'a> {
    names: &'a Names,
    path: Vec<Step>,
    found: &'a mut Vec<Violation>,
}

impl Walk<'_> {
    /// `of_key`: whether what is said here is said of the key that the value has, and not of its form.
    fn visit(&mut self, guide: &Guide, value: &Value, of_key: bool) {
        if let Some(mark) = &guide.mark {
            self.found.push(mark.violation(self.path.clone(), self.names, of_key));
        }
        guide.all.iter().for_each(|part| self.visit(part, value, of_key));
        for forms in &guide.choices {
            let fitting = forms.iter().find(|form| form.fits.is_valid(value));
            if let Some(guide) = fitting.and_then(|form| form.guide.as_ref()) {
                self.visit(guide, value, false);
            }
        }
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| self.visit_key(guide, key, value)),
            Value::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    let Some(guide) = &guide.entries else { break };
                    self.path.push(Step::Index(index));
                    self.visit(guide, value, false);
                    self.path.pop();
                }
            }
            _ => {}
        }
    }

    fn visit_key(&mut self, guide: &Guide, key: &str, value: &Value) {
        let known = guide.keys.get(key).into_iter();
        let matching = guide.patterns.iter().filter(|(pattern, _)| matches(pattern, key)).map(|(_, guide)| guide);
        let other = guide.others.as_ref().filter(|others| others.has(key)).map(|others| &others.guide);
        for guide in known.chain(matching).chain(other) {
            self.path.push(Step::Key(key.to_owned()));
            self.visit(guide, value, true);
            self.path.pop();
        }
    }
}

impl Others {
    fn of(schema: &Value) -> Result<Option<Self>, String> {
        let Some(part) = schema.get("additionalProperties") else { return Ok(None) };
        let Some(guide) = Guide::of(part)? else { return Ok(None) };
        let known = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let known = known.map(|(key, _)| key.clone()).collect();
        let patterns = patterns(schema).map(|(pattern, _)| matcher(pattern)).collect::<Result<_, _>>()?;
        Ok(Some(Self { known, patterns, guide }))
    }

    fn has(&self, key: &str) -> bool {
        !self.known.iter().any(|known| known == key) && !self.patterns.iter().any(|pattern| matches(pattern, key))
    }
}

impl Mark {
    fn violation(&self, path: Vec<Step>, names: &Names, of_key: bool) -> Violation {
        let what = if of_key { "" } else { "the form of " };
        let since = if self.since.is_empty() { String::new() } else { format!(" since cloud-init {}", self.since) };
        let message = format!("{what}{} is deprecated{since}", names.quoted(&path));
        let hint = Some(self.hint.clone()).filter(|hint| !hint.is_empty());
        Violation { path, kind: ViolationKind::Deprecated, message, hint }
    }
}

fn mark(schema: &Value) -> Option<Mark> {
    let mark = schema.get(DEPRECATION)?;
    let text = |key: &str| mark.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(Mark { since: text(SINCE), hint: text(USE) })
}

fn list<'a>(schema: &'a Value, keyword: &str) -> impl Iterator<Item = &'a Value> {
    schema.get(keyword).and_then(Value::as_array).into_iter().flatten()
}

fn patterns(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("patternProperties").and_then(Value::as_object).into_iter().flatten()
}

/// Something that tells whether a key matches a pattern, in the way in which the validator does.
fn matcher(pattern: &str) -> Result<Validator, String> {
    validator(&serde_json::json!({"pattern": pattern}))
}

fn matches(pattern: &Validator, key: &str) -> bool {
    pattern.is_valid(&Value::String(key.to_owned()))
}
