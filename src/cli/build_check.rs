//! `mds build --check`: what is wrong with a site, and what a change does to every node.

use std::process::ExitCode;
use std::sync::Arc;

use mds::check::{AnyRule, Finding, ReportSubject, Severity, Sources, Summary, Weighed, changes_text, rules_run};
use mds::pipeline::{
    Examined, InventoryInput, Prepared, Side, SiteInput, examine, lock_age, max_lock_age, prepare, read_in_part,
    template_findings, unreadable_findings,
};
use mds::settings::WireguardFlags;
use serde_json::json;

use super::build::BuildArguments;
use super::error::CliError;
use super::output::{Output, counted, eprint};
use super::progress::Progress;
use super::pull::today;
use super::sides::{named, side, unreadable};

/// Checks and reports; what the site is compared with is looked for first, and if that cannot be had, this is told last:
/// the site's own findings matter more.
pub(super) fn check(
    arguments: &BuildArguments,
    site: &SiteInput,
    inventory: &InventoryInput,
    tunnels: &WireguardFlags,
    mut progress: Progress,
    output: &Output,
) -> Result<ExitCode, CliError> {
    let base = arguments.base.as_deref().map(|text| base(text, arguments, inventory, tunnels));
    let (base, failure) = match base.transpose() {
        Ok(base) => (base, None),
        Err(error @ CliError::Usage(_)) => return Err(error),
        Err(error) => (None, Some(error)),
    };
    let prepared = match prepare(site, inventory, Some(tunnels), &mut progress) {
        Ok(prepared) => prepared.on(today()),
        Err(error) => {
            let findings = unreadable_findings(error)?;
            drop(progress);
            let code = check_in_part(arguments, site, findings, output)?;
            return failure.map_or(Ok(code), Err);
        }
    };
    check_prepared(arguments, prepared, inventory, (base.as_ref(), failure), progress, output)
}

/// The side that a text names.
fn base(
    text: &str,
    arguments: &BuildArguments,
    inventory: &InventoryInput,
    tunnels: &WireguardFlags,
) -> Result<Side, CliError> {
    side(&named(text, &arguments.site, &arguments.tree)?, inventory, Some(tunnels))
}

fn check_prepared(
    arguments: &BuildArguments,
    mut prepared: Prepared,
    inventory: &InventoryInput,
    (base, failure): (Option<&Side>, Option<CliError>),
    mut progress: Progress,
    output: &Output,
) -> Result<ExitCode, CliError> {
    let settings = &prepared.site.settings;
    let old = lock_age(settings, inventory, &prepared.lock, today(), arguments.max_lock_age);
    let has_age = max_lock_age(settings, inventory, arguments.max_lock_age).is_some();
    let rulebook = Arc::clone(&prepared.rulebook);
    let of_site = rulebook.site_rules();
    let rules: Vec<&AnyRule<'_>> = rules_run(&settings.check, false, has_age).into_iter().chain(&of_site).collect();
    prepared.findings.extend(old);
    let Examined { nodes, documents, incomplete, findings, changes } = examine(&prepared, base, &mut progress)?;
    drop(progress);
    let Weighed { findings, waived } = prepared.waivers.weigh(findings, &rules);
    let name = || base.map(|base| base.origin().to_string()).unwrap_or_default();
    let (changes, failure) = match changes.transpose() {
        Ok(changes) => (changes, failure),
        Err(error) => (None, Some(unreadable(&name(), true, error))),
    };
    let subject = ReportSubject {
        findings: &findings,
        waived: &waived,
        rules: &rules,
        folder: &arguments.site.folder_in_repository(),
        sources: Sources::of(&prepared.site),
        changes: changes.as_ref(),
    };
    if !arguments.reports.is_printed() {
        print((nodes, documents), &subject, output)?;
        if subject.changes.is_some() && incomplete > 0 && !output.is_json() {
            let nodes = counted(incomplete, "node");
            eprint(&format!("{nodes} with documents that could not be made: of these the others are compared\n"));
        }
    }
    end(arguments, &subject, failure, output)
}

/// Tells what is wrong with a site that cannot be read as a whole. No rule is run to its end.
fn check_in_part(
    arguments: &BuildArguments,
    site: &SiteInput,
    mut findings: Vec<Finding>,
    output: &Output,
) -> Result<ExitCode, CliError> {
    let site = read_in_part(site);
    findings.extend(site.iter().flat_map(template_findings));
    let sources = site.as_ref().map(Sources::of).unwrap_or_default();
    let folder = arguments.site.folder_in_repository();
    let subject = ReportSubject { findings: &findings, folder: &folder, sources, ..ReportSubject::default() };
    if !arguments.reports.is_printed() {
        output.findings_but_notes(&subject);
    }
    end(arguments, &subject, None, output)
}

/// Writes the reports, and chooses the exit code.
fn end(
    arguments: &BuildArguments,
    subject: &ReportSubject<'_>,
    failure: Option<CliError>,
    output: &Output,
) -> Result<ExitCode, CliError> {
    arguments.reports.write(subject, output)?;
    match failure {
        Some(error) => Err(error),
        None => Ok(arguments.reports.exit_code(subject.findings, subject.changes)),
    }
}

/// Tells people and programs what a check came to. Errors are told as those of a build that publishes.
fn print((nodes, documents): (usize, usize), subject: &ReportSubject<'_>, output: &Output) -> Result<(), CliError> {
    let has_errors = subject.findings.iter().any(|finding| finding.severity == Severity::Error);
    if !output.is_json() || has_errors && subject.changes.is_none() {
        output.findings_but_notes(subject);
    }
    let changes = subject.changes.map(|changes| changes_text(changes, output.is_coloured(), true));
    if has_errors && changes.is_none() {
        return Ok(());
    }
    let Summary { warnings, notes, .. } = Summary::of(subject.findings);
    let more = match notes {
        0 => String::new(),
        notes => format!(", {} (see `mds inventory check`)", counted(notes, "note")),
    };
    let text = match has_errors {
        true => String::new(),
        false => format!(
            "checked {} with {}: no errors, {}{more}\n",
            counted(nodes, "node"),
            counted(documents, "document"),
            counted(warnings, "warning"),
        ),
    };
    output.result(&(text + &changes.unwrap_or_default()), || {
        let mut value = json!({
            "nodes": nodes,
            "documents": documents,
            "findings": subject.findings,
            "waived": subject.waived,
        });
        if let Some(changes) = subject.changes {
            value["changes"] = json!(changes);
        }
        value
    })
}
