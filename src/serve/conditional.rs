//! `If-None-Match`: whether the client already has the document.

use crate::types::Digest;

/// Whether one of the header's lines names the digest as an entity tag, or is `*`.
///
/// The comparison is the weak one (RFC 9110, 13.1.2): `W/"x"` and `"x"` are the same. A line that is not a list of tags
/// is read up to where it breaks; the worst that follows is a document sent in full.
pub(super) fn matches(lines: &[&[u8]], digest: &Digest) -> bool {
    if lines.is_empty() {
        return false;
    }
    let wanted = digest.to_string();
    lines.iter().any(|line| line_matches(line.trim_ascii(), wanted.as_bytes()))
}

fn line_matches(line: &[u8], wanted: &[u8]) -> bool {
    line == b"*" || Tags { rest: line }.any(|tag| tag == wanted)
}

/// The opaque texts of a list of entity tags. Tags are found by their quotes: a comma may stand inside one.
struct Tags<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let separators = self.rest.iter().take_while(|byte| b", \t".contains(byte)).count();
        let tag = &self.rest[separators..];
        let opened = tag.strip_prefix(b"W/").unwrap_or(tag).strip_prefix(b"\"")?;
        let length = opened.iter().position(|byte| *byte == b'"')?;
        self.rest = &opened[length + 1..];
        Some(&opened[..length])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str]) -> bool {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        matches(&lines, &Digest::of(b"document"))
    }

    #[test]
    fn lists_weak_tags_and_the_star_match() {
        let tag = Digest::of(b"document").to_string();
        for line in [
            format!("\"{tag}\""),
            format!("W/\"{tag}\""),
            format!("\"a\", \"{tag}\""),
            format!("\"a,b\" ,W/\"c\",,\"{tag}\", \"d\""),
            format!("  \"{tag}\"  "),
            "*".to_owned(),
            " * ".to_owned(),
        ] {
            assert!(check(&[&line]), "{line}");
        }
        assert!(check(&["\"other\"", &format!("\"{tag}\"")]));
    }

    #[test]
    fn other_and_broken_tags_do_not_match() {
        let tag = Digest::of(b"document").to_string();
        for line in [
            String::new(),
            tag.clone(),
            format!("\"{tag}"),
            format!("{tag}\""),
            format!("w/\"{tag}\""),
            format!("\"{}\"", tag.to_uppercase()),
            format!("\"{}\"", &tag[..63]),
            format!("broken \"{tag}\""),
            "\"*\"".to_owned(),
            "\"".to_owned(),
            "W/".to_owned(),
        ] {
            assert!(!check(&[&line]), "{line}");
        }
        assert!(!check(&[]));
    }
}
