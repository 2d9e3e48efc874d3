//! `mds inventory pull`: the inventory as a file that is reviewed like any other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use clap::builder::BoolishValueParser;
use mds::check::{Finding, ReportSubject, remarked};
use mds::inventory::{LockHeader, Pull, difference, dropped_too_much, lock_text, parse_lock};
use mds::pipeline::{InventoryInput, Observer, Phase, read_outside};
use mds::settings::{FILE_NAME, InventorySettings};
use mds::types::Problem;
use serde_json::json;

use super::super::arguments::{FetchArguments, InventorySource, SiteArguments, StateArguments, read_site_settings};
use super::super::error::CliError;
use super::super::output::{Output, counted, eprint};
use super::super::progress::Progress;
use super::super::pull::{left_out_text, pull, today};
use super::super::replace::replace;
use super::diff::difference_text;

/// Write the inventory as a file, one node per line, made for review
///
/// What SMD says, or a file of `ochami discover static`, becomes the inventory file of a site: the lock that
/// `mds build --locked` and continuous integration build against. A file that has not changed is left alone, and one that
/// would lose more than max_removed of its nodes or addresses is kept.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds inventory pull --smd-url http://smd:27779 --out site/inventory.json
  mds inventory pull --site site --out site/inventory.json     from the SMD that site/mds.toml names
  mds inventory pull --inventory nodes.yaml                    converts; to standard output
  mds inventory pull --mock-smd=1000                           a thousand made-up nodes")]
pub(super) struct PullArguments {
    #[command(flatten)]
    pub(super) site: SiteArguments,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the file although it loses more nodes or addresses at once than max_removed allows
    #[arg(long, env = "MDS_ACCEPT_DROP", hide_env_values = true, value_parser = BoolishValueParser::new())]
    accept_drop: bool,
    #[command(flatten)]
    fetch: FetchArguments,
    #[command(flatten)]
    state: StateArguments,
}

pub(super) fn run(arguments: &PullArguments, output: &Output) -> Result<ExitCode, CliError> {
    let mut progress = Progress::new(output.is_json());
    let settings = settings(arguments, &mut progress)?;
    let pulled = match arguments.site.inventory_source(&settings, FILE_NAME)? {
        InventorySource::Smd(settings) => {
            progress.begin(Phase::Pulling);
            pull(&settings)?
        }
        InventorySource::Ready(InventoryInput::Site) => {
            return Err(CliError::usage("nothing says where the inventory is to be pulled from").with_hint(
                "name SMD with --smd-url URL or in [inventory.smd] of mds.toml, or a file with --inventory",
            ));
        }
        InventorySource::Ready(input) => read_outside(&input)?.1,
    };
    drop(progress);
    let findings = remarked(&pulled.remarks);
    if !output.is_json() {
        output.findings(&ReportSubject { findings: &findings, ..ReportSubject::default() });
        let left_out = left_out_text(&pulled.left_out).map(|text| format!("left out: {text}\n"));
        eprint(&left_out.unwrap_or_default());
    }
    match &arguments.out {
        None => {
            let header = LockHeader { pulled: Some(today()), ..LockHeader::default() };
            output.bytes(text_of(&header, &pulled)?.as_bytes())?;
        }
        Some(path) => write(arguments, path, &settings, &pulled, &findings, output)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The `[inventory]` table of the site, if one is named.
fn settings(arguments: &PullArguments, progress: &mut Progress) -> Result<InventorySettings, CliError> {
    let Some(site) = arguments.site.site(&arguments.state)? else { return Ok(InventorySettings::default()) };
    arguments.fetch.update(&site, progress)?;
    Ok(read_site_settings(&site)?.inventory)
}

fn write(
    arguments: &PullArguments,
    path: &Path,
    settings: &InventorySettings,
    pulled: &Pull,
    findings: &[Finding],
    output: &Output,
) -> Result<(), CliError> {
    let name = path.display().to_string();
    let before = match fs::read(path) {
        Ok(bytes) => Some(parse_lock(&name, &bytes).map_err(|problems| not_ours(&name, problems.0))?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(CliError::failure(format!("{name} cannot be read: {error}"))),
    };
    let (known, old) = before.unwrap_or_default();
    let drop = dropped_too_much(&(&old.inventory).into(), &(&pulled.inventory).into(), settings.max_removed);
    if let Some(problem) = drop.filter(|_| !arguments.accept_drop) {
        return Err(Problem::new(format!("{name} is kept: {}", problem.message))
            .with_hint("see what happened to the source; if that is meant, pull with --accept-drop")
            .into());
    }
    let moved = difference(&old.inventory, &pulled.inventory);
    let header = LockHeader { schema: known.schema.clone(), pulled: Some(today()) };
    let is_same = moved.is_empty() && known.pulled == header.pulled && path.exists();
    if !is_same {
        replace(path, text_of(&header, pulled)?.as_bytes())
            .map_err(|error| CliError::failure(format!("{name} cannot be written: {error}")))?;
    }
    let did = if is_same { "is as it was" } else { "written" };
    let nodes = pulled.inventory.nodes().len();
    let text = format!("{name} {did}: {}\n{}", counted(nodes, "node"), difference_text(&moved));
    output.result(&text, || {
        json!({
            "file": path,
            "written": !is_same,
            "nodes": nodes,
            "changes": moved,
            "left_out": pulled.left_out,
            "findings": findings,
        })
    })
}

fn text_of(header: &LockHeader, pulled: &Pull) -> Result<String, CliError> {
    lock_text(header, &pulled.inventory)
        .map_err(|error| CliError::failure(format!("the inventory has no text form: {error}")))
}

/// A file that is something else is not overwritten.
fn not_ours(name: &str, mut problems: Vec<Problem>) -> CliError {
    problems.insert(
        0,
        Problem::new(format!("{name} is not an inventory of mds, so it is not overwritten"))
            .with_hint("choose another name, or move the file away"),
    );
    CliError::Failure(problems)
}
