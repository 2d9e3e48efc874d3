//! Characters that cloud-init's YAML reader refuses, and those that end a line to it alone.

use super::{AMBIGUOUS, LINE_ENDS, Remark, SYNTAX};

/// The first character that PyYAML refuses anywhere, be it in quotes or in a comment: control characters but tab, line
/// feed, carriage return and U+0085; U+FFFE and U+FFFF.
pub(super) fn unprintable(text: &str) -> Option<Remark> {
    let is_refused = |character: char| {
        let is_plain = matches!(character, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}');
        !is_plain && !matches!(character, '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
    };
    let offset = text.find(is_refused)?;
    let code = text[offset..].chars().next().map_or(0, u32::from);
    let message = format!("cloud-init's YAML reader refuses the character U+{code:04X}");
    let remark = Remark::at(SYNTAX, spot(text, offset), message);
    Some(remark.with_hint("take it out, or write it as an escape such as \"\\x07\" in double quotes"))
}

/// Characters that look like nothing and are something.
///
/// PyYAML ends a line at U+0085, U+2028 and U+2029, and at a carriage return alone, also within a comment, of which the
/// rest then counts. Carriage return and line feed together are one line end, everywhere the same as a line feed: in
/// `#cloud-config\r\n`, in block scalars, and in scripts, from which cloud-init takes them. So they are not remarked
/// on.
/// A byte order mark inside becomes part of the key or value that it stands beside.
pub(super) fn line_ends(text: &str) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut characters = text.char_indices().peekable();
    while let Some((offset, character)) = characters.next() {
        let is_followed_by_line_feed = characters.peek().is_some_and(|(_, next)| *next == '\n');
        let (rule, what, hint) = match character {
            '\u{85}' | '\u{2028}' | '\u{2029}' => (
                LINE_ENDS,
                "ends a line to cloud-init's YAML reader, and to hardly anything else",
                "take it out, or write it as an escape such as \"\\u2028\" in double quotes",
            ),
            '\r' if !is_followed_by_line_feed => {
                (LINE_ENDS, "without a line feed ends a line to cloud-init's YAML reader", "end lines with line feeds")
            }
            '\u{feff}' => (
                AMBIGUOUS,
                "is a byte order mark and becomes part of what stands beside it",
                "save the files that the document is put together from as UTF-8 without BOM",
            ),
            _ => continue,
        };
        let message = format!("the character U+{:04X} {what}", u32::from(character));
        remarks.push(Remark::at(rule, spot(text, offset), message).with_hint(hint));
        // Finding places is slow, and nobody reads more.
        if remarks.len() > super::MOST_OF_A_RULE {
            break;
        }
    }
    remarks
}

fn spot(text: &str, offset: usize) -> super::Spot {
    let place = crate::types::Place::of_offset("", text, offset);
    (place.line, place.column)
}
