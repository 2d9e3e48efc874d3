//! One broken site in every format.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{broken, report};

fn pretty(text: &str) -> String {
    serde_json::to_string_pretty(&serde_json::from_str::<Value>(text).unwrap()).unwrap()
}

#[test]
fn text() {
    assert_snapshot!("text", report(&broken(), "text"));
}

#[test]
fn json_report() {
    assert_snapshot!("json", pretty(&report(&broken(), "json")));
}

#[test]
fn markdown() {
    assert_snapshot!("markdown", report(&broken(), "markdown"));
}

#[test]
fn github() {
    assert_snapshot!("github", report(&broken(), "github"));
}

#[test]
fn junit() {
    let xml = report(&broken(), "junit");
    let document = roxmltree::Document::parse(&xml).unwrap();
    let count = |name: &str| document.descendants().filter(|node| node.has_tag_name(name)).count().to_string();
    let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
    assert_eq!(suite.attribute("tests"), Some(&*count("testcase")));
    assert_eq!(suite.attribute("failures"), Some(&*count("failure")));
    assert_snapshot!("junit", xml);
}

#[test]
fn sarif() {
    let mut sarif: Value = serde_json::from_str(&report(&broken(), "sarif")).unwrap();
    let validator = jsonschema::validator_for(&sarif_schema()).unwrap();
    let errors: Vec<String> = validator.iter_errors(&sarif).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap().clone();
    for result in sarif["runs"][0]["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
    }
    // The texts of the rules are not of this site.
    sarif["runs"][0]["tool"]["driver"]["rules"] = json!([rules[1]]);
    sarif["runs"][0]["tool"]["driver"]["semanticVersion"] = json!("[VERSION]");
    assert_snapshot!("sarif", serde_json::to_string_pretty(&sarif).unwrap());
}

/// What SARIF 2.1.0 asks of the parts that we write, and GitHub on top of it: its own schema is far larger.
fn sarif_schema() -> Value {
    let text = json!({"type": "object", "required": ["text"], "additionalProperties": false,
        "properties": {"text": {"type": "string", "minLength": 1}}});
    let level = json!({"enum": ["none", "note", "warning", "error"]});
    let rule = json!({"type": "object", "additionalProperties": false,
        "required": ["id", "shortDescription", "fullDescription", "help", "defaultConfiguration"],
        "properties": {"id": {"type": "string"}, "shortDescription": text, "fullDescription": text, "help": text,
            "defaultConfiguration": {"type": "object", "properties": {"level": level}, "additionalProperties": false}}});
    let place = json!({"type": "object", "required": ["artifactLocation", "region"], "additionalProperties": false,
        "properties": {
            "artifactLocation": {"type": "object", "required": ["uri"], "additionalProperties": false,
                "properties": {"uri": {"type": "string", "pattern": "^[A-Za-z0-9._~%-][A-Za-z0-9._~%/-]*$"}}},
            "region": {"type": "object", "required": ["startLine"], "additionalProperties": false, "properties": {
                "startLine": {"type": "integer", "minimum": 1}, "startColumn": {"type": "integer", "minimum": 1}}}}});
    let result = json!({"type": "object", "additionalProperties": false,
        "required": ["ruleId", "level", "message", "locations", "partialFingerprints"],
        "properties": {
            "ruleId": {"type": "string"}, "ruleIndex": {"type": "integer", "minimum": 0}, "level": level, "message": text,
            "locations": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["physicalLocation"],
                "properties": {"physicalLocation": place}, "additionalProperties": false}},
            "partialFingerprints": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
            "properties": {"type": "object"}}});
    json!({"type": "object", "required": ["version", "runs"], "additionalProperties": false, "properties": {
        "$schema": {"type": "string"}, "version": {"const": "2.1.0"},
        "runs": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["tool", "results"],
            "additionalProperties": false, "properties": {
                "tool": {"type": "object", "required": ["driver"], "additionalProperties": false, "properties": {
                    "driver": {"type": "object", "required": ["name"], "additionalProperties": false, "properties": {
                        "name": {"type": "string"}, "semanticVersion": {"type": "string"},
                        "rules": {"type": "array", "uniqueItems": true, "items": rule}}}}},
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "invocations": {"type": "array"},
                "results": {"type": "array", "items": result}}}}}})
}
