//! The rules by their ids, and how much what they find matters: as the rule says, or as the site does.

use super::finding::{Finding, Severity};
use crate::settings::{CheckSettings, FILE_NAME, Level};
use crate::types::{Place, Problem, nearest};

/// A rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its id, as reports and settings name it.
    pub id: &'static str,
    /// How much what it finds matters unless the site says otherwise.
    pub severity: Severity,
    /// Whether a site may say otherwise: what would send a node wrong documents, or none, stays an error.
    pub may_be_changed: bool,
}

const fn fixed(id: &'static str) -> Rule {
    Rule { id, severity: Severity::Error, may_be_changed: false }
}

const fn error(id: &'static str) -> Rule {
    Rule { id, severity: Severity::Error, may_be_changed: true }
}

const fn warning(id: &'static str) -> Rule {
    Rule { id, severity: Severity::Warning, may_be_changed: true }
}

const fn note(id: &'static str) -> Rule {
    Rule { id, severity: Severity::Note, may_be_changed: true }
}

/// Every rule, sorted by id.
pub const RULES: [Rule; 37] = [
    warning("address-outside-networks"),
    fixed("boot-interface"),
    error("duplicate-address"),
    error("duplicate-hostname"),
    fixed("duplicate-instance-id"),
    error("duplicate-mac"),
    error("duplicate-nid"),
    error("duplicate-node"),
    note("group-without-folder"),
    warning("group-without-member"),
    warning("hidden-name"),
    note("interface-without-owner"),
    warning("invalid-address"),
    warning("invalid-group-label"),
    error("invalid-hostname"),
    warning("invalid-mac"),
    warning("invalid-nid"),
    warning("invalid-node-id"),
    warning("loopback-address"),
    warning("node-without-address"),
    note("node-without-nid"),
    note("not-an-xname"),
    warning("old-lock"),
    warning("repeated-address"),
    fixed("reserved-node-id"),
    warning("secret-in-settings"),
    fixed("template"),
    warning("unknown-group"),
    error("unknown-header"),
    warning("unknown-node"),
    warning("unused-user-data"),
    fixed("vlan-name"),
    fixed("yaml-aliases"),
    warning("yaml-ambiguous-value"),
    warning("yaml-duplicate-key"),
    warning("yaml-line-ends"),
    fixed("yaml-syntax"),
];

/// The rule of this id.
#[must_use]
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.binary_search_by_key(&id, |rule| rule.id).ok().map(|index| &RULES[index])
}

/// What is wrong with the severities that a site sets: rules that are not there, and rules that stay errors.
#[must_use]
pub fn severity_faults(settings: &CheckSettings) -> Vec<Problem> {
    let fault = |(id, level): (&String, &Level)| {
        let problem = |message: String| Problem::at(Place::file(FILE_NAME), message);
        match rule(id) {
            None => {
                let problem = problem(format!("[check.severity] names the rule `{id}`, which there is not"));
                Some(match nearest(id, RULES.iter().map(|rule| rule.id)) {
                    Some(known) => problem.with_hint(format!("did you mean `{known}`?")),
                    None => problem,
                })
            }
            Some(rule) if !rule.may_be_changed && *level != Level::Error => Some(
                problem(format!("[check.severity] makes `{id}` less than an error, which it always is"))
                    .with_hint("nodes would get documents that harm them; remove the line"),
            ),
            Some(_) => None,
        }
    };
    settings.severity.iter().filter_map(fault).collect()
}

/// Gives findings the severities that a site sets, and leaves out those that are off.
#[must_use]
pub fn with_severities(settings: &CheckSettings, findings: Vec<Finding>) -> Vec<Finding> {
    let changed = |finding: Finding| {
        let level = settings.severity.get(finding.rule.as_ref());
        let may_be_changed = rule(&finding.rule).is_some_and(|rule| rule.may_be_changed);
        let severity = match level.filter(|_| may_be_changed) {
            None => finding.severity,
            Some(Level::Error) => Severity::Error,
            Some(Level::Warning) => Severity::Warning,
            Some(Level::Note) => Severity::Note,
            Some(Level::Off) => return None,
        };
        Some(Finding { severity, ..finding })
    };
    findings.into_iter().filter_map(changed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> CheckSettings {
        crate::settings::parse_settings("mds.toml", &format!("[check.severity]\n{text}")).unwrap().check
    }

    #[test]
    fn rules_are_sorted_and_stand_once() {
        assert!(RULES.windows(2).all(|pair| pair[0].id < pair[1].id));
    }

    #[test]
    fn a_site_sets_severities_and_errors_that_harm_nodes_stay() {
        let findings = || {
            vec![
                Finding::note("not-an-xname", Problem::new("a"), vec![]),
                Finding::warning("invalid-mac", Problem::new("b"), vec![]),
                Finding::error("template", Problem::new("c"), vec![]),
            ]
        };
        let set = settings("not-an-xname = \"error\"\ninvalid-mac = \"off\"\ntemplate = \"note\"\n");
        let severities: Vec<Severity> =
            with_severities(&set, findings()).iter().map(|finding| finding.severity).collect();
        assert_eq!(severities, [Severity::Error, Severity::Error]);
        assert_eq!(with_severities(&CheckSettings::default(), findings()), findings());
    }

    #[test]
    fn rules_that_are_not_there_and_rules_that_stay_are_said() {
        let faults = severity_faults(&settings("duplicate-nids = \"off\"\ntemplate = \"off\"\ntemplate2 = \"off\"\n"));
        let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(texts[0].contains("did you mean `duplicate-nid`?"), "{texts:?}");
        assert!(texts[1].contains("which it always is") && texts.len() == 3, "{texts:?}");
        assert!(severity_faults(&settings("template = \"error\"\n")).is_empty());
    }
}
