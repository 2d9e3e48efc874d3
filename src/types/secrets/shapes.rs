//! Texts that are secrets by what they look like.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::keys::{is_suspicious_key, kind_of_key};
use super::scan::REDACTED;

/// What a secret is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretKind {
    /// The private half of a key.
    PrivateKey,
    /// What a password is checked by.
    PasswordHash,
    /// A password.
    Password,
    /// A URL with a password in it.
    UrlCredentials,
    /// A token of a service.
    Token,
    /// Another secret.
    Other,
}

impl SecretKind {
    /// What it is, for a sentence.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PrivateKey => "a private key",
            Self::PasswordHash => "a password hash",
            Self::Password => "a password",
            Self::UrlCredentials => "a URL with a password",
            Self::Token => "a token",
            Self::Other => "a secret",
        }
    }
}

/// The beginning of a private key in PEM or PGP form.
pub(super) const PEM: &str = r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----";
const KEYS: &str = r"PuTTY-User-Key-File-[0-9]|AGE-SECRET-KEY-1[A-Z0-9]{20,}";
/// What `crypt` and its relatives write.
const HASHES: &str = r"\$(?:1|2[abxy]?|5|6|7|y|gy|sm3y?|sha1|md5|argon2(?:id|i|d))\$[A-Za-z0-9./=,+-]*\$[A-Za-z0-9./=,+$-]{6,}|\$2[abxy]\$[0-9]{2}\$[A-Za-z0-9./]{20,}|\$7\$[A-Za-z0-9./]{12,}\$?[A-Za-z0-9./]*|\{S?SHA(?:256|512)?\}[A-Za-z0-9+/=]{20,}|grub\.pbkdf2\.sha512\.[0-9]+\.[A-F0-9.]{40,}";
/// Tokens of services, by the beginnings that these give them so that they can be found.
const TOKENS: &str = concat!(
    r"(?-u:\b)(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}",
    r"|gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|imt)-[A-Za-z0-9_.-]{16,}",
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}",
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?",
    r"|hv[sbr]\.[A-Za-z0-9_-]{16,}|npm_[A-Za-z0-9]{30,}|pypi-AgEI[A-Za-z0-9_-]{20,}|dckr_pat_[A-Za-z0-9_-]{16,}",
    r"|do[opr]_v1_[a-f0-9]{40,}|[sr]k_live_[A-Za-z0-9]{16,}|AIza[A-Za-z0-9_-]{35}|sk-(?:proj-|ant-)?[A-Za-z0-9_-]{32,}",
    r"|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|tskey-[a-z]+-[A-Za-z0-9-]{16,}|K10[a-f0-9]{64}::[A-Za-z0-9:._-]+)",
);
/// A URL with a password; the password is the group.
const URLS: &str = r#"[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@"'<>]*:([^\s/"'<>]+|<redacted>)@"#;

/// Shapes, those that say most first.
pub(super) static SHAPES: LazyLock<Vec<(SecretKind, Regex)>> = LazyLock::new(|| {
    let shapes = [
        (SecretKind::PrivateKey, format!("{PEM}|{KEYS}")),
        (SecretKind::PasswordHash, HASHES.to_owned()),
        (SecretKind::Token, TOKENS.to_owned()),
        (SecretKind::UrlCredentials, URLS.to_owned()),
    ];
    shapes.into_iter().filter_map(|(kind, shape)| Some((kind, Regex::new(&shape).ok()?))).collect()
});

/// What every text with a secret in it has a piece of.
pub(super) static TRIGGER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = "(?i:pass|pwd|secret|token|psk|credential|authtok|private|authorization|chpasswd|pw[ \\t:=\"']\
                 |bearer|curl|user(?:add|mod)|mysql|mariadb|--user|-----end |[ \\t]-u[ \\t]\
                 |(?:contents?|inline|source)[\"']?[ \\t]*:[ \\t]*(?:!!binary[ \\t]+)?[\"']?[a-z0-9+/]{24}\
                 |(?:access|api|munge|encryption|auth|shared|signing|master|account|session|token)[ _.-]?key\
                 |(?:key|auth|cookie|cred|salt|seed)s?[\"']?[ \\t]*[:=])";
    Regex::new(&format!("{words}|{PEM}|{KEYS}|{HASHES}|{TOKENS}|{URLS}")).ok()
});

/// Whether it is worth looking for secrets in a text: `false` only where there are none.
#[must_use]
pub fn may_hold_secrets(text: &str) -> bool {
    TRIGGER.as_ref().is_none_or(|trigger| trigger.is_match(text))
}

/// What a value is or holds that is a secret, whatever it is called.
#[must_use]
pub fn looks_secret(value: &str) -> Option<SecretKind> {
    SHAPES.iter().find(|(kind, shape)| found(*kind, shape, value).next().is_some()).map(|(kind, _)| *kind)
}

/// What is secret about a value of this name, by its name or by what it looks like. What stands for a value that is not
/// there, such as `${PASSWORD}`, is no secret.
#[must_use]
pub fn secret_under(key: &str, value: &str) -> Option<SecretKind> {
    if is_placeholder(value) {
        return None;
    }
    looks_secret(value)
        .or_else(|| kind_of_key(key).filter(|_| !leads_elsewhere(value)))
        .or_else(|| (looks_random(value.trim()) && is_suspicious_key(key)).then_some(SecretKind::Other))
}

/// Every secret in a text that is one by what it looks like, with what is to be hidden of it.
pub(super) fn shapes_in(text: &str) -> impl Iterator<Item = (SecretKind, Range<usize>)> + '_ {
    SHAPES.iter().flat_map(move |(kind, shape)| found(*kind, shape, text).map(|range| (*kind, range)))
}

fn found<'a>(kind: SecretKind, shape: &'a Regex, text: &'a str) -> Box<dyn Iterator<Item = Range<usize>> + 'a> {
    if kind != SecretKind::UrlCredentials {
        return Box::new(shape.find_iter(text).map(|found| found.range()));
    }
    let passwords = shape.captures_iter(text).filter_map(|captures| captures.get(1));
    Box::new(passwords.filter(|password| !is_placeholder(password.as_str())).map(|password| password.range()))
}

/// Whether a value stands for one that is not there: nothing, a locked hash, a truth value, a variable, an expression
/// of a template that the node renders, or what has been hidden already.
pub(crate) fn is_placeholder(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'']).trim();
    let lower = value.to_ascii_lowercase();
    let is_word = ["true", "false", "yes", "no", "on", "off", "null", "none", "~", "x", "!", "!!", "!*", "*", "*lk*"]
        .contains(&lower.as_str());
    let is_hidden = value == REDACTED || (!value.is_empty() && value.bytes().all(|byte| byte == b'*'));
    let is_block = value.starts_with(['|', '>']) && value.len() <= 3;
    value.is_empty() || is_word || is_hidden || is_block || is_reference(value)
}

/// Whether a value is a path or a URL, behind which the secret is.
fn leads_elsewhere(value: &str) -> bool {
    const TOPS: [&str; 12] = ["etc", "home", "root", "var", "run", "opt", "usr", "srv", "mnt", "tmp", "dev", "boot"];
    let value = value.trim();
    let mut parts = value.split('/');
    let is_path = parts.next() == Some("")
        && parts.next().is_some_and(|top| TOPS.contains(&top))
        && parts.next().is_some_and(|below| !below.is_empty());
    let scheme = value.split("://").next().unwrap_or_default();
    let is_url =
        scheme.len() < value.len() && !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_lowercase());
    !value.contains(char::is_whitespace) && (is_path || is_url)
}

/// `$NAME`, `${…}`, `$(…)`, `%NAME%`, `{{ … }}` and nothing else. A name in small letters without braces may be a
/// password that begins with a dollar.
fn is_reference(value: &str) -> bool {
    let within = |begin: &str, end: &str| {
        value.strip_prefix(begin).and_then(|rest| rest.strip_suffix(end)).is_some_and(|inner| !inner.contains(end))
    };
    let name = value.strip_prefix('$').unwrap_or_default();
    let is_name = name.starts_with(|first: char| first.is_ascii_uppercase() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    let is_positional = name.len() == 1 && name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'@');
    is_name || is_positional || within("${", "}") || within("$(", ")") || within("{{", "}}")
}

/// Whether a text looks as if it had been drawn by lot: one long word of letters and digits without order. Paths, URLs
/// and the public halves of SSH keys do not.
pub(super) fn looks_random(text: &str) -> bool {
    let is_of = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_');
    if !(24..=8192).contains(&text.len()) || !text.bytes().all(is_of) || text.starts_with("AAAA") {
        return false;
    }
    let is_mixed =
        text.bytes().any(|byte| byte.is_ascii_digit()) && text.bytes().any(|byte| byte.is_ascii_alphabetic());
    let is_hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_mixed && entropy(text) >= if is_hexadecimal { 3.0 } else { 3.9 }
}

/// The bits of information in a byte of a text, by how often each byte occurs.
pub(super) fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let total = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX));
    let shares = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / total);
    -shares.map(|share| share * share.log2()).sum::<f64>()
}
