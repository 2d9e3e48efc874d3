//! One broken site in every format.

use insta::assert_snapshot;
use mds::check::ReportFormat;
use serde_json::{Value, json};

use super::{broken, report};

#[test]
fn no_report_repeats_a_secret() {
    let sandbox = broken();
    sandbox.write("site/user-data/x1000c0s1b0n0.yaml", "#cloud-config\npassword: hunter2{{ pw }}\n");
    for format in ReportFormat::ALL.map(ReportFormat::as_str) {
        let report = report(&sandbox, format);
        assert!(report.contains("user-data/x1000c0s1b0n0.yaml"), "{format}: {report}");
        assert!(!report.contains("hunter2"), "{format}: {report}");
    }
    assert!(report(&sandbox, "text").contains("\n2 | password: …{{ pw }}\n  |               ^^\n"));
}

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
    assert_eq!(sarif_errors(&sarif), [""; 0]);
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

/// What is wrong with a report by the schema of SARIF 2.1.0, as OASIS publishes it, and by what GitHub asks on top of it.
fn sarif_errors(report: &Value) -> Vec<String> {
    let mut official: Value = serde_json::from_str(include_str!("sarif-2.1.0.schema.json")).unwrap();
    // Two of its patterns have a bracket too many. They are about languages, which we do not name.
    for definition in ["run", "toolComponent"] {
        official["definitions"][definition]["properties"]["language"].as_object_mut().unwrap().remove("pattern");
    }
    let errors_by = |schema: &Value| {
        let validator = jsonschema::validator_for(schema).unwrap();
        validator.iter_errors(report).map(|error| format!("{}: {error}", error.instance_path())).collect::<Vec<_>>()
    };
    [errors_by(&official), errors_by(&github_schema())].concat()
}

/// What code scanning needs to show a result: a file, a line, and a fingerprint.
fn github_schema() -> Value {
    let place = json!({"type": "object", "required": ["artifactLocation", "region"], "properties": {
        "artifactLocation": {"type": "object", "required": ["uri"], "properties": {
            "uri": {"type": "string", "pattern": "^[A-Za-z0-9._~%-][A-Za-z0-9._~%/-]*$"}}},
        "region": {"type": "object", "required": ["startLine"]}}});
    let result = json!({"type": "object", "required": ["ruleId", "level", "message", "locations", "partialFingerprints"],
        "properties": {"locations": {"type": "array", "minItems": 1, "items": {"type": "object",
            "required": ["physicalLocation"], "properties": {"physicalLocation": place}}}}});
    let rule = json!({"type": "object",
        "required": ["id", "shortDescription", "fullDescription", "help", "defaultConfiguration"]});
    json!({"type": "object", "required": ["$schema", "version", "runs"], "properties": {"runs": {"type": "array",
        "minItems": 1, "items": {"type": "object", "required": ["tool", "results"], "properties": {
            "tool": {"properties": {"driver": {"properties": {"rules": {"type": "array", "items": rule}}}}},
            "results": {"type": "array", "items": result}}}}}})
}
