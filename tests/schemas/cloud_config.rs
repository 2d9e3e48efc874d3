//! The schema of cloud-config. That it takes what the client takes is shown by `tests/schema_agreement.rs`.

use std::fs;

use serde_json::Value;

use super::{each_schema, repository};

/// What `cloud-init schema` reads, and what we add to it.
const KEYWORDS: [&str; 28] = [
    "$comment",
    "$defs",
    "$ref",
    "$schema",
    "additionalProperties",
    "allOf",
    "anyOf",
    "default",
    "deprecated",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "minItems",
    "minProperties",
    "minimum",
    "oneOf",
    "pattern",
    "patternProperties",
    "properties",
    "required",
    "title",
    "type",
    "uniqueItems",
    "x-deprecated-since",
    "x-form",
    "x-use",
];

fn schema() -> Value {
    let path = repository().join("schemas/cloud-config.schema.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Calls back with every schema, but not with the tables that hold them by name.
fn each(visit: &mut impl FnMut(&Value, &str)) {
    each_schema(&schema(), "", &mut |value, place| {
        let is_table = ["/properties", "/patternProperties", "/$defs"].iter().any(|end| place.ends_with(end));
        if !is_table && !place.contains("/default") {
            visit(value, place);
        }
    });
}

#[test]
fn it_is_sound_and_has_only_what_every_client_reads() {
    assert_eq!(schema()["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::meta::validate(&schema()).unwrap();
    each(&mut |value, place| {
        for keyword in value.as_object().unwrap().keys() {
            assert!(KEYWORDS.contains(&keyword.as_str()), "{keyword} in {place}");
        }
    });
}

#[test]
fn every_key_is_described_in_a_sentence() {
    let mut described = 0;
    each(&mut |value, place| {
        for (name, property) in value.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let text = property["description"].as_str().unwrap_or_default();
            assert!(text.ends_with('.') && (5..=140).contains(&text.len()), "{place}/{name}: {text:?}");
            described += 1;
        }
    });
    assert!(described > 400, "{described}");
}

#[test]
fn what_is_deprecated_says_since_when_and_what_to_write_now() {
    let mut deprecated = 0;
    each(&mut |value, place| {
        let marks = ["deprecated", "x-deprecated-since", "x-use"].map(|keyword| value.get(keyword).is_some());
        assert!(marks == [true; 3] || marks == [false; 3], "{place}");
        if marks == [true; 3] {
            let since = value["x-deprecated-since"].as_str().unwrap();
            let (year, minor) = since.split_once('.').unwrap();
            assert!((18..=25).contains(&year.parse::<u8>().unwrap()) && minor.len() == 1, "{place}");
            assert!(!value["x-use"].as_str().unwrap().is_empty(), "{place}");
            deprecated += 1;
        }
    });
    assert!(deprecated >= 30, "{deprecated}");
}
