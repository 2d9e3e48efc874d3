//! The report for a comment on a pull request, or for the summary of a step.
//!
//! A table for each severity, in it the rules that hit most nodes first. What findings say is shown by nothing but
//! letters, numeric character references and `<code>`: no message can end its cell, start a tag, make a link or call
//! somebody.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write;

use super::ReportSubject;
use super::changes::changes_markdown;
use super::excerpt::Excerpt;
use super::words::{counted, counted_all, examples, ranked, shortened, waived};
use crate::check::finding::{Finding, Severity, Summary};

/// How long the report may be, in bytes. GitHub takes 65,536 characters in a comment, and who posts it may add some.
const LONGEST: usize = 60_000;
/// What findings leave of that to changes, if these need so much.
const FOR_CHANGES: usize = 24_000;
/// What is kept free for the sentence about what was left out.
const RESERVE: usize = 300;
/// Characters of a message or a hint.
const LONGEST_TEXT: usize = 600;
/// Findings of which an excerpt is shown, below the tables.
const EXCERPTS: usize = 5;
/// Characters of a path.
const LONGEST_PATH: usize = 200;

/// The tables, cut so that the report fits where it is to go.
pub(super) fn markdown_report(subject: &ReportSubject<'_>) -> String {
    let mut text = format!("### mds: {}\n", counted_all(&Summary::of(subject.findings)));
    let changes = |room| subject.changes.map(|changes| changes_markdown(changes, room)).unwrap_or_default();
    let longest = LONGEST - changes(FOR_CHANGES).len();
    let mut left: Vec<&Finding> = Vec::new();
    let mut severity = None;
    for finding in by_rule(subject.findings) {
        let mut piece = String::new();
        if severity != Some(finding.severity) {
            piece.push_str(&heading(subject, finding.severity));
        }
        piece.push_str(&row(finding));
        // Nothing is shown after the first that does not fit, so that what is left out is the least of it.
        if left.is_empty() && text.len() + piece.len() + RESERVE <= longest {
            severity = Some(finding.severity);
            text.push_str(&piece);
        } else {
            left.push(finding);
        }
    }
    for line in waived(subject.waived) {
        let line = format!("\n{}\n", sentence(&shortened(&line, LONGEST_TEXT)));
        if text.len() + line.len() + RESERVE <= LONGEST {
            text.push_str(&line);
        }
    }
    let excerpts: String = excerpts(subject);
    if text.len() + excerpts.len() + RESERVE <= LONGEST {
        text.push_str(&excerpts);
    }
    if !left.is_empty() {
        let count = |severity| left.iter().filter(|finding| finding.severity == severity).count();
        let counts = Summary {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "\nThere are {} more ({}), which do not fit here; a report as json has all of them.",
            counted(left.len(), "finding"),
            counted_all(&counts)
        );
    }
    let changes = changes(LONGEST - text.len());
    text + &changes
}

/// The lines that the first findings are about.
fn excerpts(subject: &ReportSubject<'_>) -> String {
    let shown = by_rule(subject.findings).into_iter();
    let shown = shown.filter_map(|finding| Some((finding, Excerpt::of(subject, finding)?)));
    let mut text = String::new();
    for (finding, excerpt) in shown.take(EXCERPTS) {
        let place = finding.problem.place.as_ref().map(|place| shortened(&place.to_string(), LONGEST_PATH));
        let lines: String = excerpt
            .lines()
            .iter()
            .map(|(gutter, line)| format!("{gutter} {line}").trim_end().to_owned() + "\n")
            .collect();
        let fence = fence(&lines);
        let _ = write!(
            text,
            "\n{} in {}:\n\n{fence}text\n{lines}{fence}\n",
            code(&finding.rule),
            code(&place.unwrap_or_default())
        );
    }
    text
}

/// A fence that a text cannot end.
fn fence(text: &str) -> String {
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or_default();
    "`".repeat(longest.max(2) + 1)
}

/// By severity, then by rule, those first of which a finding hits most nodes.
fn by_rule(findings: &[Finding]) -> Vec<&Finding> {
    let mut ranked = ranked(findings);
    let mut most: BTreeMap<(Severity, &str), usize> = BTreeMap::new();
    for finding in &ranked {
        let nodes = most.entry((finding.severity, &finding.rule)).or_default();
        *nodes = finding.nodes.len().max(*nodes);
    }
    let most_of = |finding: &Finding| most.get(&(finding.severity, finding.rule.as_ref())).copied();
    ranked.sort_by(|left, right| {
        let key = |finding: &Finding| (finding.severity, Reverse(most_of(finding)));
        key(left).cmp(&key(right)).then_with(|| left.rule.cmp(&right.rule))
    });
    ranked
}

fn heading(subject: &ReportSubject<'_>, severity: Severity) -> String {
    let count = subject.findings.iter().filter(|finding| finding.severity == severity).count();
    format!("\n#### {}\n\n| rule | what | where | nodes |\n|---|---|---|---|\n", counted(count, severity.as_str()))
}

fn row(finding: &Finding) -> String {
    let mut what = sentence(&shortened(&finding.problem.message, LONGEST_TEXT));
    if let Some(hint) = &finding.problem.hint {
        let _ = write!(what, "<br>hint: {}", sentence(&shortened(hint, LONGEST_TEXT)));
    }
    let place = finding.problem.place.as_ref().map(|place| shortened(&place.to_string(), LONGEST_PATH));
    let place = place.map(|place| code(&place)).unwrap_or_default();
    let nodes = match finding.nodes.len() {
        0 => String::new(),
        count => format!("{count}: {}", code(&examples(&finding.nodes))),
    };
    format!("| {} | {what} | {place} | {nodes} |\n", code(&finding.rule))
}

/// A sentence. What stands in it between back quotes is shown as code.
fn sentence(text: &str) -> String {
    let pieces: Vec<&str> = text.split('`').collect();
    if pieces.len().is_multiple_of(2) {
        return escaped(text);
    }
    let shown = |(index, piece): (usize, &&str)| if index % 2 == 0 { escaped(piece) } else { code(piece) };
    pieces.iter().enumerate().map(shown).collect()
}

pub(super) fn code(text: &str) -> String {
    format!("<code>{}</code>", escaped(text))
}

/// A text of which neither Markdown nor HTML nor GitHub makes anything.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => escaped.push(' '),
            // A zero-width space after it keeps GitHub from calling people, or from naming issues.
            '@' | '#' => {
                let _ = write!(escaped, "&#{};&#8203;", u32::from(character));
            }
            ' ' | '.' | ',' | ';' | '?' | '/' | '(' | ')' | '-' | '+' | '=' => escaped.push(character),
            _ if character.is_ascii_alphanumeric() => escaped.push(character),
            _ if is_invisible(character) => escaped.push('\u{fffd}'),
            _ if character.is_ascii() => {
                let _ = write!(escaped, "&#{};", u32::from(character));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// Control characters, and those that change the direction or the lines of what is around them.
pub(super) fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Sources;
    use super::super::fixture::{findings, nodes, subject};
    use super::*;
    use crate::check::waivers::Waived;
    use crate::render::fixture::site;
    use crate::types::{Place, Problem};

    #[test]
    fn what_frames_a_cell_is_escaped() {
        let problem = Problem::at(Place::at("a|b`c", 3, 7), "`x` | <b>\n@me #7 **b** [a](b) https://x").with_hint("`");
        let report = markdown_report(&subject(&[Finding::error("template", problem, nodes(4))]));
        insta::assert_snapshot!(report, @r"
        ### mds: 1 error

        #### 1 error

        | rule | what | where | nodes |
        |---|---|---|---|
        | <code>template</code> | <code>x</code> &#124; &#60;b&#62; &#64;&#8203;me &#35;&#8203;7 &#42;&#42;b&#42;&#42; &#91;a&#93;(b) https&#58;//x<br>hint: &#96; | <code>a&#124;b&#96;c&#58;3&#58;7</code> | 4: <code>x0, x1, x2, …</code> |
        ");
    }

    #[test]
    fn excerpts_stand_in_fences_that_they_cannot_end() {
        let site = site(&[("templates/x", "a: {{ ```` }}\n")]);
        let finding = Finding::error("template", Problem::at(Place::at("templates/x", 1, 7), "odd"), nodes(1));
        let all = vec![finding; EXCERPTS + 2];
        let report = markdown_report(&ReportSubject { sources: Sources::of(&site), ..subject(&all) });
        assert!(report.contains("\n`````text\n  |\n1 | a: {{ ```` }}\n  |       ^\n`````\n"), "{report}");
        assert_eq!(report.matches("`````text").count(), EXCERPTS);
    }

    #[test]
    fn severities_then_rules_then_nodes() {
        let finding = |rule, count| Finding::error(rule, Problem::new("odd"), nodes(count));
        let all = [
            Finding::warning("hidden-name", Problem::new("odd"), nodes(9)),
            finding("duplicate-mac", 1),
            finding("template", 2),
            finding("duplicate-nid", 1),
            finding("duplicate-mac", 3),
        ];
        let order: Vec<(&str, usize)> =
            by_rule(&all).iter().map(|finding| (finding.rule.as_ref(), finding.nodes.len())).collect();
        let expected =
            [("duplicate-mac", 3), ("duplicate-mac", 1), ("template", 2), ("duplicate-nid", 1), ("hidden-name", 9)];
        assert_eq!(order, expected);
        assert_eq!(markdown_report(&subject(&[])), "### mds: no findings\n");
    }

    #[test]
    fn a_report_that_is_too_long_is_cut_and_says_so() {
        let long = "@#|".repeat(10_000);
        let finding = |severity| Finding { severity, ..Finding::error("template", Problem::new(&*long), nodes(1)) };
        let mut all = vec![finding(Severity::Error); 30];
        all.push(finding(Severity::Note));
        let report = markdown_report(&subject(&all));
        assert!(report.len() <= LONGEST && report.len() > LONGEST / 2, "{}", report.len());
        let shown = report.lines().filter(|line| line.starts_with("| <code>")).count();
        let sentence =
            format!("There are {} findings more ({} errors, 1 note), which do not fit here", 31 - shown, 30 - shown);
        assert!(report.contains(&sentence), "{sentence}");
        assert!(!report.contains("#### 1 note"));
    }

    #[test]
    fn nothing_makes_a_report_too_long() {
        let line = format!("{{{{ x }}}} {}\n", "日".repeat(400));
        let site = site(&[("templates/x", &line)]);
        let message = "@".repeat(600);
        let finding = || Finding::error("template", Problem::at(Place::at("templates/x", 1, 4), &*message), nodes(9));
        let waived = |number: usize| Waived {
            finding: finding(),
            reason: format!("{number}{message}"),
            until: jiff::civil::date(2026, 12, 31),
        };
        let waived: Vec<Waived> = (0..40).map(waived).collect();
        for count in 0..24 {
            let findings = vec![finding(); count];
            let subject = ReportSubject { waived: &waived, sources: Sources::of(&site), ..subject(&findings) };
            let report = markdown_report(&subject);
            assert!(report.len() <= LONGEST, "{count}: {}", report.len());
        }
    }

    proptest! {
        #[test]
        fn a_finding_is_one_row_whatever_it_says(findings in findings()) {
            let report = markdown_report(&subject(&findings));
            let mut rows = 0;
            for row in report.split(['\n', '\r']).filter(|line| line.starts_with("| <code>")) {
                rows += 1;
                prop_assert_eq!(row.matches('|').count(), 5);
                let bare = ["<code>", "</code>", "<br>"].iter().fold(row.to_owned(), |row, tag| row.replace(tag, ""));
                let marks = ['<', '>', '`', '@', '*', '_', '[', ']', '\\', '$', '~', '!', '"'];
                prop_assert!(!bare.contains(marks) && !bare.contains("://"), "{}", row);
                prop_assert_eq!(row.matches("<code>").count(), row.matches("</code>").count());
                // What is left of `&` and `#` are references to single characters.
                for reference in bare.split('&').skip(1) {
                    let (number, _) = reference.split_once(';').unwrap();
                    prop_assert!(number.strip_prefix('#').unwrap().parse::<u32>().is_ok(), "{}", row);
                }
            }
            prop_assert_eq!(rows, findings.len());
            let severities: std::collections::BTreeSet<_> = findings.iter().map(|finding| finding.severity).collect();
            prop_assert_eq!(report.lines().count(), 1 + rows + 5 * severities.len());
        }
    }
}
