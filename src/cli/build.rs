//! `mds build`: render everything and publish it.

use std::process::ExitCode;

use clap::builder::BoolishValueParser;
use clap::{ArgMatches, Args};
use jiff::Timestamp;
use mds::check::{ReportSubject, Sources, Weighed};
use mds::pipeline::{Earlier, InventoryInput, Prepared, Updated, draft, drop_problem, prepare, publish_changes};
use mds::release::{Manifest, ReleaseDifference, Tree, diff};
use mds::types::{Digest, Problem, ReleaseId};
use serde_json::{Value, json};

use super::arguments::{FetchArguments, SiteArguments, TreeArguments};
use super::build_check::check;
use super::diff::{difference_text, difference_value};
use super::error::{CliError, EXIT_FINDINGS};
use super::output::{Output, counted, eprint};
use super::progress::Progress;
use super::pull::{inventory, today};
use super::reports::ReportArguments;

/// Render every node's documents and publish them as a release
///
/// The release becomes current in one step; until then, and on any error, what is served stays as it is. What changed
/// since the current release is printed. A site in a repository is read at a commit, never from a checkout.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds build --site site --tree /srv/mds/tree
  mds build --repo https://git.example.org/ops/site.git --rev main --tree /srv/mds/tree
  mds build --site site --inventory - < inventory.json
  mds build --site site --smd-url http://smd:27779 --tree /srv/mds/tree
  mds build --site site --locked         with the inventory of the site, whatever SMD says
  mds build --site site --dry-run        what would change, writing nothing
  mds build --site site --check          what is wrong, writing nothing and needing no tree
  mds build --site site --check --base origin/main
                                         and what it does to every node, against another revision
  mds build --site site --check --base current --tree /srv/mds/tree --fail-on changes
                                         against the release that is served; exit code 1 if anything changes
  mds build --site site --check --report github --report sarif=mds.sarif --fail-on warnings
                                         the same for a workflow of GitHub")]
pub(crate) struct BuildArguments {
    #[command(flatten)]
    pub(super) site: SiteArguments,
    #[command(flatten)]
    pub(super) tree: TreeArguments,
    /// Publish nothing; print what publishing would change
    #[arg(long, conflicts_with = "check")]
    dry_run: bool,
    /// Publish nothing; render everything in memory and report what is wrong
    #[arg(long)]
    check: bool,
    /// With --check, say what changes for every node against this: a revision of the site's repository (a branch, tag or
    /// commit; `HEAD` is what was committed last), or a release of the tree (`current`, its id or the first digits of
    /// it). Where it could be both, say rev:NAME or release:NAME. A revision takes the inventory that the site takes; where
    /// that is the site's own file, it takes its own file
    #[arg(long, value_name = "REV|RELEASE", requires = "check")]
    pub(super) base: Option<String>,
    /// Publish although the inventory takes away more nodes or addresses at once than max_removed allows
    #[arg(long, env = "MDS_ACCEPT_DROP", hide_env_values = true, value_parser = BoolishValueParser::new())]
    accept_drop: bool,
    /// With --check, say when the site's inventory was pulled more days ago than this
    #[arg(long, value_name = "DAYS", requires = "check")]
    pub(super) max_lock_age: Option<u32>,
    #[command(flatten)]
    pub(super) reports: ReportArguments,
    /// Render every node anew, also those that have not changed since the current release
    #[arg(long)]
    anew: bool,
    #[command(flatten)]
    fetch: FetchArguments,
}

pub(crate) fn run(arguments: &BuildArguments, matches: &ArgMatches, output: &Output) -> Result<ExitCode, CliError> {
    super::child_build::end_with_server();
    if arguments.reports.is_given() && !arguments.check {
        return Err(CliError::usage("--report and --fail-on are about checks").with_hint("add --check"));
    }
    arguments.reports.check(arguments.base.is_some())?;
    let mut progress = Progress::new(output.is_json());
    let site = arguments.site.required_site(&arguments.tree.state)?;
    arguments.fetch.update(&site, &mut progress)?;
    let inventory = inventory(&arguments.site, &site, &mut progress)?;
    let tunnels = arguments.site.tunnel_flags(matches);
    if arguments.check {
        return check(arguments, &site, &inventory, &tunnels, progress, output);
    }
    let mut prepared = prepare(&site, &inventory, Some(&tunnels), &mut progress)?.on(today());
    let built = match arguments.dry_run {
        true => dry_run(arguments, &mut prepared, &inventory, &mut progress),
        false => publish(arguments, &mut prepared, &inventory, &mut progress),
    };
    drop(progress);
    let sources = Sources::of(&prepared.site);
    let (built, findings) = match built {
        Ok(report) => (Some(report), prepared.findings.clone()),
        Err(CliError::Findings(findings)) => (None, findings),
        Err(other) => return Err(other),
    };
    // Nodes that have not changed were not looked at, so no waiver is known to be of no use.
    let Weighed { findings, waived } = prepared.waivers.weigh(findings, &[]);
    let subject = ReportSubject { findings: &findings, waived: &waived, sources, ..ReportSubject::default() };
    match built {
        Some(report) => report.print(&subject, output).map(|()| ExitCode::SUCCESS),
        None => {
            output.findings_but_notes(&subject);
            Ok(ExitCode::from(EXIT_FINDINGS))
        }
    }
}

fn dry_run(
    arguments: &BuildArguments,
    prepared: &mut Prepared,
    inventory: &InventoryInput,
    progress: &mut Progress,
) -> Result<Report, CliError> {
    let built = draft(prepared, progress)?;
    prepared.findings.extend(built.findings);
    let current = current_manifest(arguments)?;
    let refused = match &current {
        Some((_, current)) if !arguments.accept_drop => {
            drop_problem(prepared, inventory, &arguments.tree.open()?, current, Timestamp::now())?
        }
        _ => None,
    };
    if let Some(problem) = &refused {
        eprint(&format!("publishing would be refused: {problem}\n"));
    }
    Ok(Report { refused, ..Report::new(built.id, &built.manifest, current, false) })
}

fn publish(
    arguments: &BuildArguments,
    prepared: &mut Prepared,
    inventory: &InventoryInput,
    progress: &mut Progress,
) -> Result<Report, CliError> {
    let tree = arguments.tree.open_or_create()?;
    let mut lock = tree.lock()?;
    let now = Timestamp::now();
    let current = manifest_of(&tree)?;
    let dropped = match &current {
        Some((_, current)) => drop_problem(prepared, inventory, &tree, current, now)?,
        None => None,
    };
    let accepts_drop = dropped.is_some();
    match dropped {
        Some(problem) if !arguments.accept_drop => return Err(problem.into()),
        Some(problem) => tracing::warn!(%problem, "the drop is accepted"),
        None => {}
    }
    let inputs = current.as_ref().filter(|_| !arguments.anew).and_then(|(id, _)| tree.inputs(*id));
    let release = current.as_ref().zip(inputs.as_ref()).map(|((_, manifest), inputs)| (manifest, inputs));
    let earlier = Earlier { program: program_digest(), release };
    let updated = publish_changes(prepared, &earlier, accepts_drop, &mut lock, now, progress)?;
    let Updated { published, rendered, findings } = updated;
    prepared.findings.extend(findings);
    Ok(Report { rendered, ..Report::new(published.id, &published.manifest, current, true) })
}

/// The digest of this very program: another build of it may render something else from the same site.
fn program_digest() -> Option<Digest> {
    let program = std::env::current_exe().and_then(std::fs::read).ok()?;
    Some(Digest::of(&program))
}

/// The current release's manifest, for a dry run: a tree that is not there yet has none.
fn current_manifest(arguments: &BuildArguments) -> Result<Option<(ReleaseId, Manifest)>, CliError> {
    let path = arguments.tree.path();
    // A folder that is not there, or empty, is one of which publishing would make a tree.
    if path.read_dir().map_or(!path.exists(), |mut entries| entries.next().is_none()) {
        return Ok(None);
    }
    manifest_of(&arguments.tree.open()?)
}

fn manifest_of(tree: &Tree) -> Result<Option<(ReleaseId, Manifest)>, CliError> {
    match tree.current()? {
        Some(id) => Ok(Some((id, tree.manifest(id)?))),
        None => Ok(None),
    }
}

/// What a build did, or would do.
struct Report {
    id: ReleaseId,
    nodes: usize,
    /// How many of the nodes were rendered, and not taken over from the release before.
    rendered: usize,
    documents: usize,
    previous: Option<ReleaseId>,
    difference: ReleaseDifference,
    is_published: bool,
    /// Why publishing would be refused, if it would.
    refused: Option<Problem>,
}

impl Report {
    fn new(id: ReleaseId, manifest: &Manifest, current: Option<(ReleaseId, Manifest)>, is_published: bool) -> Self {
        let (previous, current) = current.map_or((None, Manifest::default()), |(id, manifest)| (Some(id), manifest));
        Self {
            id,
            nodes: manifest.nodes().len(),
            rendered: manifest.nodes().len(),
            documents: manifest.document_count(),
            previous,
            difference: diff(&current, manifest),
            is_published,
            refused: None,
        }
    }

    fn print(&self, subject: &ReportSubject<'_>, output: &Output) -> Result<(), CliError> {
        if !output.is_json() {
            output.findings_but_notes(subject);
        }
        output.result(&self.text(), || self.value(subject))
    }

    fn text(&self) -> String {
        let did = if self.is_published { "published" } else { "would publish" };
        let size = format!("{}, {}", counted(self.nodes, "node"), counted(self.documents, "document"));
        let changes = match self.previous {
            Some(previous) if previous == self.id => "nothing changed since the current release\n".to_owned(),
            Some(previous) => {
                format!("changes since {}:\n{}", previous.short(), difference_text(&self.difference))
            }
            None => "the first release of this tree\n".to_owned(),
        };
        format!("{did} release {}\n{size}\n{changes}", self.id)
    }

    fn value(&self, subject: &ReportSubject<'_>) -> Value {
        json!({
            "release": self.id,
            "published": self.is_published,
            "refused": self.refused,
            "previous": self.previous,
            "nodes": self.nodes,
            "rendered": self.rendered,
            "documents": self.documents,
            "changes": difference_value(&self.difference),
            "findings": subject.findings,
            "waived": subject.waived,
        })
    }
}
