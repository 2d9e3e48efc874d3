//! `mds pin` and `mds unpin`: releases that `gc` must keep.

use std::process::ExitCode;

use clap::Args;
use mds::types::ReleaseId;
use serde_json::json;

use super::arguments::{TreeArguments, release_of};
use super::error::CliError;
use super::output::Output;

/// Keep a release, whatever `mds gc` removes
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds pin --tree /srv/mds/tree           the current release
  mds pin 4f2a --tree /srv/mds/tree")]
pub(crate) struct PinArguments {
    /// The release: its id, or the first digits of it [default: the current one]
    #[arg(value_name = "ID")]
    release: Option<String>,
    #[command(flatten)]
    tree: TreeArguments,
}

/// Let `mds gc` remove a release again
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds unpin 4f2a --tree /srv/mds/tree")]
pub(crate) struct UnpinArguments {
    /// The release: its id, or the first digits of it [default: the current one]
    #[arg(value_name = "ID")]
    release: Option<String>,
    #[command(flatten)]
    tree: TreeArguments,
}

pub(crate) fn run_pin(arguments: &PinArguments, output: &Output) -> Result<ExitCode, CliError> {
    let tree = arguments.tree.open()?;
    let release = release_of(&tree, arguments.release.as_deref())?;
    let changed = tree.lock()?.pin(release)?;
    print(release, true, changed, output)
}

pub(crate) fn run_unpin(arguments: &UnpinArguments, output: &Output) -> Result<ExitCode, CliError> {
    let tree = arguments.tree.open()?;
    let release = release_of(&tree, arguments.release.as_deref())?;
    let changed = tree.lock()?.unpin(release)?;
    print(release, false, changed, output)
}

fn print(release: ReleaseId, pinned: bool, changed: bool, output: &Output) -> Result<ExitCode, CliError> {
    let now = if changed { "is now" } else { "was already" };
    let state = if pinned { "pinned" } else { "not pinned" };
    let text = format!("release {release} {now} {state}\n");
    output.result(&text, || json!({"release": release, "pinned": pinned, "changed": changed}))?;
    Ok(ExitCode::SUCCESS)
}
