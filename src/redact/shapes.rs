//! Texts that look like secrets by their form alone.

use std::ops::Range;

use super::SecretKind;

/// What stands between the first two dollar signs of a hashed password.
const HASHES: [&str; 15] =
    ["1", "2a", "2b", "2x", "2y", "5", "6", "7", "y", "gy", "apr1", "argon2i", "argon2d", "argon2id", "scrypt"];
/// How tokens of well-known services begin.
const TOKENS: [&str; 16] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gldt-",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "ASIA",
    "eyJ",
    "hvs.",
    "sk-",
    "dckr_pat_",
];
/// Fewer characters after such a beginning are no token.
const LEAST_TOKEN: usize = 12;
/// Fewer characters after the second dollar sign are no hash.
const LEAST_HASH: usize = 8;
/// Fewer characters without a break are not made by a machine.
const LEAST_RANDOM: usize = 32;
/// Words before a long text that say that it is none: digests and public keys.
const OPEN: [&str; 13] = [
    "sha1",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "md5",
    "checksum",
    "digest",
    "commit",
    "fingerprint",
    "keyid",
    "ssh-",
    "ecdsa-",
];
/// How far before a text such a word may stand, in bytes.
const OPEN_DISTANCE: usize = 28;

/// The parts of a line that look like secrets, in any order. They may overlap.
pub(super) fn shapes(line: &str, found: &mut Vec<(Range<usize>, SecretKind)>) {
    if line.contains('$') {
        hashes(line, found);
    }
    if line.contains("://") {
        credentials(line, found);
    }
    runs(line, found);
}

fn hashes(line: &str, found: &mut Vec<(Range<usize>, SecretKind)>) {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"./$=,+-".contains(byte);
    for (start, _) in line.match_indices('$') {
        let rest = &line[start + 1..];
        let Some((kind, hash)) = rest.split_once('$') else { continue };
        let length = hash.bytes().take_while(is_part).count();
        if (HASHES.contains(&kind) || kind.starts_with("pbkdf2")) && length >= LEAST_HASH {
            found.push((start..start + 1 + kind.len() + 1 + length, SecretKind::PasswordHash));
        }
    }
}

fn credentials(line: &str, found: &mut Vec<(Range<usize>, SecretKind)>) {
    let is_end = |character: char| character.is_whitespace() || "/?#\"'`<>".contains(character);
    for (scheme_end, _) in line.match_indices("://") {
        let start = scheme_end + 3;
        let authority = &line[start..];
        let authority = &authority[..authority.find(is_end).unwrap_or(authority.len())];
        let Some((user, _)) = authority.rsplit_once('@') else { continue };
        match user.split_once(':') {
            Some((name, password)) if !password.is_empty() => {
                let start = start + name.len() + 1;
                found.push((start..start + password.len(), SecretKind::Credentials));
            }
            // A token may stand where a name does; `git` is none.
            _ if user.len() >= LEAST_TOKEN => found.push((start..start + user.len(), SecretKind::Credentials)),
            _ => {}
        }
    }
}

/// Tokens of services, and texts without a break that nobody would write by hand.
fn runs(line: &str, found: &mut Vec<(Range<usize>, SecretKind)>) {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+/_-.=".contains(&byte);
    let bytes = line.as_bytes();
    let mut end = 0;
    while let Some(offset) = bytes[end..].iter().position(|byte| is_part(*byte)) {
        let start = end + offset;
        end = start + bytes[start..].iter().take_while(|byte| is_part(**byte)).count();
        let run = &line[start..end];
        if run.len() < LEAST_TOKEN {
            continue;
        }
        // The name of a variable may stand before it.
        let value = run.trim_end_matches('=').rfind('=').map_or(0, |equals| equals + 1);
        let (start, run) = (start + value, &run[value..]);
        let is_token = TOKENS.iter().any(|token| {
            run.find(token).is_some_and(|at| {
                let begins = at == 0 || !bytes[start + at - 1].is_ascii_alphanumeric();
                begins && run.len() >= at + token.len() + LEAST_TOKEN
            })
        });
        if is_token || (run.split('.').any(is_random) && !is_open(&line[..start])) {
            found.push((start..end, SecretKind::Token));
        }
    }
}

/// Whether a machine made the text: long, and changing between letters, capitals, digits and signs all the time.
fn is_random(run: &str) -> bool {
    if run.len() < LEAST_RANDOM {
        return false;
    }
    let class = |byte: u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let mut seen = [false; 4];
    let classes: Vec<usize> = run.bytes().map(class).collect();
    classes.iter().for_each(|class| seen[*class] = true);
    let changes = classes.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let has_signs = seen[3] && run.bytes().any(|byte| b"/_-".contains(&byte));
    let letters_and_digits = seen[2] && (seen[0] || seen[1]);
    // Paths and long names change at every sign, and random texts have few signs.
    let least = if has_signs { run.len() * 45 / 100 } else { run.len() * 33 / 100 };
    let signs = run.bytes().filter(|byte| !byte.is_ascii_alphanumeric() && *byte != b'=').count();
    letters_and_digits && changes >= least && signs <= run.len() / 8
}

/// Whether what stands before a text says that it is a digest or a public key.
fn is_open(before: &str) -> bool {
    let mut start = before.len().saturating_sub(OPEN_DISTANCE);
    while !before.is_char_boundary(start) {
        start += 1;
    }
    let before = before[start..].to_ascii_lowercase();
    OPEN.iter().any(|word| before.contains(word))
}
