//! `mds diff`: what differs between two releases or two revisions of a site.

use std::fmt::Write;
use std::process::ExitCode;

use clap::{ArgMatches, Args};
use mds::check::changes_text;
use mds::compare::{Origin, TunnelChanges};
use mds::pipeline::{InventoryInput, Side, SiteInput, changes_between};
use mds::release::{ReleaseDifference, Tree, diff};
use mds::types::{NodeId, ReleaseId};
use serde_json::{Value, json};

use super::arguments::{FetchArguments, SiteArguments, TreeArguments, is_typed, release_of};
use super::error::CliError;
use super::output::{Output, counted};
use super::progress::Progress;
use super::pull::inventory;
use super::sides::{Named, named, side, unreadable};

/// Nodes named as examples behind a count.
const EXAMPLES: usize = 3;

/// Show what differs between two releases, or two revisions of a site, for every node
///
/// Differences are grouped: what is the same for many nodes is shown once. With one release, it is compared with the
/// current one; with none, the current release with the one before it. With --site or --repo, revisions can be named as
/// well; the second one is then the site as it is, and the first one what was committed last. Nothing is checked and
/// nothing is written.
///
/// Names in angle brackets, such as <hostname> or <ip 2>, stand for values that each node has for itself. What looks
/// like a secret is not shown.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds diff                     the current release against the one it replaced
  mds diff 4f2a 91c0           two releases, the older first
  mds diff --stat 4f2a         what changed for whom, without the lines
  mds diff --site site         what building the folder would change against what was committed last
  mds diff --site site v1.2 main
                               two revisions
  mds diff --site site current --tree /srv/mds/tree
                               what building the folder would change for the nodes that are served")]
pub(crate) struct DiffArguments {
    /// The older side: a release (`current`, its id or the first digits of it) or, of a site, a branch, tag or commit. Say
    /// release:NAME or rev:NAME where it could be both
    #[arg(value_name = "A")]
    older: Option<String>,
    /// The newer side [default: the site as it is if one is named, else the current release]
    #[arg(value_name = "B")]
    newer: Option<String>,
    /// Without the lines: what changed for which nodes
    #[arg(long)]
    stat: bool,
    #[command(flatten)]
    pub(super) site: SiteArguments,
    #[command(flatten)]
    fetch: FetchArguments,
    #[command(flatten)]
    tree: TreeArguments,
}

pub(crate) fn run(arguments: &DiffArguments, matches: &ArgMatches, output: &Output) -> Result<ExitCode, CliError> {
    let mut progress = Progress::new(true);
    let has_site = is_typed(matches, "site") || is_typed(matches, "repo");
    if has_site {
        arguments.fetch.update(&arguments.site.required_site(&arguments.tree.state)?, &mut progress)?;
    }
    let (older, newer) = sides(arguments, has_site)?;
    let inventory = match [&older, &newer].into_iter().any(|side| matches!(side, Named::Site(_))) {
        true => inventory(&arguments.site, &arguments.site.required_site(&arguments.tree.state)?, &mut progress)?,
        false => InventoryInput::Site,
    };
    let tunnels = arguments.site.tunnel_flags(matches);
    let [from, to] = [side(&older, &inventory, Some(&tunnels))?, side(&newer, &inventory, Some(&tunnels))?];
    let changes = changes_between(&from, &to, &mut progress)
        .map_err(|failed| unreadable(&failed.0.to_string(), !matches!(failed.0, Origin::Folder { .. }), failed.1))?;
    drop(progress);
    let text = format!(
        "from {}\nto   {}\n{}",
        id(&from),
        id(&to),
        changes_text(&changes, output.is_coloured(), !arguments.stat)
    );
    let lists = lists(&older, &newer)?;
    output.result(&text, || {
        let mut value = json!(changes);
        if let (Some(changes), Value::Object(lists)) = (value.as_object_mut(), lists) {
            changes.extend(lists);
        }
        json!({"from": id(&from), "to": id(&to), "changes": value})
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What is compared.
fn sides(arguments: &DiffArguments, has_site: bool) -> Result<(Named, Named), CliError> {
    let (site, tree) = (&arguments.site, &arguments.tree);
    let as_it_is = || site.required_site(&tree.state).map(Named::Site);
    let named = |text: &str| named(text, site, tree);
    match (&arguments.older, &arguments.newer) {
        (Some(older), Some(newer)) => Ok((named(older)?, named(newer)?)),
        (Some(older), None) => {
            let older = named(older)?;
            let newer = match &older {
                Named::Release(tree, _) if !has_site => Named::Release(tree.clone(), release_of(tree, None)?),
                _ => as_it_is()?,
            };
            Ok((older, newer))
        }
        (None, _) if has_site => {
            match as_it_is()? {
                Named::Site(SiteInput::Folder(_)) => Ok((named("rev:HEAD")?, as_it_is()?)),
                _ => Err(CliError::usage("of a repository, two revisions are compared")
                    .with_hint("name one, such as HEAD~1")),
            }
        }
        (None, _) => {
            let tree = tree.open()?;
            let newer = release_of(&tree, None)?;
            let older = before(&tree, newer)?;
            Ok((Named::Release(tree.clone(), older), Named::Release(tree, newer)))
        }
    }
}

/// What names a side for good, if anything does.
fn id(side: &Side) -> String {
    match side.origin() {
        Origin::Folder { name } => name,
        Origin::Revision { commit, .. } => commit,
        Origin::Release { id } => id.to_string(),
    }
}

/// The lists of nodes by document that programs may want of two releases.
fn lists(older: &Named, newer: &Named) -> Result<Value, CliError> {
    match (older, newer) {
        (Named::Release(old_tree, old), Named::Release(new_tree, new)) => {
            Ok(difference_value(&diff(&old_tree.manifest(*old)?, &new_tree.manifest(*new)?)))
        }
        _ => Ok(json!({})),
    }
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
    for sentence in difference.tunnels.iter().flat_map(TunnelChanges::sentences) {
        let _ = writeln!(text, "  {sentence}");
    }
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
    let mut value = json!({
        "documents_added": difference.documents_added(),
        "documents_changed": difference.documents_changed(),
        "documents_removed": difference.documents_removed(),
        "nodes_concerned": difference.nodes_concerned().len(),
        "nodes_added": difference.nodes_added,
        "nodes_removed": difference.nodes_removed,
        "nodes_changed": difference.nodes_changed,
        "documents": difference.documents,
    });
    if let Some(tunnels) = &difference.tunnels {
        value["tunnels"] = json!(tunnels);
    }
    value
}
