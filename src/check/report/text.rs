//! The report for people who read it in a terminal.

use std::fmt::Write;

use anstyle::{AnsiColor, Style as Ansi};

use super::ReportSubject;
use super::excerpt::Excerpt;
use super::words::{concerned, counted, waived};
use crate::check::finding::{Finding, Severity, Summary};
use crate::types::printable;

/// Findings of one rule that a text report shows before it only counts.
const SHOWN_PER_RULE: usize = 20;

/// How a text is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    #[default]
    Plain,
    /// With the colours of a terminal.
    Coloured,
}

impl Style {
    fn paint(self, ansi: Ansi, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("{ansi}{text}{ansi:#}"),
        }
    }
}

/// How a severity and its mark are shown.
const fn ansi_of(severity: Severity) -> Ansi {
    let colour = match severity {
        Severity::Error => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Note => AnsiColor::Cyan,
    };
    colour.on_default().bold()
}

/// A report for people without excerpts: every finding in a few lines, errors first, then the counts. Empty without
/// findings.
#[must_use]
pub fn text_report(findings: &[Finding]) -> String {
    styled_text_report(&ReportSubject { findings, ..ReportSubject::default() }, Style::Plain)
}

/// As [`text_report`], with the lines that the findings are about, if the subject has their files, and with what is waived.
#[must_use]
pub fn styled_text_report(subject: &ReportSubject<'_>, style: Style) -> String {
    let mut text = String::new();
    let mut sorted: Vec<&Finding> = subject.findings.iter().collect();
    sorted.sort_by_key(|finding| finding.severity);
    let mut shown: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for finding in sorted {
        let count = shown.entry(finding.rule.as_ref()).or_default();
        *count += 1;
        if *count <= SHOWN_PER_RULE {
            let _ = write_finding(&mut text, subject, finding, style);
        }
    }
    for (rule, count) in shown.iter().filter(|(_, count)| **count > SHOWN_PER_RULE) {
        let _ =
            writeln!(text, "… and {} more findings of {rule}; --format json lists them all", count - SHOWN_PER_RULE);
    }
    for sentence in waived(subject.waived) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", printable(&sentence.replace('\n', " ")));
    }
    let Summary { errors, warnings, notes } = Summary::of(subject.findings);
    if errors + warnings + notes > 0 {
        let _ = write!(text, "{}, {}", counted(errors, "error"), counted(warnings, "warning"));
        let _ = if notes > 0 { writeln!(text, ", {}", counted(notes, "note")) } else { writeln!(text) };
    }
    text
}

/// As [`styled_text_report`], and a line when there is nothing to say.
pub(super) fn whole_text_report(subject: &ReportSubject<'_>, style: Style) -> String {
    let text = styled_text_report(subject, style);
    if subject.findings.is_empty() { format!("no findings\n{text}") } else { text }
}

fn write_finding(text: &mut String, subject: &ReportSubject<'_>, finding: &Finding, style: Style) -> std::fmt::Result {
    let head = format!("{}[{}]", finding.severity.as_str(), finding.rule);
    write!(text, "{}: ", style.paint(ansi_of(finding.severity), &head))?;
    if let Some(place) = &finding.problem.place {
        write!(text, "{}: ", printable(&place.to_string()))?;
    }
    let message = printable(&finding.problem.message);
    writeln!(text, "{}", style.paint(Ansi::new().bold(), &message))?;
    if let Some(excerpt) = Excerpt::of(subject, finding) {
        write_excerpt(text, &excerpt, finding.severity, style)?;
    }
    if let Some(hint) = &finding.problem.hint {
        writeln!(text, "  hint: {}", printable(hint))?;
    }
    if let Some(concerned) = concerned(&finding.nodes) {
        writeln!(text, "  {concerned}")?;
    }
    Ok(())
}

fn write_excerpt(text: &mut String, excerpt: &Excerpt, severity: Severity, style: Style) -> std::fmt::Result {
    let gutter_style = AnsiColor::Blue.on_default().bold();
    for (index, (gutter, line)) in excerpt.lines().into_iter().enumerate() {
        // The third is the mark.
        let line = if index == 2 { style.paint(ansi_of(severity), &line) } else { line };
        let gap = if line.is_empty() { "" } else { " " };
        writeln!(text, "{}{gap}{line}", style.paint(gutter_style, &gutter))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Sources;
    use super::*;
    use crate::render::fixture::site;
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

    #[test]
    fn a_terminal_gets_colours_and_nothing_else_of_its_own() {
        let site = site(&[("templates/x", "a: {{ b\u{1b}[2J }}\n")]);
        let problem = Problem::at(Place::at("templates/x", 1, 7), "odd\u{1b}]0;x\u{7}");
        let findings = [Finding::error("template", problem, vec![])];
        let subject = ReportSubject { findings: &findings, sources: Sources::of(&site), ..ReportSubject::default() };
        let plain = styled_text_report(&subject, Style::Plain);
        let expected = "error[template]: templates/x:1:7: odd\\u{1b}]0;x\\u{7}\n  |\n1 | a: {{ b\\u{1b}[2J }}\n  |       ^\n\
                        1 error, 0 warnings\n";
        assert_eq!(plain, expected);
        let coloured = styled_text_report(&subject, Style::Coloured);
        assert!(coloured.starts_with("\u{1b}[1m\u{1b}[31merror[template]\u{1b}[0m: templates/x:1:7: "), "{coloured:?}");
        let codes = ["[1m", "[0m", "[31m", "[34m"].map(|code| format!("\u{1b}{code}"));
        assert_eq!(codes.iter().fold(coloured, |text, code| text.replace(code, "")), expected);
    }
}
