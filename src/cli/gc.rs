//! `mds gc`: remove old releases.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::arguments::TreeArguments;
use super::error::CliError;
use super::output::{Output, counted};

/// Remove old releases, and the objects that no other release needs
///
/// The current release and pinned ones always stay. Servers go on undisturbed.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds gc --keep 10 --tree /srv/mds/tree      the ten newest stay, and the current and pinned ones")]
pub(crate) struct GcArguments {
    /// How many of the newest releases stay
    #[arg(long, value_name = "N", default_value_t = 10)]
    keep: usize,
    #[command(flatten)]
    tree: TreeArguments,
}

pub(crate) fn run(arguments: &GcArguments, output: &Output) -> Result<ExitCode, CliError> {
    let report = arguments.tree.open()?.lock()?.gc(arguments.keep)?;
    let text = format!(
        "removed {} and {} ({} bytes less); {} left\n",
        counted(report.removed.len(), "release"),
        counted(report.objects_removed, "object"),
        super::output::grouped(usize::try_from(report.bytes_freed).unwrap_or(usize::MAX)),
        counted(report.kept.len(), "release"),
    );
    output.result(&text, || json!(report))?;
    Ok(ExitCode::SUCCESS)
}
