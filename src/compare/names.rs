//! What is shown in place of tokens.

use std::collections::HashMap;
use std::fmt::Write;

use super::mask::{Token, Value, Values, When, token};
use super::secrets::SECRET_MARK;

/// What is shown in place of a secret that is another on the other side, where nothing else of its line is.
const CHANGED_SECRET: &str = "‹secret, changed›";

/// How secrets are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secrets {
    /// By number, in the order in which they first come up: for telling changes apart.
    Numbered,
    /// As secrets.
    Marked,
    /// As secrets that have changed.
    Changed,
}

/// Gives tokens their names: values of one kind are numbered in the order in which they come up, so that what nodes have
/// in common gets the same names for all of them.
pub(super) struct Names<'v> {
    values: &'v Values,
    identities: HashMap<(&'static str, When, usize), usize>,
    counts: HashMap<(&'static str, When), usize>,
    secrets: HashMap<usize, usize>,
}

impl<'v> Names<'v> {
    pub(super) fn new(values: &'v Values) -> Self {
        Self { values, identities: HashMap::new(), counts: HashMap::new(), secrets: HashMap::new() }
    }

    /// Adds a masked text to `shown`.
    pub(super) fn show(&mut self, text: &str, secrets: Secrets, shown: &mut String) {
        self.show_some(text, secrets, &mut |_| false, shown);
    }

    /// As [`Names::show`], with the values themselves where `is_open` says so. Secrets stay what they are.
    pub(super) fn show_some(
        &mut self,
        text: &str,
        secrets: Secrets,
        is_open: &mut dyn FnMut(&Value) -> bool,
        shown: &mut String,
    ) {
        for character in text.chars() {
            let value = match token(character) {
                Some(Token::Value(index)) => self.values.get(index),
                _ => None,
            };
            match (value, token(character)) {
                (Some(value), _) if is_open(value) => shown.push_str(&value.text),
                (Some(value), _) => self.value(value, shown),
                (None, Some(Token::Secret(secret))) => self.secret(secret, secrets, shown),
                (None, Some(Token::Value(_))) => shown.push('\u{fffd}'),
                (None, None) => shown.push(character),
            }
        }
    }

    fn value(&mut self, value: &Value, shown: &mut String) {
        let key = (value.kind, value.when);
        let number = *self.identities.entry((value.kind, value.when, value.identity)).or_insert_with(|| {
            let count = self.counts.entry(key).or_default();
            *count += 1;
            *count
        });
        shown.push('<');
        shown.push_str(match value.when {
            When::Both => "",
            When::Before => "old ",
            When::Now => "new ",
        });
        shown.push_str(value.kind);
        if number > 1 {
            // Writing to a String cannot fail.
            let _ = write!(shown, " {number}");
        }
        if !value.spelling.is_empty() {
            let _ = write!(shown, " {}", value.spelling);
        }
        shown.push('>');
    }

    fn secret(&mut self, secret: usize, secrets: Secrets, shown: &mut String) {
        match secrets {
            Secrets::Marked => shown.push_str(SECRET_MARK),
            Secrets::Changed => shown.push_str(CHANGED_SECRET),
            Secrets::Numbered => {
                let next = self.secrets.len();
                let number = *self.secrets.entry(secret).or_insert(next);
                // No text has this character: it would be a token.
                let _ = write!(shown, "\u{f8000}{number}\u{f8000}");
            }
        }
    }
}
