//! What becomes of a node's cloud-config, for people who ask about one node.

use std::sync::Arc;

use serde::Serialize;

use super::analysis::{Documents, names_of};
use super::layers::{Outcome, Refusal, outcome};
use super::merge::{Fate, Loss};
use super::parts::{Part, parts_of};
use super::value::PartId;
use crate::check::document::Document;
use crate::check::inspector::looked_at;
use crate::check::locate::locate;
use crate::check::remark::Spot;
use crate::check::rulebook::Rulebook;
use crate::render::{NodeFacts, Plan, RenderedNode};
use crate::types::{DocumentName, Place};

/// What cloud-init makes of the parts of a node's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Merging {
    /// The parts in the order in which they are merged: those of vendor-data, then those of user-data, which win.
    pub parts: Vec<String>,
    /// The documents that cloud-init renders itself and that could not be rendered here, so that nothing is said of them.
    pub unseen: Vec<String>,
    /// The keys at the top of what comes of them.
    pub keys: Vec<MergedKey>,
    /// What is lost, also where it was asked for.
    pub lost: Vec<Lost>,
    /// The parts that cloud-init leaves out.
    pub left_out: Vec<LeftOut>,
}

/// A key of the merged configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MergedKey {
    /// The key.
    pub key: String,
    /// The parts that its value comes from.
    pub from: Vec<String>,
}

/// A value that does not reach the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// The keys that lead to it, such as `ntp.servers`.
    pub key: String,
    /// The parts whose value is lost.
    pub of: Vec<String>,
    /// The parts whose value stays.
    pub to: Vec<String>,
    /// Where the value that wins stands, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Whether a part asks for it in its `merge_how`.
    pub is_asked_for: bool,
}

/// A part that cloud-init leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The part.
    pub part: String,
    /// Why: the rest of a sentence that begins with the part.
    pub why: String,
}

/// Merges the documents of a node as cloud-init does.
#[must_use]
pub fn merging(rulebook: &Arc<Rulebook>, plan: &Arc<Plan>, facts: &NodeFacts, node: &RenderedNode) -> Merging {
    let looked_at = looked_at(rulebook, plan, facts, node);
    let documents = Documents::of(plan, facts, &looked_at);
    let (parts, of_user_data) = documents.parts();
    let outcome = outcome(&parts, of_user_data);
    let place = |part: PartId, spot: Spot| {
        let source = &parts.get(part)?.source;
        let template = plan.template_of(facts, &source.document)?;
        let all = looked_at.iter().filter_map(|looked_at| looked_at.document.as_ref());
        let document = all.into_iter().find(|document| document.name == source.document)?;
        let spot = source.spot(spot).and_then(|spot| locate(template.text, &document.text, spot));
        Some(spot.map_or_else(|| Place::file(template.path), |(line, column)| Place::at(template.path, line, column)))
    };
    let order = (of_user_data..parts.len()).chain(0..of_user_data);
    Merging {
        parts: names_of(&parts, &order.collect::<Vec<_>>()),
        unseen: documents.unseen().map(|document| document.name.to_string()).collect(),
        keys: keys(&outcome, &parts),
        lost: lost(&outcome, &parts, &place),
        left_out: left_out(&outcome, &parts, of_user_data),
    }
}

fn keys(outcome: &Outcome<'_>, parts: &[Part<'_>]) -> Vec<MergedKey> {
    let slots = outcome.config.clone().into_slots().unwrap_or_default();
    let key = |slot: super::value::Slot<'_>| {
        let from = names_of(parts, &slot.value.parts());
        let from = if from.is_empty() { names_of(parts, &[slot.at.0]) } else { from };
        MergedKey { key: slot.key.into_owned(), from }
    };
    slots.into_iter().map(key).collect()
}

fn lost(outcome: &Outcome<'_>, parts: &[Part<'_>], place: &dyn Fn(PartId, Spot) -> Option<Place>) -> Vec<Lost> {
    let lost = |loss: &Loss| {
        let at = if loss.fate == Fate::Replaced { loss.later_at } else { loss.earlier_at };
        Lost {
            key: loss.path.clone(),
            of: names_of(parts, &loss.losers),
            to: names_of(parts, &loss.winners),
            place: at.and_then(|(part, spot)| place(part, spot)),
            is_asked_for: loss.is_asked_for,
        }
    };
    outcome.within.iter().chain(&outcome.between).map(lost).collect()
}

fn left_out(outcome: &Outcome<'_>, parts: &[Part<'_>], of_user_data: usize) -> Vec<LeftOut> {
    let refused = outcome.refused.iter().filter_map(|(part, refusal)| {
        let why = match refusal {
            Refusal::How(fault) => format!("says how it is merged, which {fault}"),
            Refusal::NoMapping => "names mergers and none for mappings".to_owned(),
            Refusal::Fails(failure) => format!("cannot be merged at `{}`", failure.path),
            Refusal::Patch => "is a JSON patch that does not fit what is there".to_owned(),
            Refusal::Unreadable => "holds nothing that cloud-init can read".to_owned(),
        };
        Some(LeftOut { part: parts.get(*part)?.source.name(), why })
    });
    let off = if outcome.is_vendor_data_off { of_user_data..parts.len() } else { 0..0 };
    let off = off.filter_map(|part| {
        Some(LeftOut { part: parts.get(part)?.source.name(), why: "is turned off by user-data".to_owned() })
    });
    refused.chain(off).collect()
}

/// The cloud-config that a node would have of two documents, as JSON. Nothing is fetched, so what they include takes no
/// part.
#[must_use]
pub fn merged_config(user_data: &str, vendor_data: &str) -> serde_json::Value {
    let document = |name: DocumentName, text: &str| {
        let mut document = Document::new(name, text.to_owned());
        document.read();
        document
    };
    let documents = [document(DocumentName::UserData, user_data), document(DocumentName::VendorData, vendor_data)];
    let nowhere = |_: &str| None;
    let [of_user_data, of_vendor_data] = documents.each_ref().map(|document| parts_of(document, &nowhere, 0));
    let count = of_user_data.len();
    let parts: Vec<Part<'_>> = of_user_data.into_iter().chain(of_vendor_data).collect();
    outcome(&parts, count).config.to_tree().to_json()
}
