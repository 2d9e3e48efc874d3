//! Writing YAML that every reader understands alike.
//!
//! cloud-init reads YAML 1.1, most other programs YAML 1.2, and the two disagree on plain words: `yes`, `0644`, `1:30`,
//! a MAC address of decimal digits only (a base-60 number in 1.1), dates. So a string is written plain only where no
//! version of YAML could take it for anything else, and quoted everywhere else.

use std::fmt::Write;
use std::net::IpAddr;

use ipnet::IpNet;
use tera::Value;
use tera::value::ValueKind;

/// Writes a value as block YAML, without a final newline. Lines after the first are indented by `indent` blanks.
#[must_use]
pub(super) fn to_yaml(value: &Value, indent: usize) -> String {
    let mut text = String::new();
    write_node(&mut text, value, indent, Position::LineStart);
    text
}

/// Where a node is written, which decides what has to come before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    /// At the start of a line that is already indented.
    LineStart,
    /// Behind `key:`.
    AfterKey,
    /// Behind the dash of a list.
    AfterDash,
}

fn write_node(text: &mut String, value: &Value, indent: usize, position: Position) {
    if let Some(map) = value.as_map().filter(|map| !map.is_empty()) {
        let inner = if position == Position::AfterKey { indent + 2 } else { indent };
        for (index, (key, item)) in map.iter().enumerate() {
            if index > 0 || position == Position::AfterKey {
                new_line(text, inner);
            } else if position == Position::AfterDash {
                text.push(' ');
            }
            write_scalar(text, &key.as_value());
            text.push(':');
            write_node(text, item, inner, Position::AfterKey);
        }
    } else if let Some(items) = value.as_array().filter(|items| !items.is_empty()) {
        let inner = if position == Position::AfterKey { indent + 2 } else { indent };
        for (index, item) in items.iter().enumerate() {
            if index > 0 || position == Position::AfterKey {
                new_line(text, inner);
            } else if position == Position::AfterDash {
                text.push(' ');
            }
            text.push('-');
            write_node(text, item, inner + 2, Position::AfterDash);
        }
    } else {
        if position != Position::LineStart {
            text.push(' ');
        }
        write_scalar(text, value);
    }
}

fn new_line(text: &mut String, indent: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n(' ', indent));
}

fn write_scalar(text: &mut String, value: &Value) {
    match value.kind() {
        ValueKind::Map => text.push_str("{}"),
        ValueKind::Array => text.push_str("[]"),
        ValueKind::None | ValueKind::Undefined => text.push_str("null"),
        ValueKind::F64 => write_float(text, value.as_f64().unwrap_or(f64::NAN)),
        ValueKind::String => write_string(text, value.as_str().unwrap_or_default()),
        ValueKind::Bytes => write_string(text, &String::from_utf8_lossy(value.as_bytes().unwrap_or_default())),
        _ => text.push_str(&value.to_string()),
    }
}

/// YAML 1.1 takes a float for a string unless it has a point, and its exponent a sign.
fn write_float(text: &mut String, number: f64) {
    if number.is_nan() {
        text.push_str(".nan");
    } else if number.is_infinite() {
        text.push_str(if number > 0.0 { ".inf" } else { "-.inf" });
    } else {
        let digits = format!("{number:?}");
        match digits.split_once('e') {
            None => text.push_str(&digits),
            Some((mantissa, exponent)) => {
                let point = if mantissa.contains('.') { "" } else { ".0" };
                let sign = if exponent.starts_with('-') { "" } else { "+" };
                // Writing to a String cannot fail.
                let _ = write!(text, "{mantissa}{point}e{sign}{exponent}");
            }
        }
    }
}

fn write_string(text: &mut String, string: &str) {
    if is_plain(string) {
        text.push_str(string);
    } else {
        write_quoted(text, string);
    }
}

/// Words that are something else than strings in YAML 1.1 or 1.2, in lower case.
const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// Whether no YAML reader could take the plain text for anything but this string.
fn is_plain(string: &str) -> bool {
    let harmless = |character: char| character.is_ascii_alphanumeric() || " _-./@+,()=".contains(character);
    let starts_well = string.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/');
    let colons_are_tight = !string.contains(": ") && !string.ends_with(':');
    if starts_well {
        colons_are_tight
            && !string.ends_with(' ')
            && string.chars().all(|character| harmless(character) || character == ':')
            && !WORDS.contains(&string.to_ascii_lowercase().as_str())
    } else {
        // IPv4 addresses and prefixes are no numbers in any version, and are read more easily without quotes.
        matches!(string.parse(), Ok(IpAddr::V4(_))) || matches!(string.parse(), Ok(IpNet::V4(_)))
    }
}

fn write_quoted(text: &mut String, string: &str) {
    text.push('"');
    for character in string.chars() {
        let code = u32::from(character);
        // Writing to a String cannot fail.
        let _ = match character {
            '"' => text.write_str("\\\""),
            '\\' => text.write_str("\\\\"),
            '\n' => text.write_str("\\n"),
            '\t' => text.write_str("\\t"),
            '\r' => text.write_str("\\r"),
            _ if code < 0x20 || (0x7f..=0xa0).contains(&code) => write!(text, "\\x{code:02x}"),
            // Line and paragraph separators fold in YAML 1.1; a byte order mark and non-characters are not printable.
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => write!(text, "\\u{code:04x}"),
            _ => text.write_char(character),
        };
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::*;

    fn yaml(json: &Json) -> String {
        to_yaml(&Value::from_serializable(json), 0)
    }

    #[test]
    fn collections_are_written_as_blocks() {
        let text = yaml(&json!({"a": {"b": [1, {"c": "x", "d": [true, []]}, [2, 3]], "e": {}}, "f": null}));
        let expected = "a:\n  b:\n    - 1\n    - c: x\n      d:\n        - true\n        - []\n    - - 2\n      - 3\n  e: {}\nf: null";
        assert_eq!(text, expected);
    }

    #[test]
    fn words_that_yaml_1_1_reads_as_something_else_are_quoted() {
        let traps = [
            "yes",
            "No",
            "ON",
            "off",
            "y",
            "N",
            "true",
            "null",
            "~",
            "",
            " x",
            "x ",
            "0644",
            "0o644",
            "1:30",
            "1e3",
            "12",
            "1_000",
            "2026-11-20",
            "52:54:00:12:34:56",
            "<<",
            "=",
            "a: b",
            "a:",
            "- a",
            "a #b",
            "#a",
            "&a",
            "*a",
            "!a",
            "%a",
            "@a",
            "`a`",
            "'a'",
            "\"a\"",
            "[a]",
            "{a}",
            "|",
            ">",
            "?",
            "-",
            ".inf",
            "a\nb",
            "\u{85}",
            "\u{2028}",
        ];
        for trap in traps {
            assert!(yaml(&json!(trap)).starts_with('"'), "{trap:?} must be quoted");
        }
        for plain in ["x1000c0s0b0n0", "10.252.0.26", "10.252.0.26/17", "b4:2e:99:be:1a:6d", "http://h:80/x", "Node 1"]
        {
            assert_eq!(yaml(&json!(plain)), plain);
        }
    }

    #[test]
    fn floats_keep_a_point_and_a_signed_exponent() {
        assert_eq!(yaml(&json!(1.0)), "1.0");
        assert_eq!(yaml(&json!(1e300)), "1.0e+300");
        assert_eq!(yaml(&json!(1.5e-9)), "1.5e-9");
    }

    #[test]
    fn later_lines_take_the_indent() {
        let value = Value::from_serializable(&json!([{"a": 1, "b": 2}]));
        assert_eq!(to_yaml(&value, 4), "- a: 1\n      b: 2");
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<String>().prop_map(Json::from),
            "[ -~\\n\\t]{0,12}".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::btree_map("[ -~]{0,8}", inner, 0..4)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(json in any_json()) {
            let text = yaml(&json);
            let again: Json = serde_yaml::from_str(&text).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
            prop_assert_eq!(again, json);
        }
    }
}
