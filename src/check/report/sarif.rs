//! The report as SARIF 2.1.0, which code scanning takes.

use std::collections::HashMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::ReportSubject;
use super::excerpt::Excerpt;
use super::words::{concerned, counted, ranked};
use crate::check::catalogue::{AnyRule, RULES};
use crate::check::finding::Finding;
use crate::check::rules::rule;
use crate::check::site_rules::is_site_rule;
use crate::check::waivers::Waived;
use crate::inventory::RemarkRule;
use crate::settings::FILE_NAME;
use crate::types::{Digest, printable};

/// The schema of the format, for programs that check it.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// Results that GitHub takes in one run; it refuses the whole file when there are more.
const MOST_RESULTS: usize = 25_000;
/// What stays as it is in the path of a URI.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// The name of our fingerprint. Its number changes when the way it is made does.
const FINGERPRINT: &str = "mdsFinding/v1";

/// One JSON value on one line: a run with every rule, and a result for each finding.
pub(super) fn sarif_report(subject: &ReportSubject<'_>) -> String {
    // What is waived comes last, so that it is the first to be left out.
    let counting = ranked(subject.findings).into_iter().map(|finding| (finding, None));
    let waived = subject.waived.iter().map(|waived| (&waived.finding, Some(waived)));
    let (ranked, waivers): (Vec<&Finding>, Vec<Option<&Waived>>) = counting.chain(waived).unzip();
    let results: Vec<Value> = ranked
        .iter()
        .zip(fingerprints(&ranked))
        .zip(waivers)
        .take(MOST_RESULTS)
        .map(|((finding, fingerprint), waiver)| {
            let mut result = result(subject, finding, &fingerprint);
            if let Some(Waived { reason, until, .. }) = waiver {
                let justification = format!("{} (until {until})", printable(reason));
                result["suppressions"] = json!([{"kind": "external", "justification": justification}]);
            }
            result
        })
        .collect();
    let mut run = json!({
        "tool": {
            "driver": {
                "name": "mds",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": RULES.iter().chain(of_site(subject)).map(descriptor).collect::<Vec<_>>(),
            },
        },
        "columnKind": "unicodeCodePoints",
        "results": results,
    });
    if let Some(left) = ranked.len().checked_sub(MOST_RESULTS).filter(|left| *left > 0) {
        let text = format!("{} more are left out; a report as json has all of them", counted(left, "finding"));
        run["invocations"] = json!([{
            "executionSuccessful": true,
            "toolExecutionNotifications": [{"level": "warning", "message": {"text": text}}],
        }]);
    }
    format!("{}\n", json!({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}))
}

/// The site's own rules, which come after those of mds.
fn of_site<'a>(subject: &ReportSubject<'a>) -> impl Iterator<Item = &'a AnyRule<'a>> {
    subject.rules.iter().copied().filter(|rule| is_site_rule(rule.id))
}

/// Where a rule stands among all of them.
fn index_of(subject: &ReportSubject<'_>, id: &str) -> Option<usize> {
    match rule(id) {
        Some(_) => RULES.iter().position(|rule| rule.id == id),
        None => of_site(subject).position(|rule| rule.id == id).map(|index| RULES.len() + index),
    }
}

fn descriptor(rule: &AnyRule<'_>) -> Value {
    let help = match is_site_rule(rule.id) {
        true => rule.explanation.to_owned(),
        false => format!("{} `mds check --explain {}` says so too.", rule.explanation, rule.id),
    };
    json!({
        "id": rule.id,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.explanation},
        "help": {"text": help},
        "defaultConfiguration": {"level": rule.severity.as_str()},
    })
}

fn result(subject: &ReportSubject<'_>, finding: &Finding, fingerprint: &str) -> Value {
    let mut message = finding.problem.message.clone();
    for more in [finding.problem.hint.as_ref().map(|hint| format!("hint: {hint}")), concerned(&finding.nodes)] {
        message.extend(more.map(|more| format!("\n{more}")));
    }
    let mut result = json!({
        "ruleId": finding.rule,
        // The levels of SARIF are called as our severities.
        "level": finding.severity.as_str(),
        "message": {"text": printable(&message)},
        "locations": [location(subject, finding)],
        "partialFingerprints": {FINGERPRINT: fingerprint},
        "properties": {"nodes": finding.nodes.len()},
    });
    if let Some(index) = index_of(subject, &finding.rule) {
        result["ruleIndex"] = json!(index);
    }
    result
}

/// Where it is. GitHub refuses results without a place and a line, so what is about no file is shown at the settings,
/// and what is about a whole file at its first line.
fn location(subject: &ReportSubject<'_>, finding: &Finding) -> Value {
    let place = finding.problem.place.as_ref();
    let file = subject.path(place.map_or(FILE_NAME, |place| &place.file));
    // A path that begins with slashes would name another machine or the top of this one.
    let uri = utf8_percent_encode(file.trim_start_matches('/'), ESCAPED).to_string();
    let mut region = json!({"startLine": place.map_or(1, |place| place.line.max(1))});
    if let Some(place) = place.filter(|place| place.line > 0 && place.column > 0) {
        region["startColumn"] = json!(place.column);
    }
    if let Some(excerpt) = Excerpt::of(subject, finding) {
        region["snippet"] = json!({"text": excerpt.text});
    }
    json!({"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}})
}

/// What makes each the same finding in the next run, although lines and nodes have come and gone. Findings that are
/// alike in this are numbered, from the top of their file.
fn fingerprints(findings: &[&Finding]) -> Vec<String> {
    let mut order: Vec<usize> = (0..findings.len()).collect();
    order.sort_by_key(|index| (&findings[*index].problem.place, &findings[*index].problem.message));
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut fingerprints = vec![String::new(); findings.len()];
    for index in order {
        let digest = digest(findings[index]);
        let count = seen.entry(digest.clone()).or_default();
        *count += 1;
        fingerprints[index] = format!("{}:{count}", &digest[..32]);
    }
    fingerprints
}

/// The digest of what lasts.
fn digest(finding: &Finding) -> String {
    let file = finding.problem.place.as_ref().map_or("", |place| &place.file);
    let said = if is_about_counts(&finding.rule) { String::new() } else { lasting(&finding.problem.message) };
    Digest::of(format!("{}\0{file}\0{said}", finding.rule).as_bytes()).to_string()
}

/// Whether messages of the rule are made of a count and an example, and of nothing else that differs.
fn is_about_counts(rule: &str) -> bool {
    RemarkRule::ALL.iter().any(|remark| remark.id() == rule)
}

/// A message without what changes from run to run: numbers that stand alone, and examples.
fn lasting(message: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in message.split_whitespace() {
        let bare = word.trim_end_matches([',', ';', ':', '.']);
        let is_number = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit());
        let is_example = words.ends_with(&["such", "as"]);
        words.push(if is_number || is_example { "…" } else { word });
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::{findings, nodes, subject};
    use super::*;
    use crate::types::{Place, Problem};

    fn results(findings: &[Finding]) -> Vec<Value> {
        let report: Value = serde_json::from_str(&sarif_report(&subject(findings))).unwrap();
        report["runs"][0]["results"].as_array().unwrap().clone()
    }

    fn printed(findings: &[Finding]) -> Vec<String> {
        let of = |result: &Value| result["partialFingerprints"][FINGERPRINT].as_str().unwrap().to_owned();
        results(findings).iter().map(of).collect()
    }

    fn at(line: usize, message: &str, count: usize) -> Finding {
        Finding::error("template", Problem::at(Place::at("groups/a b/x:ü.yaml", line, 2), message), nodes(count))
    }

    #[test]
    fn fingerprints_outlive_lines_counts_and_examples() {
        let before = at(3, "not YAML in line 3, column 9 for x1 and 2 more, such as `x1`: bad", 4);
        let after = at(8, "not YAML in line 12, column 1 for x1 and 17 more, such as `x0`: bad", 40);
        assert_eq!(printed(std::slice::from_ref(&before)), printed(&[after]));
        let others = [
            at(3, "not YAML in line 3, column 9 for x1 and 2 more, such as `x1`: worse", 4),
            Finding { rule: "yaml-syntax".into(), ..before.clone() },
            Finding { problem: Problem { place: None, ..before.problem.clone() }, ..before.clone() },
        ];
        for other in others {
            assert_ne!(printed(std::slice::from_ref(&before)), printed(&[other]));
        }
        let remark = |message: &str| [Finding::warning("invalid-mac", Problem::new(message), vec![])];
        assert_eq!(
            printed(&remark("an interface has none: `x`")),
            printed(&remark("2 interfaces have none, such as `a`"))
        );
        // What is waived stays the same finding.
        let waived = [Waived { finding: before.clone(), reason: "x".into(), until: jiff::civil::Date::MAX }];
        let report = sarif_report(&ReportSubject { waived: &waived, ..ReportSubject::default() });
        assert!(report.contains(&printed(std::slice::from_ref(&before))[0]));
        let alike = printed(&[before.clone(), before]);
        assert_ne!(alike[0], alike[1]);
    }

    #[test]
    fn places_are_relative_and_encoded() {
        let finding = [at(3, "odd", 1), Finding::note("not-an-xname", Problem::new("odd"), nodes(1))];
        let report = sarif_report(&ReportSubject { folder: "my site", ..subject(&finding) });
        let report: Value = serde_json::from_str(&report).unwrap();
        let place = |index: usize| &report["runs"][0]["results"][index]["locations"][0]["physicalLocation"];
        assert_eq!(place(0)["artifactLocation"]["uri"], "my%20site/groups/a%20b/x%3A%C3%BC.yaml");
        assert_eq!(place(0)["region"], json!({"startLine": 3, "startColumn": 2}));
        assert_eq!(place(1)["artifactLocation"]["uri"], "my%20site/mds.toml");
        assert_eq!(place(1)["region"], json!({"startLine": 1}));
        assert_eq!(results(&[Finding::note("a-rule-of-later", Problem::new("odd"), vec![])])[0].get("ruleIndex"), None);
    }

    #[test]
    fn the_line_is_shown_without_secrets() {
        let site = crate::render::fixture::site(&[("templates/x", "passwd: hunter2\n")]);
        let finding = [Finding::error("template", Problem::at(Place::at("templates/x", 1, 3), "odd"), nodes(1))];
        let sources = super::super::Sources::of(&site);
        let report = sarif_report(&ReportSubject { sources, ..subject(&finding) });
        assert!(report.contains(r#""snippet":{"text":"passwd: …"}"#) && !report.contains("hunter2"), "{report}");
    }

    #[test]
    fn more_than_github_takes_are_left_out_and_counted() {
        let all = vec![Finding::note("not-an-xname", Problem::new("odd"), vec![]); MOST_RESULTS + 2];
        let report: Value = serde_json::from_str(&sarif_report(&subject(&all))).unwrap();
        let run = &report["runs"][0];
        assert_eq!(run["results"].as_array().unwrap().len(), MOST_RESULTS);
        let said = &run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"];
        assert!(said.as_str().unwrap().starts_with("2 findings more"), "{said}");
    }

    proptest! {
        #[test]
        fn every_finding_is_a_result_with_a_fingerprint_of_its_own(findings in findings()) {
            let found = results(&findings);
            prop_assert_eq!(found.len(), findings.len());
            let distinct: std::collections::BTreeSet<String> = printed(&findings).into_iter().collect();
            prop_assert_eq!(distinct.len(), findings.len());
            for result in found {
                let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
                prop_assert!(uri.is_ascii() && !uri.starts_with('/') && !uri.contains([':', ' ', '?', '#', '\\']));
            }
        }
    }
}
