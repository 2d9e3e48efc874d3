//! Words that messages may show.

/// Whether a text looks like a word that programs use as a key, and not like a secret.
pub(super) fn is_plain_word(text: &str) -> bool {
    let word = text.trim_end_matches(|character: char| character.is_ascii_digit());
    !word.is_empty()
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-'))
        && text.len() - word.len() <= 2
        && text.len() <= 32
}
