//! Hiding what looks like a secret in two texts that are compared, before anything of them is shown.
//!
//! What is a secret in one place is hidden wherever it stands, in both texts: the line that gives it away may be on one side
//! only.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use crate::types::secrets_in;

/// What stands in place of a secret.
pub(super) const SECRET_MARK: &str = "‹secret›";

/// Fewer bytes are likely to stand elsewhere without being the secret.
const LEAST_KNOWN: usize = 8;
/// Secrets that are looked for elsewhere in a text.
const MOST_KNOWN: usize = 256;

/// The text with something else in place of each secret in it, and of what is a secret in the other text: `mark` gets the
/// secret and writes what stands for it.
pub(super) fn without_secrets<'t>(
    text: &'t str,
    other: &str,
    mut mark: impl FnMut(&'t str, &mut String),
) -> Cow<'t, str> {
    let ranges = secret_ranges(text, other);
    if ranges.is_empty() {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    let mut end = 0;
    for range in ranges {
        shown.push_str(&text[end..range.start]);
        mark(&text[range.clone()], &mut shown);
        end = range.end;
    }
    shown.push_str(&text[end..]);
    shown.into()
}

/// Where the secrets of a text are, in their order. They do not overlap, and none is empty.
fn secret_ranges(text: &str, other: &str) -> Vec<Range<usize>> {
    let (own, of_other) = (found(text), found(other));
    if own.is_empty() && of_other.is_empty() {
        return own;
    }
    let secrets =
        own.iter().map(|range| &text[range.clone()]).chain(of_other.iter().map(|range| &other[range.clone()]));
    let lines = secrets.flat_map(str::lines).map(str::trim).filter(|secret| secret.len() >= LEAST_KNOWN);
    let known: BTreeSet<&str> = lines.take(MOST_KNOWN).collect();
    let again = known.iter().flat_map(|secret| {
        let found = text.match_indices(secret);
        found.map(|(start, secret)| start..start + secret.len())
    });
    merged(own.iter().cloned().chain(again).collect())
}

/// Secrets by what they look like and where they stand, without the white space around them.
fn found(text: &str) -> Vec<Range<usize>> {
    let mut found = secrets_in(text);
    if text.contains("\\\"") {
        found.extend(secrets_in(&without_escapes(text)));
    }
    let trimmed = |range: Range<usize>| {
        let secret = &text[range.clone()];
        let start = range.start + secret.len() - secret.trim_start().len();
        start..(start + secret.trim().len())
    };
    found.into_iter().map(|found| trimmed(found.range)).collect()
}

/// JSON in a text in quotes, as it would be without them: a blank takes the place of the sign before each quote, inside of
/// what it encloses never.
fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\\"") {
        plain.push_str(&rest[..at].replace('"', " "));
        let opens = plain.trim_end().ends_with(['{', '[', ',', ':', '"', '\'', '=']) && !plain.ends_with("\" ");
        plain.push_str(if opens { " \"" } else { "\" " });
        rest = &rest[at + 2..];
    }
    plain + &rest.replace('"', " ")
}

fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut kept: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match kept.last_mut().filter(|last| range.start < last.end) {
            Some(last) => last.end = last.end.max(range.end),
            None => kept.push(range),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hidden(text: &str, other: &str) -> String {
        without_secrets(text, other, |_, shown| shown.push_str(SECRET_MARK)).into_owned()
    }

    #[test]
    fn what_is_a_secret_in_one_place_is_one_everywhere() {
        let here = hidden("# hunter2hunter2 is it\npassword: hunter2hunter2\n", "");
        assert_eq!(here, "# ‹secret› is it\npassword: ‹secret›\n");
        assert_eq!(hidden("# on1 is it\npassword: on1\n", ""), "# on1 is it\npassword: ‹secret›\n");
        assert_eq!(hidden("# hunter2hunter2\n", "token: hunter2hunter2"), "# ‹secret›\n");
        assert_eq!(hidden("a: 1\n", "b: 2\n"), "a: 1\n");
    }

    #[test]
    fn forms_of_secrets_are_hidden() {
        for (text, secret) in [
            ("{\"token\": \"a\\\"b c\", \"next\": 1}", "b c"),
            ("body: \"{\\\"password\\\": \\\"hunter2\\\"}\"", "hunter2"),
            ("join --password hunter2 --name a", "hunter2"),
            ("[join, \"--password\", \"hunter2\", a]", "hunter2"),
            ("PrivateKey = abc=\nPublicKey = def=\n", "abc="),
            ("Authorization: Bearer abcdef", "abcdef"),
            ("psk: !!str \"hunter2\"", "hunter2"),
            ("token: |\n  one\n\n  two\nnext: 1\n", "two"),
            ("- secret:\n    deep\n  other: 2\n", "deep"),
            ("chpasswd -e <<'EOF'\nroot:hunter2\nEOF\nls a:b\n", "hunter2"),
            ("- echo hunter2 | passwd --stdin root", "hunter2"),
            ("curl -s -u me:hunter2 http://a/", "hunter2"),
            ("sshpass -p hunter2 ssh a", "hunter2"),
            ("useradd -m -p hunter2 a", "hunter2"),
            ("x: $6$rounds=5000$salt$hashhash. y", "hashhash"),
            ("git clone https://user:hunter2@host/x", "hunter2"),
            ("a ghp_0123456789abcdef0123456789abcdef0123 b", "0123456789"),
            ("K=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlc2ln", "c2lnbmF0"),
            ("x\n\nI2Nsb3VkLWNvbmZpZwpydW5jbWQ6IFtlY2hvLCBoZWxsbywgd29ybGQsIGFnYWluXQo=\n--b--\n", "I2Nsb3Vk"),
        ] {
            let shown = hidden(text, "");
            assert!(!shown.contains(secret), "{text:?} became {shown:?}");
        }
    }

    /// A secret and a text that it stands in, in one of the ways that are known.
    fn planted() -> impl Strategy<Value = (String, String)> {
        let name = prop_oneof![
            Just("passwd"),
            Just("hashed_passwd"),
            Just("plain_text_passwd"),
            Just("clientSecret"),
            Just("auth-token"),
            Just("munge_key")
        ];
        ("[A-Z][a-z0-9]{5,9}Q7", name, 0..12_usize, "[a-z ]{0,9}").prop_map(|(secret, name, form, indent)| {
            let pad = " ".repeat(indent.len());
            let text = match form {
                0 => format!("{pad}{name}: {secret}"),
                1 => format!("{pad}- {{user: a, {name}: {secret}, z: 1}}"),
                2 => format!("{pad}{name}: |\n{pad}  {secret}\n{pad}  x{secret}"),
                3 => format!("{pad}{name}: >-\n\n{pad}   {secret}"),
                4 => format!("{pad}{name}: \"a b {secret}\""),
                5 => format!("{pad}{name}:\n{pad}  - {secret}"),
                6 => format!("{pad}export {name}={secret}"),
                7 => format!("{pad}run --{name} {secret}"),
                8 => format!("{pad}chpasswd:\n{pad}  list: |\n{pad}    root:{secret}\n{pad}    b:{secret}"),
                9 => format!("{pad}-----BEGIN EC PRIVATE KEY-----\n{pad}{secret}\n{pad}{secret}=="),
                10 => format!("{pad}echo root:{secret} | chpasswd"),
                _ => format!("{pad}url: https://name:{secret}@host/x"),
            };
            (secret, format!("# x\n{text}\nafter: 1\n"))
        })
    }

    proptest! {
        #[test]
        fn no_planted_secret_stays_on_either_side((secret, text) in planted()) {
            let shown = hidden(&text, "");
            prop_assert!(!shown.contains(&secret), "{text} became {shown}");
            let is_alone = !text.contains(&format!("a b {secret}"));
            let other = format!("# {secret}\n");
            prop_assert!(!is_alone || !hidden(&other, &text).contains(&secret), "{text}");
        }

        #[test]
        fn ranges_are_in_order(text in "(\\PC|\n|\"|:|=|-----BEGIN | PRIVATE KEY-----|chpasswd|list|curl |-u |\\|){0,60}") {
            let mut end = 0;
            for range in secret_ranges(&text, "password: abcabcabc") {
                prop_assert!(range.start >= end && !range.is_empty());
                prop_assert!(text.is_char_boundary(range.start) && text.is_char_boundary(range.end));
                end = range.end;
            }
        }
    }
}
