//! A document without the values that nothing is said about.
//!
//! Documents of many nodes differ in names, addresses and numbers only, and are alike to everything in this folder. So
//! if there is nothing to say of one of them, there is nothing to say of any that has the same skeleton.

use super::scalars::{Kind, kind_of};
use super::slips::{Role, slip};

/// Longer values stay, as some limits of YAML count characters.
const LONGEST: usize = 200;

/// The text, in which values that stand alone at the end of their line give way to a sign for their kind.
///
/// Only values without any sign that means something in YAML do, so that it makes no difference what they stand in, be
/// it quotes, a block scalar or a comment.
pub(in crate::check) fn skeleton(text: &str) -> String {
    let mut skeleton = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        match value_of(line) {
            Some((before, value)) => {
                skeleton.push_str(before);
                skeleton.push_str(sign(value).unwrap_or(value));
            }
            None => skeleton.push_str(line),
        }
        skeleton.push_str(end);
    }
    skeleton
}

/// The value at the end of a line, be it of a key or in a list, and what stands before it.
fn value_of(line: &str) -> Option<(&str, &str)> {
    let colon = line.find(": ").filter(|_| line.ends_with('"'));
    let start = colon.or_else(|| line.rfind(' ').and_then(|space| space.checked_sub(1)))? + 2;
    let (before, value) = line.split_at_checked(start)?;
    let key = before.trim_end_matches(' ');
    (key.ends_with(':') || key.trim_start_matches(' ') == "-").then_some((before, value))
}

fn sign(value: &str) -> Option<&'static str> {
    let is_harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"._/:-".contains(&byte);
    let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    if value.len() > LONGEST {
        return None;
    }
    if let Some(quoted) = quoted {
        let is_plain = quoted.bytes().all(|byte| is_harmless(byte) || b" +=@$()".contains(&byte));
        return is_plain.then_some("\"\"");
    }
    let begins_well = value.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '/');
    // A colon at its end would make a key of it.
    if !begins_well || value.ends_with(':') || !value.bytes().all(is_harmless) {
        return None;
    }
    match kind_of(value) {
        // As a key or in a list more is remarked on than as a value.
        kind if slip(value, kind, Role::Key).is_some() => None,
        Kind::Text => Some("text"),
        Kind::Int if value.len() < 18 && value.bytes().all(|byte| byte.is_ascii_digit()) => Some("1"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_nothing_is_said_about_give_way() {
        for (text, expected) in [
            ("a: x1000c0s0b0n0\nb: 10.0.0.1\n", "a: text\nb: text\n"),
            ("a: \"02:00:00:00:00:01\"\nn: 1000\n", "a: \"\"\nn: 1\n"),
            ("a: b4:2e:99:be:1a:6d\nb: http://x:80/y", "a: text\nb: text"),
            ("a: \"up for $UPTIME (s)\"\n", "a: \"\"\n"),
            ("  - x1000\n- - /dev/sda", "  - text\n- - /dev/sda"),
        ] {
            assert_eq!(skeleton(text), expected);
        }
    }

    #[test]
    fn values_that_something_may_be_said_about_stay() {
        for text in [
            "a: yes\n",
            "a: 0644\n",
            "a: 2024-13-45\n",
            "a: 12:30\n",
            "a: -\n",
            "a: \"x\\q\"\n",
            "a: 'x'\n",
            "a: x?\n",
            "a: x\t\n",
            "a: x\r\n",
            "a: [x]\n",
            "a: *x\n",
            "a: !x\n",
            "a: b #c\n",
            "? a\n",
            "a: ---\n",
            "a: 1e3\n",
            "---\n",
            "a: b c\n",
            "a: b:\n",
            "a: \"b: c\" \"d\"\n",
            "a: 10:11:22:33:44:55\n",
        ] {
            assert_eq!(skeleton(text), text);
        }
    }
}
