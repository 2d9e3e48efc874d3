//! The report for people who read it in a terminal.

use std::fmt::Write;

use super::words::{concerned, counted};
use crate::check::finding::{Finding, Summary};
use crate::types::printable;

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
        let count = shown.entry(finding.rule.as_ref()).or_default();
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
    let Summary { errors, warnings, notes } = Summary::of(findings);
    if errors + warnings + notes > 0 {
        let _ = write!(text, "{}, {}", counted(errors, "error"), counted(warnings, "warning"));
        let _ = if notes > 0 { writeln!(text, ", {}", counted(notes, "note")) } else { writeln!(text) };
    }
    text
}

fn write_finding(text: &mut String, finding: &Finding) -> std::fmt::Result {
    write!(text, "{}[{}]: ", finding.severity.as_str(), finding.rule)?;
    if let Some(place) = &finding.problem.place {
        write!(text, "{}: ", printable(&place.to_string()))?;
    }
    writeln!(text, "{}", printable(&finding.problem.message))?;
    if let Some(hint) = &finding.problem.hint {
        writeln!(text, "  hint: {}", printable(hint))?;
    }
    if let Some(concerned) = concerned(&finding.nodes) {
        writeln!(text, "  {concerned}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{NodeId, Place, Problem};

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
