//! Lines of files without the secrets in them.
//!
//! This is about texts that are shown to people, not a search for secrets: whatever looks like one is taken out, and a
//! harmless value that is taken out as well is no harm.

use std::borrow::Cow;

/// What stands for a secret.
pub(super) const HIDDEN: &str = "…";
/// Parts of names by which the values of keys are known for secrets.
const SECRET_PARTS: [&str; 6] = ["passw", "passphrase", "secret", "token", "credential", "privatekey"];
/// Words of names by which they are known too.
const SECRET_WORDS: [&str; 7] = ["key", "pass", "pw", "psk", "pin", "hash", "auth"];
/// What begins a hash of crypt(3), or of its like.
const HASHES: [&str; 9] = ["$1$", "$2", "$5$", "$6$", "$7$", "$y$", "$gy$", "$argon2", "$scrypt$"];
/// Words before a secret.
const INTRODUCTIONS: [&str; 3] = ["Bearer ", "Basic ", "-----BEGIN "];
/// Shortest random text that is taken for a secret, in characters.
const SHORTEST_RANDOM: usize = 20;
/// Shortest hexadecimal number that is.
const SHORTEST_HEXADECIMAL: usize = 32;

/// A line without what looks like a secret: values of keys that are named so, hashes of passwords, private keys,
/// credentials in URLs, and long random texts. In its place stands `…`.
fn redacted(line: &str) -> Cow<'_, str> {
    let ends = [secret_value(line), introduced(line)];
    let (line, is_cut) = match ends.into_iter().flatten().min() {
        Some(end) => (&line[..end], true),
        None => (line, false),
    };
    let mut text = Cow::Borrowed(line);
    for (start, end) in secrets(line).into_iter().rev() {
        text.to_mut().replace_range(start..end, HIDDEN);
    }
    if is_cut {
        text.to_mut().push_str(HIDDEN);
    }
    text
}

/// As [`redacted`], for a line of a text: nothing is left of one that belongs to a secret which begins in a line before it,
/// a private key or the value of a key that is named so. `index` counts from 0.
pub(super) fn redacted_line<'t>(lines: &[&'t str], index: usize) -> Cow<'t, str> {
    let Some(line) = lines.get(index) else { return "".into() };
    match inside(&lines[..index], line) {
        Inside::Nothing => redacted(line),
        Inside::Table => of_table(line),
        Inside::Secret => HIDDEN.into(),
    }
}

/// What a line stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    /// In nothing that is a secret.
    Nothing,
    /// In a table that is named as a secret: its keys are none.
    Table,
    /// In a secret.
    Secret,
}

fn inside(before: &[&str], line: &str) -> Inside {
    let key = |mark: &str| before.iter().rposition(|line| line.contains(mark) && line.contains("PRIVATE KEY"));
    let is_in_key = match (key("-----BEGIN "), key("-----END ")) {
        (Some(begin), Some(end)) => begin > end,
        (begin, _) => begin.is_some(),
    };
    if is_in_key { Inside::Secret } else { below(before, line) }
}

/// What the keys above a line of YAML, in whose values it stands, make of it.
fn below(before: &[&str], line: &str) -> Inside {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let is_item = |line: &str| line.trim_start().starts_with('-');
    let mut current = line;
    let mut is_table = true;
    for above in before.iter().rev().filter(|line| !line.trim().is_empty()) {
        // The items of a list may stand as far to the left as the key above them.
        let is_deeper = indentation(above) < indentation(current);
        let is_item_of = indentation(above) == indentation(current) && is_item(current) && !is_item(above);
        if is_deeper || is_item_of {
            is_table &= above.trim_end().ends_with(':') && !is_item(current);
            current = above;
            if above.find(':').is_some_and(|at| is_secret_name(name_before(above, at))) {
                return if is_table { Inside::Table } else { Inside::Secret };
            }
        }
    }
    Inside::Nothing
}

/// An entry of a table that is named as a secret.
fn of_table(line: &str) -> Cow<'_, str> {
    match line.find(": ") {
        Some(at) if is_harmless(&line[at + 2..]) => redacted(line),
        Some(at) => format!("{}: {HIDDEN}", &line[..at]).into(),
        None if line.trim_end().ends_with(':') => line.into(),
        None => HIDDEN.into(),
    }
}

/// Where the value of the first key that is named as that of a secret begins.
fn secret_value(line: &str) -> Option<usize> {
    let flags = line.match_indices("--").filter_map(|(at, _)| {
        let rest = &line[at + 2..];
        let end = rest.find(char::is_whitespace)?;
        is_secret_name(&rest[..end]).then_some(at + 2 + end)
    });
    let keys = line.match_indices([':', '=']).map(|(at, _)| at).filter(|at| is_secret_name(name_before(line, *at)));
    let starts = keys.map(|at| at + 1).chain(flags);
    let value = |start: usize| {
        let rest = &line[start..];
        let start = start + rest.len() - rest.trim_start().len();
        (!is_harmless(&line[start..])).then_some(start)
    };
    starts.filter_map(value).min()
}

/// Whether a value says nothing: it is empty, the beginning of a block, or nothing but a name that a template fills in.
fn is_harmless(value: &str) -> bool {
    let value = value.trim_end_matches([',', '}', ']', ' ']);
    let bare = value.trim_matches(['"', '\'', ' ']);
    let is_name = |inside: &str| !inside.contains(['"', '\'', '`', '{']);
    let is_tag = bare.strip_prefix("{{").is_some_and(|inside| is_name(inside.trim_end_matches('}')));
    bare.is_empty() || matches!(bare, "|" | ">" | "|-" | ">-" | "{" | "[" | "true" | "false" | "null") || is_tag
}

/// The name that ends before a position.
fn name_before(line: &str, at: usize) -> &str {
    let before = line[..at].trim_end_matches(['"', '\'', ' ']);
    let is_part = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-' | '.');
    let start = before.char_indices().rev().take_while(|(_, character)| is_part(*character)).last();
    start.map_or("", |(start, _)| &before[start..])
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let joined: String = name.chars().filter(|character| character.is_alphanumeric()).collect();
    let is_word = |word: &str| SECRET_WORDS.contains(&word);
    SECRET_PARTS.iter().any(|part| joined.contains(part)) || name.split(['_', '-', '.']).any(is_word)
}

/// Where a secret begins that certain words introduce.
fn introduced(line: &str) -> Option<usize> {
    let found = INTRODUCTIONS.iter().filter_map(|word| line.find(word).map(|at| at + word.len()));
    found.min().filter(|at| !is_harmless(&line[*at..]))
}

/// The parts of a line that are secrets by themselves, in their order.
fn secrets(line: &str) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    let ends_token = |character: char| character.is_whitespace() || matches!(character, '"' | '\'' | ',' | '`');
    for hash in HASHES {
        for (start, _) in line.match_indices(hash) {
            let end = line[start..].find(ends_token).map_or(line.len(), |end| start + end);
            // A shell has names of that kind: a hash has more fields.
            if line[start..end].matches('$').count() >= 3 {
                found.push((start, end));
            }
        }
    }
    for (at, _) in line.match_indices("://") {
        let start = at + 3;
        let authority = line[start..].split(['/', '"', '\'', ' ', '?', '#']).next().unwrap_or_default();
        found.extend(authority.rfind('@').map(|end| (start, start + end)));
    }
    let is_random_part =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '+' | '_' | '=' | '-');
    let mut start = 0;
    for run in line.split(|character| !is_random_part(character)) {
        start = line[start..].find(run).map_or(start, |at| start + at);
        if is_random(run) {
            found.push((start, start + run.len()));
        }
        start += run.len();
    }
    found.sort_unstable();
    // What lies in another one, or overlaps it, is part of that.
    found.iter().fold(Vec::new(), |mut joined: Vec<(usize, usize)>, (start, end)| {
        match joined.last_mut().filter(|last| *start < last.1) {
            Some(last) => last.1 = last.1.max(*end),
            None => joined.push((*start, *end)),
        }
        joined
    })
}

fn is_random(run: &str) -> bool {
    let has = |is: fn(&char) -> bool| run.chars().any(|character| is(&character));
    let is_hexadecimal = run.len() >= SHORTEST_HEXADECIMAL && run.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_mixed = has(char::is_ascii_digit) && has(char::is_ascii_lowercase) && has(char::is_ascii_uppercase);
    is_hexadecimal || (run.len() >= SHORTEST_RANDOM && is_mixed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_taken_out() {
        for (line, shown) in [
            ("    passwd: hunter2", "    passwd: …"),
            ("\"root_password\": \"hunter2\", \"x\": 1", "\"root_password\": …"),
            ("  - {name: a, plain_text_passwd: 'hunter2', uid: 3}", "  - {name: a, plain_text_passwd: …"),
            ("bootstrap_token = \"hunter2\"", "bootstrap_token = …"),
            ("export API_KEY=hunter2", "export API_KEY=…"),
            ("tool --admin-password hunter2", "tool --admin-password …"),
            ("curl -H 'Authorization: Bearer hunter2'", "curl -H 'Authorization: Bearer …"),
            ("hash $6$salt$hunter2 more", "hash … more"),
            ("  - root:$y$j9T$salt$hunter2", "  - root:…"),
            ("url: https://user:hunter2@host/x", "url: https://…@host/x"),
            ("-----BEGIN RSA PRIVATE KEY-----", "-----BEGIN …"),
            ("x: 0123456789abcdef0123456789abcdef", "x: …"),
            ("x: dGhpcyBpcyBhIHNlY3JldCB0ZXh0IQ==", "x: …"),
            ("password: {{ pw | default(value=\"hunter2\") }}", "password: …"),
            ("passwd: {{ a }}hunter2{{ b }}", "passwd: …"),
        ] {
            assert_eq!(redacted(line), shown, "{line}");
        }
    }

    #[test]
    fn what_a_person_has_to_see_stays() {
        for line in [
            "hostname: {{ hostnme }}",
            "passwd: \"{{ password_hsh }}\"",
            "lock_passwd: true",
            "ssh_authorized_keys: {{ public_key | yaml }}",
            "  - path: /etc/systemd/system/node-exporter.service",
            "{% include \"templates/very/long/path/of/a/piece.yaml\" %}",
            "keyboard: {layout: de}",
            "runcmd: [echo $HOME $1 $2]",
            "x1000c0s0b0n0: 10.252.0.26 52:54:00:12:34:56",
        ] {
            assert!(matches!(redacted(line), Cow::Borrowed(same) if same == line), "{line}: {}", redacted(line));
        }
    }

    #[test]
    fn lines_of_a_secret_are_known_by_those_before_them() {
        let text = "users:\n  - name: a\n    passwd: |\n      hunter2\n      more\n    uid: 3\nchpasswd:\n  list:\n  - a:b\n\
                    key: |\n  -----BEGIN PRIVATE KEY-----\n  abc\n  -----END PRIVATE KEY-----\nruncmd:\n- x\n";
        let lines: Vec<&str> = text.lines().collect();
        let inside: Vec<Inside> = (0..lines.len()).map(|index| inside(&lines[..index], lines[index])).collect();
        let of = |wanted: Inside| (0..lines.len()).filter(|index| inside[*index] == wanted).collect::<Vec<_>>();
        assert_eq!(of(Inside::Secret), [3, 4, 8, 10, 11, 12], "{lines:#?}");
        assert_eq!(of(Inside::Table), [7], "{lines:#?}");
    }

    #[test]
    fn of_a_table_that_is_named_as_a_secret_the_keys_are_shown() {
        let shown = |entry: &'static str| redacted_line(&["chpasswd:", entry], 1).into_owned();
        assert_eq!(shown("  expire: {{ expiry }}"), "  expire: {{ expiry }}");
        assert_eq!(shown("  expire: false"), "  expire: false");
        assert_eq!(shown("  user: hunter2"), "  user: …");
        assert_eq!(shown("  users:"), "  users:");
        assert_eq!(shown("  - hunter2"), "…");
        assert_eq!(shown("  hunter2"), "…");
    }

    proptest! {
        #[test]
        fn any_line_can_be_redacted(line in "\\PC{0,80}", at in 0..5_usize) {
            let text = redacted(&line);
            prop_assert!(text.chars().count() <= line.chars().count() + 1);
            let lines: Vec<&str> = vec![&line; 3];
            let _ = redacted_line(&lines, at);
        }

        #[test]
        fn the_value_of_a_password_is_never_shown(before in "[ a-z{,\"-]{0,20}", value in "[a-zA-Z0-9]{6,30}Q!") {
            for key in ["passwd: ", "password=", "\"token\": ", "api_key = ", "--secret "] {
                let line = format!("{before} {key}{value}");
                prop_assert!(!redacted(&line).contains(&value), "{}", redacted(&line));
            }
        }
    }
}
