//! `mds rollback`: serve an earlier release again.

use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::arguments::TreeArguments;
use super::error::CliError;
use super::output::Output;

/// Make an earlier release current again
///
/// Without an id: the release that was current before the current one was published. Running servers follow within a
/// second.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds rollback --tree /srv/mds/tree          back to the release before
  mds rollback 4f2a --tree /srv/mds/tree     to a certain one, in either direction")]
pub(crate) struct RollbackArguments {
    /// The release to go to: its id, or the first digits of it
    #[arg(value_name = "ID")]
    release: Option<String>,
    #[command(flatten)]
    tree: TreeArguments,
}

pub(crate) fn run(arguments: &RollbackArguments, output: &Output) -> Result<ExitCode, CliError> {
    let tree = arguments.tree.open()?;
    let target = arguments.release.as_deref().map(|text| tree.resolve(text)).transpose()?;
    let switched = tree.lock()?.rollback(target, Timestamp::now())?;
    let from = switched.previous.map_or_else(|| "no release".to_owned(), |previous| previous.short());
    let text = format!("current is now release {}, before it was {from}\n", switched.release);
    output.result(&text, || json!({"release": switched.release, "previous": switched.previous}))?;
    Ok(ExitCode::SUCCESS)
}
