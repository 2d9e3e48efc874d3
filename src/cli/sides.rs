//! What a text names that something is to be compared with: a revision of the site, or a release of the tree.

use std::path::Path;

use mds::pipeline::{BuildError, InventoryInput, Side, SiteInput};
use mds::release::{StoreError, Tree};
use mds::settings::WireguardFlags;
use mds::site::RepositoryError;
use mds::types::{Problem, ReleaseId};

use super::arguments::{SiteArguments, TreeArguments};
use super::error::CliError;
use super::output::counted;

/// What a text names.
#[derive(Debug)]
pub(crate) enum Named {
    /// A release.
    Release(Tree, ReleaseId),
    /// The site, as it is or at a revision.
    Site(SiteInput),
}

/// Says that a text is meant as a release.
const RELEASE: &str = "release:";
/// Says that a text is meant as a revision.
const REVISION: &str = "rev:";
/// Names the release that is served.
const CURRENT: &str = "current";

/// Finds what a text names: a release, by `current`, its id or the first digits of it, or a revision of the site. A tree that
/// is not there has no releases. What could be both has to say which, by `release:` or `rev:` before it.
pub(crate) fn named(text: &str, site: &SiteArguments, tree: &TreeArguments) -> Result<Named, CliError> {
    if let Some(id) = text.strip_prefix(RELEASE) {
        let tree = tree.open()?;
        return match release(&tree, id)? {
            Some(id) => Ok(Named::Release(tree, id)),
            None => Err(tree.resolve(id).err().map_or_else(|| CliError::no_release(tree.path()), CliError::from)),
        };
    }
    if let Some(revision) = text.strip_prefix(REVISION) {
        return revision_of(revision, site, tree).map(Named::Site);
    }
    let opened = is_there(&tree.path()).then(|| tree.open()).transpose()?;
    let release = match &opened {
        Some(tree) => release(tree, text)?,
        None => None,
    };
    let revision = match site.is_given() {
        true => Some(revision_of(text, site, tree)),
        false => None,
    };
    match (opened.clone().zip(release), revision) {
        (Some((tree, _)), Some(Ok(_))) => Err(CliError::usage(format!(
            "`{text}` is a release of {} and a revision of the site",
            tree.path().display()
        ))
        .with_hint(format!("say {RELEASE}{text} or {REVISION}{text}"))),
        (Some((tree, id)), _) => Ok(Named::Release(tree, id)),
        (None, Some(revision)) => revision.map(Named::Site).map_err(|error| match &opened {
            Some(tree) => error.with_more(&format!("; nor is it a release of {}", tree.path().display())),
            None => error,
        }),
        // Its own words say why there is no such release.
        (None, None) => Err(match tree.open()?.resolve(text) {
            Ok(_) => CliError::no_release(&tree.path()),
            Err(error) => error.into(),
        }),
    }
}

/// Opens a side. `inventory` is the one of the newer side: a revision takes the same, or its own where that is the site's.
/// `tunnels` is their network where the command line or the environment names one.
pub(crate) fn side(
    named: &Named,
    inventory: &InventoryInput,
    tunnels: Option<&WireguardFlags>,
) -> Result<Side, CliError> {
    match named {
        Named::Release(tree, id) => Ok(Side::of_release(tree.open_release(*id)?)),
        Named::Site(site) => Side::of_site(site, inventory, tunnels).map_err(|error| match site {
            SiteInput::Folder(path) => unreadable(&path.display().to_string(), false, error),
            SiteInput::Repository(repository) => unreadable(repository.revision(), true, error),
        }),
    }
}

/// Why a side cannot be compared: it is no finding about the other one.
pub(crate) fn unreadable(name: &str, is_elsewhere: bool, error: BuildError) -> CliError {
    let message = format!("{name} cannot be rendered, so nothing can be compared with it");
    let problems = match error {
        BuildError::Findings(findings) => findings.into_iter().map(|finding| finding.problem).collect(),
        BuildError::Unreadable(problems) => problems.0,
        other => vec![Problem::new(other.to_string())],
    };
    let Some(first) = problems.first() else { return CliError::failure(message) };
    let place = first.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    let hint = first.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    let failure = CliError::failure(format!(
        "{message}: {}, the first: {place}{}{hint}",
        counted(problems.len(), "problem"),
        first.message
    ));
    if !is_elsewhere {
        return failure;
    }
    failure.with_hint("name another revision or release; the files of that one are not those of the folder")
}

/// The release of this name, if there is one.
fn release(tree: &Tree, text: &str) -> Result<Option<ReleaseId>, CliError> {
    if text == CURRENT {
        return Ok(tree.current()?);
    }
    match tree.resolve(text) {
        Ok(id) => Ok(Some(id)),
        Err(StoreError::InvalidPrefix { .. } | StoreError::UnknownRelease { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn revision_of(text: &str, site: &SiteArguments, tree: &TreeArguments) -> Result<SiteInput, CliError> {
    let site = site.at_revision(text, &tree.state)?;
    match site.reader() {
        Ok(_) => Ok(site),
        Err(RepositoryError::Problem(problem)) if problem.message.contains("is no commit of") => {
            let hint = "name a branch, a tag or a commit; what a shallow clone does not have is fetched with `git fetch origin \
                        NAME`";
            Err(Problem { hint: Some(hint.to_owned()), ..problem }.into())
        }
        Err(RepositoryError::Problem(problem)) if problem.message.contains("has no folder") => {
            Err(Problem { hint: Some("the site was not there at that revision".to_owned()), ..problem }.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether there is something that could be a tree: a folder that is empty or not there is none yet.
fn is_there(path: &Path) -> bool {
    path.read_dir().map_or_else(|_| path.exists(), |mut entries| entries.next().is_some())
}
