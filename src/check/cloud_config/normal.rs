//! A schema as cloud-init's validator understands it, in a form that is easy to walk: no references, and nothing in it
//! that is not used.

use serde_json::{Map, Value};

/// How many schemas may come about where references are put in place: the schema of cloud-init 25.1 has some 1,500.
const MAX_SCHEMAS: usize = 50_000;

/// How deep schemas may lie in each other.
const MAX_DEPTH: usize = 100;

/// The keyword under which a normal schema says that what fits it is deprecated.
pub(super) const DEPRECATION: &str = "x-deprecation";
/// Below [`DEPRECATION`]: the version since when.
pub(super) const SINCE: &str = "since";
/// Below [`DEPRECATION`]: what to do.
pub(super) const USE: &str = "use";
/// The keyword that says in words what a pattern wants.
pub(super) const FORM: &str = "x-form";

/// What stands for `$` at the end of a pattern. In Python, which cloud-init is written in, a line feed may follow.
const END: &str = "\n?$";

/// The normal form of a schema.
///
/// # Errors
/// A sentence: a reference leads out of the file, to nothing or in a circle, or it all is too large.
pub(super) fn normal(root: &Value) -> Result<Value, String> {
    if !root.is_object() {
        return Err("this is no schema: it must be an object".to_owned());
    }
    Normaliser { root, schemas: 0 }.schema(root, 0)
}

/// A pattern as it was written.
pub(super) fn as_written(pattern: &str) -> String {
    pattern.strip_suffix(END).map_or_else(|| pattern.to_owned(), |start| format!("{start}$"))
}

fn as_python_has_it(pattern: &str) -> String {
    match pattern.strip_suffix('$') {
        Some(start) if !start.ends_with('\\') => format!("{start}{END}"),
        _ => pattern.to_owned(),
    }
}

struct Normaliser<'a> {
    root: &'a Value,
    schemas: usize,
}

impl<'a> Normaliser<'a> {
    fn schema(&mut self, schema: &Value, depth: usize) -> Result<Value, String> {
        self.schemas += 1;
        if depth > MAX_DEPTH || self.schemas > MAX_SCHEMAS {
            return Err("the schema is too large, or one of its references leads back to itself".to_owned());
        }
        let Value::Object(schema) = schema else {
            // Draft 4 has no such schemas; the validator takes them all the same.
            return Ok(if *schema == Value::Bool(false) { serde_json::json!({"not": {}}) } else { schema.clone() });
        };
        let mut normal = Map::new();
        for (keyword, value) in schema {
            if let Some(value) = self.keyword(keyword, value, depth + 1)? {
                normal.insert(keyword.clone(), value);
            }
        }
        if let Some(deprecation) = deprecation(schema) {
            normal.insert(DEPRECATION.to_owned(), deprecation);
        }
        match schema.get("$ref").and_then(Value::as_str) {
            None => {}
            Some(reference) => {
                let target = self.target(reference)?;
                let target = self.schema(target, depth + 1)?;
                if normal.is_empty() {
                    return Ok(target);
                }
                match normal.entry("allOf").or_insert_with(|| Value::Array(Vec::new())) {
                    Value::Array(all) => all.push(target),
                    _ => return Err("an allOf in it is no list".to_owned()),
                }
            }
        }
        Ok(Value::Object(normal))
    }

    /// The value of a keyword that matters.
    fn keyword(&mut self, keyword: &str, value: &Value, depth: usize) -> Result<Option<Value>, String> {
        let normal = match (keyword, value) {
            ("allOf" | "anyOf" | "oneOf" | "items", Value::Array(schemas)) => {
                let schemas: Result<Vec<Value>, String> =
                    schemas.iter().map(|schema| self.schema(schema, depth)).collect();
                Value::Array(schemas?)
            }
            ("items" | "not", _) => self.schema(value, depth)?,
            ("additionalItems" | "additionalProperties", Value::Object(_)) => self.schema(value, depth)?,
            ("properties" | "patternProperties" | "dependencies", Value::Object(schemas)) => {
                let mut normal = Map::new();
                for (name, schema) in schemas {
                    let name = if keyword == "patternProperties" { as_python_has_it(name) } else { name.clone() };
                    let is_schema = schema.is_object() || schema.is_boolean();
                    let schema = if is_schema { self.schema(schema, depth)? } else { schema.clone() };
                    normal.insert(name, schema);
                }
                Value::Object(normal)
            }
            ("pattern", Value::String(pattern)) => Value::String(as_python_has_it(pattern)),
            // The checks of all other formats want packages that Debian's cloud-init does not bring.
            ("format", _) if value != "date" => return Ok(None),
            (
                "additionalItems"
                | "additionalProperties"
                | "allOf"
                | "anyOf"
                | "dependencies"
                | "enum"
                | "exclusiveMaximum"
                | "exclusiveMinimum"
                | "format"
                | "maxItems"
                | "maxLength"
                | "maxProperties"
                | "maximum"
                | "minItems"
                | "minLength"
                | "minProperties"
                | "minimum"
                | "multipleOf"
                | "oneOf"
                | "pattern"
                | "patternProperties"
                | "properties"
                | "required"
                | "type"
                | "uniqueItems"
                | FORM,
                _,
            ) => value.clone(),
            _ => return Ok(None),
        };
        Ok(Some(normal))
    }

    fn target(&self, reference: &str) -> Result<&'a Value, String> {
        let pointer = reference.strip_prefix('#').ok_or_else(|| {
            format!("the schema refers to `{reference}`, which is in another file, and only one file is read")
        })?;
        self.root.pointer(pointer).ok_or_else(|| format!("the schema refers to `{reference}`, which is not in it"))
    }
}

/// What a schema says of what fits it being old: in our words or in cloud-init's, which calls old forms of values
/// changed.
fn deprecation(schema: &Map<String, Value>) -> Option<Value> {
    let text = |key: &str| schema.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_set = |key: &str| schema.get(key).is_some_and(|value| *value == Value::Bool(true));
    let (since, hint) = if is_set("deprecated") {
        let either = |ours: &str, theirs: &str| Some(text(ours)).filter(|own| !own.is_empty()).unwrap_or(text(theirs));
        (either("x-deprecated-since", "deprecated_version"), either("x-use", "deprecated_description"))
    } else if is_set("changed") {
        (text("changed_version"), text("changed_description"))
    } else {
        return None;
    };
    Some(serde_json::json!({SINCE: since, USE: as_hint(&hint)}))
}

/// A sentence in reStructuredText as a hint.
fn as_hint(sentence: &str) -> String {
    let plain = sentence.trim().trim_end_matches('.').replace("**", "`").replace("``", "`");
    let mut characters = plain.chars();
    characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or_default()
}
