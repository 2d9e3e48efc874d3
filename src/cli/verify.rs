//! `mds verify`: is the tree whole?

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::arguments::TreeArguments;
use super::error::{CliError, EXIT_FINDINGS};
use super::output::{Output, counted};

/// Read the whole tree and say what is damaged
///
/// Every pack and object is hashed, every manifest compared with its release's id. Exit code 1 when something is
/// damaged.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds verify --tree /srv/mds/tree
  mds verify --tree /srv/mds/tree --format json")]
pub(crate) struct VerifyArguments {
    #[command(flatten)]
    tree: TreeArguments,
}

pub(crate) fn run(arguments: &VerifyArguments, output: &Output) -> Result<ExitCode, CliError> {
    let report = arguments.tree.open()?.verify()?;
    let mut text = String::new();
    for damage in &report.damages {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "damaged: {damage}");
    }
    for leftover in &report.leftovers {
        let _ = writeln!(text, "left over from a writer that did not finish (harmless): {}", leftover.display());
    }
    let _ = writeln!(
        text,
        "read {}, {} and {}: {}",
        counted(report.releases, "release"),
        counted(report.packs, "pack"),
        counted(report.objects, "object"),
        if report.is_whole() { "the tree is whole" } else { "the tree is damaged" },
    );
    output.result(&text, || json!({"whole": report.is_whole(), "report": report}))?;
    Ok(if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FINDINGS) })
}
