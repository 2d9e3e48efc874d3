//! What a command fails with, and the exit codes.

use std::path::Path;
use std::process::ExitCode;

use mds::check::{Finding, ReportSubject, Severity, Summary, text_report};
use mds::pipeline::BuildError;
use mds::release::StoreError;
use mds::site::RepositoryError;
use mds::types::{Problem, Problems};

use super::output::{Output, counted};

/// Findings, or changes that were to fail on.
pub(crate) const EXIT_FINDINGS: u8 = 1;
/// The command could not do its work.
pub(crate) const EXIT_FAILURE: u8 = 2;
/// The command line is wrong (EX_USAGE of sysexits.h).
pub(crate) const EXIT_USAGE: u8 = 64;

/// Longest first problem that is told to anybody, in characters.
const LONGEST_OUTSIDE: usize = 300;

/// Why a command ends early.
#[derive(Debug)]
pub(crate) enum CliError {
    /// The command line does not say what is needed.
    Usage(Problem),
    /// The work could not be done: one or more problems.
    Failure(Vec<Problem>),
    /// There are findings, one of them an error at least.
    Findings(Vec<Finding>),
    /// Whoever read the output has gone, which is not our fault.
    BrokenPipe,
}

impl CliError {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(Problem::new(message))
    }

    pub(crate) fn failure(message: impl Into<String>) -> Self {
        Self::Failure(vec![Problem::new(message)])
    }

    pub(crate) fn no_release(tree: &Path) -> Self {
        Self::failure(format!("the tree {} has no release yet", tree.display()))
            .with_hint("publish one with `mds build --site DIR --tree DIR`")
    }

    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Usage(problem) => Self::Usage(problem.with_hint(hint)),
            Self::Failure(mut problems) => {
                if let Some(last) = problems.pop() {
                    problems.push(last.with_hint(hint));
                }
                Self::Failure(problems)
            }
            other => other,
        }
    }

    /// With more to say of a failure.
    pub(crate) fn with_more(self, more: &str) -> Self {
        match self {
            Self::Failure(problems) => {
                let longer = |problem: Problem| Problem { message: problem.message + more, ..problem };
                Self::Failure(problems.into_iter().map(longer).collect())
            }
            other => other,
        }
    }

    /// What is wrong, on one line, for logs and reports.
    pub(crate) fn on_one_line(&self) -> String {
        let text = match self {
            Self::Usage(problem) => problem.to_string(),
            Self::Failure(problems) => problems.iter().map(|problem| format!("{problem}\n")).collect(),
            Self::Findings(findings) => text_report(findings),
            Self::BrokenPipe => "nobody reads the output any more".to_owned(),
        };
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines.join("; ")
    }

    /// What may be said to anybody who asks: how much is wrong, and the first of it. Findings that are about nodes and
    /// not about a file are only counted, because what they say names nodes and their addresses.
    pub(crate) fn for_outsiders(&self) -> String {
        let (count, first) = match self {
            Self::Usage(problem) => (1, Some(problem)),
            Self::Failure(problems) => (problems.len(), problems.first()),
            Self::Findings(findings) => {
                let first = findings
                    .iter()
                    .find(|finding| finding.severity == Severity::Error && finding.problem.place.is_some());
                (Summary::of(findings).errors, first.map(|finding| &finding.problem))
            }
            Self::BrokenPipe => (1, None),
        };
        let place = first.and_then(|problem| problem.place.as_ref()).map(|place| format!("{place}: "));
        let said = first.map(|problem| format!(", the first: {}{}", place.unwrap_or_default(), problem.message));
        let said = said.unwrap_or_default();
        let said: String = said.chars().filter(|character| !character.is_control()).take(LONGEST_OUTSIDE).collect();
        format!("{}{said}; the log says all", counted(count, "error"))
    }

    /// Whether something in files is wrong, and not how the command was run or what it was given.
    pub(crate) fn is_about_files(&self) -> bool {
        match self {
            Self::Failure(problems) => problems.iter().any(|problem| problem.place.is_some()),
            Self::Findings(_) => true,
            Self::Usage(_) | Self::BrokenPipe => false,
        }
    }

    /// Says what is wrong and chooses the exit code.
    pub(crate) fn report(self, output: &Output) -> ExitCode {
        match self {
            Self::BrokenPipe => ExitCode::SUCCESS,
            Self::Usage(problem) => {
                output.problems(std::slice::from_ref(&problem));
                ExitCode::from(EXIT_USAGE)
            }
            Self::Failure(problems) => {
                output.problems(&problems);
                ExitCode::from(EXIT_FAILURE)
            }
            Self::Findings(findings) => {
                output.findings_but_notes(&ReportSubject { findings: &findings, ..ReportSubject::default() });
                ExitCode::from(EXIT_FINDINGS)
            }
        }
    }
}

impl From<Problem> for CliError {
    fn from(problem: Problem) -> Self {
        Self::Failure(vec![problem])
    }
}

impl From<Problems> for CliError {
    fn from(problems: Problems) -> Self {
        Self::Failure(problems.0)
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::failure(error.to_string())
    }
}

impl From<RepositoryError> for CliError {
    fn from(error: RepositoryError) -> Self {
        match error {
            RepositoryError::Problem(problem) => problem.into(),
            other => Self::failure(other.to_string()),
        }
    }
}

impl From<BuildError> for CliError {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Repository(error) => error.into(),
            BuildError::Unreadable(problems) => problems.into(),
            BuildError::Findings(findings) => Self::Findings(findings),
            BuildError::Store(error) => error.into(),
        }
    }
}
