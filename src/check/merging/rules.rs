//! What there is to say about the parts of a node.

use std::sync::Arc;

use super::analysis::{Documents, names_of};
use super::how::how_of;
use super::layers::{Outcome, Refusal, outcome, said_in};
use super::merge::{Fate, Loss};
use super::parts::{Body, Part, parts_of};
use super::value::PartId;
use crate::check::document::Document;
use crate::check::inspector::{LookedAt, NodeRemark};
use crate::check::remark::{Remark, Spot};
use crate::check::rulebook::Rulebook;
use crate::render::{NodeFacts, Plan};
use crate::types::{DocumentName, nearest};

/// The rule that cloud-init understands how a part is to be merged.
const HOW_RULE: &str = "merge-how-invalid";
/// The rule that every option of a merger does something.
const OPTION_RULE: &str = "merge-how-option";
/// The rule that every part can be merged onto those before it.
const FAILS_RULE: &str = "merge-fails";
/// The rule that a later part does not silently replace what an earlier one sets.
const REPLACED_RULE: &str = "merge-group-replaced";
/// The rule that what a later part sets applies.
const IGNORED_RULE: &str = "merge-group-ignored";
/// The rule that user-data leaves alone what vendor-data sets.
const USER_DATA_RULE: &str = "merge-user-data-replaces";

/// What joins lists and mappings of the same key.
pub(super) const JOINING: &str = "merge_how: \"list(append)+dict(recurse_list,recurse_str)+str()\"";

/// Says that cloud-init does not understand what a document says about merging.
pub(in crate::check) fn how_is_understood(_: &Rulebook, document: &Document) -> Vec<Remark> {
    // The parts of vendor-data are the groups' documents, which are looked at themselves.
    if document.name == DocumentName::VendorData {
        return Vec::new();
    }
    let nowhere = |_: &str| None;
    parts_of(document, &nowhere, 0).iter().flat_map(how_of_part).collect()
}

fn how_of_part(part: &Part<'_>) -> Vec<Remark> {
    let Body::Config(tree) = &part.body else { return Vec::new() };
    let entry = said_in(tree);
    if entry.is_none() && part.how.is_none() {
        return Vec::new();
    }
    let key = entry.map_or("the Merge-Type header", |entry| entry.key.as_str());
    let spot = entry.and_then(|entry| part.source.spot(entry.key_at));
    let say =
        |rule, message: String, hint: String| vec![Remark { at: spot, ..Remark::new(rule, message) }.with_hint(hint)];
    let how = match how_of(entry.map(|entry| &entry.value), part.how.as_deref()) {
        Ok(how) => how,
        Err(fault) => {
            let message = format!("`{key}` {fault}; cloud-init leaves out all that this part says");
            return say(HOW_RULE, message, format!("write it as in `{JOINING}`"));
        }
    };
    if how.of(super::how::Kind::Dict).is_none() {
        let message =
            format!("`{key}` has no `dict(…)`, without which cloud-init merges nothing of all that this part says");
        return say(HOW_RULE, message, format!("write it as in `{JOINING}`"));
    }
    let unknown = how.mergers.iter().flat_map(|merger| merger.unknown_options().map(move |option| (merger, option)));
    let remarks = unknown.flat_map(|(merger, option)| {
        let known = merger.kind.options();
        let hint = match nearest(option, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("there are {}", known.join(", ")),
        };
        let message =
            format!("`{key}` gives `{}` an option that it does not have and that does nothing", merger.kind.name());
        say(OPTION_RULE, message, hint)
    });
    let mut remarks: Vec<Remark> = remarks.collect();
    remarks.dedup();
    remarks
}

/// Says what is lost when the documents of a node are merged.
pub(in crate::check) fn losses(
    rulebook: &Rulebook,
    plan: &Plan,
    facts: &NodeFacts,
    looked_at: &[Arc<LookedAt>],
) -> Vec<NodeRemark> {
    let documents = Documents::of(plan, facts, looked_at);
    if !documents.may_meet() {
        return Vec::new();
    }
    let known = rulebook.merging.get(documents.digest(), || {
        let (parts, of_user_data) = documents.parts();
        Arc::new(Saying { parts: &parts, of_user_data }.all(&outcome(&parts, of_user_data)))
    });
    known.as_ref().clone()
}

struct Saying<'p> {
    parts: &'p [Part<'p>],
    of_user_data: usize,
}

impl Saying<'_> {
    fn all(&self, outcome: &Outcome<'_>) -> Vec<NodeRemark> {
        let refused = outcome.refused.iter().filter_map(|(part, refusal)| self.refused(*part, refusal));
        let within = outcome.within.iter().filter(|loss| !loss.is_asked_for).filter_map(|loss| self.within(loss));
        let between = outcome.between.iter().filter_map(|loss| self.between(loss));
        let off = outcome.is_vendor_data_off.then(|| self.vendor_data_off()).flatten();
        refused.chain(within).chain(between).chain(off).collect()
    }

    /// A remark at a place in a part.
    fn remark(&self, rule: &'static str, at: Option<(PartId, Spot)>, message: String) -> Option<NodeRemark> {
        let (part, spot) = at?;
        let source = &self.parts.get(part)?.source;
        let remark = Remark { at: source.spot(spot), ..Remark::new(rule, message) };
        Some(NodeRemark { document: source.document.clone(), remark })
    }

    fn names<'i>(&self, ids: impl IntoIterator<Item = &'i PartId>) -> String {
        let ids: Vec<PartId> = ids.into_iter().copied().collect();
        and(&names_of(self.parts, &ids))
    }

    fn refused(&self, part: PartId, refusal: &Refusal) -> Option<NodeRemark> {
        let source = &self.parts.get(part)?.source;
        let all = "cloud-init leaves out all that this part says";
        let (at, message, hint) = match refusal {
            // What is wrong with a part by itself is said once, of its document.
            Refusal::How(_) | Refusal::NoMapping | Refusal::Unreadable => return None,
            Refusal::Fails(failure) => {
                let message = format!(
                    "`{}` of {} cannot be merged onto what the parts before it set there, as it is of another kind; {all}",
                    failure.path,
                    source.name()
                );
                (failure.at, message, "make both a list, or both a text, or set the key in one of them only")
            }
            Refusal::Patch => {
                let message =
                    format!("the JSON patch in {} does not fit what the parts before it set; {all}", source.name());
                (None, message, "see that each path is there when the patch is applied")
            }
        };
        let mut remark = self.remark(FAILS_RULE, Some(at.unwrap_or((part, (1, 1)))), message)?;
        remark.remark.hint = Some(hint.into());
        Some(remark)
    }

    fn within(&self, loss: &Loss) -> Option<NodeRemark> {
        let (losers, winners, key) = (self.names(&loss.losers), self.names(&loss.winners), &loss.path);
        let (rule, message) = match loss.fate {
            Fate::Replaced => {
                let why = "comes later and replaces it";
                (REPLACED_RULE, format!("the `{key}` of {losers} is lost on the node: that of {winners} {why}"))
            }
            Fate::Ignored => {
                let why = "comes earlier and keeps its place by merge_how";
                let message =
                    format!("the `{key}` of {losers} does not apply, or not all of it: that of {winners} {why}");
                (IGNORED_RULE, message)
            }
        };
        let hint = match loss.fate {
            Fate::Replaced if loss.can_be_joined => {
                format!("if both are to apply, add the line `{JOINING}` to the later one")
            }
            Fate::Ignored if loss.is_list => {
                "lists are joined with `list(append)` and `dict(recurse_list)` in merge_how".to_owned()
            }
            _ => "set it in one of them only; if the later one is to win, say so in it: merge_how with `dict(replace)`"
                .to_owned(),
        };
        let mut remark = self.remark(rule, loss.later_at, message)?;
        remark.remark.hint = Some(hint.into());
        Some(remark)
    }

    fn between(&self, loss: &Loss) -> Option<NodeRemark> {
        let (losers, winners, key) = (self.names(&loss.losers), self.names(&loss.winners), &loss.path);
        let why = match loss.fate {
            Fate::Ignored => "stands above vendor-data",
            Fate::Replaced => "is a mapping, which cloud-init takes instead",
        };
        let message = format!("the `{key}` of {losers} is lost on the node: that of {winners} {why}");
        let mut remark = self.remark(USER_DATA_RULE, loss.earlier_at, message)?;
        let hint = "set it in user-data or in groups, not in both: merge_how does not reach from one to the other";
        remark.remark.hint = Some(hint.into());
        Some(remark)
    }

    /// That user-data turns all of vendor-data off, where there is something in it.
    fn vendor_data_off(&self) -> Option<NodeRemark> {
        let says_something = |part: &Part<'_>| match &part.body {
            Body::Config(tree) => !tree.is_empty(),
            Body::Patch(_) => true,
            Body::Unreadable => false,
        };
        let of_groups = self.of_user_data..self.parts.len();
        let lost: Vec<PartId> = of_groups.filter(|id| self.parts.get(*id).is_some_and(says_something)).collect();
        if lost.is_empty() {
            return None;
        }
        let entry = |(id, part): (PartId, &Part<'_>)| match &part.body {
            Body::Config(tree) => tree.entry("vendor_data").map(|entry| (id, entry.key_at)),
            _ => None,
        };
        let at = self.parts.iter().enumerate().take(self.of_user_data).filter_map(entry).next_back()?;
        let message = format!(
            "user-data turns vendor-data off with `vendor_data`, so that nothing of {} applies",
            self.names(&lost)
        );
        let mut remark = self.remark(USER_DATA_RULE, Some(at), message)?;
        remark.remark.hint = Some("remove the key, or take the node out of its groups".into());
        Some(remark)
    }
}

/// Names for a sentence.
fn and(names: &[String]) -> String {
    match names {
        [] => "a part".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests;
