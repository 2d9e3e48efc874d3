//! `mds diff`: what differs between two releases.

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use mds::release::{ReleaseDifference, Tree, diff};
use mds::types::{NodeId, ReleaseId};
use serde_json::{Value, json};

use super::arguments::{TreeArguments, release_of};
use super::error::CliError;
use super::output::{Output, counted};

/// Nodes named as examples behind a count.
const EXAMPLES: usize = 3;

/// Show which documents of which nodes differ between two releases
///
/// With one release, it is compared with the current one; with none, the current release with the one before it.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds diff                     the current release against the one it replaced
  mds diff 4f2a 91c0           two releases, the older first")]
pub(crate) struct DiffArguments {
    /// The older release: its id, or the first digits of it
    #[arg(value_name = "A")]
    older: Option<String>,
    /// The newer release [default: the current one]
    #[arg(value_name = "B")]
    newer: Option<String>,
    #[command(flatten)]
    tree: TreeArguments,
}

pub(crate) fn run(arguments: &DiffArguments, output: &Output) -> Result<ExitCode, CliError> {
    let tree = arguments.tree.open()?;
    let newer = release_of(&tree, arguments.newer.as_deref())?;
    let older = match &arguments.older {
        Some(text) => tree.resolve(text)?,
        None => before(&tree, newer)?,
    };
    let difference = diff(&tree.manifest(older)?, &tree.manifest(newer)?);
    let text = format!("from {older}\nto   {newer}\n{}", difference_text(&difference));
    output.result(&text, || json!({"from": older, "to": newer, "changes": difference_value(&difference)}))?;
    Ok(ExitCode::SUCCESS)
}

/// The release that was current before the given one became so.
fn before(tree: &Tree, release: ReleaseId) -> Result<ReleaseId, CliError> {
    let switches = tree.switches()?;
    let last = switches.iter().rev().find(|switch| switch.release == release);
    last.and_then(|switch| switch.previous).ok_or_else(|| {
        CliError::failure(format!("no release was current before {}", release.short()))
            .with_hint("name two releases; `mds releases` lists them")
    })
}

/// A few lines for people: the counts, then one line for each name of document.
pub(crate) fn difference_text(difference: &ReleaseDifference) -> String {
    if difference.is_empty() {
        return "  nothing\n".to_owned();
    }
    let mut text = String::new();
    let documents = [
        (difference.documents_added(), "added"),
        (difference.documents_changed(), "changed"),
        (difference.documents_removed(), "removed"),
    ];
    let parts: Vec<String> =
        documents.iter().map(|(count, word)| format!("{} {word}", counted(*count, "document"))).collect();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  {}; {} concerned", parts.join(", "), counted(difference.nodes_concerned().len(), "node"));
    for (nodes, word) in [
        (&difference.nodes_added, "added"),
        (&difference.nodes_removed, "removed"),
        (&difference.nodes_changed, "changed (addresses, names or groups)"),
    ] {
        if !nodes.is_empty() {
            let _ = writeln!(text, "  {} {word}: {}", counted(nodes.len(), "node"), examples(nodes));
        }
    }
    for (name, change) in &difference.documents {
        let lists = [(&change.added, '+'), (&change.changed, '~'), (&change.removed, '-')];
        let counts: Vec<String> = lists
            .iter()
            .filter(|(nodes, _)| !nodes.is_empty())
            .map(|(nodes, sign)| format!("{sign}{}", nodes.len()))
            .collect();
        let nodes: Vec<NodeId> = lists.iter().flat_map(|(nodes, _)| nodes.iter().cloned()).collect();
        let _ = writeln!(text, "  {:<16} {}  {}", name.to_string(), counts.join(" "), examples(&nodes));
    }
    text
}

/// The first few of the nodes, and whether there are more.
pub(crate) fn examples(nodes: &[NodeId]) -> String {
    let names: Vec<&str> = nodes.iter().take(EXAMPLES).map(NodeId::as_str).collect();
    format!("{}{}", names.join(", "), if nodes.len() > EXAMPLES { ", …" } else { "" })
}

/// The whole difference for programs.
pub(crate) fn difference_value(difference: &ReleaseDifference) -> Value {
    json!({
        "documents_added": difference.documents_added(),
        "documents_changed": difference.documents_changed(),
        "documents_removed": difference.documents_removed(),
        "nodes_concerned": difference.nodes_concerned().len(),
        "nodes_added": difference.nodes_added,
        "nodes_removed": difference.nodes_removed,
        "nodes_changed": difference.nodes_changed,
        "documents": difference.documents,
    })
}
