//! Reports of findings, as text for people and as JSON for programs.

use std::fmt::Write;

use serde::Serialize;

use super::finding::{Finding, Severity, Summary};
use crate::types::{NodeId, Place};

/// Nodes named as examples in a text report.
const EXAMPLES: usize = 3;
/// Findings of one rule that a text report shows before it only counts.
const SHOWN_PER_RULE: usize = 20;

/// A report for people: every finding in a few lines, errors first, then the counts. Empty without findings.
#[must_use]
pub fn text_report(findings: &[Finding]) -> String {
    let mut text = String::new();
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| finding.severity);
    let mut shown: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for finding in sorted {
        let count = shown.entry(finding.rule).or_default();
        *count += 1;
        if *count <= SHOWN_PER_RULE {
            // Writing to a String cannot fail.
            let _ = write_finding(&mut text, finding);
        }
    }
    for (rule, count) in shown.iter().filter(|(_, count)| **count > SHOWN_PER_RULE) {
        let _ =
            writeln!(text, "… and {} more findings of {rule}; --format json lists them all", count - SHOWN_PER_RULE);
    }
    let Summary { errors, warnings } = Summary::of(findings);
    if errors + warnings > 0 {
        let _ = writeln!(text, "{}, {}", counted(errors, "error"), counted(warnings, "warning"));
    }
    text
}

fn write_finding(text: &mut String, finding: &Finding) -> std::fmt::Result {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    write!(text, "{severity}[{}]: ", finding.rule)?;
    if let Some(place) = &finding.problem.place {
        write!(text, "{place}: ")?;
    }
    writeln!(text, "{}", finding.problem.message)?;
    if let Some(hint) = &finding.problem.hint {
        writeln!(text, "  hint: {hint}")?;
    }
    if !finding.nodes.is_empty() {
        let examples: Vec<&str> = finding.nodes.iter().take(EXAMPLES).map(NodeId::as_str).collect();
        let ellipsis = if finding.nodes.len() > EXAMPLES { ", …" } else { "" };
        writeln!(text, "  concerns {}: {}{ellipsis}", counted(finding.nodes.len(), "node"), examples.join(", "))?;
    }
    Ok(())
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[derive(Serialize)]
struct JsonFinding<'a> {
    rule: &'a str,
    severity: Severity,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<&'a Place>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    nodes: &'a [NodeId],
}

/// The findings as a JSON array, whole.
///
/// # Errors
/// Never: everything in a finding has a JSON form.
pub fn json_report(findings: &[Finding]) -> Result<serde_json::Value, serde_json::Error> {
    let entry = |finding: &Finding| {
        serde_json::to_value(JsonFinding {
            rule: finding.rule,
            severity: finding.severity,
            message: &finding.problem.message,
            place: finding.problem.place.as_ref(),
            hint: finding.problem.hint.as_deref(),
            nodes: &finding.nodes,
        })
    };
    findings.iter().map(entry).collect::<Result<Vec<_>, _>>().map(serde_json::Value::Array)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Problem;

    #[test]
    fn errors_come_first_and_nodes_are_counted() {
        let ids: Vec<NodeId> = (0..5).map(|number| NodeId::parse(&format!("x{number}")).unwrap()).collect();
        let findings = [
            Finding::warning("hidden-name", Problem::new("odd"), vec![]),
            Finding::error("template", Problem::at(Place::at("a", 1, 2), "wrong").with_hint("mend it"), ids),
        ];
        let expected = "error[template]: a:1:2: wrong\n  hint: mend it\n  concerns 5 nodes: x0, x1, x2, …\nwarning[hidden-name]: odd\n1 error, 1 warning\n";
        assert_eq!(text_report(&findings), expected);
        assert_eq!(text_report(&[]), "");
    }
}
