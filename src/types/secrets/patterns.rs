//! What keys, options and commands look like that give secrets away.

use std::sync::LazyLock;

use regex::Regex;

use super::shapes::SecretKind;

fn regex(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

/// `key: `, `"key":`, `KEY=`.
pub(super) static ASSIGNMENT: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(r#"["']?([A-Za-z_][A-Za-z0-9_.-]*)(["']?)([ \t]*[:=][ \t]*)"#));
/// `--option value`, also as items of a list.
pub(super) static OPTION: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(r#"--([A-Za-z][A-Za-z0-9_-]*)(?:[ \t]+|["']?[ \t]*,[ \t]*)"#));
/// Commands and headers; what is to be hidden is the first group.
pub(super) static COMMANDS: LazyLock<Vec<(SecretKind, Regex)>> = LazyLock::new(|| {
    let commands = [
        (
            SecretKind::Password,
            r#"\bcurl\b.*?[ ,"'](?:-u|--user|--proxy-user)(?:[ \t]+|=|["']?[ \t]*,[ \t]*)?["']?[^\s:"'=]+:([^\s"']+)"#,
        ),
        (
            SecretKind::Password,
            r#"^\s*(?:- )?["']?(?:-u|--user|--proxy-user)(?:[ \t]+|=)["']?[^\s:"'=/]*[A-Za-z][^\s:"'=/]*:([^\s"'/]+)["']?\s*\\?$"#,
        ),
        (SecretKind::Token, r#"(?i)authorization["']?[ \t]*[:=][ \t]*["']?(?:[A-Za-z]+[ \t]+)?([^\s"']{4,})"#),
        (SecretKind::Token, r#"(?i)\bbearer[ \t]+([A-Za-z0-9._~+/=-]{16,})"#),
        (
            SecretKind::Password,
            r#"(?:echo|printf)[ \t]+(?:-[a-zA-Z]+[ \t]+)*["']?[A-Za-z0-9_${}.-]+:([^|]+?)["']?[ \t]*\|[ \t]*(?:sudo[ \t]+)?(?:/usr/sbin/)?chpasswd"#,
        ),
        (SecretKind::Password, r#"chpasswd.*?<<<[ \t]*["']?[A-Za-z0-9_${}.-]+:([^"']+)"#),
        (
            SecretKind::Password,
            r#"(?:echo|printf)[ \t]+(?:-[a-zA-Z]+[ \t]+)*["']?([^|"']+?)["']?[ \t]*\|[ \t]*(?:sudo[ \t]+)?passwd\b.*--stdin"#,
        ),
        (SecretKind::Password, r#"\bsshpass[ \t]+-p[ \t]*["']?([^\s"']+)"#),
        (SecretKind::Password, r#"\b(?:useradd|usermod)\b[^|;&\n]*?[ \t]-p[ \t]+["']?([^\s"'$`][^\s"']*)"#),
        (SecretKind::Password, r#"\bopenssl[ \t]+passwd[ \t]+(?:-[a-z0-9]+[ \t]+)+["']?([^\s"')`-][^\s"')`]*)"#),
        (SecretKind::Password, r#"\b(?:mysql|mysqldump|mysqladmin|mariadb)\b.*?[ \t]-p([^\s"']+)"#),
        (
            SecretKind::Password,
            r#"\bhtpasswd[ \t]+(?:-[A-Za-z]*[ \t]+)*-[A-Za-z]*b[A-Za-z]*[ \t]+\S+[ \t]+\S+[ \t]+["']?([^\s"']+)"#,
        ),
        (SecretKind::Password, r"(?i)<[a-z_:.-]*(?:password|passwd|secret|token)[a-z_.-]*>([^<]+)</"),
        (SecretKind::Password, r"\bmachine[ \t]+\S+[ \t]+login[ \t]+\S+[ \t]+password[ \t]+(\S+)"),
        (SecretKind::Password, r"^\s*(?:password|passwd|secret|rootpw|bindpw)[ \t]+(\S+)\s*$"),
    ];
    commands.into_iter().filter_map(|(kind, pattern)| Some((kind, regex(pattern)?))).collect()
});
/// `user:password`, as chpasswd reads it.
pub(super) static ACCOUNT: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(r#"^\s*(?:-[ \t]+)?["']?[^\s:"'#]+:([^\s"'][^"'\r]*?)["']?,?\s*$"#));
/// The same several times in brackets or with `\n` between.
pub(super) static ACCOUNTS: LazyLock<Option<Regex>> = LazyLock::new(|| regex(r#"[^\s:"'#,\[\\]+:([^\s"',\]\\]+)"#));
/// The beginning of a text for chpasswd within a script.
pub(super) static HERE_DOCUMENT: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(r#"chpasswd[^<]*<<-?[ \t]*["'\\]?([A-Za-z_][A-Za-z0-9_]*)"#));
/// The beginning and the end of something in PEM or PGP form that is no private key.
pub(super) static PUBLIC: LazyLock<Option<Regex>> = LazyLock::new(|| regex("-----(BEGIN|END) ([A-Z0-9 ]+)-----"));
/// Contents in base 64.
pub(super) static CONTENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(r#"\b(?:content|contents|inline|source)["']?[ \t]*:[ \t]*(?:!!binary[ \t]+)?["']?([A-Za-z0-9+/]{24,}=*)"#)
});

#[cfg(test)]
pub(super) static PATTERNS: [&LazyLock<Option<Regex>>; 7] =
    [&ASSIGNMENT, &OPTION, &ACCOUNT, &ACCOUNTS, &HERE_DOCUMENT, &PUBLIC, &CONTENT];
