//! What stands between the scalars of a document: white space, comments, punctuation, tags and anchors.
//!
//! PyYAML takes no tab there. It skips spaces and comments only, and says that a tab "cannot start any token": neither
//! as indentation nor after a colon, nor before a comment or a line end. Inside a plain scalar a tab ends the scalar
//! and is refused just so. In quotes, in block scalars and in comments tabs are fine.
//!
//! An anchor may be set once in a document; YAML 1.2 lets a second one take its place.

use std::collections::HashMap;

use super::{Remark, SYNTAX, Spot, above};

/// The characters of a scalar's own text, quotes included, from and to; and how far its lines are indented if it is a
/// block scalar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content {
    /// Where it begins.
    pub(super) from: usize,
    /// Where it ends.
    pub(super) to: usize,
    /// How its tabs count.
    pub(super) tabs: Tabs,
}

/// Where a scalar may have tabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tabs {
    /// Nowhere: it is plain.
    Nowhere,
    /// Anywhere: it stands in quotes.
    Anywhere,
    /// After its indentation of so many spaces.
    After(usize),
}

/// Tabs and anchors that PyYAML refuses. The contents are in order.
pub(super) fn gaps(characters: &[char], contents: &[Content]) -> Option<Remark> {
    let mut from = 0;
    let mut anchors = HashMap::new();
    for content in contents {
        if let Some(remark) = gap(characters, from, content.from, &mut anchors) {
            return Some(remark);
        }
        if let Some(tab) = tab_in(characters, *content) {
            return Some(tab_remark(characters, tab));
        }
        from = from.max(content.to);
    }
    gap(characters, from, characters.len(), &mut anchors)
}

fn gap(characters: &[char], from: usize, to: usize, anchors: &mut HashMap<String, usize>) -> Option<Remark> {
    let mut at = from;
    while at < to.min(characters.len()) {
        let is_line_start = at == 0 || characters[at - 1] == '\n';
        match characters[at] {
            '\t' => return Some(tab_remark(characters, at)),
            '#' => at = end_of(characters, at, |character| matches!(character, '\n' | '\r')),
            '%' if is_line_start => at = end_of(characters, at, |character| matches!(character, '\n' | '\r')),
            '!' => at = end_of(characters, at, |character| character.is_whitespace() || "{}".contains(character)),
            '&' => {
                let end = end_of(characters, at + 1, |character| !is_of_a_name(character));
                let name: String = characters[at + 1..end].iter().collect();
                if let Some(before) = anchors.insert(name, at) {
                    return Some(second_anchor(characters, before, at));
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    None
}

fn is_of_a_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_')
}

fn end_of(characters: &[char], from: usize, is_end: impl Fn(char) -> bool) -> usize {
    let rest = characters.get(from..).unwrap_or_default();
    from + rest.iter().position(|character| is_end(*character)).unwrap_or(rest.len())
}

fn tab_in(characters: &[char], content: Content) -> Option<usize> {
    let is_tab = |index: &usize| characters.get(*index) == Some(&'\t');
    let indentation = match content.tabs {
        Tabs::Anywhere => return None,
        Tabs::Nowhere => return (content.from..content.to).find(is_tab),
        Tabs::After(indentation) => indentation,
    };
    let begins_a_line_early = |index: &usize| {
        let spaces = characters[..*index].iter().rev().take_while(|character| **character == ' ').count();
        let is_first = *index == spaces || characters.get(*index - spaces - 1) == Some(&'\n');
        is_first && spaces < indentation
    };
    (content.from..content.to).filter(is_tab).find(begins_a_line_early)
}

fn tab_remark(characters: &[char], at: usize) -> Remark {
    Remark::at(SYNTAX, spot(characters, at), "cloud-init's YAML reader refuses the tab")
        .with_hint("write spaces; tabs may stand in quotes and in block scalars only")
}

fn second_anchor(characters: &[char], before: usize, at: usize) -> Remark {
    let (before, at) = (spot(characters, before), spot(characters, at));
    let message = format!("the anchor is set already {}, which cloud-init's YAML reader refuses", above(before, at));
    Remark::at(SYNTAX, at, message).with_hint("give each anchor a name of its own")
}

fn spot(characters: &[char], at: usize) -> Spot {
    let before = &characters[..at];
    let line_start = before.iter().rposition(|character| *character == '\n').map_or(0, |newline| newline + 1);
    (before.iter().filter(|character| **character == '\n').count() + 1, at - line_start + 1)
}
