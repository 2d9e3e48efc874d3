//! Hiding what looks like a secret in a text, before the text is shown to anybody.
//!
//! Documents are texts of many kinds: YAML, shell scripts, files of settings, in one another. So nothing is parsed. What
//! counts is the name before a value, the form of a value, and the lines around it; where that leaves a doubt, the text
//! counts as a secret. This keeps secrets out of reports. It does not find every secret there may be: a short word that
//! stands alone looks like any other.

mod commands;
mod keys;
mod lines;
mod shapes;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// What stands in place of a secret.
pub const SECRET_MARK: &str = "‹secret›";

/// Why a text looks like a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretKind {
    /// The inside of a private key.
    PrivateKey,
    /// The hash of a password, as `/etc/shadow` has it.
    PasswordHash,
    /// The value of something that is called a password, a token, a secret or a key.
    Named,
    /// User and password in a URL.
    Credentials,
    /// A text of the form that tokens of well-known services have, or that only a machine would make.
    Token,
    /// Something encoded that may be any of the others.
    Encoded,
}

/// A part of a text that looks like a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretSpan {
    /// Where it is, in bytes. A private key is one part, with the line breaks inside it.
    pub range: Range<usize>,
    /// Why.
    pub kind: SecretKind,
}

/// Fewer characters are likely to stand elsewhere without being the secret.
const LEAST_KNOWN: usize = 8;
/// Secrets that are looked for elsewhere in a text.
const MOST_KNOWN: usize = 256;

/// The parts of a text that look like secrets, in their order. They do not overlap, and none is empty. What is a secret in
/// one place is one wherever it stands.
#[must_use]
pub fn secrets(text: &str) -> Vec<SecretSpan> {
    secrets_among(text, &[])
}

/// As [`secrets`], and what is a secret in one of some other texts is one here as well.
#[must_use]
pub fn secrets_among(text: &str, others: &[&str]) -> Vec<SecretSpan> {
    let found = lines::Scanner::new(text).scan();
    let of_others: Vec<(&str, Vec<SecretSpan>)> =
        others.iter().map(|other| (*other, lines::Scanner::new(other).scan())).collect();
    let known: BTreeMap<&str, SecretKind> = std::iter::once((text, &found))
        .chain(of_others.iter().map(|(other, spans)| (*other, spans)))
        .flat_map(|(text, spans)| spans.iter().map(|span| (&text[span.range.clone()], span.kind)))
        .flat_map(|(secret, kind)| secret.lines().map(move |line| (line.trim(), kind)))
        .filter(|(secret, _)| secret.len() >= LEAST_KNOWN)
        .take(MOST_KNOWN)
        .collect();
    let again = known.iter().flat_map(|(secret, kind)| {
        text.match_indices(secret).map(|(start, secret)| (start..start + secret.len(), *kind))
    });
    lines::merged(found.iter().map(|span| (span.range.clone(), span.kind)).chain(again).collect())
}

/// The text with [`SECRET_MARK`] in place of everything that looks like a secret.
#[must_use]
pub fn redacted(text: &str) -> Cow<'_, str> {
    redacted_with(text, &[], |_, redacted| redacted.push_str(SECRET_MARK))
}

/// As [`redacted`], hiding also what is a secret in other texts, and with something else in place of each secret: `mark`
/// gets the secret and writes what stands for it.
#[must_use]
pub fn redacted_with<'t>(text: &'t str, others: &[&str], mut mark: impl FnMut(&'t str, &mut String)) -> Cow<'t, str> {
    let spans = secrets_among(text, others);
    if spans.is_empty() {
        return text.into();
    }
    let mut redacted = String::with_capacity(text.len());
    let mut end = 0;
    for span in spans {
        redacted.push_str(&text[end..span.range.start]);
        mark(&text[span.range.clone()], &mut redacted);
        end = span.range.end;
    }
    redacted.push_str(&text[end..]);
    redacted.into()
}

#[cfg(test)]
mod tests;
