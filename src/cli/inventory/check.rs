//! `mds inventory check`: everything that is odd about the inventory.

use std::process::ExitCode;

use clap::Args;
use mds::check::{Finding, ReportSubject, Sources, Summary, Weighed, rules_run};
use mds::pipeline::{
    Inspection, Observer, Phase, SiteInput, inspect, lock_age, max_lock_age, read_in_part, unreadable_findings,
};
use serde_json::json;

use super::super::arguments::{FetchArguments, SiteArguments, StateArguments};
use super::super::error::CliError;
use super::super::output::{Output, counted};
use super::super::progress::Progress;
use super::super::pull::{inventory, left_out_text, today};
use super::super::reports::ReportArguments;

/// Say everything that is odd about the inventory
///
/// Nodes that share what should be theirs, that cannot be served or found, groups that do not meet those of the site,
/// and what SMD lists that cannot be used. How much each matters can be set in [check.severity] of mds.toml.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds inventory check --site site
  mds inventory check --site site --smd-url http://smd:27779
  mds inventory check --site site --max-lock-age 7
  mds inventory check --site site --report junit=inventory.xml --fail-on warnings")]
pub(super) struct CheckArguments {
    #[command(flatten)]
    pub(super) site: SiteArguments,
    /// Say when the site's inventory was pulled more days ago than this
    #[arg(long, value_name = "DAYS")]
    max_lock_age: Option<u32>,
    #[command(flatten)]
    reports: ReportArguments,
    #[command(flatten)]
    fetch: FetchArguments,
    #[command(flatten)]
    state: StateArguments,
}

pub(super) fn run(arguments: &CheckArguments, output: &Output) -> Result<ExitCode, CliError> {
    arguments.reports.check(false)?;
    let mut progress = Progress::new(output.is_json());
    let site = arguments.site.required_site(&arguments.state)?;
    arguments.fetch.update(&site, &mut progress)?;
    let input = inventory(&arguments.site, &site, &mut progress)?;
    progress.begin(Phase::Reading);
    let mut inspection = match inspect(&site, &input, today()) {
        Ok(inspection) => inspection,
        Err(error) => {
            let findings = unreadable_findings(error)?;
            drop(progress);
            return end_unread(arguments, &site, &findings, output);
        }
    };
    let settings = &inspection.site.settings;
    inspection.findings.extend(lock_age(settings, &input, &inspection.lock, today(), arguments.max_lock_age));
    drop(progress);
    let settings = &inspection.site.settings;
    let has_age = max_lock_age(settings, &input, arguments.max_lock_age).is_some();
    let rules = rules_run(&settings.check, true, has_age);
    let Weighed { findings, waived } = inspection.waivers.weigh(inspection.findings.clone(), &rules);
    let subject = ReportSubject {
        findings: &findings,
        waived: &waived,
        rules: &rules,
        folder: &arguments.site.folder_in_repository(),
        sources: Sources::of(&inspection.site),
        changes: None,
    };
    if !arguments.reports.is_printed() {
        print(&inspection, &subject, output)?;
    }
    arguments.reports.write(&subject, output)?;
    Ok(arguments.reports.exit_code(subject.findings, None))
}

/// Ends when the inventory or its site cannot be read: no rule was run.
fn end_unread(
    arguments: &CheckArguments,
    site: &SiteInput,
    findings: &[Finding],
    output: &Output,
) -> Result<ExitCode, CliError> {
    let site = read_in_part(site);
    let sources = site.as_ref().map(Sources::of).unwrap_or_default();
    let folder = arguments.site.folder_in_repository();
    let subject = ReportSubject { findings, folder: &folder, sources, ..ReportSubject::default() };
    if !arguments.reports.is_printed() {
        output.findings(&subject);
    }
    arguments.reports.write(&subject, output)?;
    Ok(arguments.reports.exit_code(findings, None))
}

fn print(inspection: &Inspection, subject: &ReportSubject<'_>, output: &Output) -> Result<(), CliError> {
    let nodes = inspection.inventory.nodes().len();
    if !output.is_json() {
        output.findings(subject);
    }
    let Summary { errors, warnings, notes } = Summary::of(subject.findings);
    let text = format!(
        "checked the inventory of {}: {}, {}, {}\n{}",
        counted(nodes, "node"),
        counted(errors, "error"),
        counted(warnings, "warning"),
        counted(notes, "note"),
        left_out_text(&inspection.left_out).map(|text| format!("left out: {text}\n")).unwrap_or_default(),
    );
    output.result(&text, || {
        json!({
            "nodes": nodes,
            "left_out": inspection.left_out,
            "findings": subject.findings,
            "waived": subject.waived,
        })
    })
}
