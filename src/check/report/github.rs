//! Workflow commands of GitHub, which become annotations at the lines of a change.
//!
//! Of each kind a step may make ten, and GitHub drops the rest without a word. So the ten that hit most nodes are
//! printed, and a line of plain text says how many more there are and where.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write;

use super::ReportSubject;
use super::changes::changes_notice;
use super::words::{concerned, counted_all, ranked, shortened};
use crate::check::finding::{Finding, Severity, Summary};
use crate::types::printable;

/// Annotations of one kind that GitHub takes from a step.
const SHOWN: usize = 10;
/// Characters of a message: an annotation is small, and the log is read by people.
const LONGEST: usize = 2_000;
/// Files that the last line names.
const FILES: usize = 5;

/// The commands, and a line about the rest.
pub(super) fn github_report(subject: &ReportSubject<'_>) -> String {
    let mut text = String::new();
    let mut rest: Vec<&Finding> = Vec::new();
    let mut shown: BTreeMap<Severity, usize> = BTreeMap::new();
    for finding in ranked(subject.findings) {
        let count = shown.entry(finding.severity).or_default();
        if *count < SHOWN {
            *count += 1;
            text.push_str(&command(subject, finding));
        } else {
            rest.push(finding);
        }
    }
    text.push_str(&about_rest(subject, &rest));
    text.push_str(&subject.changes.map(changes_notice).unwrap_or_default());
    text
}

fn command(subject: &ReportSubject<'_>, finding: &Finding) -> String {
    let kind = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let mut command = format!("::{kind} ");
    if let Some(place) = &finding.problem.place {
        // Writing to a String cannot fail.
        let _ = write!(command, "file={},", property(&subject.path(&place.file)));
        if place.line > 0 {
            let _ = write!(command, "line={},", place.line);
            if place.column > 0 {
                let _ = write!(command, "col={},", place.column);
            }
        }
    }
    let mut message = finding.problem.message.clone();
    if let Some(hint) = &finding.problem.hint {
        let _ = write!(message, "\nhint: {hint}");
    }
    let mut message = shortened(&message, LONGEST);
    if let Some(concerned) = concerned(&finding.nodes) {
        let _ = write!(message, "\n{concerned}");
    }
    let _ = writeln!(command, "title={}::{}", property(&finding.rule), data(&message));
    command
}

/// One line of plain text: GitHub would drop a command.
fn about_rest(subject: &ReportSubject<'_>, rest: &[&Finding]) -> String {
    if rest.is_empty() {
        return String::new();
    }
    let mut files: BTreeMap<String, usize> = BTreeMap::new();
    for finding in rest {
        let file = finding.problem.place.as_ref().map(|place| plain(&subject.path(&place.file)));
        *files.entry(file.unwrap_or_else(|| "no file".to_owned())).or_default() += 1;
    }
    let mut files: Vec<(String, usize)> = files.into_iter().collect();
    files.sort_by_key(|(_, count)| Reverse(*count));
    let mut named: Vec<String> =
        files.iter().take(FILES).map(|(file, count)| format!("{} ({count})", shortened(file, 200))).collect();
    if files.len() > FILES {
        named.push(format!("{} more", files.len() - FILES));
    }
    let count = |severity| rest.iter().filter(|finding| finding.severity == severity).count();
    let counts =
        Summary { errors: count(Severity::Error), warnings: count(Severity::Warning), notes: count(Severity::Note) };
    format!(
        "and {} more than GitHub shows of a kind, in: {}; a report as json has all of them\n",
        counted_all(&counts),
        named.join(", ")
    )
}

/// The message of a command.
pub(super) fn data(text: &str) -> String {
    // Line breaks are kept by their escapes. Other control characters are for terminals.
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    printable(&lines).replace('%', "%25").replace('\n', "%0A")
}

/// A property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A text outside of commands. The older form of commands, `##[…]`, counts anywhere in a line.
fn plain(text: &str) -> String {
    printable(text).replace('\n', " ").replace("##[", "#-[")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::{findings, nodes, subject};
    use super::*;
    use crate::types::{Place, Problem};

    #[test]
    fn what_frames_commands_is_escaped() {
        let problem = Problem::at(Place::at("a,b:c%.yaml", 3, 7), "100 %\r\n::error::x\rb").with_hint("a, b: c");
        let finding = [Finding::warning("hidden-name", problem, nodes(4))];
        let report = github_report(&ReportSubject { folder: "site", ..subject(&finding) });
        assert_eq!(
            report,
            "::warning file=site/a%2Cb%3Ac%25.yaml,line=3,col=7,title=hidden-name::100 %25%0A::error::x%0Ab%0Ahint: \
             a, b: c%0Aconcerns 4 nodes: x0, x1, x2, …\n"
        );
    }

    #[test]
    fn the_ten_of_a_kind_that_hit_most_nodes_are_shown_and_the_rest_is_counted() {
        let at = |file: &str| Problem::at(Place::file(file), "odd");
        let mut all: Vec<Finding> =
            (0..13).map(|count| Finding::error("template", at(&format!("f{count}")), nodes(count))).collect();
        all.extend((0..11).map(|_| Finding::warning("hidden-name", Problem::new("odd"), Vec::new())));
        all.push(Finding::note("not-an-xname", Problem::new("odd"), Vec::new()));
        let report = github_report(&subject(&all));
        assert_eq!(report.lines().count(), 10 + 10 + 1 + 1);
        assert!(report.starts_with("::error file=f12,title=template::odd%0Aconcerns 12 nodes"), "{report}");
        assert!(!report.contains("file=f2,"), "{report}");
        let last = "and 3 errors, 1 warning more than GitHub shows of a kind, in: f0 (1), f1 (1), f2 (1), no file (1); a \
                    report as json has all of them";
        assert_eq!(report.lines().last(), Some(last));
        assert_eq!(github_report(&subject(&[])), "");
    }

    proptest! {
        #[test]
        fn a_finding_is_one_command_whatever_it_says(findings in findings()) {
            let report = github_report(&subject(&findings));
            prop_assert_eq!(report.split_terminator(['\n', '\r']).count(), findings.len());
            for (line, finding) in report.lines().zip(ranked(&findings)) {
                let (head, _) = line.strip_prefix("::").unwrap().split_once("::").unwrap();
                let title = format!("title={}", finding.rule);
                prop_assert!(head.ends_with(&title), "{}", line);
                let (kind, properties) = head.split_once(' ').unwrap();
                prop_assert!(["error", "warning", "notice"].contains(&kind));
                for property in properties.split(',') {
                    let (name, _) = property.split_once('=').unwrap();
                    prop_assert!(["file", "line", "col", "title"].contains(&name), "{}", line);
                }
            }
        }

        #[test]
        fn the_line_about_the_rest_is_no_command(mut finding in super::super::fixture::finding()) {
            finding.severity = Severity::Error;
            let report = github_report(&subject(&vec![finding; 11]));
            let last = report.lines().last().unwrap();
            prop_assert_eq!(report.lines().count(), 11);
            prop_assert!(last.starts_with("and 1 error more") && !last.contains("##["), "{}", last);
        }
    }
}
