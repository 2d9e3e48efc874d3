//! The rules by their ids, and how much what they find matters: as the rule says, or as the site does.

use super::catalogue::{RULES, Rule};
use super::finding::{Finding, Severity};
use super::site_rules::is_site_rule;
use crate::settings::{CheckSettings, FILE_NAME, Level};
use crate::types::{Place, Problem, Problems, nearest};

/// The rule about the age of the inventory.
pub(super) const AGE_RULE: &str = "old-lock";

/// The rule that a site can be read.
const UNREADABLE_RULE: &str = "unreadable-site";

/// What is wrong with files of a site that cannot be read.
#[must_use]
pub fn unreadable(problems: Problems) -> Vec<Finding> {
    problems.0.into_iter().map(|problem| Finding::of(UNREADABLE_RULE, problem, Vec::new())).collect()
}

/// The rule of this id.
#[must_use]
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.binary_search_by_key(&id, |rule| rule.id).ok().map(|index| &RULES[index])
}

/// The rules that a check runs: all of them, or with `only_inventory` those that look at it alone; without those that
/// the site has turned off. Whether the rule about the age of the inventory runs is for the caller to say.
#[must_use]
pub fn rules_run(settings: &CheckSettings, only_inventory: bool, with_age: bool) -> Vec<&'static Rule> {
    let is_off = |rule: &Rule| rule.may_be_changed && settings.severity.get(rule.id) == Some(&Level::Off);
    let is_run =
        |rule: &&Rule| (rule.is_of_inventory || !only_inventory) && (rule.id != AGE_RULE || with_age) && !is_off(rule);
    RULES.iter().filter(is_run).collect()
}

/// What is wrong with the severities that a site sets: rules that are not there, and rules that stay errors. The site's
/// own rules have these ids.
#[must_use]
pub fn severity_faults(settings: &CheckSettings, site_rules: &[String]) -> Vec<Problem> {
    let fault = |(id, level): (&String, &Level)| {
        let problem = |message: String| Problem::at(Place::file(FILE_NAME), message);
        match rule(id) {
            None if site_rules.contains(id) => None,
            None => Some(unknown_rule(Place::file(FILE_NAME), "[check.severity]", id, site_rules)),
            Some(rule) if !rule.may_be_changed && *level != Level::Error => Some(
                problem(format!("[check.severity] makes `{id}` less than an error, which it always is"))
                    .with_hint("nodes would get documents that harm them; remove the line"),
            ),
            Some(_) => None,
        }
    };
    settings.severity.iter().filter_map(fault).collect()
}

/// What is said where settings name a rule that there is not, with the nearest one.
pub(super) fn unknown_rule(place: Place, table: &str, id: &str, site_rules: &[String]) -> Problem {
    let problem = Problem::at(place, format!("{table} names the rule `{id}`, which there is not"));
    match nearest(id, RULES.iter().map(|rule| rule.id).chain(site_rules.iter().map(String::as_str))) {
        Some(known) => problem.with_hint(format!("did you mean `{known}`?")),
        None => problem,
    }
}

/// Gives findings the severities that a site sets, and leaves out those that are off.
#[must_use]
pub fn with_severities(settings: &CheckSettings, findings: Vec<Finding>) -> Vec<Finding> {
    let changed = |finding: Finding| {
        let level = settings.severity.get(finding.rule.as_ref());
        let may_be_changed = is_site_rule(&finding.rule) || rule(&finding.rule).is_some_and(|rule| rule.may_be_changed);
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
    fn rules_that_are_off_or_of_another_check_are_not_run() {
        let ids = |only_inventory, with_age, text: &str| -> Vec<&str> {
            rules_run(&settings(text), only_inventory, with_age).iter().map(|rule| rule.id).collect()
        };
        assert_eq!(ids(false, true, "").len(), RULES.len());
        let some = ids(true, false, "invalid-mac = \"off\"\nnot-an-xname = \"error\"\n");
        assert!(some.contains(&"not-an-xname") && some.contains(&"duplicate-mac"), "{some:?}");
        assert!(!["invalid-mac", "old-lock", "template"].iter().any(|id| some.contains(id)), "{some:?}");
    }

    #[test]
    fn rules_that_are_not_there_and_rules_that_stay_are_said() {
        let faults = severity_faults(
            &settings(
                "duplicate-nids = \"off\"\ntemplate = \"off\"\ntemplate2 = \"off\"\n\"site/a\" = \"off\"\n\"site/b\" = \"off\"\n",
            ),
            &["site/a".to_owned()],
        );
        let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(texts[0].contains("did you mean `duplicate-nid`?"), "{texts:?}");
        assert!(texts[1].contains("`site/b`, which there is not (did you mean `site/a`?)"), "{texts:?}");
        assert!(texts[2].contains("which it always is") && texts.len() == 4, "{texts:?}");
        assert!(severity_faults(&settings("template = \"error\"\n"), &[]).is_empty());
    }
}
