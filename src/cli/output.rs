//! Printing: results to standard output, what is wrong to standard error.

use std::io::{ErrorKind, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use mds::check::{Finding, ReportSubject, Severity, Style, styled_text_report};
pub(crate) use mds::types::grouped;
use mds::types::{Problem, printable};
use serde_json::{Value, json};

use super::arguments::Format;
use super::error::CliError;

/// Prints in the format that was asked for.
#[derive(Debug)]
pub(crate) struct Output {
    format: Format,
}

impl Output {
    pub(crate) const fn new(format: Format) -> Self {
        Self { format }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether what is printed goes to a terminal that shows colours, and nobody has said that it should not.
    pub(crate) fn is_coloured(&self) -> bool {
        !self.is_json() && AutoStream::choice(&std::io::stdout()) != ColorChoice::Never
    }

    /// Prints a result: the text for people, or the JSON value for programs.
    pub(crate) fn result(&self, text: &str, value: impl FnOnce() -> Value) -> Result<(), CliError> {
        match self.format {
            Format::Text => self.bytes(text.as_bytes()),
            // One line each, so that a program can read the values of a command that goes on, such as `serve`.
            Format::Json => self.bytes(format!("{}\n", value()).as_bytes()),
        }
    }

    /// Prints bytes as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), CliError> {
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(CliError::BrokenPipe),
            Err(error) => Err(CliError::failure(format!("the result cannot be printed: {error}"))),
        }
    }

    /// Prints findings: to standard error for people, so that results stay clean; as the result for programs.
    pub(crate) fn findings(&self, subject: &ReportSubject<'_>) {
        match self.format {
            Format::Text => eprint(&styled_text_report(subject, style_for(&std::io::stderr()))),
            Format::Json => {
                // There is nobody left to tell when this fails.
                let _ = self
                    .bytes(format!("{}\n", json!({"findings": subject.findings, "waived": subject.waived})).as_bytes());
            }
        }
    }

    /// As [`Output::findings`], but people are not told what is only good to know.
    pub(crate) fn findings_but_notes(&self, subject: &ReportSubject<'_>) {
        let is_shown = |finding: &&Finding| self.is_json() || finding.severity != Severity::Note;
        let findings: Vec<Finding> = subject.findings.iter().filter(is_shown).cloned().collect();
        self.findings(&ReportSubject { findings: &findings, ..*subject });
    }

    /// Prints problems.
    pub(crate) fn problems(&self, problems: &[Problem]) {
        match self.format {
            Format::Text => problems.iter().for_each(|problem| eprint(&text_of(problem))),
            Format::Json => {
                let _ = self.bytes(format!("{}\n", json!({"errors": problems})).as_bytes());
            }
        }
    }
}

fn text_of(problem: &Problem) -> String {
    let place = problem.place.as_ref().map_or_else(String::new, |place| format!("{place}: "));
    let hint = problem.hint.as_ref().map_or_else(String::new, |hint| format!("  hint: {hint}\n"));
    printable(&format!("error: {place}{}\n{hint}", problem.message)).into_owned()
}

/// How texts are shown that are written there: coloured on a terminal, unless somebody has asked for none.
pub(crate) fn style_for(stream: &impl IsTerminal) -> Style {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    if stream.is_terminal() && !is_set("NO_COLOR") && !is_dumb { Style::Coloured } else { Style::Plain }
}

/// Writes to standard error. When that fails nobody is listening.
pub(crate) fn eprint(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// A number and its noun.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_are_counted() {
        assert_eq!([1, 1000].map(|number| counted(number, "node")), ["1 node", "1,000 nodes"]);
    }
}
