//! What cloud-init's YAML reader makes of a rendered document.
//!
//! The client reads with PyYAML's `safe_load`, which is YAML 1.1, and takes nothing but a mapping (`util.load_yaml`).
//! It refuses some of what other readers take, and reads some plain words otherwise than people think. What it refuses
//! costs the node the whole document: a part of user-data is dropped, network-config counts as absent, meta-data as
//! empty. So that is an error here; what only means something else is a warning.
//!
//! The facts in this folder were found by running PyYAML 6.0.3 on every case of the tables in `tests.rs`; versions 6.0
//! and 6.0.2 of Debian 12 and 13 have the same rules.
//!
//! The document is gone through by the events of a YAML 1.2 parser, which tell places and styles. What YAML 1.1 does
//! otherwise is made up for here: tabs ([`gaps`]), line ends ([`characters`]), plain words ([`scalars`]).

mod characters;
mod gaps;
mod node;
mod scalars;
mod skeleton;
mod slips;
mod tags;
mod tree;
mod walk;

use serde::de::IgnoredAny;

use super::remark::{Remark, Spot};

pub(super) use skeleton::skeleton;
pub(super) use tree::{Entry, Tree, Value, load};
use walk::{Walk, walk};

/// The rule that documents which cloud-init reads as YAML can be read.
pub(super) const SYNTAX: &str = "yaml-syntax";
/// The rule that a mapping has each key once.
pub(super) const DUPLICATE_KEY: &str = "yaml-duplicate-key";
/// The rule that plain words mean to cloud-init what they look like.
pub(super) const AMBIGUOUS: &str = "yaml-ambiguous-value";
/// The rule that lines end where they are seen to end.
pub(super) const LINE_ENDS: &str = "yaml-line-ends";
/// The rule that aliases do not make a document endless.
pub(super) const ALIASES: &str = "yaml-aliases";

/// Whether what breaks this rule is not read by cloud-init.
pub(super) fn is_unreadable(rule: &str) -> bool {
    [SYNTAX, ALIASES].contains(&rule)
}

/// Remarks of one rule on one document before the rest is only counted.
const MOST_OF_A_RULE: usize = 10;

/// Where a key or anchor stood before, for a sentence.
fn above(before: Spot, at: Spot) -> String {
    match at.0.abs_diff(before.0) {
        0 => "in the same line".to_owned(),
        1 => "in the line above".to_owned(),
        lines => format!("{lines} lines above"),
    }
}

/// Everything there is to say about a text that cloud-init reads as YAML. When it cannot be read, that alone.
pub(super) fn remarks(text: &str) -> Vec<Remark> {
    let unprintable = characters::unprintable(text);
    if let Some(remark) = unprintable {
        return vec![remark];
    }
    let Walk { remarks, has_more_documents } = walk(text);
    if has_more_documents {
        // The other reader says so, too, but not where.
        return remarks.into_iter().filter(|remark| remark.rule == SYNTAX).take(1).collect();
    }
    if let Some(remark) = not_yaml(text) {
        return vec![remark];
    }
    shortened(characters::line_ends(text).into_iter().chain(remarks).collect())
}

/// What the reader that mds itself uses says.
fn not_yaml(text: &str) -> Option<Remark> {
    let error = serde_yaml::from_str::<IgnoredAny>(text).err()?;
    let said = error.to_string();
    let message = format!("the document is not YAML: {}", said.split(" at line ").next().unwrap_or(&said));
    let at = error.location().map(|location| (location.line(), location.column()));
    Some(Remark { at, ..Remark::new(SYNTAX, message) })
}

/// A document of a thousand dates needs no thousand findings.
pub(super) fn shortened(remarks: Vec<Remark>) -> Vec<Remark> {
    let mut counts = std::collections::BTreeMap::<std::borrow::Cow<'static, str>, usize>::new();
    let mut kept = Vec::new();
    for remark in remarks {
        let count = counts.entry(remark.rule.clone()).or_default();
        *count += 1;
        if *count <= MOST_OF_A_RULE {
            kept.push(remark);
        }
    }
    for (rule, count) in counts.into_iter().filter(|(_, count)| *count > MOST_OF_A_RULE) {
        let message = format!("there is more of this kind in the document: {} places", count - MOST_OF_A_RULE);
        kept.push(Remark::new(rule, message));
    }
    kept
}

#[cfg(test)]
mod tests;
