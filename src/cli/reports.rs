//! `--report` and `--fail-on`: where reports of findings go, and which findings make a command fail.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use mds::check::{Finding, ReportFormat, ReportSubject, Severity, report, styled_report};
use mds::compare::Changes;
use mds::types::nearest;

use super::error::{CliError, EXIT_FINDINGS};
use super::output::{Output, style_for};
use super::replace::replace;

/// What is to be made of findings.
#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    /// Report what was found in this format, into a file or in place of what is printed otherwise; may be given several
    /// times. Formats are text, json, markdown, github, sarif and junit
    #[arg(long = "report", value_name = "FORMAT[=FILE]", value_parser = parse_target)]
    targets: Vec<Target>,
    /// Exit with 1 when there are findings of this severity or a higher one, or changes; may be given several times
    /// [default: errors]
    #[arg(long, value_name = "WHAT", value_enum, value_delimiter = ',')]
    fail_on: Vec<FailOn>,
}

/// What makes a command fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Errors only
    Errors,
    /// Errors and warnings
    Warnings,
    /// Errors, and anything that changes against --base
    Changes,
}

/// A report that is asked for. Without a file it goes to standard output.
#[derive(Clone, Debug)]
struct Target {
    format: ReportFormat,
    file: Option<PathBuf>,
}

/// Reads `FORMAT` or `FORMAT=FILE`.
fn parse_target(text: &str) -> Result<Target, String> {
    let (name, file) = text.split_once('=').map_or((text, None), |(name, file)| (name, Some(file)));
    let Some(format) = ReportFormat::ALL.into_iter().find(|format| format.as_str() == name) else {
        let names = ReportFormat::ALL.map(ReportFormat::as_str);
        let hint = match nearest(name, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", names.join(", ")),
        };
        return Err(format!("there is no format `{name}`; {hint}"));
    };
    match file {
        Some("") => Err(format!("no file is named after `{name}=`")),
        // As elsewhere, a dash is standard output.
        Some("-") | None => Ok(Target { format, file: None }),
        Some(file) => Ok(Target { format, file: Some(PathBuf::from(file)) }),
    }
}

impl ReportArguments {
    /// Whether anything was asked for.
    pub(crate) const fn is_given(&self) -> bool {
        !self.targets.is_empty() || !self.fail_on.is_empty()
    }

    /// Checks that no two reports go to one place, and that changes are looked for if they matter.
    pub(crate) fn check(&self, compares: bool) -> Result<(), CliError> {
        if self.fail_on.contains(&FailOn::Changes) && !compares {
            return Err(CliError::usage("--fail-on changes needs something to compare with")
                .with_hint("name a revision or a release: mds build --check --base origin/main --fail-on changes"));
        }
        let printed = self.targets.iter().filter(|target| target.file.is_none()).count();
        if printed > 1 {
            return Err(CliError::usage(format!("{printed} reports are to go to standard output"))
                .with_hint("give all but one a file, as in --report sarif=findings.sarif"));
        }
        let mut files = BTreeSet::new();
        match self.targets.iter().filter_map(|target| target.file.as_ref()).find(|file| !files.insert(*file)) {
            Some(file) => Err(CliError::usage(format!("two reports are to go to {}", file.display()))
                .with_hint("give each a file of its own")),
            None => Ok(()),
        }
    }

    /// Whether a report takes the place of what is printed otherwise.
    pub(crate) fn is_printed(&self) -> bool {
        self.targets.iter().any(|target| target.file.is_none())
    }

    /// Writes the reports: files first, each as a whole or not at all.
    pub(crate) fn write(&self, subject: &ReportSubject<'_>, output: &Output) -> Result<(), CliError> {
        for target in &self.targets {
            let Some(file) = &target.file else { continue };
            replace(file, report(target.format, subject).as_bytes()).map_err(|error| {
                CliError::failure(format!("the report {} cannot be written: {error}", file.display()))
            })?;
        }
        match self.targets.iter().find(|target| target.file.is_none()) {
            Some(target) => {
                let style = style_for(&std::io::stdout());
                output.bytes(styled_report(target.format, subject, style).as_bytes())
            }
            None => Ok(()),
        }
    }

    /// The exit code that the findings deserve, and the changes, if any were looked for.
    pub(crate) fn exit_code(&self, findings: &[Finding], changes: Option<&Changes>) -> ExitCode {
        let least = if self.fail_on.contains(&FailOn::Warnings) { Severity::Warning } else { Severity::Error };
        let fails_on_changes =
            self.fail_on.contains(&FailOn::Changes) && changes.is_some_and(|changes| !changes.is_empty());
        // The order of severities is that of reports: what matters more comes first.
        match fails_on_changes || findings.iter().any(|finding| finding.severity <= least) {
            true => ExitCode::from(EXIT_FINDINGS),
            false => ExitCode::SUCCESS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_formats_with_or_without_a_file() {
        let parsed = |text: &str| parse_target(text).map(|target| (target.format.as_str(), target.file));
        assert_eq!(parsed("sarif"), Ok(("sarif", None)));
        assert_eq!(parsed("sarif=-"), Ok(("sarif", None)));
        assert_eq!(parsed("junit=a=b.xml"), Ok(("junit", Some(PathBuf::from("a=b.xml")))));
        assert_eq!(parsed("junit="), Err("no file is named after `junit=`".to_owned()));
        assert_eq!(parsed("jnuit"), Err("there is no format `jnuit`; did you mean `junit`?".to_owned()));
        assert!(parsed("").unwrap_err().contains("there are text, json, markdown, github, sarif, junit"));
    }
}
