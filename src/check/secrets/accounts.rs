//! Passwords of accounts, as `cc_set_passwords` and `cc_users_groups` read them.

use super::super::remark::{Remark, Spot};
use super::super::yaml::{Entry, Tree, Value};
use super::{EMPTY, remark};
use crate::types::{SecretKind, looks_secret, secret_under};

/// Keys of a user that set a password.
const PASSWORD_KEYS: [&str; 3] = ["plain_text_passwd", "hashed_passwd", "passwd"];

/// What there is to say about the accounts of a cloud-config. The passwords of `users` are found as everything else is.
pub(super) fn remarks(tree: &Tree) -> Vec<Remark> {
    let mut remarks = Vec::new();
    if let Some(chpasswd) = tree.get("chpasswd") {
        remarks.extend(chpasswd.entry("list").and_then(of_list));
        let users = chpasswd.get("users").map_or(&[][..], Tree::items);
        remarks.extend(users.iter().enumerate().filter_map(|(index, user)| of_chpasswd_user(index, user)));
    }
    let users = tree.get("users").map_or(&[][..], Tree::items);
    for (path, user) in users.iter().enumerate().map(|(index, user)| (format!("users[{index}]"), user)) {
        remarks.extend(without_password(&path, user));
    }
    remarks.extend(tree.get("user").and_then(|user| without_password("user", user)));
    remarks
}

/// `list`: lines or items of `name:password`; `R` and `RANDOM` are drawn on the node.
fn of_list(entry: &Entry) -> Option<Remark> {
    let lines: Vec<&str> = match &entry.value.value {
        Value::Text(text) => text.lines().collect(),
        Value::List(items) => items.iter().filter_map(Tree::text).collect(),
        _ => return None,
    };
    let passwords = lines.iter().filter_map(|line| line.split_once(':')).map(|(_, password)| password);
    // What is not a hash matters more.
    let kind = passwords.filter_map(of_password).max()?;
    Some(remark(entry.key_at, kind, "`chpasswd.list`", None))
}

fn of_chpasswd_user(index: usize, user: &Tree) -> Option<Remark> {
    let entry = user.entry("password")?;
    if user.get("type").and_then(Tree::text) == Some("RANDOM") {
        return None;
    }
    let kind = match &entry.value.value {
        Value::Text(text) => of_password(text)?,
        Value::Int(_) | Value::Float(_) | Value::Timestamp(_) => SecretKind::Password,
        _ => return None,
    };
    Some(remark(entry.key_at, kind, &format!("`chpasswd.users[{index}].password`"), None))
}

fn of_password(password: &str) -> Option<SecretKind> {
    if ["R", "RANDOM"].contains(&password) {
        return None;
    }
    let is_hash = looks_secret(password) == Some(SecretKind::PasswordHash);
    secret_under("password", password).map(|_| if is_hash { SecretKind::PasswordHash } else { SecretKind::Password })
}

/// cloud-init unlocks an account whose password is set and empty when `lock_passwd` says no.
fn without_password(path: &str, user: &Tree) -> Option<Remark> {
    let is_locked = user.get("lock_passwd").is_none_or(|lock| lock.value != Value::Bool(false));
    let is_set = |key: &&str| user.get(key).is_some_and(|value| !value.is_empty());
    if is_locked || PASSWORD_KEYS.iter().any(is_set) {
        return None;
    }
    let entry = PASSWORD_KEYS.iter().find_map(|key| user.entry(key))?;
    let spot: Spot = entry.key_at;
    let message =
        format!("`{path}.{}` is empty and `lock_passwd` is false: anybody can log in to the account", entry.key);
    Some(Remark::at(EMPTY, spot, message).with_hint("remove both keys, and give people SSH keys"))
}
