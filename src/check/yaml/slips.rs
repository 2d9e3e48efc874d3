//! Plain words that mean something else to cloud-init than to whoever wrote them, where that is likely.
//!
//! `package_update: yes` means what it says. So booleans and `~` are remarked on where a text is likely meant: as a
//! key,
//! in a list, and below keys of which cloud-init wants a text. What other readers of YAML read otherwise, or nobody
//! writes on purpose, is remarked on everywhere.

use super::scalars::{Kind, is_number_elsewhere, is_octal, is_sexagesimal};

/// Where a scalar stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is a key.
    Key,
    /// It stands in a list, or is the whole document.
    Item,
    /// It is the value of a key; whether that key wants a text.
    Value {
        /// Whether cloud-init wants a text there.
        is_text: bool,
    },
}

/// Keys of which cloud-init wants a text, and may be given a word.
const TEXT_KEYS: [&str; 17] = [
    "content",
    "description",
    "fqdn",
    "gecos",
    "homedir",
    "hostname",
    "id",
    "instance-id",
    "local-hostname",
    "locale",
    "name",
    "passwd",
    "password",
    "path",
    "plain_text_passwd",
    "region",
    "shell",
];

/// Whether cloud-init wants a text of this key.
pub(super) fn wants_text(key: &str) -> bool {
    TEXT_KEYS.binary_search(&key).is_ok()
}

/// What a plain scalar is to cloud-init, if that is likely not what was meant.
pub(super) fn slip(text: &str, kind: Kind, role: Role) -> Option<&'static str> {
    let is_text_likely = matches!(role, Role::Key | Role::Item | Role::Value { is_text: true });
    match kind {
        Kind::Bool if is_word_of_1_1(text) && is_text_likely => Some("a boolean"),
        Kind::Bool if matches!(role, Role::Key | Role::Value { is_text: true }) => Some("a boolean"),
        Kind::Null if text == "~" && is_text_likely => Some("no value at all"),
        Kind::Null if role == Role::Key && !text.is_empty() => Some("no value at all"),
        Kind::Int | Kind::Float if is_sexagesimal(text) => Some("a number in base 60"),
        Kind::Int if is_octal(text) => Some("a number in base 8"),
        Kind::Int | Kind::Float if text.contains('_') => Some("a number without its underscores"),
        Kind::Float if !text.contains(|character: char| character.is_ascii_digit()) => Some("a number"),
        Kind::Timestamp => Some("a date, and no text"),
        Kind::Text if is_number_elsewhere(text) => Some("a text, and no number"),
        _ => None,
    }
}

fn is_word_of_1_1(text: &str) -> bool {
    ["yes", "no", "on", "off"].iter().any(|word| text.eq_ignore_ascii_case(word))
}
