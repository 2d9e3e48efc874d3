//! Everything before rendering: reading, deciding, checking what can be checked without documents.

use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;

use super::input::{InventoryInput, SiteInput};
use super::observe::{Observer, Phase};
use super::tunnels::Tunnels;
use crate::check::{
    self, Finding, Rulebook, Severity, Waivers, conflicts, secrets_in_meta, severity_faults, site_rule_ids, unused,
    values, waiver_faults, with_severities,
};
use crate::inventory::{Inventory, LeftOut, LockHeader, Pull, mock_inventory, parse_any, synthetic_inventory};
use crate::release::StoreError;
use crate::render::{GroupOrder, NodeFacts, Plan, RenderProblem};
use crate::settings::{SiteSettings, WireguardFlags};
use crate::site::{RepositoryError, Site};
use crate::types::{Digest, Place, Problem, Problems};

/// Findings that are given a place in the inventory file.
const MOST_PLACED: usize = 100;

/// A site and an inventory, read and decided, ready to be rendered.
#[derive(Debug)]
pub struct Prepared {
    /// The site.
    pub site: Site,
    /// The inventory.
    pub inventory: Inventory,
    /// What its file says besides the nodes, if it comes from one.
    pub lock: LockHeader,
    /// What its source said that is no part of it.
    pub left_out: LeftOut,
    /// The inventory's digest.
    pub inventory_digest: Digest,
    /// The plan.
    pub plan: Arc<Plan>,
    /// Its tunnels.
    pub tunnels: Tunnels,
    /// How its documents are checked.
    pub rulebook: Arc<Rulebook>,
    /// What was found before rendering. Errors among it are reported together with what rendering finds.
    pub findings: Vec<Finding>,
    /// What of it, and of what rendering finds, does not count: nothing until [`Prepared::on`] says which day it is.
    pub waivers: Waivers,
}

impl Prepared {
    /// The same on a day, so that waivers of the site count that are not over.
    #[must_use]
    pub fn on(self, today: Date) -> Self {
        let waivers = Waivers::new(&self.site.settings.check, self.plan.facts(), today);
        Self { waivers, ..self }
    }
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
    /// They can, and what they say does not do. The findings hold at least one error that counts, and what is waived.
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

/// Reads and decides. Nothing is fetched from a remote repository here: see [`SiteInput::update`]. `tunnels` is what
/// the command line or the environment says of them.
///
/// # Errors
/// What cannot be read. What is wrong otherwise, templates that do not parse among it, is in the findings.
pub fn prepare(
    site: &SiteInput,
    input: &InventoryInput,
    tunnels: Option<&WireguardFlags>,
    observer: &mut dyn Observer,
) -> Result<Prepared, BuildError> {
    observer.begin(Phase::Reading);
    let (site, lock, Pull { inventory, remarks, left_out }) = read(site, input)?;
    let inventory_digest = inventory
        .digest()
        .map_err(|error| BuildError::from(Problem::new(format!("the inventory has no normal form: {error}"))))?;
    let (plan, broken) = Plan::with_problems(&site, &inventory);
    let mut findings: Vec<Finding> = broken.into_iter().map(Finding::from).collect();
    let tunnels = Tunnels::new(&site, plan.facts(), tunnels);
    findings.extend(conflicts(&site.settings, plan.facts()));
    findings.extend(check::tunnels(&site, plan.facts(), &tunnels.outline()));
    findings.extend(values(&site, plan.facts()));
    findings.extend(unused(&site, &inventory, &plan));
    findings.extend(check::inventory(&site, &inventory, &remarks));
    let (rulebook, faults) = Rulebook::new(&site);
    findings.extend(check::unreadable(faults));
    findings.extend(secrets_in_meta(&site, plan.facts()));
    findings.extend(rulebook.findings(plan.facts()));
    let findings = sorted(with_severities(&site.settings.check, findings));
    let findings = placed(&site, input, findings);
    let (plan, rulebook) = (Arc::new(plan), Arc::new(rulebook));
    let waivers = Waivers::default();
    Ok(Prepared { site, inventory, lock, left_out, inventory_digest, plan, tunnels, rulebook, findings, waivers })
}

/// As [`prepare`], without checking anything.
///
/// # Errors
/// What cannot be read, and templates that do not parse.
pub(super) fn decide(site: &SiteInput, inventory: &InventoryInput) -> Result<(Site, Arc<Plan>), BuildError> {
    let (site, _, pull) = read(site, inventory)?;
    let findings = |problems: Vec<RenderProblem>| problems.into_iter().map(Finding::from).collect();
    let plan = Plan::new(&site, &pull.inventory).map_err(|problems| BuildError::Findings(findings(problems)))?;
    Ok((site, Arc::new(plan)))
}

/// An inventory, looked at beside its site.
#[derive(Debug)]
pub struct Inspection {
    /// The site.
    pub site: Site,
    /// The inventory.
    pub inventory: Inventory,
    /// What its file says besides the nodes, if it comes from one.
    pub lock: LockHeader,
    /// What its source said that is no part of it.
    pub left_out: LeftOut,
    /// Everything that was found, notes included, and what is waived.
    pub findings: Vec<Finding>,
    /// What of it does not count.
    pub waivers: Waivers,
}

/// Looks at an inventory and at nothing else: templates may be broken. Waivers count that are not over on that day.
///
/// # Errors
/// What cannot be read.
pub fn inspect(site: &SiteInput, input: &InventoryInput, today: Date) -> Result<Inspection, BuildError> {
    let (site, lock, Pull { inventory, remarks, left_out }) = read(site, input)?;
    let order = GroupOrder::new(&site.settings.groups.order);
    let facts: Vec<NodeFacts> = inventory.nodes().iter().map(|node| NodeFacts::new(&site, &order, node)).collect();
    let mut findings = conflicts(&site.settings, &facts);
    findings.extend(check::inventory(&site, &inventory, &remarks));
    let findings = sorted(with_severities(&site.settings.check, findings));
    let findings = placed(&site, input, findings);
    let waivers = Waivers::new(&site.settings.check, &facts, today);
    Ok(Inspection { site, inventory, lock, left_out, findings, waivers })
}

/// Findings without a place that concern nodes get that of the first such node in the inventory file of the site.
fn placed(site: &Site, input: &InventoryInput, mut findings: Vec<Finding>) -> Vec<Finding> {
    if matches!(input, InventoryInput::Site) {
        let without_place = findings.iter_mut().filter(|finding| finding.problem.place.is_none());
        // Each has to be looked for in a text that may be long; nobody reads more.
        for finding in without_place.take(MOST_PLACED) {
            finding.problem.place = finding.nodes.first().and_then(|id| site.place_in_inventory(id));
        }
    }
    findings
}

/// Errors first, and otherwise as they were found.
pub(super) fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| finding.severity);
    findings
}

fn read(site: &SiteInput, inventory: &InventoryInput) -> Result<(Site, LockHeader, Pull), BuildError> {
    let site = Site::read(&*site.reader()?)?;
    let of_site = site_rule_ids(&site);
    let mut faults = severity_faults(&site.settings.check, &of_site);
    faults.extend(waiver_faults(&site.settings.check, &of_site));
    match read_inventory(&site, inventory) {
        Ok((lock, pull)) if faults.is_empty() => return Ok((site, lock, pull)),
        Ok(_) => {}
        Err(BuildError::Unreadable(problems)) => faults.extend(problems.0),
        Err(other) => return Err(other),
    }
    Err(Problems(faults).into())
}

/// What a check says when [`prepare`] or [`inspect`] cannot read everything.
///
/// # Errors
/// The error itself, when it is not about what files say: then nothing can be checked.
pub fn unreadable_findings(error: BuildError) -> Result<Vec<Finding>, BuildError> {
    match error {
        BuildError::Unreadable(problems) if problems.0.iter().all(|problem| problem.place.is_some()) => {
            Ok(check::unreadable(problems))
        }
        other => Err(other),
    }
}

/// As much of a site as can be read. What is wrong with it, [`prepare`] has told.
#[must_use]
pub fn read_in_part(site: &SiteInput) -> Option<Site> {
    Site::read_in_part(&*site.reader().ok()?).ok().map(|(site, _)| site)
}

/// What is wrong with the templates of a site, for when not everything else of it can be read, or there is no inventory.
#[must_use]
pub fn template_findings(site: &Site) -> Vec<Finding> {
    let (_, broken) = Plan::with_problems(site, &Inventory::default());
    broken.into_iter().map(Finding::from).collect()
}

/// How old the inventory file of a site may be, in days, if it is used and that is limited.
#[must_use]
pub fn max_lock_age(settings: &SiteSettings, input: &InventoryInput, max_days: Option<u32>) -> Option<u32> {
    max_days.or(settings.inventory.max_lock_age).filter(|_| matches!(input, InventoryInput::Site))
}

/// Says that the inventory file of a site is old, if it is used and older than that many days.
#[must_use]
pub fn lock_age(
    settings: &SiteSettings,
    input: &InventoryInput,
    lock: &LockHeader,
    today: Date,
    max_days: Option<u32>,
) -> Option<Finding> {
    let max_days = max_lock_age(settings, input, max_days)?;
    let finding = check::old_lock(&settings.inventory.file, lock.pulled, today, max_days)?;
    with_severities(&settings.check, vec![finding]).pop()
}

/// Reads an inventory that is in no service.
///
/// # Errors
/// When there is none, or it cannot be read, or has no node.
pub fn read_inventory(site: &Site, input: &InventoryInput) -> Result<(LockHeader, Pull), BuildError> {
    if !matches!(input, InventoryInput::Site) {
        return read_outside(input);
    }
    let file = &site.settings.inventory.file;
    match &site.inventory {
        Some(bytes) => parsed(file, bytes),
        None => Err(no_inventory(file).into()),
    }
}

fn no_inventory(file: &str) -> Problem {
    let message = "the site has no inventory, so there are no nodes to build for";
    let hint = "add the file, name one with --inventory FILE or SMD with --smd-url URL, or try --mock-smd";
    Problem::at(Place::file(file), message).with_hint(hint)
}

/// As [`read_inventory`], where there is no site.
///
/// # Errors
/// As [`read_inventory`]; the inventory of a site is none.
pub fn read_outside(input: &InventoryInput) -> Result<(LockHeader, Pull), BuildError> {
    let made_up = |inventory: Inventory| Ok((LockHeader::default(), inventory.into()));
    match input {
        InventoryInput::Mock => made_up(mock_inventory()),
        InventoryInput::Synthetic(count) => made_up(synthetic_inventory(*count)?),
        InventoryInput::Pulled(pull) => Ok((LockHeader::default(), Pull::clone(pull))),
        InventoryInput::Followed(latest) => match latest.get() {
            Some(taken) => Ok((LockHeader::default(), taken.pull.clone())),
            None => Err(Problem::new("the inventory has not been pulled yet").into()),
        },
        InventoryInput::File(path) => parsed(&path.display().to_string(), &read_file(path)?),
        InventoryInput::Bytes { name, bytes } => parsed(name, bytes),
        InventoryInput::Site => Err(Problem::new("no site is named whose inventory could be read").into()),
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, Problem> {
    std::fs::read(path)
        .map_err(|error| Problem::new(format!("the inventory {} cannot be read: {error}", path.display())))
}

fn parsed(name: &str, bytes: &[u8]) -> Result<(LockHeader, Pull), BuildError> {
    let (header, pull) = parse_any(name, bytes)?;
    if pull.inventory.nodes().is_empty() {
        // Publishing it would make every node of the cluster an unknown one.
        let problem = Problem::at(Place::file(name), "the inventory lists no node");
        return Err(problem.with_hint("see why its source is empty; nothing is published").into());
    }
    Ok((header, pull))
}
