//! A jinja set up as the client's jinja2 3.1: its filters, tests and functions, no more, and how it prints.
//!
//! What jinja2 has and this one has not fails with [`unjudged`]: then nothing can be said about the template.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, Value};
use minijinja_contrib::{filters, globals, pycompat};

use super::names::Missing;

/// Functions that a template can call.
pub(super) const GLOBALS: [&str; 6] = ["cycler", "dict", "joiner", "lipsum", "namespace", "range"];
/// Filters of jinja2 that are not here, or say something else here.
const UNJUDGED_FILTERS: [&str; 8] =
    ["forceescape", "pprint", "random", "urlize", "wordcount", "wordwrap", "xmlattr", "center"];
/// Filters and tests that jinja2 has not.
const FOREIGN_FILTERS: [&str; 5] = ["bool", "chain", "lines", "split", "zip"];
const FOREIGN_TESTS: [&str; 4] = ["endingwith", "int", "safe", "startingwith"];
/// Methods of Python's `str`, `dict`, `list`, `int` and `float`, with a blank between them.
const METHODS: &str = "append capitalize casefold center clear copy count encode endswith expandtabs extend find format \
    format_map fromkeys get index insert isalnum isalpha isascii isdecimal isdigit isidentifier islower \
    isnumeric isprintable isspace istitle isupper items join keys ljust lower lstrip maketrans partition pop \
    popitem remove removeprefix removesuffix replace reverse rfind rindex rjust rpartition rsplit rstrip \
    setdefault sort split splitlines startswith strip swapcase title translate update upper values zfill hex \
    is_integer bit_length";
const UNJUDGED: &str = "cannot be judged: ";
/// Stands for a missing name of which nothing else is known; the name is put in afterwards.
pub(super) const NAMELESS: char = '\u{10fffe}';
/// How deep templates may nest and call themselves. One call counts about ten times; Python's own limit is 1000 calls.
const MOST_LEVELS: usize = 250;

/// An error for what jinja2 can do and this cannot.
pub(super) fn unjudged(what: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("{UNJUDGED}{what}"))
}

/// What it was that could not be judged.
pub(super) fn unjudged_part(error: &Error) -> Option<&str> {
    error.detail()?.strip_prefix(UNJUDGED)
}

/// The client's jinja. `fuel` bounds how many steps a rendering may have, and how many times 64 bytes it may make.
pub(super) fn environment(fuel: u64) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_debug(false);
    environment.set_fuel(Some(fuel));
    environment.set_recursion_limit(MOST_LEVELS);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // These always are valid.
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    environment.set_formatter(|out, _, value| match value.is_undefined() {
        true => Ok(write!(out, "{NAMELESS}")?),
        false => Ok(write!(out, "{value}")?),
    });
    environment.set_unknown_method_callback(|state, value, method, args| {
        match pycompat::unknown_method_callback(state, value, method, args) {
            Err(error) if error.kind() == ErrorKind::UnknownMethod && has_method(value, method) => {
                Err(unjudged(&format!("the method `{method}`")))
            }
            other => other,
        }
    });
    add_filters(&mut environment);
    add_tests(&mut environment);
    environment.remove_global("debug");
    environment.add_function("cycler", globals::cycler);
    environment.add_function("joiner", globals::joiner);
    environment.add_function("lipsum", |_: Rest<Value>| -> Result<Value, Error> { Err(unjudged("`lipsum`")) });
    environment
}

fn add_filters(environment: &mut Environment<'static>) {
    for name in FOREIGN_FILTERS {
        environment.remove_filter(name);
    }
    environment.add_filter("filesizeformat", filters::filesizeformat);
    environment.add_filter("striptags", filters::striptags);
    environment.add_filter("truncate", filters::truncate);
    for name in UNJUDGED_FILTERS {
        let what = format!("the filter `{name}`");
        environment.add_filter(name, move |_: Rest<Value>| -> Result<Value, Error> { Err(unjudged(&what)) });
    }
    environment.add_filter("default", default);
    environment.add_filter("d", default);
    environment.add_filter("int", int);
    environment.add_filter("float", float);
    environment.add_filter("tojson", tojson);
    // A missing name is a list without items to it.
    environment.add_filter("urlencode", |value: &Value| match is_missing(value) {
        true => Ok(String::new()),
        false => minijinja::filters::urlencode(value),
    });
}

fn add_tests(environment: &mut Environment<'static>) {
    for name in FOREIGN_TESTS {
        environment.remove_test(name);
    }
    environment.add_test("callable", |_: &Value| -> Result<bool, Error> { Err(unjudged("the test `callable`")) });
    environment.add_test("defined", |value: &Value| !is_missing(value));
    environment.add_test("undefined", is_missing);
    // In Python texts and mappings have a length and items too.
    environment.add_test("sequence", |value: &Value| {
        is_missing(value) || matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::String)
    });
}

fn is_missing(value: &Value) -> bool {
    value.is_undefined() || value.downcast_object_ref::<Missing>().is_some()
}

fn known(value: &Value) -> Result<&Value, Error> {
    value.downcast_object_ref::<Missing>().map_or(Ok(value), |missing| Err(missing.asked()))
}

fn default(value: &Value, other: Option<Value>, for_false: Option<bool>, named: Kwargs) -> Result<Value, Error> {
    let for_false = match for_false {
        Some(given) => given,
        None => named.get::<Option<bool>>("boolean")?.unwrap_or(false),
    };
    let other = match other {
        Some(given) => Some(given),
        None => named.get::<Option<Value>>("default_value")?,
    };
    named.assert_all_used()?;
    let is_replaced = is_missing(value) || (for_false && !value.is_true());
    Ok(if is_replaced { other.unwrap_or_else(|| Value::from("")) } else { value.clone() })
}

/// What is no number becomes 0.
fn int(state: &State, value: &Value, default: Option<Value>, base: Option<u32>, named: Kwargs) -> Result<Value, Error> {
    let default = default.or_else(|| (!named.has("default")).then(|| Value::from(0)));
    let trimmed = known(value)?.as_str().map(|text| Value::from(text.trim()));
    minijinja::filters::int(state, trimmed.as_ref().unwrap_or(value), default, base, named)
}

fn float(state: &State, value: &Value, default: Option<Value>, named: Kwargs) -> Result<Value, Error> {
    let default = default.or_else(|| (!named.has("default")).then(|| Value::from(0.0)));
    minijinja::filters::float(state, known(value)?, default, named)
}

/// In ASCII, as Python writes JSON.
fn tojson(value: &Value, indent: Option<Value>, named: Kwargs) -> Result<Value, Error> {
    let json = minijinja::filters::tojson(known(value)?, indent, named)?.to_string();
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter.is_ascii() {
            true => text.push(letter),
            false => letter.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    Ok(Value::from(text))
}

/// Whether a value may have such a method in Python.
fn has_method(value: &Value, method: &str) -> bool {
    let is_map_method =
        ["get", "items", "keys", "values", "setdefault", "update", "popitem", "fromkeys"].contains(&method);
    let is_method = || METHODS.split(' ').any(|other| other == method);
    match value.kind() {
        ValueKind::Map => is_map_method || ["clear", "copy", "pop"].contains(&method),
        ValueKind::String | ValueKind::Seq | ValueKind::Iterable => is_method() && !is_map_method,
        ValueKind::Number => is_method(),
        ValueKind::None | ValueKind::Bool | ValueKind::Undefined => false,
        _ => true,
    }
}
