//! Secrets that stand in documents as everybody can read them.
//!
//! mds answers plain HTTP requests by the address they come from, and any process on a node has the node's address. So
//! what stands in a document is known to all users of the node. What is said here names keys and never values.

mod accounts;
mod files;
mod meta;
mod walk;

use super::document::{Document, DocumentKind};
use super::remark::{Remark, Spot};
use super::rulebook::Rulebook;
use super::yaml::shortened;
use crate::types::{DocumentName, SecretKind, looks_secret, may_hold_secrets, secrets_in};

pub use meta::secrets_in_meta;
use walk::Walk;

/// The rule that private keys, passwords and tokens do not stand in documents.
const IN_CLEAR: &str = "secret-in-clear";
/// The rule that hashes of passwords do not stand in documents.
const HASH: &str = "password-hash";
/// The rule that files with secrets in them are not readable by every user of the node.
const PERMISSIONS: &str = "secret-file-permissions";
/// The rule that nobody can log in without a password.
const EMPTY: &str = "empty-password";

/// Says where secrets stand in a document.
pub(super) fn in_document(rulebook: &Rulebook, document: &Document) -> Vec<Remark> {
    let text = &document.text;
    // What the built-in meta-data says comes from the site's groups and nodes, where it is found. The message that
    // carries the groups' documents is made of documents that are looked at by themselves.
    let is_seen_elsewhere = match document.name {
        DocumentName::MetaData => !rulebook.has_own_meta_data,
        DocumentName::VendorData => text.starts_with("Content-Type: multipart") || text.starts_with("MIME-Version:"),
        _ => false,
    };
    if is_seen_elsewhere {
        return Vec::new();
    }
    // Most documents hold none, and every node may have its own.
    let may_hold_some = may_hold_secrets(text);
    let Some(tree) = &document.tree else {
        let is_text = document.kind == DocumentKind::Other && may_hold_some;
        return if is_text { shortened(in_text(text)) } else { Vec::new() };
    };
    let is_cloud_config = document.kind == DocumentKind::CloudConfig;
    let mut remarks = Vec::new();
    if is_cloud_config && may_hold_some {
        remarks.extend(accounts::remarks(tree));
    }
    if is_cloud_config {
        // Their contents may be encoded.
        remarks.extend(files::remarks(tree));
    }
    if may_hold_some {
        remarks.extend(Walk::new(is_cloud_config).remarks(tree));
    }
    shortened(remarks)
}

/// Secrets in a script, or in another text that is no YAML to who reads it first.
fn in_text(text: &str) -> Vec<Remark> {
    let mut remarks: Vec<Remark> = Vec::new();
    let (mut line, mut line_start) = (1, 0);
    for Said { kind, key, offset } in said_in(text) {
        while let Some(end) = text[line_start..offset].find('\n') {
            (line, line_start) = (line + 1, line_start + end + 1);
        }
        let column = text[line_start..offset].chars().count() + 1;
        let remark = remark((line, column), kind, "the document", key.as_deref());
        if !remarks.iter().any(|other| other.at == remark.at && other.message == remark.message) {
            remarks.push(remark);
        }
    }
    remarks
}

/// A secret in a text.
struct Said {
    kind: SecretKind,
    key: Option<String>,
    offset: usize,
}

/// The secrets of a text, but for what is rather a sentence about one.
fn said_in(text: &str) -> Vec<Said> {
    let is_meant = |found: &crate::types::FoundSecret| {
        let line = text[..found.range.start].rfind('\n').map_or(0, |end| end + 1);
        let secret = &text[found.range.clone()];
        let is_comment = text[line..].trim_start().starts_with('#');
        let is_prose = secret.split_whitespace().count() > 3;
        // Nobody can tell what a line of base 64 holds.
        let is_encoded = found.key.is_none() && found.kind == SecretKind::Other;
        !is_encoded && (found.key.is_none() || looks_secret(secret).is_some() || !(is_comment || is_prose))
    };
    let found = secrets_in(text).into_iter().filter(is_meant);
    found.map(|found| Said { kind: found.kind, key: found.key, offset: found.range.start }).collect()
}

fn remark(at: Spot, kind: SecretKind, place: &str, key: Option<&str>) -> Remark {
    let what = kind.as_str();
    let message = match key.filter(|key| is_shown(key.trim_start_matches('-'))) {
        Some(key) => format!("{what} stands in clear in {place}, as the value of `{key}`"),
        None => format!("{what} stands in clear in {place}"),
    };
    let (rule, hint) = match kind {
        SecretKind::PasswordHash => (HASH, "give people SSH keys, or see `mds check --explain password-hash`"),
        SecretKind::Password => (
            IN_CLEAR,
            "every user of the node can read it; give people SSH keys, and let programs fetch theirs from a vault",
        ),
        _ => (IN_CLEAR, "every user of the node can read it; let the node fetch it from a vault when it boots"),
    };
    Remark::at(rule, at, message).with_hint(hint)
}

/// Whether a key may be shown: it looks like a name that programs use, and not like a secret itself.
pub(super) fn is_shown(key: &str) -> bool {
    let is_of = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    let digits = key.bytes().filter(u8::is_ascii_digit).count();
    (1..=48).contains(&key.len()) && key.bytes().all(is_of) && digits <= 6 && looks_secret(key).is_none()
}

#[cfg(test)]
mod tests;
