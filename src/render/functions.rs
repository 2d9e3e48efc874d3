//! The filters and functions that templates have besides Tera's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tera::{Error, Kwargs, State, Tera, TeraResult, Value};

use super::bounds::is_late;
use super::yaml::to_yaml;
use crate::types::nearest;

/// What the message of a template that ran out of time begins with, by which it is recognised.
pub(super) const LATE: &str = "the time for this document is up";

/// Longest list `range` makes: Tera's own bound.
const MAX_RANGE: i128 = 100_000;

/// Levels of lists and maps that can be written: far more than any document of cloud-init has.
const MAX_DEPTH: usize = 100;
/// Bytes of texts, and values, that are written at most; the document's own bound is usually far smaller.
const MAX_EXTENT: usize = 64 << 20;

/// Adds the project's filters and functions.
pub(super) fn register(tera: &mut Tera, files: &Arc<BTreeMap<String, Vec<u8>>>) {
    tera.register_filter("yaml", yaml);
    tera.register_filter("json", json);
    tera.register_filter("base64", base64);
    tera.register_function("range", range);
    let files = Arc::clone(files);
    tera.register_function("file", move |arguments: Kwargs, _: &State| file(&files, &arguments));
}

/// `{{ value | yaml(indent=2) }}`: the value as YAML that every reader understands alike; lines after the first are
/// indented.
fn yaml(value: Value, arguments: Kwargs, _: &State) -> TeraResult<String> {
    in_time()?;
    check_extent(&value)?;
    let indent = arguments.get::<u64>("indent")?.unwrap_or_default();
    let indent = usize::try_from(indent).ok().filter(|indent| *indent <= 1000);
    let indent = indent.ok_or_else(|| Error::message("the filter `yaml` indents by at most 1000 blanks"))?;
    Ok(to_yaml(&value, indent))
}

/// `{{ value | json }}`: the value as JSON on one line.
fn json(value: Value, _: Kwargs, _: &State) -> TeraResult<String> {
    in_time()?;
    check_extent(&value)?;
    serde_json::to_string(&value).map_err(|error| Error::message(format!("the value has no JSON form: {error}")))
}

/// `{{ value | base64 }}`: a string or the bytes of a file in Base64 on one line.
fn base64(value: Value, _: Kwargs, _: &State) -> TeraResult<String> {
    in_time()?;
    match (value.as_str(), value.as_bytes()) {
        (Some(text), _) => Ok(STANDARD.encode(text)),
        (None, Some(bytes)) => Ok(STANDARD.encode(bytes)),
        (None, None) => Err(Error::message("the filter `base64` takes a string or a file")),
    }
}

/// `{{ file(path="groups/storage/format.sh") }}`: the text of a file of the site, as it is; bytes for `base64` when it
/// is not text.
fn file(files: &BTreeMap<String, Vec<u8>>, arguments: &Kwargs) -> TeraResult<Value> {
    in_time()?;
    let path = arguments.must_get::<&str>("path")?;
    let Some(bytes) = files.get(path) else {
        let hint = match nearest(path, files.keys().map(String::as_str)) {
            Some(candidate) => format!("; did you mean `{candidate}`?"),
            None => "; paths start at the top of the site".to_owned(),
        };
        return Err(Error::message(format!("the site has no file `{path}`{hint}")));
    };
    Ok(match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => Value::bytes(bytes.clone()),
    })
}

/// Tera's `range`, with a look at the clock: nested loops are how a template burns time without writing anything.
fn range(arguments: Kwargs, _: &State) -> TeraResult<Vec<i128>> {
    in_time()?;
    let start = arguments.get::<i128>("start")?.unwrap_or_default();
    let end = arguments.must_get::<i128>("end")?;
    let step = arguments.get::<i128>("step_by")?.unwrap_or(1);
    if step == 0 || (step > 0 && start > end) {
        return Err(Error::message("the function `range` needs a start before its end, and a step that is not 0"));
    }
    let beyond = |at: i128| if step > 0 { at >= end } else { at <= end };
    let mut numbers = Vec::new();
    let mut at = start;
    while !beyond(at) {
        if numbers.len() as i128 == MAX_RANGE {
            return Err(Error::message(format!("the function `range` makes at most {MAX_RANGE} numbers")));
        }
        numbers.push(at);
        let Some(next) = at.checked_add(step) else { break };
        at = next;
    }
    Ok(numbers)
}

/// Refuses a value that cannot be written in reasonable space: writing takes stack for each of its levels, and parts that
/// a value shares with itself are written as often as they occur.
fn check_extent(value: &Value) -> TeraResult<()> {
    let mut budget = MAX_EXTENT;
    spend(value, 0, &mut budget)
}

fn spend(value: &Value, depth: usize, budget: &mut usize) -> TeraResult<()> {
    if depth > MAX_DEPTH {
        return Err(Error::message(format!("the value nests deeper than {MAX_DEPTH} levels")));
    }
    let own = 1 + value.as_str().map_or(0, str::len);
    *budget = budget
        .checked_sub(own)
        .ok_or_else(|| Error::message(format!("the value takes more than {MAX_EXTENT} bytes to write")))?;
    let items = value.as_array().unwrap_or_default().iter();
    let mut children = items.chain(value.as_map().into_iter().flat_map(|map| map.values()));
    children.try_for_each(|child| spend(child, depth + 1, budget))
}

fn in_time() -> TeraResult<()> {
    if is_late() { Err(Error::message(LATE)) } else { Ok(()) }
}
