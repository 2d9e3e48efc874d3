//! Everything before rendering: reading, deciding, checking what can be checked without documents.

use std::sync::Arc;

use super::input::{InventoryInput, SiteInput};
use super::observe::{Observer, Phase};
use crate::check::{Finding, Severity, conflicts, unused, values};
use crate::inventory::{Inventory, mock_inventory, parse_inventory};
use crate::release::StoreError;
use crate::render::Plan;
use crate::site::{RepositoryError, Site};
use crate::types::{Digest, Place, Problem, Problems};

/// A site and an inventory, read and decided, ready to be rendered.
#[derive(Debug)]
pub struct Prepared {
    /// The site.
    pub site: Site,
    /// The inventory.
    pub inventory: Inventory,
    /// The inventory's digest.
    pub inventory_digest: Digest,
    /// The plan.
    pub plan: Arc<Plan>,
    /// What was found before rendering. Errors among it are reported together with what rendering finds.
    pub findings: Vec<Finding>,
}

/// Why there is no release.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The repository cannot be had.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// Site or inventory cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Problems),
    /// They can, and what they say does not do. The findings hold at least one error.
    #[error("{} in the site or its inventory", counted(.0))]
    Findings(Vec<Finding>),
    /// The release cannot be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Problem> for BuildError {
    fn from(problem: Problem) -> Self {
        Self::Unreadable(problem.into())
    }
}

fn counted(findings: &[Finding]) -> String {
    match findings.iter().filter(|finding| finding.severity == Severity::Error).count() {
        1 => "1 error".to_owned(),
        errors => format!("{errors} errors"),
    }
}

/// Reads and decides. Nothing is fetched from a remote repository here: see [`SiteInput::update`].
///
/// # Errors
/// What cannot be read; or all findings, when one of them is an error.
pub fn prepare(
    site: &SiteInput,
    inventory: &InventoryInput,
    observer: &mut dyn Observer,
) -> Result<Prepared, BuildError> {
    observer.begin(Phase::Reading);
    let site = Site::read(&*site.reader()?)?;
    let inventory = read_inventory(&site, inventory)?;
    let inventory_digest = inventory
        .digest()
        .map_err(|error| BuildError::from(Problem::new(format!("the inventory has no normal form: {error}"))))?;
    let plan = match Plan::new(&site, &inventory) {
        Ok(plan) => Arc::new(plan),
        Err(problems) => return Err(BuildError::Findings(problems.into_iter().map(Finding::from).collect())),
    };
    let mut findings = conflicts(&site.settings, plan.facts());
    findings.extend(values(&site, plan.facts()));
    findings.extend(unused(&site, &inventory, &plan));
    Ok(Prepared { site, inventory, inventory_digest, plan, findings })
}

fn read_inventory(site: &Site, input: &InventoryInput) -> Result<Inventory, BuildError> {
    if matches!(input, InventoryInput::Mock) {
        return Ok(mock_inventory());
    }
    let file = &site.settings.inventory.file;
    let (name, bytes) = match (input.outside()?, &site.inventory) {
        (Some((name, bytes)), _) => (name, bytes),
        (None, Some(bytes)) => (file.clone(), bytes.clone()),
        (None, None) => {
            let message = "the site has no inventory, so there are no nodes to build for";
            let problem = Problem::at(Place::file(file.as_str()), message);
            return Err(problem.with_hint("add the file, name one with --inventory FILE, or try --mock-smd").into());
        }
    };
    let inventory = parse_inventory(&name, &bytes)?;
    if inventory.nodes().is_empty() {
        // Publishing it would make every node of the cluster an unknown one.
        let problem = Problem::at(Place::file(name), "the inventory lists no node");
        return Err(problem.with_hint("see why its source is empty; nothing is published").into());
    }
    Ok(inventory)
}
