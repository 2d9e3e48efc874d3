//! `mds export`: plain folders for another web server.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use mds::release::{export, export_with_tunnel_only};
use serde_json::json;

use super::arguments::{TreeArguments, release_of};
use super::error::CliError;
use super::output::{Output, counted};

/// Write a release as plain files that any web server can serve
///
/// `DIR/by-address/<ip>/<document>` for a server that knows who asks by the address (nginx: `root
/// DIR/by-address/$remote_addr;`), `DIR/by-name/<id>/<document>` and `DIR/by-hostname/<hostname>/<document>` for people.
/// DIR must be new, empty, or an earlier export, which is then replaced.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds export --tree /srv/mds/tree /srv/www/cloud-init
  mds export --tree /srv/mds/tree --release 4f2a /tmp/before")]
pub(crate) struct ExportArguments {
    /// Where to write
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The release: its id, or the first digits of it [default: the current one]
    #[arg(long, value_name = "ID")]
    release: Option<String>,
    /// Write documents that are served through a WireGuard tunnel only as well: whoever reads the files has them
    #[arg(long)]
    with_tunnel_only: bool,
    #[command(flatten)]
    tree: TreeArguments,
}

pub(crate) fn run(arguments: &ExportArguments, output: &Output) -> Result<ExitCode, CliError> {
    let tree = arguments.tree.open()?;
    let release = release_of(&tree, arguments.release.as_deref())?;
    let report = match arguments.with_tunnel_only {
        true => export_with_tunnel_only(&tree, release, &arguments.folder),
        false => export(&tree, release, &arguments.folder),
    }?;
    let mut text = format!(
        "wrote {} of {} to {}\n",
        counted(report.documents, "document"),
        counted(report.nodes, "node"),
        arguments.folder.display()
    );
    for address in &report.ambiguous_addresses {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "left out: the address {address} belongs to more than one node");
    }
    for hostname in &report.skipped_hostnames {
        let _ = writeln!(text, "left out: the hostname `{hostname}` is not safe as a folder, or not one node's alone");
    }
    output.result(&text, || json!(report))?;
    Ok(ExitCode::SUCCESS)
}
