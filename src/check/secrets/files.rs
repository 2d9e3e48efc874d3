//! Files with secrets in them that cloud-init writes, as `cc_write_files` does.

use std::borrow::Cow;

use super::super::remark::Remark;
use super::super::yaml::{Tree, Value};
use super::{PERMISSIONS, is_shown, remark, said_in};
use crate::types::{SecretKind, decoded, looks_secret};

/// The permissions of a file of which nothing else is said, or nothing that can be read.
const DEFAULT_PERMISSIONS: i64 = 0o644;
/// Files of these names are secret, whatever is in them.
const NAMES: [&str; 13] = [
    "shadow",
    "shadow-",
    "gshadow",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    ".netrc",
    ".pgpass",
    ".my.cnf",
    "sssd.conf",
    "krb5.keytab",
    "slurmdbd.conf",
];
const EXTENSIONS: [&str; 3] = [".key", ".keytab", ".kdbx"];

/// What there is to say about the files of a cloud-config.
pub(super) fn remarks(tree: &Tree) -> Vec<Remark> {
    let files = tree.get("write_files").map_or(&[][..], Tree::items);
    files.iter().enumerate().flat_map(|(index, file)| of_file(index, file)).collect()
}

fn of_file(index: usize, file: &Tree) -> Vec<Remark> {
    let entry = file.entry("content").filter(|entry| !entry.value.is_empty());
    let content = entry.and_then(|entry| content(&entry.value, file.get("encoding").and_then(Tree::text)));
    let mut remarks: Vec<Remark> = Vec::new();
    let mut kinds = Vec::new();
    if let (Some(entry), Some(Content::Text(text))) = (entry, &content) {
        let place = format!("`write_files[{index}].content`");
        let shape = looks_secret(text).map(|kind| (kind, None));
        let named = said_in(text).into_iter().filter(|said| said.key.is_some()).map(|said| (said.kind, said.key));
        for (kind, key) in shape.into_iter().chain(named) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
                remarks.push(remark(entry.key_at, kind, &place, key.as_deref().filter(|key| is_shown(key))));
            }
        }
    }
    let path = file.get("path").and_then(Tree::text).unwrap_or_default();
    let is_public = matches!(&content, Some(Content::Text(text)) if is_public(text));
    let is_there = entry.is_some() || file.get("source").is_some();
    let what = match kinds.iter().min() {
        Some(kind) => Some(kind.as_str()),
        None if is_there && !is_public && is_secret_path(path) => Some("what its name says is secret"),
        None => None,
    };
    remarks.extend(what.and_then(|what| open_to_others(index, file, what)));
    remarks
}

/// What is in a file.
enum Content<'a> {
    Text(Cow<'a, str>),
    /// No text, or nothing that can be decoded.
    Other,
}

fn content<'a>(value: &'a Tree, encoding: Option<&str>) -> Option<Content<'a>> {
    let from_bytes =
        |bytes: Vec<u8>| String::from_utf8(bytes).map_or(Content::Other, |text| Content::Text(text.into()));
    let encoding = encoding.unwrap_or_default().trim().to_ascii_lowercase();
    let is_base64 = ["b64", "base64", "gz+b64", "gz+base64", "gzip+b64", "gzip+base64"].contains(&encoding.as_str());
    Some(match &value.value {
        Value::Text(text) if is_base64 => decoded(text).map_or(Content::Other, from_bytes),
        Value::Text(text) => Content::Text(text.into()),
        Value::Binary(text) => decoded(text).map_or(Content::Other, from_bytes),
        _ => return None,
    })
}

/// Whether a text is the public half of something, or a certificate, without a private one.
fn is_public(text: &str) -> bool {
    let is_marked = ["PUBLIC KEY", "CERTIFICATE-----", "ssh-", "ecdsa-sha2-"].iter().any(|mark| text.contains(mark));
    is_marked && looks_secret(text) != Some(SecretKind::PrivateKey)
}

fn is_secret_path(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_of_keyring = path.contains("/keyrings/") || path.contains("rpm-gpg") || path.contains("trusted.gpg");
    !is_of_keyring && (NAMES.contains(&name) || EXTENSIONS.iter().any(|extension| name.ends_with(extension)))
}

/// Who besides its owner can read a file that holds something.
fn open_to_others(index: usize, file: &Tree, what: &str) -> Option<Remark> {
    let entry = file.entry("permissions").filter(|entry| !entry.value.is_empty());
    let permissions = entry.map_or(DEFAULT_PERMISSIONS, |entry| permissions(&entry.value));
    // A group that is named is meant to read it.
    let has_group = file.get("owner").and_then(Tree::text).is_some_and(|owner| owner.contains(':'));
    let who = match permissions {
        mode if mode & 0o004 != 0 => "every user of the node",
        mode if mode & 0o040 != 0 && !has_group => "its group",
        _ => return None,
    };
    let path = format!("write_files[{index}]");
    let (at, message) = match entry {
        Some(entry) => {
            let message = format!("the file of `{path}` holds {what}, and its permissions let {who} read it");
            (entry.key_at, message)
        }
        None => {
            let at = file.entry("path").map_or(file.at, |path| path.key_at);
            let message = format!(
                "the file of `{path}` holds {what} and has no permissions of its own, so that {who} can read it"
            );
            (at, message)
        }
    };
    Some(Remark::at(PERMISSIONS, at, message).with_hint("write `permissions: \"0600\"`"))
}

/// As cloud-init reads them: a number as it is, a text as octal digits.
fn permissions(value: &Tree) -> i64 {
    match &value.value {
        Value::Int(number) => *number,
        Value::Text(text) => {
            let digits = text.trim();
            let digits = digits.strip_prefix("0o").or_else(|| digits.strip_prefix("0O")).unwrap_or(digits);
            i64::from_str_radix(digits, 8).unwrap_or(DEFAULT_PERMISSIONS)
        }
        _ => DEFAULT_PERMISSIONS,
    }
}
