//! `mds render`: the bytes one node would get.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::process::ExitCode;

use clap::{ArgMatches, Args};
use mds::check::{Finding, ReportSubject, Severity, client_view, document_inspector, with_severities};
use mds::inventory::Selector;
use mds::pipeline::{NoObserver, prepare};
use mds::render::{Stopped, render_some};
use mds::settings::SiteSettings;
use mds::types::{DocumentName, GroupLabel, NodeId};
use serde_json::{Map, Value, json};

use super::arguments::{FetchArguments, SiteArguments, TreeArguments, is_typed, release_of};
use super::error::CliError;
use super::output::{Output, eprint};
use super::progress::Progress;
use super::pull::inventory;

/// Print exactly what a node would get, without a server
///
/// From a site when one is named, else from the current release of the tree.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds render x1000c0s0b0n0 --site site              every document of a node
  mds render 10.252.0.26 network-config --site site one document, by address
  mds render tc1000 compute.yaml                    from the current release
  mds render 1000 meta-data --release 4f2a          from an earlier one
  mds render tc1000 compute.yaml --as-client        as the node has it after its own rendering")]
pub(crate) struct RenderArguments {
    /// The node: its id, hostname, NID, IP or MAC address
    #[arg(value_name = "NODE")]
    node: String,
    /// The document: meta-data, user-data, vendor-data, network-config or GROUP.yaml [default: all]
    #[arg(value_name = "DOCUMENT")]
    document: Option<DocumentName>,
    /// The release to take it from, by id or its first digits [default: the current one]
    #[arg(long, value_name = "ID")]
    release: Option<String>,
    /// Print documents that begin with `## template: jinja` as the node has them after rendering them itself
    ///
    /// What only the machine knows, such as its kernel, is taken to be what Debian 13 has, which is said.
    #[arg(long)]
    as_client: bool,
    #[command(flatten)]
    pub(super) site: SiteArguments,
    #[command(flatten)]
    fetch: FetchArguments,
    #[command(flatten)]
    tree: TreeArguments,
}

/// A node's documents with their bytes.
struct Documents {
    node: NodeId,
    groups: Vec<GroupLabel>,
    bodies: Vec<(DocumentName, Vec<u8>)>,
    /// The files of the site that documents are made of, where they are known.
    files: BTreeMap<DocumentName, String>,
    settings: SiteSettings,
}

pub(crate) fn run(arguments: &RenderArguments, matches: &ArgMatches, output: &Output) -> Result<ExitCode, CliError> {
    let selector = Selector::new(&arguments.node);
    let mut documents = match is_from_site(arguments, matches)? {
        true => from_site(arguments, &selector)?,
        false => from_release(arguments, &selector)?,
    };
    documents.bodies.sort_by(|(left, _), (right, _)| left.cmp(right));
    let meta_data = documents.bodies.iter().find(|(name, _)| *name == DocumentName::MetaData);
    let meta_data = meta_data.map(|(_, body)| body.clone()).unwrap_or_default();
    if let Some(wanted) = &arguments.document {
        let names: Vec<String> = documents.bodies.iter().map(|(name, _)| name.to_string()).collect();
        documents.bodies.retain(|(name, _)| name == wanted);
        // A server answers these with an empty document.
        let is_empty_there = match wanted {
            DocumentName::Group(label) => documents.groups.contains(label),
            other => *other != DocumentName::MetaData,
        };
        if documents.bodies.is_empty() && !is_empty_there {
            let message = format!("node {} has no document {wanted}", documents.node);
            return Err(CliError::failure(message).with_hint(format!("it has {}", names.join(", "))));
        }
    }
    let findings = if arguments.as_client { render_as_client(&mut documents, &meta_data) } else { Vec::new() };
    print(arguments, &documents, output)?;
    match findings.iter().any(|finding| finding.severity == Severity::Error) {
        true => Err(CliError::Findings(findings)),
        false => {
            if !findings.is_empty() {
                output.findings(&ReportSubject { findings: &findings, ..ReportSubject::default() });
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Puts what the client makes of documents in their places, and says what was taken for what is not known here.
fn render_as_client(documents: &mut Documents, meta_data: &[u8]) -> Vec<Finding> {
    let (mut findings, mut stand_ins) = (Vec::new(), BTreeSet::new());
    let most_bytes = documents.settings.render.max_document_bytes;
    for (name, body) in &mut documents.bodies {
        let file = documents.files.get(name).cloned().unwrap_or_else(|| name.to_string());
        let Some(view) = client_view(meta_data, name, body, &file, most_bytes) else { continue };
        *body = view.body;
        findings.extend(view.findings);
        stand_ins.extend(view.stand_ins);
    }
    if !stand_ins.is_empty() {
        let names: Vec<String> = stand_ins.into_iter().collect();
        let names = names.join(", ");
        eprint(&format!("note: what only the machine knows has the values of Debian 13 here: {names}\n"));
    }
    with_severities(&documents.settings.check, findings)
}

/// A site that is only named in the environment gives way to a release or tree of the command line.
fn is_from_site(arguments: &RenderArguments, matches: &ArgMatches) -> Result<bool, CliError> {
    let site_is_typed = is_typed(matches, "site") || is_typed(matches, "repo");
    if site_is_typed && arguments.release.is_some() {
        return Err(CliError::usage("a site and a release are named").with_hint("keep one"));
    }
    let release_is_typed = arguments.release.is_some() || is_typed(matches, "tree");
    Ok(arguments.site.is_given() && (site_is_typed || !release_is_typed))
}

fn from_site(arguments: &RenderArguments, selector: &Selector) -> Result<Documents, CliError> {
    let site = arguments.site.required_site(&arguments.tree.state)?;
    if !arguments.fetch.no_fetch {
        site.update()?;
    }
    let inventory = inventory(&arguments.site, &site, &mut Progress::new(true))?;
    let prepared = prepare(&site, &inventory, None, &mut NoObserver)?;
    let plan = &prepared.plan;
    let facts = plan.select(selector).map_err(CliError::failure)?;
    let index = plan.facts().iter().position(|other| other.id() == facts.id()).unwrap_or_default();
    let mut bodies = Vec::new();
    let rendered = render_some(plan, vec![index], &document_inspector(&prepared.rulebook, plan), &mut |node| {
        bodies.extend(node.documents.into_iter().map(|(name, _, body)| (name, body.to_vec())));
        Ok::<(), Infallible>(())
    });
    match rendered {
        Ok(_) => {
            let file = |name: &DocumentName| {
                plan.template_of(facts, name).map(|template| (name.clone(), template.path.to_owned()))
            };
            let files = bodies.iter().filter_map(|(name, _)| file(name)).collect();
            let settings = prepared.site.settings.clone();
            Ok(Documents { node: facts.id().clone(), groups: facts.groups.clone(), bodies, files, settings })
        }
        Err(Stopped::Problems { problems, .. }) => {
            Err(CliError::Findings(problems.into_iter().map(Finding::from).collect()))
        }
        Err(Stopped::Sink(never)) => match never {},
    }
}

fn from_release(arguments: &RenderArguments, selector: &Selector) -> Result<Documents, CliError> {
    let tree = arguments
        .tree
        .open()
        .map_err(|error| error.with_hint("name a site with --site DIR, or a tree with --tree DIR"))?;
    let release = tree.open_release(release_of(&tree, arguments.release.as_deref())?)?;
    let node = release.manifest().select(selector).map_err(CliError::failure)?;
    let bodies = node
        .documents
        .iter()
        .filter_map(|(name, digest)| release.object(digest).map(|body| (name.clone(), body.to_vec())))
        .collect();
    Ok(Documents {
        node: node.id.clone(),
        groups: node.groups.clone(),
        bodies,
        files: BTreeMap::new(),
        settings: SiteSettings::default(),
    })
}

fn print(arguments: &RenderArguments, documents: &Documents, output: &Output) -> Result<(), CliError> {
    if output.is_json() {
        let texts: Map<String, Value> = documents
            .bodies
            .iter()
            .map(|(name, body)| (name.to_string(), String::from_utf8_lossy(body).into()))
            .collect();
        return output.result("", || json!({"node": documents.node, "documents": texts}));
    }
    if arguments.document.is_some() {
        return documents.bodies.iter().try_for_each(|(_, body)| output.bytes(body));
    }
    for (index, (name, body)) in documents.bodies.iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n" };
        output.bytes(format!("{gap}==> {} {name} <==\n", documents.node).as_bytes())?;
        output.bytes(body)?;
    }
    Ok(())
}
