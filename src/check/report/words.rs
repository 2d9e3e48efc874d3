//! What reports of several formats say in the same words, and the order in which they say it.

use std::cmp::Reverse;

use jiff::civil::Date;

use crate::check::finding::{Finding, Summary};
use crate::check::waivers::{Waived, counted_by_waiver};
use crate::types::NodeId;

/// Nodes named as examples.
const EXAMPLES: usize = 3;

/// A number and its noun.
pub(super) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// How many findings there are, without those severities of which there are none.
pub(super) fn counted_all(findings: &Summary) -> String {
    let Summary { errors, warnings, notes } = *findings;
    let parts = [(errors, "error"), (warnings, "warning"), (notes, "note")];
    let parts: Vec<String> =
        parts.into_iter().filter(|(number, _)| *number > 0).map(|(number, noun)| counted(number, noun)).collect();
    if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") }
}

/// What waivers took, a sentence for each.
pub(super) fn waived(waived: &[Waived]) -> Vec<String> {
    let sentence = |(count, rule, reason, until): (usize, &str, &str, Date)| {
        format!("{} of {rule} waived until {until}: {}", counted(count, "finding"), reason.trim())
    };
    counted_by_waiver(waived).into_iter().map(sentence).collect()
}

/// How many nodes those are, and the first of them. `None` without nodes.
pub(super) fn concerned(nodes: &[NodeId]) -> Option<String> {
    (!nodes.is_empty()).then(|| format!("concerns {}: {}", counted(nodes.len(), "node"), examples(nodes)))
}

/// The first of the nodes.
pub(super) fn examples(nodes: &[NodeId]) -> String {
    let examples: Vec<&str> = nodes.iter().take(EXAMPLES).map(NodeId::as_str).collect();
    let ellipsis = if nodes.len() > EXAMPLES { ", …" } else { "" };
    format!("{}{ellipsis}", examples.join(", "))
}

/// Errors first, and of one severity those that hit most nodes. Otherwise the order stays.
pub(super) fn ranked(findings: &[Finding]) -> Vec<&Finding> {
    let mut ranked: Vec<&Finding> = findings.iter().collect();
    ranked.sort_by_key(|finding| (finding.severity, Reverse(finding.nodes.len())));
    ranked
}

/// As much of a text as fits in a number of characters, and a sign that there was more.
pub(super) fn shortened(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
