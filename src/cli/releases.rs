//! `mds releases`: what the tree holds.

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use mds::release::ReleaseSummary;
use serde_json::{Value, json};

use super::arguments::TreeArguments;
use super::error::CliError;
use super::output::{Output, counted};

/// List the releases of the tree, newest first
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds releases --tree /srv/mds/tree      `*` marks the current release, `pinned` those that gc keeps
  mds releases --format json")]
pub(crate) struct ReleasesArguments {
    #[command(flatten)]
    tree: TreeArguments,
}

pub(crate) fn run(arguments: &ReleasesArguments, output: &Output) -> Result<ExitCode, CliError> {
    let releases = arguments.tree.open()?.releases()?;
    let mut text: String = releases.iter().map(line).collect();
    if releases.is_empty() {
        text.push_str("no release yet; publish one with `mds build`\n");
    }
    output.result(&text, || json!({"releases": releases.iter().map(value).collect::<Vec<Value>>()}))?;
    Ok(ExitCode::SUCCESS)
}

fn line(release: &ReleaseSummary) -> String {
    let mark = if release.current { '*' } else { ' ' };
    let mut text = format!("{mark} {}", release.id.short());
    match &release.record {
        None => text.push_str("  its release.json is not readable; run `mds verify`"),
        Some(record) => {
            let time = release.published.unwrap_or(record.provenance.time);
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "  {time:.0}  {}, {}  from {}",
                counted(record.nodes, "node"),
                counted(record.documents, "document"),
                record.provenance.site
            );
        }
    }
    if release.pinned {
        text.push_str("  pinned");
    }
    text.push('\n');
    text
}

fn value(release: &ReleaseSummary) -> Value {
    json!({
        "id": release.id,
        "current": release.current,
        "pinned": release.pinned,
        "published": release.published.map(|time| time.to_string()),
        "record": release.record,
    })
}
