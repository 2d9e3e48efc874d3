//! Reports of findings: for people in a terminal or in a pull request, and for the programs of continuous integration.
//!
//! A report is a function from findings to text. What findings say comes from files that anybody may have written, so
//! every format escapes it: no message can end the place where it stands.

mod changes;
mod excerpt;
mod github;
mod json;
mod junit;
mod markdown;
mod redaction;
mod sarif;
mod text;
mod words;

#[cfg(test)]
mod fixture;

use super::catalogue::AnyRule;
use super::finding::Finding;
use super::waivers::Waived;
use crate::compare::Changes;

pub use changes::changes_text;
pub use excerpt::Sources;
pub use text::{Style, styled_text_report, text_report};

/// A format of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    /// For a terminal.
    Text,
    /// Everything, by `schemas/report.schema.json`.
    Json,
    /// For a comment on a pull request, or the summary of a step.
    Markdown,
    /// Workflow commands of GitHub, which show at the lines of a change.
    Github,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit's XML, for everything that counts tests.
    Junit,
}

impl ReportFormat {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Text, Self::Json, Self::Markdown, Self::Github, Self::Sarif, Self::Junit];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Markdown => "markdown",
            Self::Github => "github",
            Self::Sarif => "sarif",
            Self::Junit => "junit",
        }
    }
}

/// What a report is about.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReportSubject<'a> {
    /// What was found.
    pub findings: &'a [Finding],
    /// What was found and does not count.
    pub waived: &'a [Waived],
    /// The rules that were run to the end. Rules that found something need not be among them.
    pub rules: &'a [&'a AnyRule<'a>],
    /// Where the site lies in its repository, with `/` between folders; empty at its top. Programs that show findings
    /// at lines of files look for the files there.
    pub folder: &'a str,
    /// Where the files are that findings are in. Without them a report has no excerpts.
    pub sources: Sources<'a>,
    /// What changes against another revision or release, if it was compared with one.
    pub changes: Option<&'a Changes>,
}

impl ReportSubject<'_> {
    /// The path of a file of the site in its repository.
    fn path(&self, file: &str) -> String {
        if self.folder.is_empty() { file.to_owned() } else { format!("{}/{file}", self.folder) }
    }
}

/// The report in a format. It ends with a line break.
#[must_use]
pub fn report(format: ReportFormat, subject: &ReportSubject<'_>) -> String {
    styled_report(format, subject, Style::Plain)
}

/// As [`report`]; the format for people in the style of where it is shown.
#[must_use]
pub fn styled_report(format: ReportFormat, subject: &ReportSubject<'_>, style: Style) -> String {
    match format {
        ReportFormat::Text => {
            let changes = subject.changes.map(|changes| changes_text(changes, style == Style::Coloured, true));
            text::whole_text_report(subject, style) + &changes.unwrap_or_default()
        }
        ReportFormat::Json => json::json_report(subject),
        ReportFormat::Markdown => markdown::markdown_report(subject),
        ReportFormat::Github => github::github_report(subject),
        ReportFormat::Sarif => sarif::sarif_report(subject),
        ReportFormat::Junit => junit::junit_report(subject),
    }
}
