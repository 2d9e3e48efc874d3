//! `mds inventory diff`: what moved since the inventory of the site was pulled.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use mds::inventory::{InventoryDifference, NodeChange, difference};
use mds::pipeline::{InventoryInput, Observer, Phase, read_inventory};
use mds::site::Site;
use mds::types::NodeId;
use serde_json::json;

use super::super::arguments::{FetchArguments, SiteArguments, StateArguments, read_site_settings};
use super::super::diff::examples;
use super::super::error::{CliError, EXIT_FINDINGS};
use super::super::output::{Output, counted};
use super::super::progress::Progress;
use super::super::pull::inventory;

/// Changes that are shown to people before the rest is only counted.
const SHOWN: usize = 40;

/// Show what moved since the inventory of the site was pulled
///
/// The inventory file of the site is compared with SMD, or with whatever other source is named.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds inventory diff --site site --smd-url http://smd:27779
  mds inventory diff --site site --inventory nodes.yaml --fail-on-changes")]
pub(super) struct DiffArguments {
    #[command(flatten)]
    pub(super) site: SiteArguments,
    /// End with exit code 1 when something moved
    #[arg(long)]
    fail_on_changes: bool,
    #[command(flatten)]
    fetch: FetchArguments,
    #[command(flatten)]
    state: StateArguments,
}

pub(super) fn run(arguments: &DiffArguments, output: &Output) -> Result<ExitCode, CliError> {
    let mut progress = Progress::new(output.is_json());
    let input = arguments.site.required_site(&arguments.state)?;
    arguments.fetch.update(&input, &mut progress)?;
    // Settings that cannot be read name no source, and that is not what is wrong.
    read_site_settings(&input)?;
    let source = inventory(&arguments.site, &input, &mut progress)?;
    if matches!(source, InventoryInput::Site) {
        return Err(CliError::usage("nothing is named to compare the inventory of the site with")
            .with_hint("name SMD with --smd-url URL, or a file with --inventory FILE"));
    }
    progress.begin(Phase::Reading);
    let site = Site::read(&*input.reader()?)?;
    let (lock, before) = read_inventory(&site, &InventoryInput::Site)?;
    let (_, after) = read_inventory(&site, &source)?;
    drop(progress);
    let moved = difference(&before.inventory, &after.inventory);
    let pulled = lock.pulled.map(|date| format!(", pulled on {date}")).unwrap_or_default();
    let text = format!("since {}{pulled}:\n{}", site.settings.inventory.file, difference_text(&moved));
    output.result(&text, || json!({"pulled": lock.pulled.map(|date| date.to_string()), "changes": moved}))?;
    let fails = arguments.fail_on_changes && !moved.is_empty();
    Ok(if fails { ExitCode::from(EXIT_FINDINGS) } else { ExitCode::SUCCESS })
}

/// A few lines for people: nodes that came and went, and each change once with the nodes that have it.
pub(super) fn difference_text(moved: &InventoryDifference) -> String {
    if moved.is_empty() {
        return "  nothing moved\n".to_owned();
    }
    let mut text = String::new();
    for (nodes, word) in [(&moved.nodes_added, "added"), (&moved.nodes_removed, "removed")] {
        if !nodes.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {} {word}: {}", counted(nodes.len(), "node"), examples(nodes));
        }
    }
    let mut changes: BTreeMap<&NodeChange, Vec<NodeId>> = BTreeMap::new();
    for node in &moved.nodes_changed {
        for change in &node.changes {
            changes.entry(change).or_default().push(node.id.clone());
        }
    }
    let mut sorted: Vec<(&NodeChange, Vec<NodeId>)> = changes.into_iter().collect();
    // What many nodes have in common comes first.
    sorted.sort_by_key(|(_, nodes)| std::cmp::Reverse(nodes.len()));
    for (change, nodes) in sorted.iter().take(SHOWN) {
        let _ = match nodes.as_slice() {
            [node] => writeln!(text, "  {node} {change}"),
            nodes => writeln!(text, "  {} each: {change}: {}", counted(nodes.len(), "node"), examples(nodes)),
        };
    }
    if sorted.len() > SHOWN {
        let more = counted(sorted.len() - SHOWN, "more change");
        let _ = writeln!(text, "  … and {more}; --format json lists them all");
    }
    text
}
