//! Names whose values are secrets.

/// A name that ends so holds a secret, if nothing of it is in [`HARMLESS_ENDS`].
const ENDS: [&str; 20] = [
    "passwd",
    "password",
    "passphrase",
    "pass",
    "pwd",
    "secret",
    "secrets",
    "token",
    "tokens",
    "psk",
    "apikey",
    "authkey",
    "privatekey",
    "privkey",
    "secretkey",
    "accesskey",
    "credential",
    "credentials",
    "authorization",
    "cookie",
];
/// A name with one of these in it does as well.
const PARTS: [&str; 4] = ["passwd", "password", "passphrase", "secret"];
/// What is said about a secret without being one.
const HARMLESS_ENDS: [&str; 20] = [
    "file",
    "files",
    "path",
    "dir",
    "length",
    "len",
    "min",
    "max",
    "age",
    "type",
    "count",
    "policy",
    "expire",
    "expired",
    "required",
    "lifetime",
    "ttl",
    "size",
    "algorithm",
    "prompt",
];
/// A name that begins so says whether there is a secret.
const HARMLESS_STARTS: [&str; 5] = ["lock", "no", "allow", "disable", "permit"];
/// Keys that are no secrets.
const OPEN_KEYS: [&str; 9] =
    ["public", "pub", "authorized", "foreign", "primary", "sort", "partition", "cache", "host"];

/// Whether the value of this name is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = snake(name);
    let words: Vec<&str> = name.split('_').filter(|word| !word.is_empty()).collect();
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return false };
    // What is in it is looked at by itself.
    let is_program = name == "chpasswd";
    if is_program || words.len() > 1 && (HARMLESS_ENDS.contains(last) || HARMLESS_STARTS.contains(first)) {
        return false;
    }
    let is_key = words.len() > 1 && ["key", "keys", "private"].contains(last);
    // The variable of a shell that is called PWD is the folder it is in.
    (ENDS.contains(last) && *last != "pwd" || words.len() > 1 && *last == "pwd")
        || PARTS.iter().any(|part| name.contains(part))
        || last.ends_with("sharedkey")
        || (is_key && !words.iter().any(|word| OPEN_KEYS.contains(word)))
}

/// The words of a name in lower case with underscores between them: `clientSecret` and `client-secret` are one name.
fn snake(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    let mut was_lower = false;
    for character in name.chars() {
        if was_lower && character.is_ascii_uppercase() {
            words.push('_');
        }
        was_lower = character.is_ascii_lowercase() || character.is_ascii_digit();
        words.push(if character == '-' { '_' } else { character.to_ascii_lowercase() });
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_told_from_names_about_them() {
        for name in [
            "passwd",
            "hashed_passwd",
            "plain_text_passwd",
            "PASSWORD",
            "rootPassword",
            "clientSecret",
            "X-Auth-Token",
            "--token",
            "PrivateKey",
            "PresharedKey",
            "rsa_private",
            "munge_key",
            "AWS_SECRET_ACCESS_KEY",
            "secret_id",
            "password_hash",
            "psk",
            "Authorization",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "lock_passwd",
            "password_file",
            "token_ttl",
            "PublicKey",
            "ssh_authorized_keys",
            "ssh_host_key",
            "key",
            "PWD",
            "compass",
            "hostname",
            "_",
            "",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
