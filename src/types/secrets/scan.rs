//! Secrets in whole texts: where they are, and the text without them.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::lines::Lines;
use super::shapes::{self, PEM, SecretKind, may_hold_secrets};

/// What stands for a secret in a text.
pub const REDACTED: &str = "<redacted>";

/// How often a text is gone through until nothing more is found.
const MOST_ROUNDS: usize = 8;

/// A secret in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundSecret {
    /// Where it is, in bytes. A private key is several lines.
    pub range: Range<usize>,
    /// What it is.
    pub kind: SecretKind,
    /// The key, variable or option that it is the value of, if that is what gives it away.
    pub key: Option<String>,
}

/// The beginning of a private key and its end.
static KEY_BEGIN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(PEM).ok());
static KEY_END: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----").ok());

/// The secrets in a text: in YAML, a script, a file of settings, a log. They come in the order of the text and do not
/// overlap. What stands for a value that is not there, such as `$PASSWORD`, is none.
#[must_use]
pub fn secrets_in(text: &str) -> Vec<FoundSecret> {
    if !may_hold_secrets(text) && !text.lines().any(super::lines::is_encoded) {
        return Vec::new();
    }
    let mut found = keys_in(text);
    let begin = KEY_BEGIN.as_ref();
    // Only the line that a key begins with is found by its shape.
    let is_key_line = |range: &Range<usize>| begin.is_some_and(|begin| begin.is_match(&text[range.clone()]));
    let shapes = shapes::shapes_in(text).filter(|(_, range)| !is_key_line(range));
    found.extend(shapes.map(|(kind, range)| FoundSecret { range, kind, key: None }));
    found.extend(Lines::new(text).secrets());
    merged(found)
}

/// A text with [`REDACTED`] in the place of every secret. Lines stay lines and keep their indentation, and what has
/// been redacted once stays as it is.
///
/// Give it a whole document where there is one: what a line holds may show from those above it only.
#[must_use]
pub fn redacted(text: &str) -> Cow<'_, str> {
    let mut shown = Cow::Borrowed(text);
    // What is hidden may have hidden something else from view. Ordinary texts have nothing more the second time.
    for _ in 0..MOST_ROUNDS {
        let found = secrets_in(&shown);
        if found.is_empty() {
            break;
        }
        shown = without(&shown, found).into();
    }
    shown
}

fn without(text: &str, found: Vec<FoundSecret>) -> String {
    let (mut shown, mut end) = (String::with_capacity(text.len()), 0);
    for FoundSecret { range, kind, .. } in found {
        shown.push_str(&text[end..range.start]);
        redact_into(&mut shown, &text[range.clone()], kind);
        end = range.end;
    }
    shown.push_str(&text[end..]);
    shown
}

/// Hides each line of a secret, but for the white space around it.
fn redact_into(shown: &mut String, secret: &str, kind: SecretKind) {
    for (index, line) in secret.split('\n').enumerate() {
        if index > 0 {
            shown.push('\n');
        }
        let content = line.trim();
        // A key that is commented out has a sign before its last line.
        let is_sign = kind == SecretKind::PrivateKey
            && content.bytes().all(|byte| byte.is_ascii_punctuation())
            && content.len() <= 2;
        if content.is_empty() || (is_sign && index > 0) {
            shown.push_str(line);
            continue;
        }
        let start = line.len() - line.trim_start().len();
        shown.push_str(&line[..start]);
        shown.push_str(REDACTED);
        shown.push_str(&line[start + content.len()..]);
    }
}

/// Private keys between the lines that mark them. What has lost one of the two ends where it looks like none any more.
fn keys_in(text: &str) -> Vec<FoundSecret> {
    let (Some(begin), Some(end)) = (&*KEY_BEGIN, &*KEY_END) else { return Vec::new() };
    let key = |range| FoundSecret { range, kind: SecretKind::PrivateKey, key: None };
    let mut found: Vec<FoundSecret> = Vec::new();
    let mut from = 0;
    for marker in begin.find_iter(text) {
        if marker.start() < from {
            continue;
        }
        let rest = &text[marker.end()..];
        let next = begin.find(rest).map_or(rest.len(), |next| next.start());
        let length = end.find(&rest[..next]).map_or_else(|| length_of_key(&rest[..next]), |end| end.start());
        from = marker.end() + length;
        found.push(key(marker.end()..from));
    }
    let mut before = 0;
    for marker in end.find_iter(text) {
        if !found.iter().any(|key| key.range.end == marker.start()) {
            let start = start_of_key(&text[before..marker.start()]);
            found.push(key(before + start..marker.start()));
        }
        before = marker.end();
    }
    found.retain(|key| !is_hidden(&text[key.range.clone()]));
    found
}

/// Whether there is nothing in a text but what has been hidden already.
fn is_hidden(text: &str) -> bool {
    let words = text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
    let is_sign = |line: &str| line.len() <= 2 && line.bytes().all(|byte| byte.is_ascii_punctuation());
    words.into_iter().all(|line| line == REDACTED || is_sign(line))
}

/// How many bytes of a text could be the inside of a key whose end is lost.
fn length_of_key(text: &str) -> usize {
    let mut length = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if index > 0 && !is_of_key(line) {
            break;
        }
        length += line.len();
    }
    length
}

/// Where in a text the inside of a key could begin that ends with it.
fn start_of_key(text: &str) -> usize {
    let mut start = text.len();
    for (index, line) in text.split_inclusive('\n').rev().enumerate() {
        if index > 0 && !is_of_key(line) {
            break;
        }
        start -= line.len();
    }
    start
}

fn is_of_key(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '\t', '#', '/', ';']).trim();
    let is_of = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let is_header = ["Proc-Type:", "DEK-Info:", "Version:", "Comment:"].iter().any(|name| line.starts_with(name));
    line.bytes().all(is_of) || line == REDACTED || is_header
}

/// In the order of the text, those that overlap as one.
fn merged(mut found: Vec<FoundSecret>) -> Vec<FoundSecret> {
    found.sort_by_key(|secret| (secret.range.start, std::cmp::Reverse(secret.range.end)));
    let mut kept: Vec<FoundSecret> = Vec::new();
    for secret in found {
        match kept.last_mut().filter(|last| secret.range.start < last.range.end) {
            None => kept.push(secret),
            Some(last) => {
                last.range.end = last.range.end.max(secret.range.end);
                last.kind = last.kind.min(secret.kind);
                last.key = last.key.take().or(secret.key);
            }
        }
    }
    kept
}
