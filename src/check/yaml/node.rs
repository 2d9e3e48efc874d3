//! Nodes of a document as they come about.

use std::collections::HashMap;

use super::Spot;
use super::scalars::{Kind, truth};
use crate::check::plain_word::is_plain_word;

/// What a node is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A scalar.
    Scalar,
    /// A list.
    Sequence,
    /// A mapping.
    Mapping,
}

/// A whole node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// What it is made of.
    pub(super) shape: Shape,
    /// Whether `<<` may have it as its value: a mapping, or a list of nothing but mappings.
    pub(super) can_be_merged: bool,
    /// What it is as a key; only scalars can be one.
    pub(super) key: Option<Key>,
    /// How many values it holds with its aliases followed, itself included.
    pub(super) size: u64,
    /// Where it begins.
    pub(super) at: Spot,
}

/// A scalar as a key: keys that are equal in Python are equal here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// `<<`, of which there may be several.
    Merge,
    /// A number or boolean: in Python `true` and `1` are the same key.
    Number(i128),
    /// Anything else.
    Other(Kind, Box<str>),
}

impl Key {
    /// What a scalar is as a key.
    pub(super) fn new(kind: Kind, text: &str) -> Self {
        match kind {
            Kind::Merge => Self::Merge,
            Kind::Null => Self::Other(kind, "".into()),
            Kind::Value => Self::Other(Kind::Text, text.into()),
            Kind::Bool => Self::Number(truth(text).map_or(0, i128::from)),
            Kind::Int => text.parse().map_or_else(|_| Self::Other(kind, text.into()), Self::Number),
            Kind::Float | Kind::Timestamp | Kind::Text => Self::Other(kind, text.into()),
        }
    }

    /// The key's name, if a message may show it: what looks like a word that programs use, and not like a secret.
    pub(super) fn shown(&self) -> Option<&str> {
        let Self::Other(Kind::Text, text) = self else { return None };
        is_plain_word(text).then_some(text)
    }
}

/// A list or mapping that has begun and not ended.
#[derive(Debug)]
pub(super) struct Open {
    /// Its anchor, or 0.
    pub(super) anchor: usize,
    /// How many values it holds up to now.
    pub(super) size: u64,
    /// Where it begins.
    pub(super) at: Spot,
    /// Whether it stands in brackets or braces, or within what does.
    pub(super) is_flow: bool,
    /// What it holds.
    pub(super) inside: Inside,
}

/// What a list or mapping holds up to now.
#[derive(Debug)]
pub(super) enum Inside {
    /// A list; whether there are only mappings in it.
    Sequence {
        /// Whether every item is a mapping.
        is_of_mappings: bool,
    },
    /// A mapping: where its keys are, and the key whose value comes next, if one does.
    Mapping {
        /// Its keys up to now.
        keys: HashMap<Key, Spot>,
        /// The key of the value that comes next, or `None` when a key comes next.
        of: Option<Option<Key>>,
    },
}
