//! Remarks: what a rule has to say about one document, before it is known which nodes and which lines of the site that
//! concerns.

use std::borrow::Cow;

/// Line and column in a document, both from 1.
pub(super) type Spot = (usize, usize);

/// Something to say about a document. It never repeats a value, as that may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remark {
    /// The rule.
    pub(super) rule: Cow<'static, str>,
    /// Where in the document.
    pub(super) at: Option<Spot>,
    /// A sentence without the place.
    pub(super) message: String,
    /// What to do.
    pub(super) hint: Option<Cow<'static, str>>,
}

impl Remark {
    /// A remark about a document as a whole.
    pub(super) fn new(rule: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { rule: rule.into(), at: None, message: message.into(), hint: None }
    }

    /// A remark about a place in a document.
    pub(super) fn at(rule: impl Into<Cow<'static, str>>, at: Spot, message: impl Into<String>) -> Self {
        Self { at: Some(at), ..Self::new(rule, message) }
    }

    /// Adds what to do about it.
    pub(super) fn with_hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}
