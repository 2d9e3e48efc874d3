//! What is shown of values, which may be secrets.

use serde_json::{Map, Value};

/// What stands for a secret.
pub const MASK: &str = "‹secret›";

/// What the names of secrets have in them.
const WORDS: [&str; 14] = [
    "passw",
    "passphrase",
    "secret",
    "token",
    "credential",
    "private",
    "apikey",
    "psk",
    "munge",
    "keytab",
    "cookie",
    "bearer",
    "hash",
    "auth",
];
/// What the names of keys have in them that are no secrets.
const OPEN: [&str; 4] = ["public", "pub_key", "authorized", "author"];
/// What secrets begin with, whatever they are called.
const BEGINNINGS: [&str; 9] = ["$1$", "$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$", "-----begin", "eyj"];

/// Whether the value of a key is likely to be a secret, by the key.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase().replace('-', "_");
    if OPEN.iter().any(|word| name.contains(word)) {
        return false;
    }
    let is_key = name == "key" || name == "keys" || name.ends_with("_key") || name.ends_with("_keys");
    is_key || WORDS.iter().any(|word| name.contains(word))
}

/// Whether a text is likely to be a secret, by what it looks like.
fn is_secret_text(text: &str) -> bool {
    let lower = text.trim_start().to_lowercase();
    let has_password = lower
        .split_once("://")
        .is_some_and(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default().contains('@'));
    has_password || lower.contains("private key") || BEGINNINGS.iter().any(|beginning| lower.starts_with(beginning))
}

/// A value without its secrets, as the value of keys that lead to it.
#[must_use]
pub fn masked<'k>(keys: impl IntoIterator<Item = &'k str>, value: &Value) -> Value {
    if keys.into_iter().any(is_secret_name) && !is_nothing(value) {
        return MASK.into();
    }
    match value {
        Value::String(text) if is_secret_text(text) => MASK.into(),
        Value::Array(items) => items.iter().map(|item| masked([], item)).collect(),
        Value::Object(entries) => {
            let entry = |(key, value): (&String, &Value)| (key.clone(), masked([key.as_str()], value));
            Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// What keeps no secret.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_known_by_their_names_or_looks() {
        for name in ["root_password", "Passwd", "api_token", "munge_key", "ssh-host-keys", "key", "db_secret", "psk"] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["public_keys", "ssh_authorized_keys", "scheduler", "monkey", "keyboard", "author"] {
            assert!(!is_secret_name(name), "{name}");
        }
        let value = json!({"a": {"password": "x", "b": ["$6$abc", "fine"]}, "tokens": ["x", "y"], "port": 1});
        let expected = json!({"a": {"password": MASK, "b": [MASK, "fine"]}, "tokens": MASK, "port": 1});
        assert_eq!(masked(["meta"], &value), expected);
        assert_eq!(masked(["pin", "secret"], &json!(1234)), json!(MASK));
        for text in ["-----BEGIN OPENSSH PRIVATE KEY-----\nx", "https://me:it@host/x", "eyJhbGciOi"] {
            assert_eq!(masked(["a"], &json!(text)), json!(MASK), "{text}");
        }
        assert_eq!(masked(["a"], &json!("http://10.0.0.1:8080/@x")), json!("http://10.0.0.1:8080/@x"));
    }
}
