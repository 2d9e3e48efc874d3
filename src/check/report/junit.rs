//! The report as results of tests, in JUnit's XML: a test for each rule.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::ReportSubject;
use super::text::{Style, styled_text_report};
use super::words::counted;
use crate::check::finding::{Finding, Severity};
use crate::check::waivers::counted_by_waiver;

/// The name of the suite, and of the class of its tests.
const SUITE: &str = "mds";

/// A suite with a test for each rule that was run or found something. Errors fail it; what else was found is its
/// output. What is waived is a test that is skipped.
pub(super) fn junit_report(subject: &ReportSubject<'_>) -> String {
    let mut found: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in subject.findings {
        found.entry(finding.rule.as_ref()).or_default().push(finding);
    }
    let rules: BTreeSet<&str> = subject.rules.iter().map(|rule| rule.id).chain(found.keys().copied()).collect();
    let is_error = |finding: &&Finding| finding.severity == Severity::Error;
    let skipped = counted_by_waiver(subject.waived);
    let failures = found.values().filter(|findings| findings.iter().any(is_error)).count();
    let counts = format!("tests=\"{}\" failures=\"{failures}\" errors=\"0\"", rules.len() + skipped.len());
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{SUITE}\" {counts}>\n  \
         <testsuite name=\"{SUITE}\" {counts} skipped=\"{}\">\n",
        skipped.len()
    );
    for rule in rules {
        write_case(&mut xml, subject, rule, found.get(rule).map_or(&[], Vec::as_slice));
    }
    for (count, rule, reason, until) in skipped {
        let name = escaped(&format!("{rule} (waived until {until})"));
        let message = escaped(&format!("{} waived: {reason}", counted(count, "finding")));
        // Writing to a String cannot fail.
        let _ = writeln!(
            xml,
            "    <testcase classname=\"{SUITE}\" name=\"{name}\">\n      <skipped message=\"{message}\"/>\n    </testcase>"
        );
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

/// Writing to a String cannot fail.
fn write_case(xml: &mut String, subject: &ReportSubject<'_>, rule: &str, findings: &[&Finding]) {
    let _ = write!(xml, "    <testcase classname=\"{SUITE}\" name=\"{}\"", escaped(rule));
    if findings.is_empty() {
        xml.push_str("/>\n");
        return;
    }
    xml.push_str(">\n");
    let (errors, others): (Vec<Finding>, Vec<Finding>) =
        findings.iter().map(|finding| (*finding).clone()).partition(|finding| finding.severity == Severity::Error);
    if let Some(first) = errors.first() {
        let message = match errors.len() {
            1 => first.problem.message.clone(),
            several => format!("{}, the first: {}", counted(several, "error"), first.problem.message),
        };
        let text = escaped_text(subject, &errors);
        let _ = writeln!(xml, "      <failure type=\"error\" message=\"{}\">{text}</failure>", escaped(&message));
    }
    if !others.is_empty() {
        let _ = writeln!(xml, "      <system-out>{}</system-out>", escaped_text(subject, &others));
    }
    xml.push_str("    </testcase>\n");
}

fn escaped_text(subject: &ReportSubject<'_>, findings: &[Finding]) -> String {
    let text = styled_text_report(&ReportSubject { findings, waived: &[], ..*subject }, Style::Plain);
    // Line breaks of a text may stay as they are, and are easier to read.
    escaped(&text).replace("&#10;", "\n")
}

/// A text in an attribute or an element. XML 1.0 has no way to write most control characters, so they are dropped.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars().filter(|character| is_allowed(*character)) {
        let piece: Cow<'_, str> = match character {
            '&' => "&amp;".into(),
            '<' => "&lt;".into(),
            '>' => "&gt;".into(),
            '"' => "&quot;".into(),
            '\'' => "&apos;".into(),
            // In an attribute they would be read as spaces.
            '\t' | '\n' | '\r' => format!("&#{};", u32::from(character)).into(),
            other => other.to_string().into(),
        };
        escaped.push_str(&piece);
    }
    escaped
}

/// The characters of XML 1.0.
const fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::{findings, nodes, subject};
    use super::*;
    use crate::check::rule;
    use crate::types::Problem;

    #[test]
    fn errors_fail_and_the_rest_passes() {
        let found = [
            Finding::error("template", Problem::new("a <b> & \"c\"\u{0}\u{1b}\u{fffe} ]]>"), nodes(1)),
            Finding::note("not-an-xname", Problem::new("odd"), nodes(1)),
        ];
        let rules = [rule("duplicate-mac").unwrap(), rule("template").unwrap()];
        let xml = junit_report(&ReportSubject { rules: &rules, ..subject(&found) });
        let document = roxmltree::Document::parse(&xml).unwrap();
        let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
        assert_eq!((suite.attribute("tests"), suite.attribute("failures")), (Some("3"), Some("1")));
        let child = |name: &str| {
            let case = suite.children().find(|node| node.attribute("name") == Some(name)).unwrap();
            case.children().find(roxmltree::Node::is_element)
        };
        assert!(child("duplicate-mac").is_none());
        assert_eq!(child("template").unwrap().attribute("message"), Some("a <b> & \"c\" ]]>"));
        assert!(child("not-an-xname").unwrap().has_tag_name("system-out"));
    }

    proptest! {
        #[test]
        fn the_report_is_xml_whatever_is_found(findings in findings()) {
            let xml = junit_report(&subject(&findings));
            let document = roxmltree::Document::parse(&xml).unwrap();
            let rules: BTreeSet<&str> = findings.iter().map(|finding| finding.rule.as_ref()).collect();
            let cases: Vec<_> = document.descendants().filter(|node| node.has_tag_name("testcase")).collect();
            prop_assert_eq!(cases.len(), rules.len());
            for failure in document.descendants().filter(|node| node.has_tag_name("failure")) {
                let rule = failure.parent().unwrap().attribute("name").unwrap();
                let first = findings.iter().find(|finding| finding.rule == rule).unwrap();
                let kept: String = first.problem.message.chars().filter(|c| is_allowed(*c)).collect();
                prop_assert!(failure.attribute("message").unwrap().ends_with(&kept));
            }
        }
    }
}
