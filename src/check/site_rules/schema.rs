//! JSON Schemas, read once and used often, without the network and without telling what they are used on.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, Retrieve, Uri, Validator};
use serde_json::Value;

use super::super::secrets::is_shown;

/// What is said of one document by one rule.
const MOST_VIOLATIONS: usize = 10;
/// How deep a schema may be.
const MOST_LEVELS: usize = 64;
/// Keywords whose values are no schemas.
const VALUES: [&str; 4] = ["const", "enum", "default", "examples"];
/// Keywords that lead elsewhere.
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// A schema that values can be held against.
#[derive(Debug)]
pub(super) struct Schema(Validator);

/// What is wrong with a schema.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Where in it, as a JSON pointer.
    pub(super) pointer: String,
    /// A sentence.
    pub(super) message: String,
    /// What to do.
    pub(super) hint: &'static str,
}

/// A place in a value that breaks a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    /// The place, as a JSON pointer.
    pub(super) pointer: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// A key is missing; its name comes from the schema.
    Missing(String),
    /// There are keys of which the schema does not know.
    Unexpected,
    /// Nothing may be there.
    Forbidden,
    /// Another keyword of the schema.
    Other(String),
}

/// Refuses everything: a rule is what its file says, on every machine.
struct Nowhere;

impl Retrieve for Nowhere {
    fn retrieve(&self, _: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err("a rule of a site refers to nothing outside its file".into())
    }
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// What is wrong with it, such as a reference to something outside of it.
    pub(super) fn new(schema: &Value) -> Result<Self, Fault> {
        refer(schema, schema, String::new(), 0)?;
        let patterns = PatternOptions::regex();
        let options = jsonschema::options().with_retriever(Nowhere).with_pattern_options(patterns);
        match options.should_validate_formats(true).build(schema) {
            Ok(validator) => Ok(Self(validator)),
            Err(error) => {
                let pointer = error.instance_path().as_str().to_owned();
                let message = format!("this is no JSON Schema: see its keyword `{}`", error.kind().keyword());
                Err(Fault {
                    pointer,
                    message,
                    hint: "it is a JSON Schema, draft 2020-12 unless `$schema` says otherwise; patterns have no look-around",
                })
            }
        }
    }

    /// Where a value breaks it.
    pub(super) fn violations(&self, value: &Value) -> Vec<Violation> {
        let errors = self.0.iter_errors(value).take(MOST_VIOLATIONS);
        let mut violations: Vec<Violation> = Vec::new();
        for error in errors {
            let what = match error.kind() {
                ValidationErrorKind::Required { property } => {
                    What::Missing(property.as_str().unwrap_or_default().to_owned())
                }
                ValidationErrorKind::AdditionalProperties { .. }
                | ValidationErrorKind::UnevaluatedProperties { .. } => What::Unexpected,
                ValidationErrorKind::FalseSchema => What::Forbidden,
                other => What::Other(other.keyword().to_owned()),
            };
            let violation = Violation { pointer: error.instance_path().as_str().to_owned(), what };
            if !violations.contains(&violation) {
                violations.push(violation);
            }
        }
        violations
    }
}

/// Follows references within a schema, and refuses those that lead out of it, to nothing, or back to themselves.
fn refer(schema: &Value, root: &Value, pointer: String, level: usize) -> Result<(), Fault> {
    let fault = |pointer: String, message: &str, hint| Err(Fault { pointer, message: message.to_owned(), hint });
    if level > MOST_LEVELS {
        return fault(pointer, "the schema nests too deep", "make it simpler");
    }
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                let below = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                if let (true, Value::String(target)) = (REFERENCES.contains(&key.as_str()), value) {
                    if !target.starts_with('#') {
                        return fault(
                            below,
                            "the schema refers to something outside its file",
                            "copy what it refers to into `$defs`, and refer to that by `#/$defs/…`",
                        );
                    }
                    if is_circle(root, schema) {
                        return fault(
                            below,
                            "the schema refers to itself without end",
                            "let the reference lead further down in what it describes",
                        );
                    }
                } else if !VALUES.contains(&key.as_str()) {
                    refer(value, root, below, level + 1)?;
                }
            }
            Ok(())
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| refer(item, root, format!("{pointer}/{index}"), level + 1)),
        _ => Ok(()),
    }
}

/// Keywords whose schemas are about the same value as the schema they stand in.
const SAME_VALUE: [&str; 7] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];

/// Whether judging a value by a schema comes back to the same schema and the same value.
fn is_circle(root: &Value, start: &Value) -> bool {
    let mut waiting = vec![start];
    let mut seen: Vec<*const Value> = Vec::new();
    while let Some(schema) = waiting.pop() {
        let Value::Object(map) = schema else { continue };
        if seen.contains(&std::ptr::from_ref(schema)) {
            continue;
        }
        seen.push(std::ptr::from_ref(schema));
        let targets = REFERENCES.iter().filter_map(|key| map.get(*key)?.as_str());
        let mut next: Vec<&Value> = targets.filter_map(|target| target_of(root, target)).collect();
        for part in SAME_VALUE.iter().filter_map(|key| map.get(*key)) {
            match part {
                Value::Array(items) => next.extend(items),
                part => next.push(part),
            }
        }
        next.extend(map.get("dependentSchemas").and_then(Value::as_object).into_iter().flat_map(|map| map.values()));
        if next.iter().any(|next| std::ptr::eq(*next, start)) {
            return true;
        }
        waiting.extend(next);
    }
    false
}

/// What `#/…` leads to. Anchors are looked for by their names.
fn target_of<'a>(root: &'a Value, target: &str) -> Option<&'a Value> {
    let fragment = target.strip_prefix('#')?;
    if fragment.is_empty() || fragment.starts_with('/') {
        let decoded = percent_encoding::percent_decode_str(fragment).decode_utf8().ok()?;
        return root.pointer(&decoded);
    }
    let mut waiting = vec![root];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(map) => {
                let is_it = |key: &str| map.get(key).and_then(Value::as_str) == Some(fragment);
                if is_it("$anchor") || is_it("$dynamicAnchor") {
                    return Some(value);
                }
                waiting.extend(map.values());
            }
            Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
    None
}

impl Violation {
    /// What is wrong, without the value that is. `whole` is what all of it is called.
    pub(super) fn said(&self, whole: &str) -> String {
        let path = shown(&self.pointer);
        let place = if path.is_empty() { whole.to_owned() } else { format!("`{path}`") };
        match &self.what {
            What::Missing(key) if path.is_empty() => format!("`{key}` is missing"),
            What::Missing(key) => format!("`{path}.{key}` is missing"),
            What::Unexpected => format!("{place} has keys that the rule does not know"),
            What::Forbidden => format!("{place} must not be there"),
            What::Other(keyword) => format!("{place} is not as `{keyword}` wants it"),
        }
    }
}

/// A JSON pointer as people write paths. A key that may be a value of somebody's is not shown.
fn shown(pointer: &str) -> String {
    let mut path = String::new();
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        let is_index = !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
        match (is_index, path.is_empty()) {
            (true, _) => path.push_str(&format!("[{step}]")),
            (false, is_first) => {
                path.push_str(if is_first { "" } else { "." });
                path.push_str(if is_shown(&step) { &step } else { "…" });
            }
        }
    }
    path
}
