//! Waivers: findings that a site lives with for a while are listed, and do not count.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::Serialize;

use super::catalogue::AnyRule;
use super::finding::{Finding, Severity};
use super::rules::{rule, unknown_rule, with_severities};
use super::site_rules::is_site_rule;
use crate::render::NodeFacts;
use crate::settings::{CheckSettings, Waiver};
use crate::types::{NodeId, Problem};

/// The rule that waivers end.
const EXPIRED_RULE: &str = "expired-waiver";
/// The rule that waivers are of use.
const UNUSED_RULE: &str = "unused-waiver";

/// A finding that does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waived {
    /// What was found, of the nodes for which it is waived.
    #[serde(flatten)]
    pub finding: Finding,
    /// Why it does not count.
    pub reason: String,
    /// The last day on which it does not.
    #[serde(serialize_with = "as_text")]
    pub until: Date,
}

fn as_text<S: serde::Serializer>(date: &Date, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(date)
}

/// What counts, and what does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weighed {
    /// What counts, and what is to be said about the waivers themselves.
    pub findings: Vec<Finding>,
    /// What does not.
    pub waived: Vec<Waived>,
}

/// The waivers of a site, on a day.
#[derive(Clone, Debug, Default)]
pub struct Waivers {
    settings: CheckSettings,
    today: Option<Date>,
    /// For each waiver the nodes that it is for, if it is for some only.
    nodes: Vec<Option<BTreeSet<NodeId>>>,
}

impl Waivers {
    /// The waivers that these settings have, for these nodes. They count up to their last day, so the day that it is has
    /// to be said.
    #[must_use]
    pub fn new(settings: &CheckSettings, nodes: &[NodeFacts], today: Date) -> Self {
        let of_waiver = |waiver: &Waiver| {
            let fits = |facts: &&NodeFacts| {
                waiver.nodes.iter().any(|pattern| pattern.fits(facts.id().as_str()))
                    || waiver.groups.iter().any(|label| facts.groups.contains(label))
            };
            let nodes = || nodes.iter().filter(fits).map(|facts| facts.id().clone()).collect();
            waiver.is_for_some_nodes().then(nodes)
        };
        let nodes = settings.waivers.iter().map(of_waiver).collect();
        Self { settings: settings.clone(), today: Some(today), nodes }
    }

    /// Takes out what is waived. Findings of which some nodes are waived are split. Of waivers that are over, and of those
    /// that fit nothing although their rule is one of these, which were run to the end, there are findings.
    #[must_use]
    pub fn weigh(&self, findings: Vec<Finding>, rules: &[&AnyRule<'_>]) -> Weighed {
        let Some(today) = self.today else { return Weighed { findings, waived: Vec::new() } };
        let mut used: BTreeSet<usize> = BTreeSet::new();
        let mut weighed = Weighed::default();
        for finding in findings {
            let mut left = Some(finding);
            for (index, waiver) in self.settings.waivers.iter().enumerate().filter(|(_, waiver)| waiver.until >= today)
            {
                let Some(finding) = left.take() else { break };
                let (rest, waived) = self.split(index, finding);
                left = rest;
                if let Some(finding) = waived {
                    used.insert(index);
                    weighed.waived.push(Waived { finding, reason: waiver.reason.clone(), until: waiver.until });
                }
            }
            weighed.findings.extend(left);
        }
        // A document that could not be made was not looked at.
        let is_whole = !weighed.findings.iter().any(is_fixed_error);
        let waivers = self.settings.waivers.iter().enumerate();
        let about = waivers.filter_map(|(index, waiver)| {
            let is_run = is_whole && rules.iter().any(|rule| rule.id == waiver.rule.get_ref());
            match (waiver.until < today, used.contains(&index)) {
                (true, _) => Some(expired(waiver)),
                (false, false) if is_run => Some(unused(waiver)),
                (false, _) => None,
            }
        });
        weighed.findings.extend(with_severities(&self.settings, about.collect()));
        weighed.findings.sort_by_key(|finding| finding.severity);
        weighed
    }

    /// What a waiver leaves of a finding, and what it takes.
    fn split(&self, index: usize, finding: Finding) -> (Option<Finding>, Option<Finding>) {
        let waiver = &self.settings.waivers[index];
        let file = finding.problem.place.as_ref().map(|place| place.file.as_str());
        let fits_file = waiver.file.as_ref().is_none_or(|pattern| file.is_some_and(|file| pattern.fits(file)));
        let may_be_waived = is_site_rule(&finding.rule) || rule(&finding.rule).is_some_and(|rule| rule.may_be_changed);
        if finding.rule != *waiver.rule.get_ref() || !fits_file || !may_be_waived {
            return (Some(finding), None);
        }
        let Some(nodes) = self.nodes.get(index).and_then(Option::as_ref) else { return (None, Some(finding)) };
        let (taken, kept): (Vec<NodeId>, Vec<NodeId>) =
            finding.nodes.iter().cloned().partition(|node| nodes.contains(node));
        if taken.is_empty() {
            return (Some(finding), None);
        }
        let rest = (!kept.is_empty()).then(|| Finding { nodes: kept, ..finding.clone() });
        (rest, Some(Finding { nodes: taken, ..finding }))
    }
}

fn is_fixed_error(finding: &Finding) -> bool {
    finding.severity == Severity::Error && rule(&finding.rule).is_none_or(|rule| !rule.may_be_changed)
}

fn expired(waiver: &Waiver) -> Finding {
    let message = format!(
        "the waiver of `{}` ended on {}; its reason was: {}",
        waiver.rule.get_ref(),
        waiver.until,
        waiver.reason
    );
    let problem = Problem::at(waiver.place.clone(), message)
        .with_hint("mend what it was about and remove it, or give it another end");
    Finding::of(EXPIRED_RULE, problem, Vec::new())
}

fn unused(waiver: &Waiver) -> Finding {
    let message = format!("the waiver of `{}` fits nothing that was found", waiver.rule.get_ref());
    let problem = Problem::at(waiver.place.clone(), message);
    Finding::of(UNUSED_RULE, problem.with_hint("remove it, if what it was about is mended"), Vec::new())
}

/// What is wrong with the waivers of a site: rules that are not there, and rules whose findings always count.
#[must_use]
pub fn waiver_faults(settings: &CheckSettings, site_rules: &[String]) -> Vec<Problem> {
    let fault = |waiver: &Waiver| {
        let id = waiver.rule.get_ref();
        let problem = |message: String| Problem::at(waiver.place.clone(), message);
        match rule(id) {
            None if site_rules.contains(id) => None,
            None => Some(unknown_rule(waiver.place.clone(), "[[check.waivers]]", id, site_rules)),
            Some(rule) if !rule.may_be_changed => Some(
                problem(format!("[[check.waivers]] waives `{id}`, which always is an error"))
                    .with_hint("nodes would get documents that harm them, or none; remove the waiver"),
            ),
            Some(_) if [EXPIRED_RULE, UNUSED_RULE].contains(&id.as_str()) => {
                Some(problem(format!("[[check.waivers]] waives `{id}`, which is about waivers")).with_hint("remove it"))
            }
            Some(_) => None,
        }
    };
    settings.waivers.iter().filter_map(fault).collect()
}

/// How many findings each waiver took, with its rule, its reason and its end, in the order of rules.
pub(super) fn counted_by_waiver(waived: &[Waived]) -> Vec<(usize, &str, &str, Date)> {
    let mut counts: BTreeMap<(&str, Date, &str), usize> = BTreeMap::new();
    for Waived { finding, reason, until } in waived {
        *counts.entry((finding.rule.as_ref(), *until, reason.as_str())).or_default() += 1;
    }
    counts.into_iter().map(|((rule, until, reason), count)| (count, rule, reason, until)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::RULES;
    use crate::inventory::parse_inventory;
    use crate::render::GroupOrder;
    use crate::render::fixture::site;
    use crate::types::Place;

    fn facts() -> Vec<NodeFacts> {
        let nodes = r#"{"format": 1, "nodes": [{"id": "a", "groups": ["gpu"]}, {"id": "b"}, {"id": "c"}]}"#;
        let inventory = parse_inventory("inventory.json", nodes.as_bytes()).unwrap();
        let site = site(&[]);
        inventory.nodes().iter().map(|node| NodeFacts::new(&site, &GroupOrder::default(), node)).collect()
    }

    fn waivers(text: &str) -> Waivers {
        let settings = crate::settings::parse_settings("mds.toml", text).unwrap().check;
        Waivers::new(&settings, &facts(), jiff::civil::date(2026, 6, 1))
    }

    fn waiver(more: &str) -> Waivers {
        let until = if more.contains("until") { "" } else { "until = 2026-06-01\n" };
        waivers(&format!("[[check.waivers]]\nrule = \"unknown-header\"\nreason = \"old\"\n{until}{more}"))
    }

    fn finding(id: &'static str, file: Option<&str>, nodes: &[&str]) -> Finding {
        let problem = Problem { place: file.map(Place::file), message: "odd".to_owned(), hint: None };
        Finding::of(id, problem, nodes.iter().map(|id| NodeId::parse(id).unwrap()).collect())
    }

    /// How many nodes of a finding count and how many do not.
    fn split(waivers: &Waivers, finding: Finding) -> (Vec<usize>, Vec<usize>) {
        let Weighed { findings, waived } = waivers.weigh(vec![finding], &[]);
        let counts = findings.iter().map(|finding| finding.nodes.len()).collect();
        (counts, waived.iter().map(|waived| waived.finding.nodes.len()).collect())
    }

    #[test]
    fn a_waiver_takes_what_fits_its_rule_file_and_nodes() {
        let found = |file| finding("unknown-header", file, &["a", "b", "c"]);
        let some = found(Some("groups/x/cloud-config.yaml"));
        for (text, counts, waived) in [
            ("", vec![], vec![3]),
            ("file = \"groups/x/*\"\n", vec![], vec![3]),
            ("file = \"groups/y/*\"\n", vec![3], vec![]),
            ("nodes = [\"b\", \"z*\"]\n", vec![2], vec![1]),
            ("groups = [\"gpu\"]\nnodes = [\"[bc]\"]\n", vec![], vec![3]),
            ("groups = [\"gpu\"]\n", vec![2], vec![1]),
            ("groups = [\"other\"]\n", vec![3], vec![]),
        ] {
            assert_eq!(split(&waiver(text), some.clone()), (counts, waived), "{text}");
        }
        assert_eq!(split(&waiver(""), finding("invalid-mac", None, &["a"])), (vec![1], vec![]));
        assert_eq!(split(&waiver("file = \"**\"\n"), found(None)), (vec![3], vec![]));
        assert_eq!(split(&waiver("nodes = [\"*\"]\n"), finding("unknown-header", None, &[])), (vec![0], vec![]));
        assert_eq!(split(&waiver(""), finding("unknown-header", None, &[])), (vec![], vec![0]));
    }

    #[test]
    fn several_waivers_share_a_finding() {
        let one = |nodes: &str| {
            format!(
                "[[check.waivers]]\nrule = \"unknown-header\"\nreason = \"{nodes}\"\nuntil = 2026-12-31\nnodes = [\"{nodes}\"]\n"
            )
        };
        let waivers = waivers(&(one("a") + &one("[ab]")));
        let found = finding("unknown-header", None, &["a", "b", "c"]);
        assert_eq!(split(&waivers, found.clone()), (vec![1], vec![1, 1]));
        let weighed = waivers.weigh(vec![found], &[]);
        let counted = counted_by_waiver(&weighed.waived);
        assert_eq!(counted[0], (1, "unknown-header", "[ab]", jiff::civil::date(2026, 12, 31)));
    }

    #[test]
    fn a_waiver_that_is_over_or_of_no_use_is_told() {
        let rules: Vec<&'static AnyRule<'static>> = RULES.iter().collect();
        let said = |waivers: &Waivers, findings: Vec<Finding>, rules: &[&'static AnyRule<'static>]| -> Vec<String> {
            let found = waivers.weigh(findings, rules).findings;
            found.iter().map(|finding| format!("{} {}", finding.rule, finding.problem)).collect()
        };
        let found = || vec![finding("unknown-header", None, &["a"])];
        let over = said(&waiver("until = 2026-05-31\n"), found(), &rules);
        assert_eq!(over[0], "unknown-header odd");
        assert!(
            over[1].starts_with(
                "expired-waiver mds.toml:2:8: the waiver of `unknown-header` ended on 2026-05-31; its reason was: old"
            ),
            "{over:?}"
        );
        assert!(said(&waiver(""), found(), &rules).is_empty());
        let unused = said(&waiver(""), vec![], &rules);
        assert!(unused.len() == 1 && unused[0].starts_with("unused-waiver mds.toml:2:8: "), "{unused:?}");
        assert!(said(&waiver(""), vec![], &[]).is_empty(), "the rule was not run");
        assert_eq!(said(&waiver(""), vec![finding("template", None, &["a"])], &rules), ["template odd"]);
        assert_eq!(Waivers::default().weigh(found(), &rules).findings, found());
    }

    #[test]
    fn rules_that_are_not_there_and_rules_that_stay_cannot_be_waived() {
        let faults = |id: &str| -> String {
            let text = format!("[[check.waivers]]\nrule = \"{id}\"\nreason = \"x\"\nuntil = 2026-06-01\n");
            let settings = crate::settings::parse_settings("mds.toml", &text).unwrap().check;
            waiver_faults(&settings, &["site/ntp".to_owned()]).iter().map(ToString::to_string).collect()
        };
        assert!(faults("unknown-headr").contains("mds.toml:2:8: ") && faults("unknown-headr").contains("did you mean"));
        assert!(faults("template").contains("always is an error"));
        assert!(faults("expired-waiver").contains("which is about waivers"));
        assert_eq!(faults("unknown-header"), "");
        assert_eq!(faults("site/ntp"), "");
        assert!(faults("site/npt").contains("did you mean `site/ntp`?"));
        // Whoever did not look for faults is not misled either.
        let waivers = waivers("[[check.waivers]]\nrule = \"template\"\nreason = \"x\"\nuntil = 2026-06-01\n");
        assert_eq!(split(&waivers, finding("template", None, &["a"])), (vec![1], vec![]));
    }
}
