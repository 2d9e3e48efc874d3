//! The nodes that a rule holds for.

use crate::render::NodeFacts;
use crate::types::GroupLabel;

/// The nodes in any of some groups whose ids fit any of some patterns. Without groups those of all, without patterns
/// those of all ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) groups: Vec<GroupLabel>,
    pub(super) nodes: Vec<String>,
}

impl Scope {
    /// Whether a node is one of them.
    pub(super) fn holds_for(&self, facts: &NodeFacts) -> bool {
        let in_group = self.groups.is_empty() || facts.groups.iter().any(|label| self.groups.contains(label));
        let id = facts.id().as_str();
        in_group && (self.nodes.is_empty() || self.nodes.iter().any(|pattern| fits(pattern, id)))
    }
}

/// Whether a text fits a pattern as a whole, in which `*` stands for any characters and `?` for one.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut position) = (0, 0);
    // Where the last star stands, and how far it reaches.
    let mut star: Option<(usize, usize)> = None;
    while position < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, position));
                at += 1;
            }
            Some(character) if *character == '?' || *character == text[position] => {
                at += 1;
                position += 1;
            }
            _ => {
                let Some((star_at, reach)) = star else { return false };
                star = Some((star_at, reach + 1));
                at = star_at + 1;
                position = reach + 1;
            }
        }
    }
    pattern[at..].iter().all(|character| *character == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_of_whole_ids() {
        for (pattern, text) in [
            ("*", ""),
            ("x1", "x1"),
            ("x1000c*", "x1000c0s0b0n0"),
            ("*n0", "x1n0n0"),
            ("x?c*b*", "x1c0s0b0n0"),
            ("**", "x"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("", "x"), ("x1", "x10"), ("x?", "x"), ("*n1", "x1n0"), ("X1", "x1"), ("x*c*z", "x1c1y")]
        {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }
}
