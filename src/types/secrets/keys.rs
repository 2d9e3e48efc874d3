//! Names that people give to secrets.

use std::sync::LazyLock;

use regex::Regex;

use super::SecretKind;

/// Words with which the names of secrets end.
const LAST_WORDS: [&str; 10] =
    ["password", "passwd", "passphrase", "passcode", "pwd", "secret", "token", "psk", "credential", "authtok"];
/// The same where words run into each other.
const ENDINGS: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "privatekey",
    "secretkey",
    "accesskey",
    "sharedkey",
    "rootpw",
    "bindpw",
    "authtok",
];
/// Words that make a secret of the `key` behind them.
const KINDS_OF_KEY: [&str; 14] = [
    "token",
    "private",
    "secret",
    "access",
    "api",
    "munge",
    "encryption",
    "auth",
    "shared",
    "preshared",
    "signing",
    "master",
    "account",
    "session",
];
/// Words behind the name proper.
const TRAILERS: [&str; 9] = ["hash", "hashed", "value", "data", "text", "plain", "base64", "b64", "string"];
/// First words of settings about secrets that hold none.
const ABOUT: [&str; 5] = ["lock", "expire", "max", "min", "no"];
/// Whole names that hold none.
const NONE: [&str; 2] = ["nopasswd", "chpasswd"];

/// What every secret's name has a piece of, so that others are passed over quickly.
static PIECE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new("(?i)pass|pwd|secret|token|psk|cred|authtok|pw|key|private").ok());

/// Whether a key, variable or option of this name holds a secret: `password`, `db_password`, `API_TOKEN`,
/// `PrivateKey`, `ed25519_private`. Settings about secrets, such as `lock_passwd` and `token_url`, do not.
#[must_use]
pub fn is_secret_key(key: &str) -> bool {
    kind_of_key(key).is_some()
}

/// What a key, variable or option of this name holds, if that is a secret.
pub(super) fn kind_of_key(key: &str) -> Option<SecretKind> {
    if key.len() > 128 || !PIECE.as_ref().is_some_and(|piece| piece.is_match(key)) {
        return None;
    }
    let mut words = words(key);
    while words.len() > 1 && words.last().is_some_and(|last| TRAILERS.contains(&last.as_str())) {
        words.pop();
    }
    let (last, before) = words.split_last()?;
    let last = singular(last.trim_end_matches(|character: char| character.is_ascii_digit()));
    if NONE.contains(&last) || before.first().is_some_and(|first| ABOUT.contains(&first.as_str())) {
        return None;
    }
    let previous = before.last().map_or("", String::as_str);
    let is_key = last == "key" && KINDS_OF_KEY.contains(&previous);
    let is_half = last == "private" && ["rsa", "dsa", "ecdsa", "ed25519"].contains(&previous);
    let is_short = ["pass", "pw"].contains(&last) && !before.is_empty();
    if is_half || last == "privatekey" || (is_key && previous == "private") {
        Some(SecretKind::PrivateKey)
    } else if last.ends_with("token") || last.ends_with("apikey") {
        Some(SecretKind::Token)
    } else if is_key || last.ends_with("key") && ENDINGS.iter().any(|ending| last.ends_with(ending)) {
        Some(SecretKind::Other)
    } else if LAST_WORDS.contains(&last) || is_short || ENDINGS.iter().any(|ending| last.ends_with(ending)) {
        let is_other = ["secret", "credential", "psk"].iter().any(|word| last.ends_with(word));
        Some(if is_other { SecretKind::Other } else { SecretKind::Password })
    } else {
        None
    }
}

/// Whether a key of this name may hold a secret, if its value looks like one by chance alone.
pub(super) fn is_suspicious_key(key: &str) -> bool {
    let words = words(key);
    let is_public = |word: &String| word.starts_with("pub") || word == "id" || word == "host";
    let last = words.last().map_or("", |last| singular(last));
    ["key", "auth", "cookie", "cred", "salt", "seed"].contains(&last) && !words.iter().any(is_public)
}

/// The words of a name in lower case: parted by other characters, or by a capital after a small letter.
fn words(key: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for character in key.chars() {
        if character.is_alphanumeric() {
            let begins = !before.is_alphanumeric() || (before.is_lowercase() && character.is_uppercase());
            if begins || words.is_empty() {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(character.to_lowercase());
            }
        }
        before = character;
    }
    while words.len() > 1 && words.last().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
        words.pop();
    }
    words
}

fn singular(word: &str) -> &str {
    word.strip_suffix('s').filter(|rest| !rest.ends_with('s') && *rest != "pas").unwrap_or(word)
}
